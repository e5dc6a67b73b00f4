/* libFuzzer: any bytes as a JSON body: the look before the tree, the tree, the questions in it, and what is cut out
 * of it as base64. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jsonscan.h>
#include <media/base64.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the daemon reads an object's fields into a question; a refusal has words and a pointer. */
static void read_question(const json_t *object, const struct wn_ask *standard, const struct wn_reading *reading)
{
    struct wn_ask ask = *standard;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value) {
        enum wn_code code = wn_ask_set_json(&ask, key, value, reading);
        if (code != WN_OK &&
            (!*reading->problem->error.text || reading->problem->error.code == WN_OK || code == WN_INTERNAL))
            abort();
        *reading->problem = (struct wn_problem){0}; /* goes on, to see the other fields too */
    }
}

static void read_questions(const json_t *root, struct wn_pool *pool, const struct wn_slice *slices, int n)
{
    struct wn_problem problem = {0};
    struct wn_reading reading = {.pool = pool, .prefix = "", .slices = slices, .n_slices = n, .problem = &problem};
    struct wn_ask standard;
    size_t i;
    json_t *one;
    if (wn_ask_init(&standard, &reading) != WN_OK) abort();
    if (json_is_object(root)) read_question(root, &standard, &reading);
    reading.prefix = "/instances/0";
    json_array_foreach (json_object_get(root, "instances"), i, one) read_question(one, &standard, &reading);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wn_pool pool = {0};
    struct wn_error err = {0};
    const struct wn_json_cuts cuts = {.arrays = "data rle", .pictures = size & 2};
    struct wn_slice *slices;
    json_t *root = NULL;
    int n = 0;
    char *body = malloc(size + 1); /* of its own size, so that a read behind it is seen */
    if (!body) return 0;
    memcpy(body, data, size);
    enum wn_code code = wn_json_read(body, size, size & 1 ? &cuts : NULL, &pool, &root, &slices, &n, &err);
    if ((code == WN_OK) != (root != NULL) || (code != WN_OK && (!*err.text || err.code != code))) abort();
    for (int i = 0; i < n; i++) {
        struct wn_buffer out = {0};
        if (slices[i].data < body || slices[i].data + slices[i].size > body + size) abort();
        if (slices[i].base64) wn_base64_decode(slices[i].data, slices[i].size, &out, NULL);
        wn_buffer_finish(&out);
    }
    if (root) read_questions(root, &pool, slices, n);
    json_decref(root);
    wn_pool_finish(&pool);
    free(body);
    return 0;
}
