/* libFuzzer: any bytes as a JSON body, and what is cut out of it as base64. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jsonscan.h>
#include <media/base64.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wn_pool pool = {0};
    struct wn_error err = {0};
    struct wn_slice *slices;
    json_t *root = NULL;
    int n = 0;
    char *body = malloc(size + 1); /* of its own size, so that a read behind it is seen */
    if (!body) return 0;
    memcpy(body, data, size);
    enum wn_code code = wn_json_read(body, size, size & 1 ? "data" : NULL, &pool, &root, &slices, &n, &err);
    if ((code == WN_OK) != (root != NULL) || (code != WN_OK && (!*err.text || err.code != code))) abort();
    for (int i = 0; i < n; i++) {
        struct wn_buffer out = {0};
        if (slices[i].data < body || slices[i].data + slices[i].size > body + size) abort();
        if (slices[i].base64) wn_base64_decode(slices[i].data, slices[i].size, &out, NULL);
        wn_buffer_finish(&out);
    }
    json_decref(root);
    wn_pool_finish(&pool);
    free(body);
    return 0;
}
