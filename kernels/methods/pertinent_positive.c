/* The pertinent positive of CEM-MAF: the few areas of the picture that are enough, all others painted over, for the
 * class to stay ahead of its rivals. One weight an area shrinks under accelerated descent as long as the network
 * stays sure; then areas are switched on by weight until it answers as before. */
#include "method.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIT(s) (1u << WN_SETTING_##s)

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    (void)p;
    return in->gradient; /* (R,C,H,W) */
}

struct search {
    size_t pixels, plane;
    int n, room, classes;             /* areas; images of a run; K of the network */
    int *of;                          /* plane: the area of each pixel */
    float *fill;                      /* pixels: what stands where an area is off */
    signed char *sides;               /* max(K, 2): classes that the question speaks for and against */
    float *logits, *seeds, *gradient; /* room*K, room*K, pixels */
    double *m, *s, *best, *on;        /* n each: weights, the point ahead of them, the best so far, the final choice */
    /* n each: pixels; what switching the area on would add to the whole picture's margin */
    double *size, *slope;
    double beta, kappa, least; /* least: the best weights' penalty; INFINITY: none so far */
};

static void search_finish(struct search *s)
{
    free(s->of);
    free(s->fill);
    free(s->sides);
    free(s->logits);
    free(s->gradient);
    free(s->m);
}

static enum wn_code search_init(struct wn_run *r, struct search *s, struct wn_error *err)
{
    const struct wn_settings *set = &r->question->settings;
    s->plane = (size_t)(r->height * r->width);
    s->pixels = s->plane * (size_t)r->channels;
    s->room = wn_run_room(r);
    s->classes = r->classes;
    s->beta = wn_setting(set, WN_SETTING_BETA);
    s->kappa = wn_setting(set, WN_SETTING_KAPPA);
    s->least = INFINITY;
    const size_t numbers = (size_t)s->room * (size_t)s->classes;
    s->of = malloc(s->plane * sizeof *s->of);
    s->fill = malloc(s->pixels * sizeof *s->fill);
    s->gradient = malloc(s->pixels * sizeof *s->gradient);
    s->sides = malloc((size_t)s->classes + 1);
    s->logits = malloc(2 * numbers * sizeof *s->logits);
    if (!s->of || !s->fill || !s->gradient || !s->sides || !s->logits)
        return wn_fail(err, WN_NO_MEMORY, "no memory for a search");
    s->seeds = s->logits + numbers;
    enum wn_code code = wn_run_superpixels(r, (int)wn_setting(set, WN_SETTING_SUPERPIXELS), s->of, &s->n, err);
    if (code == WN_OK) code = wn_run_baseline(r, s->fill, err);
    if (code != WN_OK) return code;
    const size_t n = (size_t)s->n;
    s->m = calloc(6 * n, sizeof *s->m);
    if (!s->m || !wn_run_rivals(r, s->sides)) return wn_fail(err, WN_NO_MEMORY, "no memory for a search");
    s->s = s->m + n;
    s->best = s->s + n;
    s->on = s->best + n;
    s->size = s->on + n;
    s->slope = s->size + n;
    for (size_t i = 0; i < s->plane; i++) s->size[s->of[i]]++;
    return WN_OK;
}

/* ---- what the network says of weighted areas ---- */

/* The best logit of the one side less the best of the other; its gradient too (K; may be NULL). */
static double margin(const struct search *s, const float *logits, float *seed)
{
    const int n = s->classes > 1 ? s->classes : 2, shift = n - s->classes; /* one output: the logits 0 and y */
    const float two[2] = {0, logits[0]}, *y = shift ? two : logits;
    int mine = -1, theirs = -1;
    for (int i = 0; i < n; i++) {
        if (s->sides[i] > 0 && (mine < 0 || y[i] > y[mine])) mine = i;
        if (s->sides[i] < 0 && (theirs < 0 || y[i] > y[theirs])) theirs = i;
    }
    if (seed) memset(seed, 0, (size_t)s->classes * sizeof *seed);
    if (mine < 0 || theirs < 0) return 0; /* nobody is against anybody */
    if (seed && mine >= shift) seed[mine - shift] += 1;
    if (seed && theirs >= shift) seed[theirs - shift] -= 1;
    return (double)y[mine] - y[theirs];
}

static void paint(const struct wn_run *r, const struct search *s, const double *weight, float *x)
{
    for (size_t i = 0; i < s->pixels; i++)
        x[i] = (float)(s->fill[i] + weight[s->of[i % s->plane]] * ((double)r->image[i] - s->fill[i]));
}

/* Margins of up to `room` weightings in one run. */
static enum wn_code look(struct wn_run *r, struct search *s, const double *const *weights, int n, double *margins,
                         struct wn_error *err)
{
    for (int i = 0; i < n; i++) paint(r, s, weights[i], wn_run_image(r, i));
    enum wn_code code = wn_run_forward(r, n, s->logits, err);
    for (int i = 0; i < n && code == WN_OK; i++)
        margins[i] = margin(s, s->logits + (size_t)i * (size_t)s->classes, s->seeds + (size_t)i * (size_t)s->classes);
    return code;
}

/* ---- shrinking ---- */

/* Squares and beta times weights, each for as many pixels as it stands for. */
static double penalty(const struct search *s, const double *m)
{
    double sum = 0;
    for (int i = 0; i < s->n; i++) sum += s->size[i] * (m[i] * m[i] + s->beta * m[i]);
    return sum;
}

/* Adds `by` times the gradient of the margin by the areas' weights, where the last forward pass had its first image. */
static enum wn_code climb(struct wn_run *r, struct search *s, double by, double *weights, struct wn_error *err)
{
    enum wn_code code = wn_run_backward(r, 1, s->seeds, s->gradient, err);
    /* a weight that is no number would be taken for one that has shrunk away */
    for (size_t i = 0; i < s->pixels && code == WN_OK; i++)
        if (!isfinite(s->gradient[i]))
            code = wn_fail(err, WN_BAD_NUMBERS, "the gradient is not finite for a picture that '%s' tried",
                           r->method->name);
    for (size_t i = 0; i < s->pixels && code == WN_OK; i++)
        weights[s->of[i % s->plane]] += by * ((double)r->image[i] - s->fill[i]) * s->gradient[i];
    return code;
}

/* FISTA: every weight shrinks by beta, and the point ahead goes on the way that they went. */
static void shrink(struct search *s, int step)
{
    for (int i = 0; i < s->n; i++) {
        const double was = s->m[i];
        s->m[i] = s->s[i] > s->beta ? fmin(s->s[i] - s->beta, 1) : 0;
        s->s[i] = s->m[i] + (step + 1.0) / (step + 4.0) * (s->m[i] - was);
    }
}

static void keep_smaller(struct search *s)
{
    const double now = penalty(s, s->m);
    if (now >= s->least) return;
    s->least = now;
    memcpy(s->best, s->m, (size_t)s->n * sizeof *s->m);
}

/* margins[0] at the point ahead, where there is one, margins[1] at the weights, where they are tried; in one run
 * where there is room for both. The point's is the last, and its first image. */
static enum wn_code look_at_both(struct wn_run *r, struct search *s, bool ahead, bool tried, double margins[2],
                                 struct wn_error *err)
{
    const double *both[2] = {s->s, s->m};
    const bool together = ahead && tried && s->room > 1;
    enum wn_code code = WN_OK;
    if (tried && !together) code = look(r, s, &both[1], 1, &margins[1], err);
    if (code == WN_OK && ahead) code = look(r, s, both, 1 + together, margins, err);
    return code;
}

/* One round from all weights at 1.
 *
 * On their way down weights that are still all alike keep the network sure in any round; the paper's code takes that
 * for success, lets c fall, and is left with weights that put no area before another. Here only what is sure in the
 * second half of a round is its success. */
static enum wn_code one_round(struct wn_run *r, struct search *s, double c, int steps, bool *found,
                              struct wn_error *err)
{
    enum wn_code code = WN_OK;
    *found = false;
    for (int i = 0; i < s->n; i++) s->m[i] = s->s[i] = 1;
    for (int k = 0; k <= steps && code == WN_OK; k++) {
        const bool ahead = k < steps;
        const bool late = 2 * k > steps;
        const bool tried = k > 0 && ((late && !*found) || penalty(s, s->m) < s->least);
        double margins[2] = {0};
        if ((code = look_at_both(r, s, ahead, tried, margins, err)) != WN_OK) return code;
        if (tried && margins[1] >= s->kappa) {
            keep_smaller(s);
            *found |= late;
        }
        if (!ahead) return WN_OK;
        /* down c max(0, kappa - margin) */
        if (margins[0] < s->kappa) code = climb(r, s, 0.01 * sqrt(1 - (double)k / steps) * c, s->s, err);
        shrink(s, k);
    }
    return code;
}

/* c weighs staying sure against shrinking: ten times more while no round succeeds, then the middle of what failed
 * and what did. */
static enum wn_code search_all(struct wn_run *r, struct search *s, struct wn_error *err)
{
    const struct wn_settings *set = &r->question->settings;
    const int rounds = (int)wn_setting(set, WN_SETTING_ROUNDS), steps = (int)wn_setting(set, WN_SETTING_ITERATIONS);
    double c = 1, low = 0, high = INFINITY;
    enum wn_code code = WN_OK;
    for (int i = 0; i < rounds && code == WN_OK; i++) {
        bool found = false;
        code = one_round(r, s, c, steps, &found, err);
        if (found)
            high = fmin(high, c);
        else
            low = fmax(low, c);
        c = isfinite(high) ? (low + high) / 2 : 10 * c;
    }
    return code;
}

/* ---- switching on ---- */

struct area {
    int number;
    double weight, slope;
};

/* Most first; of equal ones the one that the whole picture owes more to. */
static int by_weight(const void *a, const void *b)
{
    const struct area *x = a, *y = b;
    if (x->weight != y->weight) return x->weight < y->weight ? 1 : -1;
    return x->slope < y->slope ? 1 : x->slope > y->slope ? -1 : x->number - y->number;
}

/* One area more at a time, as many trials as a run has room for, until the class is ahead. Leaves in `on` which they
 * are. */
static enum wn_code switch_on(struct wn_run *r, struct search *s, const struct area *order, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    bool ahead = false;
    for (int done = 0; done < s->n && !ahead && code == WN_OK;) {
        int n = 0, taken = 0;
        for (; n < s->room && done + n < s->n; n++) {
            s->on[order[done + n].number] = 1;
            paint(r, s, s->on, wn_run_image(r, n));
        }
        code = wn_run_forward(r, n, s->logits, err);
        for (; taken < n && !ahead && code == WN_OK; taken++)
            ahead = margin(s, s->logits + (size_t)taken * (size_t)s->classes, NULL) > 0;
        for (int i = taken; i < n; i++) s->on[order[done + i].number] = 0;
        done += taken;
    }
    return code;
}

/* What turns out not to be needed goes again, the least first, and around again until every area that is left was
 * needed beside exactly the others: one may be superfluous only once another has gone. The paper leaves them in. */
static enum wn_code spare(struct wn_run *r, struct search *s, const struct area *order, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    int left = 0, needed = 0; /* needed: tried since the last one went */
    for (int i = 0; i < s->n; i++) left += s->on[i] > 0;
    for (int i = s->n - 1; left > 1 && needed < left && code == WN_OK; i = i ? i - 1 : s->n - 1) {
        double *on = &s->on[order[i].number], ahead = 0;
        if (*on == 0) continue;
        *on = 0;
        code = look(r, s, (const double *const[]){s->on}, 1, &ahead, err);
        needed = ahead > 0 ? 0 : needed + 1;
        left -= ahead > 0;
        if (ahead <= 0) *on = 1;
    }
    return code;
}

static enum wn_code choose(struct wn_run *r, struct search *s, struct wn_error *err)
{
    struct area *order = malloc((size_t)s->n * sizeof *order);
    if (!order) return wn_fail(err, WN_NO_MEMORY, "no memory for a search");
    for (int i = 0; i < s->n; i++) order[i] = (struct area){i, s->best[i], s->slope[i]};
    qsort(order, (size_t)s->n, sizeof *order, by_weight);
    enum wn_code code = switch_on(r, s, order, err);
    if (code == WN_OK) code = spare(r, s, order, err);
    free(order);
    return code;
}

/* Where the class is not ahead in the whole picture, none of it is enough for that: no area is on. The whole
 * picture's own forward pass has just been run. */
static enum wn_code find(struct wn_run *r, struct search *s, struct wn_error *err)
{
    const double whole = margin(s, r->logits, s->seeds);
    if (whole <= 0) {
        r->shortfall = (struct wn_shortfall){true, whole};
        return WN_OK;
    }
    if (whole < s->kappa) s->kappa = whole / 2;
    enum wn_code code = climb(r, s, 1, s->slope, err);
    if (code == WN_OK) code = search_all(r, s, err);
    return code == WN_OK ? choose(r, s, err) : code;
}

static enum wn_code run(struct wn_run *r, struct wn_error *err)
{
    struct search s = {0};
    if (r->question->contrast->flags & WN_CONTRAST_VALUE)
        return wn_fail(err, WN_BAD_REQUEST,
                       "contrast '%s' sets no classes against others, so nothing can be enough for one",
                       r->question->contrast->name);
    enum wn_code code = search_init(r, &s, err);
    if (code == WN_OK) code = find(r, &s, err);
    if (code == WN_OK) code = wn_run_paint(r, s.of, s.on, err);
    search_finish(&s);
    return code;
}

static int64_t passes(const struct wn_settings *s)
{
    const int64_t steps = (int64_t)wn_setting(s, WN_SETTING_ROUNDS) * (int64_t)wn_setting(s, WN_SETTING_ITERATIONS);
    return 2 + 3 * steps + 3 * (int64_t)wn_setting(s, WN_SETTING_SUPERPIXELS);
}

const struct wn_method wn_method_pertinent_positive = {
    .name = "pertinent-positive",
    .summary =
        "What suffices: the few areas of the picture that are enough for the answer when all others are painted over.",
    .formula = "x(m) = x0 + m (x - x0), m >= 0 an area: min_m c max(0, kappa - (y_P - max_Q y_Q)(x(m))) + beta |m|_1; "
               "then areas by m until P is ahead, less those that it does not need; 1 there, else 0",
    .source = "Luss et al. 2021 (CEM-MAF), without attribute functions. Ours: a search succeeds by its second half, "
              "equal weights go by gradient, and areas that turn out "
              "not to be needed go again, until each that is left is needed. Areas: SLIC, Achanta et al. 2012",
    .cost = "up to three passes for each of `rounds` times `iterations` steps, and about as many for each area",
    .misleads = "Empty, with `not_found`: the class is not ahead even in the whole picture. Enough is not all that was "
                "used: other areas "
                "may be enough as well. A picture with holes is unlike any that the network was trained on.",
    .flags = WN_METHOD_INPUT | WN_METHOD_AREAS,
    .settings = BIT(SUPERPIXELS) | BIT(KAPPA) | BIT(BETA) | BIT(ROUNDS) | BIT(ITERATIONS) | BIT(BASELINE),
    .build = build,
    .run = run,
    .passes = passes,
};
