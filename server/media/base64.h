/* Base64 of RFC 4648, section 4, and nothing looser; SHA-256 in hex. */
#ifndef WN_MEDIA_BASE64_H
#define WN_MEDIA_BASE64_H

#include <media/buffer.h>

enum wn_code wn_base64_encode(const void *data, size_t size, struct wn_buffer *out,
                              struct wn_error *err); /* appends, no NUL */

/* Appends the bytes. Refuses (WN_UNREADABLE_IMAGE, with the position) everything that an encoder would not have
 * written: white space, the URL alphabet, missing or surplus padding, bits that do not belong to a byte, an empty
 * text; and URLs, those of data among them, by their name. */
enum wn_code wn_base64_decode(const char *text, size_t size, struct wn_buffer *out, struct wn_error *err);

void wn_sha256_hex(const void *data, size_t size, char hex[65]);

#endif
