/* How a field's value is read, for the files that question.h is written in. */
#ifndef WN_SERVER_QUESTION_READ_H
#define WN_SERVER_QUESTION_READ_H

#include "question.h"

/* A value from either side; exactly one is set. */
struct wn_given {
    const char *text;
    const json_t *json;
};

/* Puts a value into its field; name: the field's, for the failure, which goes to r->problem. */
typedef enum wn_code wn_reader(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                               const char *name);

/* One for each kind of fields.def. question_values.c */
wn_reader wn_read_WORD, wn_read_FLAG, wn_read_ALPHA, wn_read_VALUE, wn_read_COUNT, wn_read_MILLISECONDS, wn_read_IMAGE;
wn_reader wn_read_CONTRAST, wn_read_METHOD, wn_read_COLORMAP, wn_read_NORMALIZE, wn_read_VARIANT, wn_read_SIZE,
    wn_read_STATISTICS, wn_read_EVIDENCE, wn_read_FILL;
/* question_lists.c */
wn_reader wn_read_MAPS, wn_read_OUTPUTS, wn_read_CLASSES, wn_read_LAYERS;
const char *wn_maps_name(int i); /* NULL past the end, as wn_pick wants it */
const char *wn_outputs_name(int i);

/* ---- question_values.c: what readers have in common ---- */

enum wn_code wn_read_fail(const struct wn_reading *r, const char *name, enum wn_code code, const char *what);
/* "NAME WHAT", WN_BAD_REQUEST */
enum wn_code wn_read_refuse(const struct wn_reading *r, const char *name, const char *what);
const char *wn_given_text(const struct wn_given *g); /* of 1 to 1024 bytes, or NULL */
/* The number of the name, or -1 with a failure that lists what there is. name_at: NULL past the end. */
int wn_pick(const char *word, size_t n, const char *(*name_at)(int), const struct wn_reading *r, const char *field);
int wn_pick_one(const struct wn_given *g, const char *(*name_at)(int), const struct wn_reading *r, const char *field);

#endif
