/* libFuzzer: any bytes as a form (its Content-Type is the first line) and as a query string. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <multipart.h>
#include <query.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy(const uint8_t *data, size_t size)
{
    char *out = malloc(size + 1);
    if (!out) abort();
    memcpy(out, data, size);
    out[size] = 0;
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    size_t n = line ? (size_t)(line - data) : size;
    struct wn_pool pool = {0};
    struct wn_error err = {0};
    struct wn_parameters parameters;
    struct wn_part *parts = wn_pool_array(&pool, WN_MOST_PARTS, sizeof *parts);
    int n_parts = 0;
    char *type = copy(data, n), *body = line ? copy(line + 1, size - n - 1) : copy(data, 0);
    size_t body_size = line ? size - n - 1 : 0;
    if (wn_multipart_parse(type, body, body_size, &pool, parts, &n_parts, &err) == WN_OK)
        for (int i = 0; i < n_parts; i++)
            if (parts[i].data < body || parts[i].data + parts[i].size > body + body_size) abort();
    if (wn_query_parse(&pool, type, &parameters) && parameters.n > WN_MOST_PARAMETERS) abort();
    free(type);
    free(body);
    wn_pool_finish(&pool);
    return 0;
}
