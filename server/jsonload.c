/* Reads JSON with jansson while memory may run out; knows nothing of what the text says.
 *
 * Where jansson 2.14 gets no memory, it calls the text wrong, or leaves a character out and goes on, or fails an
 * assertion about one that it never kept, which ends the process. So the first refusal ends the reading there and
 * then (a jump out of its allocator), and everything that it held is given back. */
#include "jsonload.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 128

/* The blocks are found by their address: a list of them, searched for each that is given back, takes minutes for a long
 * text that turns out wrong at its end. */
struct reading {
    jmp_buf out;
    void **held;     /* what jansson has of us: each in its slot, or in the first free one behind it */
    size_t n, slots; /* a power of two; at most half of them are in use */
};

static _Thread_local struct reading *current; /* NULL: whatever jansson does now is not to be undone */

static size_t slot_of(const struct reading *r, const void *p)
{
    return (size_t)(((uint64_t)(uintptr_t)p * 0x9e3779b97f4a7c15u) >> 32) & (r->slots - 1);
}

static void put(struct reading *r, void *p)
{
    size_t at = slot_of(r, p);
    while (r->held[at]) at = (at + 1) & (r->slots - 1);
    r->held[at] = p;
    r->n++;
}

static bool make_room(struct reading *r)
{
    struct reading more = {.slots = r->slots ? 2 * r->slots : FIRST_SLOTS};
    if (2 * (r->n + 1) <= r->slots) return true;
    if (!(more.held = calloc(more.slots, sizeof *more.held))) return false;
    for (size_t i = 0; i < r->slots; i++)
        if (r->held[i]) put(&more, r->held[i]);
    free(r->held);
    r->held = more.held;
    r->slots = more.slots;
    return true;
}

static void *take(size_t n)
{
    struct reading *r = current;
    if (!r) return malloc(n);
    void *p = make_room(r) ? malloc(n) : NULL;
    if (!p) longjmp(r->out, 1);
    put(r, p);
    return p;
}

/* Whoever stands behind it and would be looked for in its place moves up. */
static void forget(struct reading *r, const void *p)
{
    const size_t last = r->slots - 1;
    size_t hole = slot_of(r, p);
    while (r->held[hole] && r->held[hole] != p) hole = (hole + 1) & last;
    if (!r->held[hole]) return; /* made before this reading */
    for (size_t at = (hole + 1) & last; r->held[at]; at = (at + 1) & last) {
        if (((at - slot_of(r, r->held[at])) & last) < ((at - hole) & last)) continue;
        r->held[hole] = r->held[at];
        hole = at;
    }
    r->held[hole] = NULL;
    r->n--;
}

static void give(void *p)
{
    if (current && current->n && p) forget(current, p);
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
        for (size_t i = 0; i < r.slots; i++) free(r.held[i]);
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

const json_t *wn_json_given(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}
