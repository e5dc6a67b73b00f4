/* Files that are written whole or not at all. */
#ifndef WN_CLI_FILES_H
#define WN_CLI_FILES_H

#include <media/buffer.h>

/* Makes the folders above it where they are missing. */
enum wn_code cli_write_whole(const char *path, const struct wn_buffer *bytes, struct wn_error *err);

#endif
