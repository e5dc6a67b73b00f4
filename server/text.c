/* Growing text and JSON writing; knows the grammar of JSON and nothing of what is said in it. */
#include "text.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wn_text_finish(struct wn_text *t)
{
    wn_buffer_finish(&t->bytes);
    t->failed = false;
}

void wn_text_add(struct wn_text *t, const char *s, size_t n)
{
    if (!t->failed && n && wn_buffer_append(&t->bytes, s, n, NULL) != WN_OK) t->failed = true;
}

void wn_text_puts(struct wn_text *t, const char *s)
{
    wn_text_add(t, s, strlen(s));
}

void wn_text_printf(struct wn_text *t, const char *fmt, ...)
{
    char line[512];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof line) {
        wn_text_add(t, line, (size_t)n);
    } else if (n < 0 || t->failed || wn_buffer_reserve(&t->bytes, (size_t)n + 1, NULL) != WN_OK) {
        t->failed = true;
    } else { /* rare: long enough for a second pass, straight into its place */
        vsnprintf((char *)t->bytes.data + t->bytes.size, (size_t)n + 1, fmt, again);
        t->bytes.size += (size_t)n;
    }
    va_end(again);
}

const char *wn_text_string(struct wn_text *t)
{
    if (t->failed || wn_buffer_reserve(&t->bytes, 1, NULL) != WN_OK) return "";
    t->bytes.data[t->bytes.size] = 0;
    return (const char *)t->bytes.data;
}

void wn_json_value(struct wn_text *t)
{
    if (!t->bytes.size) return;
    char last = (char)t->bytes.data[t->bytes.size - 1];
    if (last != '{' && last != '[' && last != ':') wn_text_add(t, ",", 1);
}

void wn_json_open(struct wn_text *t, char bracket)
{
    wn_json_value(t);
    wn_text_add(t, &bracket, 1);
}

void wn_json_close(struct wn_text *t, char bracket)
{
    wn_text_add(t, &bracket, 1);
}

void wn_json_key(struct wn_text *t, const char *key)
{
    wn_json_string(t, key);
    wn_text_add(t, ":", 1);
}

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

int wn_utf8_length(const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    if (!n) return 0;
    if (u[0] < 0x80) return 1;
    if (u[0] >= 0xc2 && u[0] < 0xe0) return n > 1 && is_tail(u[1]) ? 2 : 0;
    if (u[0] >= 0xe0 && u[0] < 0xf0) {
        if (n < 3 || !is_tail(u[1]) || !is_tail(u[2])) return 0;
        if (u[0] == 0xe0 && u[1] < 0xa0) return 0;   /* overlong */
        return u[0] == 0xed && u[1] >= 0xa0 ? 0 : 3; /* surrogates */
    }
    if (u[0] < 0xf0 || u[0] > 0xf4 || n < 4) return 0;
    if (!is_tail(u[1]) || !is_tail(u[2]) || !is_tail(u[3])) return 0;
    if (u[0] == 0xf0 && u[1] < 0x90) return 0;
    return u[0] == 0xf4 && u[1] >= 0x90 ? 0 : 4;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void add_escaped(struct wn_text *t, unsigned char c)
{
    if (c == '"' || c == '\\')
        wn_text_printf(t, "\\%c", c);
    else
        wn_text_printf(t, "\\u%04x", c);
}

void wn_json_string_n(struct wn_text *t, const char *s, size_t n)
{
    wn_json_value(t);
    wn_text_add(t, "\"", 1);
    for (size_t i = 0; i < n;) {
        size_t plain = i;
        while (plain < n && is_plain((unsigned char)s[plain])) plain++;
        if (plain > i) wn_text_add(t, s + i, plain - i);
        if ((i = plain) == n) break;
        int length = wn_utf8_length(s + i, n - i);
        if (length > 1)
            wn_text_add(t, s + i, (size_t)length);
        else if (length == 1)
            add_escaped(t, (unsigned char)s[i]);
        else
            wn_text_puts(t, "\\ufffd");
        i += length ? (size_t)length : 1;
    }
    wn_text_add(t, "\"", 1);
}

void wn_json_string(struct wn_text *t, const char *s)
{
    if (s)
        wn_json_string_n(t, s, strlen(s));
    else
        wn_json_null(t);
}

void wn_json_pair(struct wn_text *t, const char *key, const char *s)
{
    wn_json_key(t, key);
    wn_json_string(t, s);
}

void wn_json_pair_int(struct wn_text *t, const char *key, int64_t v)
{
    wn_json_key(t, key);
    wn_json_int(t, v);
}

void wn_json_pair_number(struct wn_text *t, const char *key, double v)
{
    wn_json_key(t, key);
    wn_json_number(t, v);
}

void wn_json_pair_bool(struct wn_text *t, const char *key, bool v)
{
    wn_json_key(t, key);
    wn_json_bool(t, v);
}

void wn_json_int(struct wn_text *t, int64_t v)
{
    wn_json_value(t);
    wn_text_printf(t, "%lld", (long long)v);
}

void wn_json_number(struct wn_text *t, double v)
{
    if (!isfinite(v)) {
        wn_json_null(t);
        return;
    }
    wn_json_value(t);
    wn_text_printf(t, "%.9g", v);
}

void wn_json_bool(struct wn_text *t, bool v)
{
    wn_json_value(t);
    wn_text_puts(t, v ? "true" : "false");
}

void wn_json_null(struct wn_text *t)
{
    wn_json_value(t);
    wn_text_puts(t, "null");
}
