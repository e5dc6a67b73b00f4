/* Files inside a folder, and never outside it. */
#ifndef WN_SERVER_FILES_H
#define WN_SERVER_FILES_H

#include <media/buffer.h>
#include <stdbool.h>
#include <sys/stat.h>

enum { WN_MODEL_FILES = 3 };

/* Which file it was, and when it was last written: two of the same stamp have the same bytes. All 0: there was none. */
struct wn_stamp {
    unsigned long long device, inode, size;
    struct timespec written, changed;
};

/* Opens a folder beneath another: no links at any step, no "." or "..". -1 and errno where it cannot be. */
int wn_open_folder(int parent, const char *name);
/* Reads the regular file `name` ("model.onnx", "samples/a.png") under the open folder. Refuses absolute names, "."
 * and "..", empty parts, symbolic links at any step, hard links, and files that belong neither to root, nor to this
 * process's user, nor to the folder's own. stamp may be NULL. WN_NOT_FOUND, WN_BAD_MODEL (not allowed, too large),
 * WN_NO_MEMORY. */
enum wn_code wn_read_beneath(int folder, const char *name, size_t most, struct wn_buffer *out, struct wn_stamp *stamp,
                             struct wn_error *err);
/* The first bytes of such a file, n at most; returns how many, 0 where it cannot be read. *whole: its size. */
size_t wn_peek_beneath(int folder, const char *name, void *out, size_t n, size_t *whole);
/* The stamp of the file that has this name now. */
struct wn_stamp wn_stamp_of(int folder, const char *name);
bool wn_stamp_same(const struct wn_stamp *a, const struct wn_stamp *b);

#endif
