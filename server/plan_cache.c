#include "plan_cache.h"

#include "crew.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEVELS = 2 }; /* that the backend makes: ~/.cache may not be there either */

/* A folder that can be read, or that can be made in one that is there; else errno says why not. */
static bool is_possible(const char *folder)
{
    char path[WN_PLAN_CACHE_BYTES];
    struct stat st;
    snprintf(path, sizeof path, "%s", folder);
    for (int missing = 0; missing <= LEVELS; missing++) {
        if (stat(path, &st) == 0) {
            errno = ENOTDIR;
            return S_ISDIR(st.st_mode) && access(path, missing ? W_OK | X_OK : R_OK | X_OK) == 0;
        }
        char *slash = strrchr(path, '/');
        if (errno != ENOENT) return false;
        if (!slash) path[0] = '.', slash = path + 1;
        slash[slash == path] = 0; /* that of the root stays */
    }
    return false;
}

/* systemd's list has colons between its folders, and the service's own comes first. */
static void take_standard(char out[WN_PLAN_CACHE_BYTES])
{
    const char *given = getenv("CACHE_DIRECTORY"), *caches = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = 0;
    out[0] = 0;
    if (given && *given == '/')
        n = snprintf(out, WN_PLAN_CACHE_BYTES, "%.*s", (int)strcspn(given, ":"), given);
    else if (caches && *caches == '/')
        n = snprintf(out, WN_PLAN_CACHE_BYTES, "%s/whynot", caches);
    else if (home && *home == '/')
        n = snprintf(out, WN_PLAN_CACHE_BYTES, "%s/.cache/whynot", home);
    if (n >= WN_PLAN_CACHE_BYTES || !is_possible(out)) out[0] = 0;
}

enum wn_code wn_plan_cache_find(const struct wn_config *c, char out[WN_PLAN_CACHE_BYTES], struct wn_error *err)
{
    out[0] = 0;
    if (!c->plan_cache[0] || strcmp(c->plan_cache, "none") == 0) return WN_OK;
    if (strcmp(c->plan_cache, "auto") == 0)
        take_standard(out);
    else if (is_possible(c->plan_cache))
        snprintf(out, WN_PLAN_CACHE_BYTES, "%s", c->plan_cache);
    else
        return wn_fail(err, WN_BAD_REQUEST,
                       "plan_cache: '%.300s' is no folder that can be used (%s); name one of this user's, or 'none'",
                       c->plan_cache, strerror(errno));
    return WN_OK;
}

struct wn_backend_options wn_first_device(const struct wn_config *c, char room[WN_PLAN_CACHE_BYTES])
{
    wn_plan_cache_find(c, room, NULL);
    return (struct wn_backend_options){.device = wn_devices_first(c),
                                       .precision = wn_precision_find(c->precision),
                                       .threads = (int)c->threads,
                                       .plan_cache = room};
}
