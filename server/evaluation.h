/* Evaluation of a model in words and files: what is judged by what, pictures with what is known of them, a line of
 * JSON for each, and the table that all lines make. The command line and the daemon's jobs both are made of this. */
#ifndef WN_SERVER_EVALUATION_H
#define WN_SERVER_EVALUATION_H

#include "config.h"
#include "models.h"
#include "pool.h"
#include "text.h"

#include <jansson.h>
#include <media/image.h>
#include <whynot/evaluate.h>

/* ---- what is judged by what ---- */

/* A set of methods, contrasts and metrics that belong together. */
struct wn_suite {
    const char *name, *summary;
    const char *methods, *contrasts, *metrics; /* lists, apart by commas; every method with every contrast */
    bool explain_label;                        /* the true class is explained unless somebody says otherwise */
};
const struct wn_suite *wn_suite_at(int i); /* NULL past the end */

enum wn_explained {
    WN_EXPLAINED_BY_SUITE,
    WN_EXPLAINED_PREDICTION,
    WN_EXPLAINED_LABEL, /* the true class, where it is known; else the prediction */
};
/* Of the words "prediction" and "label"; NULL: the suite's. False for another word. */
bool wn_explained_read(const char *word, enum wn_explained *out);

/* Lists are apart by commas; NULL: the suite's. suite NULL: the first of the table. */
struct wn_judging_words {
    const char *suite, *methods, *contrasts, *metrics, *layer;
    enum wn_explained explained; /* whose maps are judged */
    double least_second;         /* see wn_evaluation_options */
    uint64_t seed;
};

struct wn_judging {
    struct wn_evaluation_options options; /* for wn_evaluation_create */
    const char **subjects;                /* names: "gradcam/weighted" */
    /* all of it with the model, as one line: two evaluations of the same question can be gone on with */
    const char *question;
    uint64_t seed;
    struct wn_image_limits limits; /* of the pictures */
    struct wn_pool pool;           /* holds all of the above */
    const char *wrong;             /* which of the words is, where it could not be read; NULL: none alone */
};

/* Errors: WN_BAD_REQUEST naming the word that is not known and what there is, WN_NO_SUCH_LAYER, WN_NO_MEMORY. Finish
 * it whatever the result is. */
enum wn_code wn_judging_read(const struct wn_judging_words *words, const struct wn_model *m,
                             const struct wn_config *config, struct wn_judging *out, struct wn_error *err);
void wn_judging_finish(struct wn_judging *j);

/* ---- one picture ---- */

struct wn_bytes {
    const void *data; /* NULL: there is none */
    size_t size;
};

struct wn_exhibit {
    const char *name;
    struct wn_bytes image;
    struct wn_bytes truth;                     /* a picture as large as the image; what is brighter than half matters */
    struct wn_bytes counterfactual, elsewhere; /* pictures as large as the image */
    const struct wn_box *boxes;                /* in pixels of the image; another way to say what matters */
    int n_boxes;
    int label, rival; /* -1: not known */
};

/* Measures it and writes its line: {"file", "question", "prediction", "label", "passes", "values": {metric:
 * {subject: {column: number}}}, "refused": {subject: why it has no answer}}. A picture that cannot be read or
 * asked about is a line with "error" instead of values. Returns an error only where the whole evaluation must end:
 * WN_NO_MEMORY, WN_DEVICE, WN_DEADLINE where it was given up. */
enum wn_code wn_judge(struct wn_evaluation *v, const struct wn_judging *j, const struct wn_model *m,
                      const struct wn_exhibit *e, struct wn_text *line, struct wn_error *err);

/* The key "refused" of a line, where a subject was. refused: of each subject, WN_OK where it was not. */
void wn_refused_write(const struct wn_judging *j, const struct wn_error *refused, struct wn_text *line);

/* Of a picture in its file, upright. */
struct wn_full_size {
    int width, height; /* 0: not known yet */
};
/* The network's numbers of one picture, into `to`; its pixels are gone then. size: that it must have, or is given
 * where it is not known. */
enum wn_code wn_exhibit_read(const struct wn_model *m, const struct wn_image_limits *limits,
                             const struct wn_preprocess *p, const struct wn_bytes *bytes, struct wn_full_size *size,
                             float *to, struct wn_error *err);
/* Masks go the way of the picture: grey, from 0 to 1. */
void wn_preprocess_plain(struct wn_preprocess *p);

/* The line of a picture that could not even be read. Errors: WN_NO_MEMORY. */
enum wn_code wn_judge_missing(const struct wn_judging *j, const char *name, const char *why, struct wn_text *line,
                              struct wn_error *err);

/* ---- all pictures ---- */

struct wn_refusal {
    int n;     /* pictures */
    char *why; /* of the first of them; NULL: there is none */
};

/* The numbers of all lines, 8 bytes each. */
struct wn_tally {
    const struct wn_judging *judging;
    int n_values;        /* of a picture: for each metric subjects * columns */
    double **columns;    /* [n_values]: one value a picture */
    char **names;        /* of the pictures */
    int *classes;        /* of the pictures: numbers of their labels in the order that they came in */
    json_t *labels;      /* {label: its number}; "" for pictures without one */
    int n, room, failed; /* pictures; those without an answer are only counted */
    int labelled, right; /* pictures with a label, and those whose prediction it is */
    int64_t passes;
    struct wn_refusal *refused; /* of each subject */
    int *left_out;              /* of each metric: pictures that it says nothing about, whatever the subject */
    json_t *parts;              /* of the pictures, in this order, where their lines have such; see parts.h */
};
enum wn_code wn_tally_create(const struct wn_judging *j, struct wn_tally *out, struct wn_error *err);
void wn_tally_finish(struct wn_tally *t);
/* One line, parsed. Errors: WN_BAD_REQUEST for what is no such line, WN_NO_MEMORY. */
enum wn_code wn_tally_add(struct wn_tally *t, const json_t *line, struct wn_error *err);
/* Index of a number among a picture's. */
int wn_tally_index(const struct wn_judging *j, int metric, int subject, int column);

/* One cell of the table: a number over all pictures, and against the first subject. */
struct wn_cell {
    struct wn_estimate value;
    struct wn_estimate difference; /* value - the first subject's, picture by picture; n 0 for the first itself */
    double p;
};
enum wn_code wn_tally_cell(const struct wn_tally *t, int metric, int subject, int column, struct wn_cell *out,
                           struct wn_error *err);

enum { WN_NEEDS_TEXT = 200 };
/* What a metric needs of a picture that it does not leave out, in words; "" where it needs nothing. */
void wn_tally_needs(const struct wn_tally *t, int metric, char *out, size_t size);
/* Subjects that some picture has no answer to; *none: those that no picture has an answer to. */
int wn_tally_refused(const struct wn_tally *t, int *none);

/* Everything as one JSON object, or as CSV with a row a cell; model: judged. */
enum wn_code wn_tally_json(const struct wn_tally *t, const struct wn_model *m, struct wn_text *out,
                           struct wn_error *err);
enum wn_code wn_tally_csv(const struct wn_tally *t, struct wn_text *out, struct wn_error *err);

#endif
