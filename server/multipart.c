/* Forms; knows no field by name. Written here because the one in the HTTP library has had its holes. */
#include "multipart.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BOUNDARY_BYTES 70 /* RFC 2046 allows no more */
#define HEADER_BYTES 2048

/* Case-insensitive ";name=" parameter of a header value -> its text, quotes taken off. False where it is not there or
 * too long. */
static bool parameter(const char *header, size_t n, const char *name, char *out, size_t room)
{
    size_t length = strlen(name);
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (header[i] == '"') quoted = !quoted;
        if (quoted || header[i] != ';') continue;
        while (i + 1 < n && (header[i + 1] == ' ' || header[i + 1] == '\t')) i++;
        if (n - i - 1 <= length || strncasecmp(header + i + 1, name, length) != 0 || header[i + 1 + length] != '=')
            continue;
        const char *s = header + i + 2 + length, *end = header + n;
        bool is_quoted = s < end && *s == '"';
        s += is_quoted;
        const char *stop = is_quoted ? memchr(s, '"', (size_t)(end - s)) : s;
        if (!stop) return false;
        while (!is_quoted && stop < end && *stop != ';' && *stop != ' ' && *stop != '\t') stop++;
        if ((size_t)(stop - s) >= room) return false;
        memcpy(out, s, (size_t)(stop - s));
        out[stop - s] = 0;
        return !memchr(out, 0, (size_t)(stop - s));
    }
    return false;
}

/* The part's header lines, [s, end): gives the field's name. */
static bool part_name(const char *s, const char *end, char *name, size_t room)
{
    static const char wanted[] = "content-disposition:";
    while (s < end) {
        const char *stop = memmem(s, (size_t)(end - s), "\r\n", 2);
        if (!stop) stop = end;
        if ((size_t)(stop - s) > sizeof wanted - 1 && strncasecmp(s, wanted, sizeof wanted - 1) == 0)
            return parameter(s, (size_t)(stop - s), "name", name, room);
        s = stop + 2;
    }
    return false;
}

/* One part from behind its boundary line; *next: behind the line of the following boundary, or NULL after the last. */
static const char *take_part(const char *s, const char *end, const char *mark, size_t mark_size, struct wn_part *part,
                             struct wn_pool *pool, const char **next)
{
    char name[128];
    const char *head = memmem(s, (size_t)(end - s), "\r\n\r\n", 4);
    if (!head || head - s > HEADER_BYTES) return "has a part without its header lines";
    if (!part_name(s, head, name, sizeof name)) return "has a part without a field name";
    const char *data = head + 4, *stop = memmem(data, (size_t)(end - data), mark, mark_size);
    if (!stop) return "ends in the middle of a part";
    *part = (struct wn_part){wn_pool_text(pool, name, strlen(name)), data, (size_t)(stop - data)};
    if (!part->name) return "finds no memory";
    const char *after = stop + mark_size;
    if (end - after >= 2 && memcmp(after, "--", 2) == 0) {
        *next = NULL;
        return NULL;
    }
    while (after < end && (*after == ' ' || *after == '\t')) after++;
    if (end - after < 2 || memcmp(after, "\r\n", 2) != 0) return "has a boundary line that goes on";
    *next = after + 2;
    return NULL;
}

enum wn_code wn_multipart_parse(const char *content_type, const char *body, size_t size, struct wn_pool *pool,
                                struct wn_part *parts, int *n, struct wn_error *err)
{
    char boundary[BOUNDARY_BYTES + 1], mark[BOUNDARY_BYTES + 5];
    const char *end = body + size, *at;
    *n = 0;
    if (!parameter(content_type, strlen(content_type), "boundary", boundary, sizeof boundary) || !boundary[0])
        return wn_fail(err, WN_BAD_REQUEST, "the form's Content-Type has no boundary of 1 to %d characters",
                       BOUNDARY_BYTES);
    size_t mark_size = (size_t)snprintf(mark, sizeof mark, "\r\n--%s", boundary);
    /* The first boundary has no line before it. */
    if (size < mark_size || memcmp(body, mark + 2, mark_size - 2) != 0 || memcmp(body + mark_size - 2, "\r\n", 2) != 0)
        return wn_fail(err, WN_BAD_REQUEST, "the form does not begin with its boundary");
    for (at = body + mark_size; at;) {
        if (*n == WN_MOST_PARTS) return wn_fail(err, WN_BAD_REQUEST, "the form has more than %d parts", WN_MOST_PARTS);
        const char *why = take_part(at, end, mark, mark_size, &parts[(*n)++], pool, &at);
        if (why) return wn_fail(err, WN_BAD_REQUEST, "the form %s", why);
    }
    return WN_OK;
}
