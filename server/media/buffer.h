/* Bytes that grow: where encoders write, and what replies are made of. */
#ifndef WN_MEDIA_BUFFER_H
#define WN_MEDIA_BUFFER_H

#include <stddef.h>
#include <whynot/error.h>

/* Zero-initialise before use; wn_buffer_finish frees. `data` is NULL while nothing was written. */
struct wn_buffer {
    unsigned char *data;
    size_t size, capacity;
};

/* Makes room for `more` bytes behind `size`. WN_NO_MEMORY leaves the buffer as it was. */
enum wn_code wn_buffer_reserve(struct wn_buffer *b, size_t more, struct wn_error *err);
enum wn_code wn_buffer_append(struct wn_buffer *b, const void *data, size_t size, struct wn_error *err);
enum wn_code wn_buffer_printf(struct wn_buffer *b, struct wn_error *err, const char *fmt, ...) WN_PRINTF(3, 4);
void wn_buffer_finish(struct wn_buffer *b); /* frees and makes it {0} */

#endif
