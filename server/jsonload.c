/* Reads JSON with jansson while memory may run out; knows nothing of what the text says.
 *
 * Where jansson 2.14 gets no memory, it calls the text wrong, or leaves a character out and goes on, or fails an
 * assertion about one that it never kept, which ends the process. So the first refusal ends the reading there and
 * then (a jump out of its allocator), and everything that it held is given back. */
#include "jsonload.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCKS 64

struct reading {
    jmp_buf out;
    void **held; /* what jansson has of us */
    size_t n, room;
};

static _Thread_local struct reading *current; /* NULL: whatever jansson does now is not to be undone */

static bool make_room(struct reading *r)
{
    if (r->n < r->room) return true;
    size_t room = r->room ? 2 * r->room : FIRST_BLOCKS;
    void **more = realloc(r->held, room * sizeof *more);
    if (!more) return false;
    r->held = more;
    r->room = room;
    return true;
}

static void *take(size_t n)
{
    struct reading *r = current;
    if (!r) return malloc(n);
    void *p = make_room(r) ? malloc(n) : NULL;
    if (!p) longjmp(r->out, 1);
    return r->held[r->n++] = p;
}

/* Most of what is given back is among the last that were taken. */
static void give(void *p)
{
    struct reading *r = current;
    for (size_t i = r && p ? r->n : 0; i-- > 0;) {
        if (r->held[i] != p) continue;
        r->held[i] = r->held[--r->n];
        break;
    }
    free(p);
}

static void watch_memory(void)
{
    json_set_alloc_funcs(take, give);
}

/* False: there was no memory. */
static bool read_whole(struct reading *r, const char *text, size_t n, json_error_t *why, json_t **root)
{
    if (setjmp(r->out) != 0) return false;
    *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, why);
    return true;
}

json_t *wn_json_load(const char *text, size_t n, json_error_t *why, bool *starved)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct reading r = {.held = NULL};
    json_t *root = NULL;
    pthread_once(&once, watch_memory);
    current = &r;
    *starved = !read_whole(&r, text, n, why, &root);
    current = NULL;
    if (*starved) {
        root = NULL;
        for (size_t i = 0; i < r.n; i++) free(r.held[i]);
    }
    free(r.held);
    return root;
}

const char *wn_json_why(json_error_t *why)
{
    static const char *const ends[] = {" near '", /* bytes of the body: they are not said again, and not logged */
                                       " without JSON_" /* a choice that the library's caller has, and ours has not */};
    for (int i = 0; i < 2; i++) {
        char *end = strstr(why->text, ends[i]);
        if (end) *end = 0;
    }
    return why->text;
}

enum wn_code wn_json_parse(const void *text, size_t n, json_t **root, struct wn_error *err)
{
    json_error_t why;
    bool starved;
    *root = wn_json_load(n ? text : "", n, &why, &starved);
    if (*root) return WN_OK;
    return starved ? wn_fail(err, WN_NO_MEMORY, "there is no memory to read it")
                   : wn_fail(err, WN_BAD_REQUEST, "line %d: %.160s", why.line, why.text);
}
