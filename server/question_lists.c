/* Values of a question that may be several things: maps, outputs, classes, layers, as lists in JSON, with commas or
 * by asking again. */
#include "query.h"
#include "question_read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- names from tables ---- */

const char *wn_maps_name(int i)
{
    static const char *const names[] = {"contrast", "target", "rival", NULL};
    return names[i];
}

const char *wn_outputs_name(int i)
{
    static const char *const names[] = {"heatmap", "overlay", "raw", "bbox", "rle", NULL};
    return names[i];
}

/* The bits of the names in "a,b", in "a" or in ["a", "b"]. */
static enum wn_code each_word(const struct wn_given *g, const struct wn_reading *r, const char *field,
                              const char *(*name_at)(int), unsigned *bits)
{
    *bits = 0;
    size_t n = json_is_array(g->json) ? json_array_size(g->json) : 0;
    if (n > 16) return wn_read_refuse(r, field, "has more than 16 entries");
    for (size_t i = 0; i < n; i++) {
        struct wn_given one = {NULL, json_array_get(g->json, i)};
        int bit = wn_pick_one(&one, name_at, r, field);
        if (bit < 0) return WN_BAD_REQUEST;
        *bits |= 1u << bit;
    }
    const char *s = n ? NULL : wn_given_text(g);
    if (!n && !s) return wn_read_refuse(r, field, "must be one name or a list of names");
    while (s) {
        size_t length = strcspn(s, ",");
        int bit = wn_pick(s, length, name_at, r, field);
        if (bit < 0) return WN_BAD_REQUEST;
        *bits |= 1u << bit;
        s = s[length] ? s + length + 1 : NULL;
    }
    return WN_OK;
}

enum wn_code wn_read_MAPS(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                          const char *name)
{
    (void)field;
    return each_word(g, r, name, wn_maps_name, &ask->maps);
}

enum wn_code wn_read_OUTPUTS(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                             const char *name)
{
    (void)field;
    return each_word(g, r, name, wn_outputs_name, &ask->outputs);
}

/* ---- classes ---- */

/* One class: a number is an index, digits in a query or form too; any other text is a label or "top1". */
static enum wn_code add_class(struct wn_class_refs *refs, const struct wn_given *g, const struct wn_reading *r,
                              const char *name)
{
    struct wn_class_ref *ref = &refs->list[refs->n];
    const char *s = wn_given_text(g);
    if (json_is_integer(g->json)) {
        ref->index = json_integer_value(g->json);
    } else if (g->text && wn_digits(g->text) >= 0) {
        ref->index = wn_digits(g->text);
        ref->digits = wn_pool_text(r->pool, g->text, strlen(g->text));
        if (!ref->digits) return wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    } else if (s) {
        ref->text = wn_pool_text(r->pool, s, strlen(s));
        if (!ref->text) return wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    } else {
        return wn_read_refuse(r, name, "must be a class index, a label, or a list of them");
    }
    refs->n++;
    return WN_OK;
}

/* "auto:3" -> 3, "auto" -> 1, -1 for auto: with anything but a number above 0, and 0 for all else, which may be a
 * label. */
static int nearest_wish(const char *s)
{
    if (!s || strncasecmp(s, "auto", 4) != 0 || (s[4] && s[4] != ':')) return 0;
    if (!s[4]) return 1;
    int n = wn_digits(s + 5);
    return n > 0 ? n : -1;
}

/* "3,7,12" in a query is a list; labels may hold commas themselves and are repeated parameters instead. */
static int count_indices(const char *s)
{
    if (!s || !strchr(s, ',') || s[strspn(s, "0123456789,")]) return 0;
    int n = 1;
    for (; *s; s++) n += *s == ',';
    return n;
}

static enum wn_code add_indices(struct wn_class_refs *refs, const char *s, const struct wn_reading *r, const char *name)
{
    for (const char *end; s; s = *end ? end + 1 : NULL) {
        char digits[16] = "";
        end = s + strcspn(s, ",");
        snprintf(digits, sizeof digits, "%.*s", (int)(end - s < 15 ? end - s : 15), s);
        if (wn_digits(digits) < 0) return wn_read_refuse(r, name, "has an entry that is not a class index");
        if (add_class(refs, &(struct wn_given){digits, NULL}, r, name) != WN_OK) return r->problem->error.code;
    }
    return WN_OK;
}

/* The same parameter once more: one more class. */
static enum wn_code append_class(struct wn_class_refs *refs, const struct wn_given *g, const struct wn_reading *r,
                                 const char *name)
{
    size_t n = (size_t)refs->n;
    struct wn_class_ref *list = n && n < WN_MOST_CLASSES ? wn_pool_array(r->pool, n + 1, sizeof *list) : NULL;
    if (!list) return wn_read_refuse(r, name, "cannot be given again");
    memcpy(list, refs->list, n * sizeof *list);
    refs->list = list;
    return add_class(refs, g, r, name);
}

enum wn_code wn_read_CLASSES(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                             const char *name)
{
    struct wn_class_refs *refs = field;
    bool rivals = refs == &ask->why_not;
    int nearest = rivals ? nearest_wish(wn_given_text(g)) : 0, indices = count_indices(g->text);
    bool list = json_is_array(g->json);
    if (r->again) return append_class(refs, g, r, name);
    size_t n = list ? json_array_size(g->json) : indices ? (size_t)indices : 1;
    *refs = (struct wn_class_refs){.nearest = nearest};
    if (nearest < 0) return wn_read_refuse(r, name, "must be auto:N with N from 1 to 1024, the N nearest rivals");
    if (nearest) return nearest <= WN_MOST_CLASSES ? WN_OK : wn_read_refuse(r, name, "asks for too many rivals");
    if (n < 1 || n > WN_MOST_CLASSES) return wn_read_refuse(r, name, "must name 1 to 1024 classes");
    refs->list = wn_pool_array(r->pool, n, sizeof *refs->list);
    if (!refs->list) return wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    if (indices) return add_indices(refs, g->text, r, name);
    for (size_t i = 0; i < n; i++) {
        struct wn_given one = list ? (struct wn_given){NULL, json_array_get(g->json, i)} : *g;
        if (add_class(refs, &one, r, name) != WN_OK) return r->problem->error.code;
    }
    return WN_OK;
}

/* ---- layers ---- */

static enum wn_code add_name(struct wn_names *names, const char *s, size_t n, const struct wn_reading *r,
                             const char *field)
{
    if (!s || !n || n > 256) return wn_read_refuse(r, field, "must be names of 1 to 256 bytes");
    if (names->n == WN_MOST_LAYERS)
        return wn_read_refuse(r, field, "has too many entries: two to eight layers can be fused");
    const char *copy = wn_pool_text(r->pool, s, n);
    if (!copy) return wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    names->list[names->n++] = copy;
    return WN_OK;
}

/* "a,b" or ["a", "b"], and the parameter again for more. */
enum wn_code wn_read_LAYERS(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                            const char *name)
{
    struct wn_names *names = field;
    (void)ask;
    const char *s = wn_given_text(g);
    /* A list of its own: that of a batch's defaults is all instances'. */
    if (!r->again) *names = (struct wn_names){wn_pool_array(r->pool, WN_MOST_LAYERS, sizeof *names->list), 0};
    if (!names->list) return wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    if (!s && !json_array_size(g->json)) return wn_read_refuse(r, name, "must be two to eight names of layers");
    for (size_t i = 0; i < json_array_size(g->json); i++) {
        const char *one = json_string_value(json_array_get(g->json, i));
        if (add_name(names, one, one ? strlen(one) : 0, r, name) != WN_OK) return r->problem->error.code;
    }
    for (size_t n; s; s = s[n] ? s + n + 1 : NULL) {
        n = strcspn(s, ",");
        if (add_name(names, s, n, r, name) != WN_OK) return r->problem->error.code;
    }
    return WN_OK;
}
