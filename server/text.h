/* A growing piece of text, and JSON written straight into it: no tree is built for an answer that is only sent. */
#ifndef WN_SERVER_TEXT_H
#define WN_SERVER_TEXT_H

#include <media/buffer.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise. A failed allocation sticks in `failed`; later additions do nothing. */
struct wn_text {
    struct wn_buffer bytes;
    bool failed;
};

void wn_text_finish(struct wn_text *t);
void wn_text_add(struct wn_text *t, const char *s, size_t n);
void wn_text_puts(struct wn_text *t, const char *s);
void wn_text_printf(struct wn_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The text with a zero after it; "" where an allocation failed. */
const char *wn_text_string(struct wn_text *t);

/* Commas come by themselves: a value or key sets one unless it follows an opening bracket or a key. */
void wn_json_open(struct wn_text *t, char bracket);
void wn_json_close(struct wn_text *t, char bracket);
void wn_json_key(struct wn_text *t, const char *key);
void wn_json_string(struct wn_text *t, const char *s); /* NULL writes null; bytes that are not UTF-8 become U+FFFD */
void wn_json_string_n(struct wn_text *t, const char *s, size_t n);
void wn_json_pair(struct wn_text *t, const char *key, const char *s); /* a key and its string; likewise below */
void wn_json_pair_int(struct wn_text *t, const char *key, int64_t v);
void wn_json_pair_number(struct wn_text *t, const char *key, double v);
void wn_json_pair_bool(struct wn_text *t, const char *key, bool v);
void wn_json_int(struct wn_text *t, int64_t v);
void wn_json_number(struct wn_text *t, double v); /* nine significant digits; null where v is not finite */
void wn_json_bool(struct wn_text *t, bool v);
void wn_json_null(struct wn_text *t);
/* Sets the comma for a value that the caller writes itself. */
void wn_json_value(struct wn_text *t);

/* Bytes of the UTF-8 character at s (1 to 4, n bytes left), 0 where there is none. */
int wn_utf8_length(const char *s, size_t n);

#endif
