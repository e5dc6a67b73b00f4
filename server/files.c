/* Reading beneath a folder; knows no format. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens one part of a name in `folder` and closes `folder` unless it is the caller's own. */
static int open_part(int folder, int own, const char *part, int flags)
{
    int fd = -1;
    if (part[0] && strcmp(part, ".") != 0 && strcmp(part, "..") != 0)
        fd = openat(folder, part, flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    else
        errno = ELOOP;
    int why = errno;
    if (folder != own) close(folder);
    errno = why;
    return fd;
}

static int open_beneath(int folder, const char *name)
{
    char part[256];
    int fd = folder;
    for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
        if ((size_t)(slash - name) >= sizeof part) break;
        memcpy(part, name, (size_t)(slash - name));
        part[slash - name] = 0;
        if ((fd = open_part(fd, folder, part, O_DIRECTORY)) < 0) return -1;
    }
    return open_part(fd, folder, name, 0);
}

static enum wn_code read_all(int fd, size_t size, const char *name, struct wn_buffer *out, struct wn_error *err)
{
    if (wn_buffer_reserve(out, size + 1, err) != WN_OK) return WN_NO_MEMORY;
    size_t begin = out->size;
    while (out->size - begin <= size) {
        ssize_t n = read(fd, out->data + out->size, size + 1 - (out->size - begin));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return wn_fail(err, WN_BAD_MODEL, "%.128s cannot be read: %s", name, strerror(errno));
        if (n == 0) break;
        out->size += (size_t)n;
    }
    if (out->size - begin != size) return wn_fail(err, WN_BAD_MODEL, "%.128s changed while it was read", name);
    return WN_OK;
}

enum wn_code wn_read_beneath(int folder, const char *name, size_t most, struct wn_buffer *out, struct wn_error *err)
{
    int fd = open_beneath(folder, name);
    if (fd < 0 && errno == ENOENT) return wn_fail(err, WN_NOT_FOUND, "there is no file %.128s in the folder", name);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return wn_fail(err, WN_BAD_MODEL, "%.128s is not a plain name of a file inside the folder (no links, no '..')",
                       name);
    if (fd < 0) return wn_fail(err, WN_BAD_MODEL, "%.128s cannot be opened: %s", name, strerror(errno));
    struct stat st;
    enum wn_code code;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        code = wn_fail(err, WN_BAD_MODEL, "%.128s is not a regular file", name);
    else if ((uint64_t)st.st_size > most)
        code = wn_fail(err, WN_BAD_MODEL, "%.128s is larger than %zu bytes", name, most);
    else
        code = read_all(fd, (size_t)st.st_size, name, out, err);
    close(fd);
    return code;
}
