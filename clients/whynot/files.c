/* Writing of files; knows nothing of what is in them. */
#include "files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum wn_code make_folders(char *path, struct wn_error *err)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int failed = mkdir(path, 0777) != 0 && errno != EEXIST;
        if (failed) wn_fail(err, WN_INTERNAL, "the folder '%.300s' cannot be made: %s", path, strerror(errno));
        *slash = '/';
        if (failed) return WN_INTERNAL;
    }
    return WN_OK;
}

/* Under another name first: whoever finds the file finds all of it. A device or a pipe has no other name. */
enum wn_code cli_write_whole(const char *path, const struct wn_buffer *bytes, struct wn_error *err)
{
    char part[4200];
    struct stat info;
    size_t length = strlen(path);
    if (!length || length > 4096) return wn_fail(err, WN_BAD_REQUEST, "'%.60s' is no name for a file", path);
    bool there = stat(path, &info) == 0, plain = !there || S_ISREG(info.st_mode);
    snprintf(part, sizeof part, "%s", path);
    if (make_folders(part, err) != WN_OK) return WN_INTERNAL;
    if (plain) snprintf(part, sizeof part, "%s.part", path);
    FILE *f = fopen(part, "wb");
    bool good = f && fwrite(bytes->data, 1, bytes->size, f) == bytes->size;
    if (f && fclose(f) != 0) good = false;
    if (good && (!plain || rename(part, path) == 0)) return WN_OK;
    wn_fail(err, WN_INTERNAL, "'%.300s' cannot be written: %s", path, strerror(errno));
    if (f && plain) unlink(part);
    return WN_INTERNAL;
}

/* The nearest folder above it that is there, or none; path is cut. */
static const char *folder_above(char *path)
{
    for (char *slash; (slash = strrchr(path, '/')); *slash = 0) {
        slash[slash == path] = 0;
        if (slash == path || access(path, F_OK) == 0 || errno != ENOENT) return path;
    }
    return ".";
}

enum wn_code cli_may_write(const char *path, struct wn_error *err)
{
    char copy[4200];
    struct stat info;
    if (!path) return WN_OK;
    bool there = stat(path, &info) == 0, ends = *path && path[strlen(path) - 1] == '/';
    if (ends || (there && S_ISDIR(info.st_mode)))
        return wn_fail(err, WN_INTERNAL, "'%.300s' is a folder: name a file", path);
    snprintf(copy, sizeof copy, "%s", path);
    bool other = there && !S_ISREG(info.st_mode); /* a device or a pipe */
    const char *where = other ? path : folder_above(copy);
    bool good = access(where, other ? W_OK : W_OK | X_OK) == 0;
    if (!other && stat(where, &info) == 0 && !S_ISDIR(info.st_mode)) {
        good = false;
        errno = ENOTDIR;
    }
    return good ? WN_OK : wn_fail(err, WN_INTERNAL, "'%.300s' cannot be written: %s", path, strerror(errno));
}
