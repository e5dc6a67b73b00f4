/* The masking experiment of Wang & Wang 2022 (table 1): keep one side of a map, and see whether the decision between
 * the two most likely classes follows. In the equal-area rows every subject hides the same number of pixels (their
 * supplement). */
#include "trial.h"

static const enum wn_fill fills[] = {WN_FILL_BLUR, WN_FILL_ZERO, WN_FILL_MEAN};
#define FILLS 3
#define KEEPS 2

#define CELLS(fill, what)                                                                                              \
    {fill ".positive.1", "p(first of two), only what speaks for it kept, the rest " what, 1},                          \
        {fill ".positive.2", "p(second of two), only what speaks for it kept, the rest " what, 1},                     \
        {fill ".negative.1", "p(first of two), only what speaks against it kept, the rest " what, -1},                 \
    {                                                                                                                  \
        fill ".negative.2", "p(second of two), only what speaks against it kept, the rest " what, -1                   \
    }
static const struct wn_evaluation_column columns[] = {
    {"p.1", "p(first of two) of the picture as it is", 0},
    {"p.2", "p(second of two) of the picture as it is", 0},
    CELLS("blur", "blurred"),
    CELLS("zero", "in the mean colour of the training"),
    CELLS("mean", "in the mean colour of the picture"),
};
#define COLUMNS (2 + FILLS * KEEPS * 2)

/* Pixels of one sign in the map of any subject: fewest and most. */
struct sign_count {
    bool positive;
    int fewest, most;
};

static enum wn_code count_one(struct wn_trial *t, int subject, double *values, void *context, struct wn_error *err)
{
    struct sign_count *c = context;
    int n = 0;
    (void)subject, (void)values, (void)err;
    for (int i = 0; i < t->pixels; i++) n += c->positive ? t->map[i] > 0 : t->map[i] < 0;
    if (n < c->fewest) c->fewest = n;
    if (n > c->most) c->most = n;
    return WN_OK;
}

static enum wn_code count_sign(struct wn_trial *t, enum wn_evaluation_map which, bool positive, struct sign_count *c,
                               struct wn_error *err)
{
    *c = (struct sign_count){positive, t->pixels, 0};
    return wn_trial_each(t, which, WN_FORM_CORNERS, 0, NULL, count_one, c, err);
}

/* How many pixels to hide; -1: as many as the map says. */
typedef enum wn_code count_rule(struct wn_trial *t, enum wn_evaluation_map which, enum wn_keep keep, int *count,
                                struct wn_error *err);

static enum wn_code as_the_map_says(struct wn_trial *t, enum wn_evaluation_map which, enum wn_keep keep, int *count,
                                    struct wn_error *err)
{
    (void)t, (void)which, (void)keep, (void)err;
    *count = -1;
    return WN_OK;
}

static enum wn_code as_the_paper_says(struct wn_trial *t, enum wn_evaluation_map which, enum wn_keep keep, int *count,
                                      struct wn_error *err)
{
    struct sign_count c;
    enum wn_code code = count_sign(t, which, keep == WN_KEEP_NEGATIVE, &c, err); /* of the side that is hidden */
    *count = keep == WN_KEEP_POSITIVE ? c.most : c.fewest;
    return code;
}

/* The authors' program counts the side that is kept, and one less where the negative one is. */
static enum wn_code as_the_code_says(struct wn_trial *t, enum wn_evaluation_map which, enum wn_keep keep, int *count,
                                     struct wn_error *err)
{
    struct sign_count c;
    enum wn_code code = count_sign(t, which, keep == WN_KEEP_POSITIVE, &c, err);
    *count = keep == WN_KEEP_POSITIVE ? c.fewest : c.most > 0 ? c.most - 1 : 0;
    return code;
}

/* One subject under one cover: both classes, both sides, one run. */
static enum wn_code judge(struct wn_trial *t, int subject, const int count[2][KEEPS], double *values,
                          struct wn_error *err)
{
    const int class_of[] = {t->first, t->second};
    const float *maps[2];
    struct wn_hidden rows[2 * KEEPS];
    int number[2 * KEEPS], n_maps = 0, n = 0; /* number: 0 for rows of the first class, 1 for the second's */
    for (int i = 0; i < 2; i++) {
        const struct wn_answer *a = wn_trial_answer(t, subject, (enum wn_evaluation_map)(WN_MAP_FIRST + i));
        if (!a) continue;
        for (int keep = 0; keep < KEEPS; keep++)
            number[n] = i, rows[n++] = (struct wn_hidden){n_maps, count[i][keep], (enum wn_keep)keep};
        maps[n_maps++] = a->map;
        wn_hider_maps(&t->hider, maps, n_maps, a->h, a->w, true); /* of one method over one layer, so of one size */
    }
    enum wn_code code = n ? wn_trial_hidden(t, rows, n, err) : WN_OK;
    for (int r = 0; r < n && code == WN_OK; r++)
        values[(int)rows[r].keep * 2 + number[r]] = wn_trial_relative(
            t, t->batch_logits + (size_t)r * (size_t)t->classes, class_of[number[r]], class_of[1 - number[r]]);
    return code;
}

static enum wn_code run_with(struct wn_trial *t, count_rule *rule, double *values, struct wn_error *err)
{
    int count[2][KEEPS];
    enum wn_code code = WN_OK;
    if (wn_trial_probability(t, t->logits, t->second) <= t->options->least_second) return WN_OK;
    for (int i = 0; i < 2 * KEEPS && code == WN_OK; i++)
        code = rule(t, (enum wn_evaluation_map)(WN_MAP_FIRST + i / KEEPS), (enum wn_keep)(i % KEEPS),
                    &count[i / KEEPS][i % KEEPS], err);
    for (int f = 0; f < FILLS && code == WN_OK; f++) {
        struct wn_cover cover;
        code = wn_cover_of(fills[f], t->height, t->width, NULL, &cover, err);
        if (code == WN_OK) wn_hider_show(&t->hider, t->picture->image, &cover, false);
        for (int s = 0; s < t->options->n_subjects && code == WN_OK; s++)
            code = judge(t, s, (const int(*)[KEEPS])count, values + s * COLUMNS + 2 + f * KEEPS * 2, err);
    }
    for (int s = 0; s < t->options->n_subjects; s++) {
        values[s * COLUMNS] = wn_trial_relative(t, t->logits, t->first, t->second);
        values[s * COLUMNS + 1] = wn_trial_relative(t, t->logits, t->second, t->first);
    }
    return code;
}

static enum wn_code run(struct wn_trial *t, double *values, struct wn_error *err)
{
    return run_with(t, as_the_map_says, values, err);
}

static enum wn_code run_equal(struct wn_trial *t, double *values, struct wn_error *err)
{
    return run_with(t, as_the_paper_says, values, err);
}

static enum wn_code run_equal_code(struct wn_trial *t, double *values, struct wn_error *err)
{
    return run_with(t, as_the_code_says, values, err);
}

#define BOTH_CLASSES (1u << WN_MAP_FIRST | 1u << WN_MAP_SECOND)

const struct wn_evaluation_metric wn_evaluation_metric_masking = {
    .name = "masking",
    .summary =
        "Does keeping what speaks for a class raise its chance against the rival, and what speaks against it lower it?",
    .source = "Wang & Wang 2022, table 1",
    .needs = WN_NEEDS_SECOND,
    .maps = BOTH_CLASSES,
    .columns = columns,
    .n_columns = COLUMNS,
    .run = run,
};

const struct wn_evaluation_metric wn_evaluation_metric_masking_equal = {
    .name = "masking-equal",
    .summary = "The same with every method hiding the same number of pixels, by the rule of the text.",
    .source = "Wang & Wang 2022, supplement, table 3",
    .needs = WN_NEEDS_SEVERAL | WN_NEEDS_SECOND,
    .maps = BOTH_CLASSES,
    .columns = columns,
    .n_columns = COLUMNS,
    .run = run_equal,
};

const struct wn_evaluation_metric wn_evaluation_metric_masking_equal_code = {
    .name = "masking-equal-code",
    .summary = "The same with every method hiding the same number of pixels, counted as the authors' program does.",
    .source = "Wang & Wang 2022, official program",
    .needs = WN_NEEDS_SEVERAL | WN_NEEDS_SECOND,
    .maps = BOTH_CLASSES,
    .columns = columns,
    .n_columns = COLUMNS,
    .run = run_equal_code,
};
