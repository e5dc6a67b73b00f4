/* Bytes that grow by doubling; knows nothing of what they mean. */
#include <media/buffer.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum wn_code wn_buffer_reserve(struct wn_buffer *b, size_t more, struct wn_error *err)
{
    size_t need, capacity = b->capacity ? b->capacity : 256;
    if (__builtin_add_overflow(b->size, more, &need) || need > SIZE_MAX / 2)
        return wn_fail(err, WN_NO_MEMORY, "A buffer of more than %zu bytes cannot be had.", b->size);
    if (need <= b->capacity && b->data) return WN_OK;
    while (capacity < need) capacity *= 2;
    unsigned char *data = realloc(b->data, capacity);
    if (!data) return wn_fail(err, WN_NO_MEMORY, "No memory for a buffer of %zu bytes; try again later.", capacity);
    b->data = data;
    b->capacity = capacity;
    return WN_OK;
}

enum wn_code wn_buffer_append(struct wn_buffer *b, const void *data, size_t size, struct wn_error *err)
{
    enum wn_code code = wn_buffer_reserve(b, size, err);
    if (code != WN_OK || !size) return code;
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return WN_OK;
}

enum wn_code wn_buffer_printf(struct wn_buffer *b, struct wn_error *err, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    enum wn_code code = length < 0 ? wn_fail(err, WN_INTERNAL, "A text could not be formatted.")
                                   : wn_buffer_reserve(b, (size_t)length + 1, err);
    if (code == WN_OK) {
        vsnprintf((char *)b->data + b->size, (size_t)length + 1, fmt, again);
        b->size += (size_t)length;
    }
    va_end(again);
    return code;
}

void wn_buffer_finish(struct wn_buffer *b)
{
    free(b->data);
    *b = (struct wn_buffer){0};
}
