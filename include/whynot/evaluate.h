/* Are the explanations right? Metrics as table rows, and the measuring of one picture on a resident engine. Whatever
 * many pictures say together is the caller's, from these numbers (metrics.h); so any number of pictures takes the
 * memory of one. */
#ifndef WHYNOT_EVALUATE_H
#define WHYNOT_EVALUATE_H

#include <whynot/engine.h>
#include <whynot/masking.h>
#include <whynot/metrics.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- metrics ---- */

enum wn_evaluation_needs {
    WN_NEEDS_LABEL = 1, /* the true class */
    WN_NEEDS_TRUTH = 2, /* which pixels matter */
    WN_NEEDS_RIVAL = 4, /* a class that the picture could be mistaken for */
    /* the picture with the rival's pixels, and one with as many pixels changed elsewhere */
    WN_NEEDS_COUNTERFACTUAL = 8,
    WN_NEEDS_SEVERAL = 16,  /* compares subjects: needs two or more */
    WN_NEEDS_SHUFFLED = 32, /* the same network with shuffled weights */
    /* pictures of named parts; the numbers are of all pictures together, and not made here */
    WN_NEEDS_PARTS = 64,
    WN_NEEDS_SECOND = 128 /* a second class that is likelier than the option least_second: run looks at it */
};

/* Which questions a metric wants answered, of each subject. */
enum wn_evaluation_map {
    WN_MAP_CHOSEN,   /* why the class that is evaluated? */
    WN_MAP_FIRST,    /* why the most likely class... */
    WN_MAP_SECOND,   /* ...and why the next? */
    WN_MAP_PAIR,     /* why the label, rather than the rival? */
    WN_MAP_REVERSED, /* why the rival, rather than the label? */
    WN_MAP_COUNT
};

struct wn_evaluation_column {
    const char *name;  /* "blur.positive.1" */
    const char *words; /* what the number is, one phrase */
    int better;        /* 1: more is better, -1: less is, 0: neither */
};

struct wn_trial; /* kernels/evaluate/trial.h: one picture being measured */

struct wn_evaluation_metric {
    const char *name;    /* "masking" */
    const char *summary; /* what it tells, one sentence */
    const char *source;
    unsigned needs; /* wn_evaluation_needs */
    unsigned maps;  /* 1 << wn_evaluation_map, or'ed */
    const struct wn_evaluation_column *columns;
    int n_columns;
    bool per_class; /* its numbers are means over classes of their pictures' means (wn_estimate_mean) */
    /* values[subject * n_columns + column], NaN beforehand, which stands for "this picture does not say". NULL with
     * WN_NEEDS_PARTS. */
    enum wn_code (*run)(struct wn_trial *t, double *values, struct wn_error *err);
};
WN_API const struct wn_evaluation_metric *wn_evaluation_metric_at(int i); /* NULL past the end */
WN_API const struct wn_evaluation_metric *wn_evaluation_metric_find(const char *name);

/* ---- measuring ---- */

struct wn_subject { /* what is judged: a way to explain */
    const struct wn_method *method;
    const struct wn_contrast *contrast;
    int layer; /* or WN_LAYER_AUTO */
};

struct wn_evaluation_options {
    const struct wn_subject *subjects;
    int n_subjects;
    const struct wn_evaluation_metric *const *metrics;
    int n_metrics;
    bool explain_label; /* the class that is evaluated: the picture's label, else the prediction */
    /* pixels changed between two points of a curve; 0: 1/28 of the picture, as Pillai et al. 2022 */
    int curve_step;
    /* an engine of the same network with shuffled weights (wn_graph_options); NULL: there is none */
    struct wn_engine *shuffled;
    /* May be NULL. Asked between forward passes, from the thread that runs: whether nobody wants the numbers any
     * more. */
    bool (*given_up)(void *context);
    void *context;
    /* pictures whose second class is no likelier are left out of the masking experiment; Wang & Wang 2022: 0.1 */
    double least_second;
};

struct wn_evaluation_picture {
    const float *image;          /* C*H*W, preprocessed */
    int label, rival;            /* -1: not known */
    const uint8_t *truth;        /* H*W; NULL: not known */
    const float *counterfactual; /* C*H*W; NULL: not known */
    const float *elsewhere;      /* C*H*W; NULL: not known */
    uint64_t seed;               /* of what is drawn by chance for this picture */
};

struct wn_evaluation;

/* graph: the engine's. options and what they point to must outlive the evaluation. Errors: WN_BAD_REQUEST for
 * nothing to judge or nothing to judge by, WN_NO_MEMORY. */
WN_API enum wn_code wn_evaluation_create(struct wn_engine *e, const struct wn_graph *graph,
                                         const struct wn_evaluation_options *options, struct wn_evaluation **out,
                                         struct wn_error *err);
WN_API void wn_evaluation_destroy(struct wn_evaluation *v); /* NULL is fine */
/* numbers a picture: for each metric subjects * columns, in this order */
WN_API int wn_evaluation_values(const struct wn_evaluation *v);

/* Measures one picture. values: wn_evaluation_values doubles, NaN where the picture or the method has nothing to
 * say. prediction (may be NULL): its most likely class, -1 where a failure came before it was known. passes (may be
 * NULL): forward passes taken. refused (may be NULL): n_subjects errors; a question that a subject cannot answer (a
 * method that the network rules out) leaves its values NaN and the reason in the error of the subject, whose code is
 * WN_OK otherwise. Errors: WN_DEADLINE where it was given up, those of the engine. */
WN_API enum wn_code wn_evaluation_run(struct wn_evaluation *v, const struct wn_evaluation_picture *picture,
                                      double *values, int *prediction, int64_t *passes, struct wn_error *refused,
                                      struct wn_error *err);

#ifdef __cplusplus
}
#endif
#endif
