/* The words of an explanation: contrasts and methods as table rows, and one question with its answer.
 *
 * An explanation is a triple, contrast x method x layer. A contrast is a pure function from logits to a seed, the
 * vector put at the logits before the backward pass; a method is one formula over activation and gradient. Rows
 * carry the code and its words, so that the validator, --help, the API and the manual are made from one place. */
#ifndef WHYNOT_EXPLAIN_H
#define WHYNOT_EXPLAIN_H

#include <whynot/program.h>
#include <whynot/seeding.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- contrasts ---- */

/* What a contrast looks at. Sets are in the caller's order, checked: in range, disjoint, no repeats. */
struct wn_contrast_in {
    const float *logits; /* K, finite */
    int classes;         /* K >= 2 */
    int target;          /* t (or P) */
    const int *targets;  /* T: only for rows with WN_CONTRAST_TARGET_SET, else {target} */
    int n_targets;
    const int *foils; /* Q or S, as the row's flags say */
    int n_foils;
    double value; /* Q where the foil is a number: rows with WN_CONTRAST_VALUE */
    bool has_value;
};

enum wn_contrast_flags {
    WN_CONTRAST_FOIL = 1,       /* needs exactly one foil (default: the runner-up) */
    WN_CONTRAST_FOIL_SET = 2,   /* needs one foil or more */
    WN_CONTRAST_TARGET_SET = 4, /* takes several targets */
    WN_CONTRAST_SAME_OK = 8,    /* target == foil has a meaning */
    /* the default foils are the three classes nearest to the target in score, not all others */
    WN_CONTRAST_NEAREST = 32,
    WN_CONTRAST_UNBALANCED = 64, /* the seed does not sum to 0: what all classes share is seen too */
    WN_CONTRAST_VALUE = 128,     /* the foil is a number that the output might have been, not a class */
    WN_CONTRAST_RELEVANCE = 256  /* a start of relevance: for methods with WN_METHOD_RELEVANCE alone */
};

/* What the positive numbers of a map speak for: id, words. A row says it, and where only the answer's numbers settle
 * it, wn_positive_of does. "For the class" is against the foil, too, where there is one; AGAINST_CLASS and NO_CLASS,
 * which a method with WN_METHOD_CLASSLESS makes of any question, are said of answers alone, BY_VALUE of rows alone. */
#define WN_POSITIVES(X)                                                                                                \
    X(FOR_CLASS, "for the class")                                                                                      \
    X(AGAINST_RIVAL, "against the rival")                                                                              \
    X(AGAINST_CLASS, "against the class")                                                                              \
    X(NO_CLASS, "for no class in particular")                                                                          \
    X(BY_VALUE, "for the class, or against it where the value lies above the output")
enum wn_positive {
#define X(id, words) WN_POSITIVE_##id,
    WN_POSITIVES(X)
#undef X
};
WN_API const char *wn_positive_words(int i); /* static; NULL past the end */

/* The two sets of classes whose log-odds log(sum_T e^y / sum_S e^y), or whose probability, the contrast is the
 * gradient of, up to a factor that does not depend on the class. What Integrated Gradients follows along its path. */
enum wn_odds {
    WN_ODDS_NONE,          /* the seed is not such a gradient: only v.y with v held */
    WN_ODDS_TARGET_OTHERS, /* T = {t}, S = all others */
    WN_ODDS_TARGETS_FOILS, /* T = the targets, S = the foils */
    WN_ODDS_OTHERS_FOIL    /* T = all but the foil, S = {foil} */
};

struct wn_contrast {
    const char *name;     /* "weighted" */
    const char *summary;  /* the question it answers, one sentence */
    const char *formula;  /* "e_t - sum_{s != t} alpha_s e_s" */
    const char *source;   /* paper, equation */
    const char *misleads; /* where its map is easily read wrongly, one or two sentences */
    const char *cost;     /* NULL: that of any seed, nothing beside the method's */
    unsigned flags;
    enum wn_positive positive; /* what is left out: for the class */
    enum wn_odds odds;
    bool explains_probability; /* with odds: the gradient of the probability, not of its log-odds */
    /* seed: K floats, caller's. Never NaN for finite logits. *foil: the class contrasted with, where there is one,
     * else -1. */
    enum wn_code (*seed)(const struct wn_contrast_in *in, float *seed, int *foil, struct wn_error *err);
    /* The same as a closed form, for devices that make seeds themselves; `against` is that of a question without
     * foils where those are optional. NULL: `seed` alone makes it. */
    const struct wn_seed_form *form;
    /* NULL; or a contrast of two passes, whose map is that of `seed` less that of this row, no row of the table,
     * after both are brought to totals of one size, each with its sign: to 1, or the second to the first's. */
    const struct wn_contrast *less;
    enum wn_balance { WN_BALANCE_ONE, WN_BALANCE_FIRST } balance;
};

WN_API const struct wn_contrast *wn_contrast_at(int i); /* NULL past the end */
WN_API const struct wn_contrast *wn_contrast_find(const char *name);
/* Checks the question (classes in range, sets disjoint and without repeats, as many foils as the row's flags say,
 * finite logits) and fills the seed. Errors: WN_BAD_REQUEST, WN_NO_SUCH_CLASS, WN_BAD_NUMBERS, WN_NO_MEMORY. */
WN_API enum wn_code wn_contrast_seed(const struct wn_contrast *c, const struct wn_contrast_in *in, float *seed,
                                     int *foil, struct wn_error *err);

/* ---- methods ---- */

struct wn_method_in; /* kernels/methods/method.h: what a formula is written over */
struct wn_run;       /* and what a method of several runs is given */

enum wn_setting {
#define X(id, name, kind, lo, hi, standard, choices, words) WN_SETTING_##id,
#include <whynot/method_options.def>
#undef X
    WN_SETTINGS
};

enum wn_setting_kind { WN_SETTING_WHOLE, WN_SETTING_NUMBER, WN_SETTING_CHOICE, WN_SETTING_METHOD };

struct wn_setting_row {
    const char *name;
    enum wn_setting_kind kind;
    double lo, hi;
    const char *standard, *choices, *words; /* see method_options.def */
};

/* Zero-initialised: everything at its default. */
struct wn_settings {
    unsigned given; /* bit s: setting s was set */
    double value[WN_SETTINGS];
};

WN_API const struct wn_setting_row *wn_setting_at(int i); /* NULL past the end */
/* The number of the setting, or -1. */
WN_API int wn_setting_find(const char *name);
/* Checks and sets. text: a number, or the word of a choice. WN_BAD_REQUEST says what is allowed. */
WN_API enum wn_code wn_setting_set(struct wn_settings *s, enum wn_setting which, const char *text,
                                   struct wn_error *err);
/* The value as given, or the default. */
WN_API double wn_setting(const struct wn_settings *s, enum wn_setting which);

enum wn_method_flags {
    WN_METHOD_INPUT = 1,  /* explains the pixels of the network's input, whatever layer is asked for */
    WN_METHOD_LINEAR = 2, /* the map of a sum of seeds is the sum of their maps */
    /* compares the image with a baseline image, which goes through the forward pass beside it */
    WN_METHOD_REFERENCE = 4,
    WN_METHOD_RELEVANCE = 16, /* relevance v_s y_s is handed down from the logits, by rules that keep its total */
    /* looks at no class: answers the contrast "logit" alone, with the same map whatever the target is */
    WN_METHOD_CLASSLESS = 8,
    WN_METHOD_AREAS = 32 /* paints whole areas, a value each: no single pixel stands out */
};

struct wn_method {
    const char *name; /* "gradcam" */
    const char *summary;
    const char *formula;
    const char *source;
    const char *cost;     /* beside one forward pass, in words */
    const char *misleads; /* where its map is easily read wrongly, one or two sentences */
    unsigned flags;
    unsigned settings; /* bit s: takes setting s; each is a row of method_options.def */
    /* Appends the formula; returns the value of the raw signed map (R,1,h,w), or for a method with `run` whatever
     * `run` wants of one run, (R,C,h,w). A graph that the method has no rule for: wn_program_fail(WN_UNSUPPORTED)
     * naming what is in the way. */
    int (*build)(struct wn_program *p, const struct wn_method_in *in);
    /* NULL where one run is enough. Else drives as many runs as the map takes, one question at a time, and fills it
     * (kernels/methods/method.h). Polls for an end between runs. build may be NULL then: the method has runs of
     * other methods only. */
    enum wn_code (*run)(struct wn_run *run, struct wn_error *err);
    /* Forward passes of one answer with these settings, a backward pass counted as one more; NULL: that of one run. */
    int64_t (*passes)(const struct wn_settings *s);
    /* May be NULL. Appends the maps of every class without a backward pass a class; returns (N,K,h,w) for a layer of
     * N images. Fails with WN_UNSUPPORTED where there is no such short cut for so many: the caller then tries fewer,
     * and in the end goes the long way. */
    int (*build_all)(struct wn_program *p, int layer, int logits, int64_t classes);
};

WN_API const struct wn_method *wn_method_at(int i); /* NULL past the end */
WN_API const struct wn_method *wn_method_find(const char *name);
/* The row's flags; for a method that averages the maps of another one, with what that one explains: the input or a
 * layer, relevance, no class. */
WN_API unsigned wn_method_flags(const struct wn_method *m, const struct wn_settings *s);
/* Whether the method takes every setting that was given, itself or for its base method; else WN_BAD_REQUEST names
 * it. */
WN_API enum wn_code wn_method_check(const struct wn_method *m, const struct wn_settings *s, struct wn_error *err);

/* ---- one question and its answer ---- */

#define WN_TARGET_PREDICTED (-1)
#define WN_LAYER_AUTO (-1)
#define WN_LAYER_INPUT (-2) /* in answers: the map is over the network's input */

struct wn_question {
    int image; /* which image of the batch */
    /* number among wn_graph_layer, or WN_LAYER_AUTO; methods on the input ignore it */
    int layer;
    const struct wn_method *method;     /* never NULL */
    const struct wn_contrast *contrast; /* never NULL */
    int target;                         /* class, or WN_TARGET_PREDICTED: the prediction of this image */
    const int *targets;                 /* subset contrasts: several targets; NULL: {target} */
    int n_targets;
    /* NULL with n_foils 0: the contrast's default (the runner-up; for a set, all others or the nearest) */
    const int *foils;
    int n_foils;
    float value; /* for contrasts with WN_CONTRAST_VALUE */
    bool has_value;
    const int *layers; /* two or more: the maps of these layers fused into one, `layer` is not looked at; else NULL */
    int n_layers;
    struct wn_settings settings;
};

#define WN_MOST_LAYERS 8

/* Forward passes that an answer costs, a backward pass counted as one more: known before anything is computed. */
WN_API int64_t wn_question_passes(const struct wn_question *q);

enum wn_answer_flags {
    WN_ANSWER_FLAT = 1,     /* the map is constant */
    WN_ANSWER_EMPTY = 2,    /* the map has no positive value */
    WN_ANSWER_SATURATED = 4 /* p of the target is 1 in floating point */
};

/* Filled by wn_engine_explain; wn_answer_finish frees what it owns. */
struct wn_answer {
    struct wn_error error; /* code WN_OK, or why this one question has no answer */
    int target, foil;      /* as resolved; foil -1 where the contrast has none */
    int layer;             /* as resolved: number among wn_graph_layer, or WN_LAYER_INPUT */
    int h, w;
    float *map; /* h*w, signed, not normalised; owned by the answer */
    /* v.y: the scalar that was explained, unless WN_SETTING_PATH_TARGET follows another; of two passes the first
     * one's */
    float score;
    unsigned flags;
    /* Methods whose map has to sum to a known difference (Integrated Gradients, DeepLIFT): the sum, and that
     * difference. */
    struct wn_completeness {
        bool known;
        double sum, expected;
        const char *scalar; /* "v.y", "probability" or "log-odds": what the difference is of; static */
    } completeness;
    /* Methods that look for what suffices: nothing does, for even the whole picture does not put the classes that the
     * question speaks for ahead of the others. The best logit of the ones less the best of the others, 0 or less. */
    struct wn_shortfall {
        bool known;
        double margin;
    } shortfall;
};
/* |sum - expected| / |expected|; 0 where both are 0, and 1 where only the expected one is. */
WN_API double wn_completeness_residual(const struct wn_completeness *c);
WN_API void wn_answer_finish(struct wn_answer *a);
/* What the positive numbers of this answer's map speak for, never WN_POSITIVE_BY_VALUE: a value above the output asks
 * what keeps the output from it, and a foil that is the target itself is contradicted by what contradicts the target.
 * logits: of the image, as many as the network has; 1 means the class 1, and class 0 has the logit 0. */
WN_API enum wn_positive wn_positive_of(const struct wn_question *q, const struct wn_answer *a, const float *logits,
                                       int classes);
/* The first failure among n answers that might as well have gone right (memory, the device, a deadline, a bug), for
 * who has to tell that from a question that this network rules out. */
WN_API enum wn_code wn_answers_failure(const struct wn_answer *answers, int n, struct wn_error *err);

/* ---- numbers about logits that several parties need ---- */
WN_API void wn_softmax(const float *logits, int n, float *p); /* p: n floats, caller's; may alias logits */
WN_API int wn_argmax(const float *x, int n);                  /* lowest index on a tie */
/* Indices of the k largest, best first, ties by lowest index; returns min(k, n). */
WN_API int wn_top(const float *x, int n, int k, int *index);
/* Indices of the k classes whose logits lie nearest to the target's, nearest first, ties by lowest index; never the
 * target. Returns min(k, n - 1). */
WN_API int wn_nearest(const float *logits, int n, int target, int k, int *index);

#ifdef __cplusplus
}
#endif
#endif
