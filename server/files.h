/* Files inside a folder, and never outside it. */
#ifndef WN_SERVER_FILES_H
#define WN_SERVER_FILES_H

#include <media/buffer.h>

/* Reads the regular file `name` ("model.onnx", "samples/a.png") under the open folder. Refuses absolute names, "." and
 * "..", empty parts and symbolic links at any step. WN_NOT_FOUND, WN_BAD_MODEL (not allowed, too large), WN_NO_MEMORY.
 */
enum wn_code wn_read_beneath(int folder, const char *name, size_t most, struct wn_buffer *out, struct wn_error *err);

#endif
