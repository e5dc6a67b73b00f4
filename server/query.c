/* Percent-decoding and query strings; knows no parameter by name. */
#include "query.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_clean(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        int length = wn_utf8_length(s + i, n - i);
        if (!length || (unsigned char)s[i] < 0x20 || s[i] == 0x7f) return false;
        i += (size_t)length;
    }
    return true;
}

char *wn_unescape(struct wn_pool *pool, const char *s, size_t n, bool plus_is_space)
{
    char *out = wn_pool_alloc(pool, n + 1);
    size_t size = 0;
    for (size_t i = 0; out && i < n; i++) {
        if (s[i] == '%') {
            int high = i + 2 < n ? hex(s[i + 1]) : -1, low = high >= 0 ? hex(s[i + 2]) : -1;
            if (low < 0) return NULL;
            out[size++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[size++] = s[i] == '+' && plus_is_space ? ' ' : s[i];
        }
    }
    return out && is_clean(out, size) ? out : NULL;
}

bool wn_query_parse(struct wn_pool *pool, const char *query, struct wn_parameters *out)
{
    *out = (struct wn_parameters){0};
    if (!query || !*query) return true;
    out->list = wn_pool_array(pool, WN_MOST_PARAMETERS, sizeof *out->list);
    if (!out->list) return false;
    for (const char *end; query; query = *end ? end + 1 : NULL) {
        end = query + strcspn(query, "&");
        if (end == query) continue;
        if ((out->too_many = out->n == WN_MOST_PARAMETERS)) return false;
        const char *equals = memchr(query, '=', (size_t)(end - query));
        if (!equals) equals = end;
        struct wn_parameter *p = &out->list[out->n++];
        const char *value = equals < end ? equals + 1 : end;
        p->name = wn_unescape(pool, query, (size_t)(equals - query), true);
        p->value = wn_unescape(pool, value, (size_t)(end - value), true);
        if (!p->name || !p->value) return false;
    }
    return true;
}

const char *wn_parameter(const struct wn_parameters *p, const char *name)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->list[i].name, name) == 0) return p->list[i].value;
    return NULL;
}

int wn_digits(const char *s)
{
    size_t n = strspn(s, "0123456789");
    return n >= 1 && n <= 9 && !s[n] ? (int)strtol(s, NULL, 10) : -1;
}
