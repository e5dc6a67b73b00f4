/* Files that are written whole or not at all. */
#ifndef WN_CLI_FILES_H
#define WN_CLI_FILES_H

#include <media/buffer.h>

/* Makes the folders above it where they are missing. */
enum wn_code cli_write_whole(const char *path, const struct wn_buffer *bytes, struct wn_error *err);
/* Before hours of work: whether something stands in the way of writing there that can be seen already. path: or NULL.
 */
enum wn_code cli_may_write(const char *path, struct wn_error *err);

#endif
