/* Label Studio's machine learning backend: tasks to questions, answers to predictions with regions. Nothing is kept
 * between requests. */
#ifndef WN_SERVER_LABEL_H
#define WN_SERVER_LABEL_H

#include "labelconfig.h"
#include "server.h"

#define WN_MOST_NOTES 8

/* Sentences for people about what could not be used; the texts are a pool's. */
struct wn_label_notes {
    const char *list[WN_MOST_NOTES];
    int n; /* more than there is room for are dropped */
};

struct wn_label_task {
    int label; /* the annotation's class; -1: nobody annotated it, or with no class of the model */
    struct wn_label_notes notes;
};

/* One request while it is served. */
struct wn_labeling {
    struct wn_model *model; /* of the request's snapshot, ready */
    struct wn_label_config config;
    char
        version[160]; /* what Label Studio calls the model: another one for another network, or another preprocessing */
    /* regions are labelled with classes; else with roles: the first label is the annotator's, the second the model's */
    bool by_class;
    struct wn_label_task *tasks; /* one a slot */
};

/* ---- names (label.c) ---- */

/* Adds one; nothing where memory is short. */
void wn_label_note(struct wn_pool *pool, struct wn_label_notes *notes, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a word that is no class, with the classes that were perhaps meant. what: "the annotation's label". */
void wn_label_note_unknown(struct wn_pool *pool, struct wn_label_notes *notes, const struct wn_model *m,
                           const char *what, const char *word);
/* The class that is spelled so; else the one that is where case, '_', '-' and white space do not count; -1: none. */
int wn_label_class(const struct wn_model *m, const char *word);
/* The same for a label of the configuration: by its value, then by its alias. */
int wn_label_class_of(const struct wn_model *m, const struct wn_label *l);
/* The label of the tag that means the class; NULL: none does. */
const struct wn_label *wn_label_find(const struct wn_label_tag *tag, const struct wn_model *m, int class);
/* What in the configuration does not fit the model. */
void wn_label_review(const struct wn_labeling *l, struct wn_pool *pool, struct wn_label_notes *notes);
/* Makes r->labeling: finds the model that answers, which must be ready, and reads the configuration. What is wrong
 * is in r->problem. */
enum wn_code wn_label_begin(struct wn_request *r, const char *xml, size_t size);

/* ---- tasks in, predictions out ---- */

enum wn_code wn_label_intake(struct wn_request *r, struct wn_job *job);
void wn_label_answer(struct wn_request *r);
int64_t wn_label_cost(const struct wn_request *r);
/* Reads a body of JSON, in which an object must stand; what is long in tasks and is not read here is cut out. *root:
 * to json_decref. */
enum wn_code wn_label_read(struct wn_request *r, struct wn_pool *pool, json_t **root, struct wn_slice **slices,
                           int *n_slices);

#endif
