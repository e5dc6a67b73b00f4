/* Matching of paths; knows the table and nothing of what the routes do. */
#include "route.h"

#include <stdio.h>
#include <string.h>

static const struct wn_route rows[] = {
#define X(method, path, handle, body, scope, summary)                                                                  \
    {#method, path, summary, WN_BODY_##body, WN_SCOPE_##scope, handle},
#include "routes.def"
#undef X
};
#define ROUTES ((int)(sizeof rows / sizeof *rows))

const struct wn_route *wn_route_at(int i)
{
    return i >= 0 && i < ROUTES ? &rows[i] : NULL;
}

bool wn_route_asks(const struct wn_route *route)
{
    enum wn_body b = route->body;
    return b != WN_BODY_NONE && b != WN_BODY_CONTROL && b != WN_BODY_EVALUATION && b != WN_BODY_PROJECT;
}

int wn_route_number(const struct wn_route *route)
{
    return route ? (int)(route - rows) : ROUTES;
}

const char *wn_route_label(int i)
{
    return i == ROUTES ? "other" : wn_route_at(i) ? rows[i].path : NULL;
}

/* {model} and {version}, in this order, each one segment or its beginning up to a colon. */
static bool matches(const char *pattern, const char *path, struct wn_segments *names)
{
    *names = (struct wn_segments){0};
    for (int i = 0; *pattern; i++) {
        size_t plain = strcspn(pattern, "{");
        if (strncmp(pattern, path, plain) != 0) return false;
        pattern += plain;
        path += plain;
        if (!*pattern) break;
        names->at[i] = path;
        names->size[i] = strcspn(path, "/:");
        if (!names->size[i]) return false;
        path += names->size[i];
        pattern = strchr(pattern, '}') + 1;
    }
    return !*path;
}

const struct wn_route *wn_route_find(const char *method, const char *path, struct wn_segments *names, char allow[64])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    allow[0] = 0;
    for (int i = 0; i < ROUTES; i++) {
        if (!matches(rows[i].path, path, names)) continue;
        if (strcmp(rows[i].method, wanted) == 0) return &rows[i];
        size_t used = strlen(allow);
        snprintf(allow + used, 64 - used, "%s%s", used ? ", " : "",
                 strcmp(rows[i].method, "GET") ? rows[i].method : "GET, HEAD");
    }
    return NULL;
}
