/* Does a map move with its picture, and does it change with what is asked? Consistency of two views, and the checks
 * with another class and with a network that has learnt nothing. */
#include <math.h>
#include <stdlib.h>

#include "../random.h"
#include "trial.h"

static const struct wn_evaluation_column consistency_columns[] = {
    {"cosine", "agreement of the map of a cropped, enlarged, mirrored view with the view of the map", 1},
};
static const struct wn_evaluation_column shuffled_columns[] = {
    {"correlation",
     "rank correlation with the map of the network with shuffled weights; near 1: the method does not look at the "
     "weights",
     -1},
};
static const struct wn_evaluation_column random_columns[] = {
    {"correlation",
     "rank correlation with the map of a class drawn by chance; near 1: the method does not look at the class", -1},
};

/* Asks every subject about `target` in another picture, or of another network of this shape; answers: n_subjects,
 * finished by the caller. */
static enum wn_code ask_again(struct wn_trial *t, struct wn_engine *engine, const float *image, int target,
                              struct wn_answer *answers, struct wn_error *err)
{
    int n = t->options->n_subjects;
    struct wn_question *questions = calloc((size_t)n, sizeof *questions);
    if (!questions) return wn_fail(err, WN_NO_MEMORY, "no memory for %d questions", n);
    for (int s = 0; s < n; s++) {
        const struct wn_subject *subject = &t->options->subjects[s];
        questions[s] = (struct wn_question){
            .layer = subject->layer, .method = subject->method, .contrast = subject->contrast, .target = target};
    }
    t->passes++;
    enum wn_code code = wn_engine_explain(engine, &(struct wn_batch){1, &image, n, questions, NULL, NULL, NULL},
                                          t->batch_logits, answers, NULL, err);
    free(questions);
    return code == WN_OK ? wn_answers_failure(answers, n, err) : code;
}

/* ---- consistency ---- */

struct wn_glimpse wn_glimpse_draw(uint64_t seed, int h, int w)
{
    struct wn_random random = wn_random_of(seed), *r = &random;
    for (int i = 0; i < 10; i++) {
        double area = h * (double)w * (0.08 + 0.92 * wn_random_unit(r));
        double ratio = exp(log(0.75) + (log(4.0 / 3) - log(0.75)) * wn_random_unit(r));
        int width = (int)lround(sqrt(area * ratio)), height = (int)lround(sqrt(area / ratio));
        if (width < 1 || height < 1 || width > w || height > h) continue;
        struct wn_glimpse v = {.height = height, .width = width};
        /* one after the other: an initialiser has no order */
        v.y = (int)wn_random_below(r, (uint64_t)(h - height) + 1);
        v.x = (int)wn_random_below(r, (uint64_t)(w - width) + 1);
        v.flip = wn_random_below(r, 2);
        return v;
    }
    return (struct wn_glimpse){0, 0, h, w, wn_random_below(r, 2)};
}

static enum wn_code see(const float *plane, int h, int w, const struct wn_glimpse *v, float *out, struct wn_error *err)
{
    return wn_map_view(plane, h, w, v->y, v->x, v->height, v->width, v->flip, out, err);
}

static double sum_of(const float *map, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += map[i];
    return sum;
}

/* Of a map without negative values, or of a part of one whose whole has this sum: nowhere 0, so that a map without a
 * positive value is a uniform one. */
static void normalise(float *map, int n, double sum)
{
    for (int i = 0; i < n; i++) map[i] = (float)(map[i] / (sum + 1e-8) + 1e-8);
}

/* A view of the picture, and what the subjects answered about it. */
struct sight {
    struct wn_glimpse view;
    struct wn_answer *answers; /* n_subjects */
};

/* The map seen, against the map of what is seen. Where neither has a positive value both would be uniform, and agree
 * wholly on nothing: there is no number then. */
static enum wn_code compare(struct wn_trial *t, int subject, double *value, void *context, struct wn_error *err)
{
    const struct sight *sight = context;
    float *moved = wn_trial_picture(t, 1), *seen = t->fill;
    if (!sight->answers[subject].map) return WN_OK;
    enum wn_code code = see(t->map, t->height, t->width, &sight->view, moved, err);
    if (code == WN_OK) code = wn_answer_positive(&sight->answers[subject], t->height, t->width, seen, err);
    if (code != WN_OK) return code;
    const double sum = sum_of(seen, t->pixels);
    if (sum == 0 && sum_of(moved, t->pixels) == 0) return WN_OK;
    normalise(moved, t->pixels, sum_of(t->map, t->pixels));
    normalise(seen, t->pixels, sum);
    *value = wn_cosine(seen, moved, t->pixels);
    return WN_OK;
}

static enum wn_code run_consistency(struct wn_trial *t, double *values, struct wn_error *err)
{
    struct sight sight = {wn_glimpse_draw(t->picture->seed, t->height, t->width),
                          calloc((size_t)t->options->n_subjects, sizeof *sight.answers)};
    if (!sight.answers) return wn_fail(err, WN_NO_MEMORY, "no memory for the answers about a view");
    enum wn_code code = WN_OK;
    for (int c = 0; c < t->channels && code == WN_OK; c++)
        code = see(t->picture->image + (size_t)c * (size_t)t->pixels, t->height, t->width, &sight.view,
                   wn_trial_picture(t, 0) + (size_t)c * (size_t)t->pixels, err);
    if (code == WN_OK) code = ask_again(t, t->engine, wn_trial_picture(t, 0), t->chosen, sight.answers, err);
    if (code == WN_OK) code = wn_trial_each(t, WN_MAP_CHOSEN, WN_FORM_POSITIVE, 1, values, compare, &sight, err);
    for (int s = 0; s < t->options->n_subjects; s++) wn_answer_finish(&sight.answers[s]);
    free(sight.answers);
    return code;
}

/* ---- another class, another network ---- */

static enum wn_code correlate(const struct wn_answer *a, const struct wn_answer *b, double *r, struct wn_error *err)
{
    int n = a->h * a->w;
    double *both = malloc((size_t)n * 2 * sizeof *both);
    if (!both) return wn_fail(err, WN_NO_MEMORY, "no memory to compare two maps");
    for (int i = 0; i < n; i++) {
        both[i] = (double)a->map[i];
        both[n + i] = (double)b->map[i];
    }
    enum wn_code code = wn_rank_correlation(both, both + n, n, r, err);
    free(both);
    return code;
}

/* The maps of the picture, against those of the same picture for another class or by another network. */
static enum wn_code compare_with(struct wn_trial *t, struct wn_engine *engine, int target, double *values,
                                 struct wn_error *err)
{
    struct wn_answer *answers = calloc((size_t)t->options->n_subjects, sizeof *answers);
    if (!answers) return wn_fail(err, WN_NO_MEMORY, "no memory for other answers");
    enum wn_code code = ask_again(t, engine, t->picture->image, target, answers, err);
    for (int s = 0; s < t->options->n_subjects && code == WN_OK; s++) {
        const struct wn_answer *asked = &t->answers[s * WN_MAP_COUNT + WN_MAP_CHOSEN];
        if (asked->map && answers[s].map) code = correlate(asked, &answers[s], &values[s], err);
    }
    for (int s = 0; s < t->options->n_subjects; s++) wn_answer_finish(&answers[s]);
    free(answers);
    return code;
}

static enum wn_code run_random(struct wn_trial *t, double *values, struct wn_error *err)
{
    struct wn_random random = wn_random_of(t->picture->seed + 1);
    int other = (int)wn_random_below(&random, (uint64_t)t->classes - 1);
    return compare_with(t, t->engine, other + (other >= t->chosen), values, err);
}

static enum wn_code run_shuffled(struct wn_trial *t, double *values, struct wn_error *err)
{
    return compare_with(t, t->options->shuffled, t->chosen, values, err);
}

const struct wn_evaluation_metric wn_evaluation_metric_consistency = {
    .name = "consistency",
    .summary = "Does the map move with its picture?",
    .source = "Pillai et al. 2022 (CGC), the consistency measure",
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = consistency_columns,
    .n_columns = 1,
    .run = run_consistency,
};

const struct wn_evaluation_metric wn_evaluation_metric_random_logit = {
    .name = "random-logit",
    .summary = "Does the map change when another class is asked about?",
    .source = "Sixt et al. 2020, random logit test",
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = random_columns,
    .n_columns = 1,
    .run = run_random,
};

const struct wn_evaluation_metric wn_evaluation_metric_random_weights = {
    .name = "random-weights",
    .summary = "Does the map change when the network has learnt nothing?",
    .source = "Adebayo et al. 2018, model parameter randomisation, all layers at once",
    .needs = WN_NEEDS_SHUFFLED,
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = shuffled_columns,
    .n_columns = 1,
    .run = run_shuffled,
};
