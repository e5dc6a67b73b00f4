/* Matching of paths; knows the table and nothing of what the routes do. */
#include "route.h"

#include <stdio.h>
#include <string.h>

static const struct wn_route rows[] = {
#define X(method, path, handle, body, summary) {#method, path, summary, body, handle},
#include "routes.def"
#undef X
};
#define ROUTES ((int)(sizeof rows / sizeof *rows))

const struct wn_route *wn_route_at(int i)
{
    return i >= 0 && i < ROUTES ? &rows[i] : NULL;
}

int wn_route_number(const struct wn_route *route)
{
    return route ? (int)(route - rows) : ROUTES;
}

const char *wn_route_label(int i)
{
    return i == ROUTES ? "other" : wn_route_at(i) ? rows[i].path : NULL;
}

static bool matches(const char *pattern, const char *path, const char **parameter, size_t *n)
{
    const char *brace = strchr(pattern, '{');
    size_t before = brace ? (size_t)(brace - pattern) : strlen(pattern) + 1; /* with the zero at the end */
    if (strncmp(pattern, path, before) != 0) return false;
    if (!brace) return true;
    *parameter = path + before;
    *n = strcspn(*parameter, "/");
    return *n > 0 && strcmp(strchr(brace, '}') + 1, *parameter + *n) == 0;
}

const struct wn_route *wn_route_find(const char *method, const char *path, const char **parameter, size_t *n,
                                     char allow[64])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    allow[0] = 0;
    for (int i = 0; i < ROUTES; i++) {
        if (!matches(rows[i].path, path, parameter, n)) continue;
        if (strcmp(rows[i].method, wanted) == 0) return &rows[i];
        size_t used = strlen(allow);
        snprintf(allow + used, 64 - used, "%s%s", used ? ", " : "",
                 strcmp(rows[i].method, "GET") ? rows[i].method : "GET, HEAD");
    }
    return NULL;
}
