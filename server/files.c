/* Reading beneath a folder; knows no format. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define PART_BYTES 256 /* of a name, with its end */

/* Opens one part of a name in `folder` and closes `folder` unless it is the caller's own. */
static int open_part(int folder, int own, const char *part, int flags)
{
    int fd = -1;
    if (part[0] && strlen(part) < PART_BYTES && strcmp(part, ".") != 0 && strcmp(part, "..") != 0)
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
    char part[PART_BYTES];
    int fd = folder;
    for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
        if ((size_t)(slash - name) >= sizeof part) break; /* what is left is too long for a part, and refused as one */
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

int wn_open_folder(int parent, const char *name)
{
    int fd = open_beneath(parent, name);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))) {
        close(fd);
        errno = ENOTDIR;
        return -1;
    }
    return fd;
}

/* ---- stamps ---- */

static struct wn_stamp stamp_from(const struct stat *st)
{
    return (struct wn_stamp){st->st_dev, st->st_ino, (unsigned long long)st->st_size, st->st_mtim, st->st_ctim};
}

struct wn_stamp wn_stamp_of(int folder, const char *name)
{
    struct wn_stamp stamp = {0};
    struct stat st;
    int fd = open_beneath(folder, name);
    if (fd >= 0 && fstat(fd, &st) == 0) stamp = stamp_from(&st);
    if (fd >= 0) close(fd);
    return stamp;
}

bool wn_stamp_same(const struct wn_stamp *a, const struct wn_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* ---- reading ---- */

/* Whoever may put files into the folder may decide what is served; nobody else. */
static bool is_trusted(int folder, uid_t owner)
{
    struct stat st;
    return owner == 0 || owner == geteuid() || (fstat(folder, &st) == 0 && st.st_uid == owner);
}

static enum wn_code check_file(int folder, const char *name, const struct stat *st, size_t most, struct wn_error *err)
{
    if (!S_ISREG(st->st_mode)) return wn_fail(err, WN_BAD_MODEL, "%.128s is not a regular file", name);
    if (st->st_nlink != 1)
        return wn_fail(err, WN_BAD_MODEL, "%.128s has another name elsewhere (a hard link): put a copy here", name);
    if (!is_trusted(folder, st->st_uid))
        return wn_fail(err, WN_BAD_MODEL,
                       "%.128s belongs neither to root, nor to the service's user, nor to its folder's owner", name);
    if ((uint64_t)st->st_size > most) return wn_fail(err, WN_BAD_MODEL, "%.128s is larger than %zu bytes", name, most);
    return WN_OK;
}

enum wn_code wn_read_beneath(int folder, const char *name, size_t most, struct wn_buffer *out, struct wn_stamp *stamp,
                             struct wn_error *err)
{
    int fd = open_beneath(folder, name);
    if (fd < 0 && errno == ENOENT) return wn_fail(err, WN_NOT_FOUND, "there is no file %.128s in the folder", name);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return wn_fail(err, WN_BAD_MODEL, "%.128s is not a plain name of a file inside the folder (no links, no '..')",
                       name);
    if (fd < 0) return wn_fail(err, WN_BAD_MODEL, "%.128s cannot be opened: %s", name, strerror(errno));
    struct stat st = {0};
    enum wn_code code = WN_OK;
    if (fstat(fd, &st) != 0) code = wn_fail(err, WN_BAD_MODEL, "%.128s cannot be read: %s", name, strerror(errno));
    if (code == WN_OK) code = check_file(folder, name, &st, most, err);
    if (code == WN_OK) code = read_all(fd, (size_t)st.st_size, name, out, err);
    if (stamp) *stamp = stamp_from(&st);
    close(fd);
    return code;
}

size_t wn_peek_beneath(int folder, const char *name, void *out, size_t n, size_t *whole)
{
    struct stat st;
    int fd = open_beneath(folder, name);
    *whole = 0;
    if (fd < 0) return 0;
    bool good = fstat(fd, &st) == 0 && check_file(folder, name, &st, SIZE_MAX, NULL) == WN_OK;
    ssize_t size = good ? pread(fd, out, n, 0) : 0;
    if (good) *whole = (size_t)st.st_size;
    close(fd);
    return size > 0 ? (size_t)size : 0;
}
