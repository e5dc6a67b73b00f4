/* Pictures moved by the sign of a gradient (Wang & Wang 2022, figure 3): what raises a logit need not raise its
 * probability. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trial.h"

#define EPS 1e-3 /* of the way from black to white */
static const int steps[] = {1, 2, 10};

#define ROWS(n)                                                                                                        \
    {"logit." #n, "change of the logit after " #n " steps of together a thousandth of the range of a pixel", 1},       \
        {"probability." #n, "change of the probability after " #n " steps", 1},                                        \
    {                                                                                                                  \
        "accuracy." #n, "change of the share of pictures that are classified as the class, after " #n " steps", 1      \
    }
static const struct wn_evaluation_column columns[] = {ROWS(1), ROWS(2), ROWS(10)};
#define COLUMNS 9

/* Between the network's values and pixels from 0 to 1. */
static void to_pixels(const struct wn_trial *t, const float *x, float *pixels)
{
    for (int c = 0; c < t->channels; c++)
        for (int i = 0; i < t->pixels; i++)
            pixels[c * t->pixels + i] = (x[c * t->pixels + i] - t->low[c]) / (t->high[c] - t->low[c]);
}

static void from_pixels(const struct wn_trial *t, const float *pixels, float *x)
{
    for (int c = 0; c < t->channels; c++)
        for (int i = 0; i < t->pixels; i++)
            x[c * t->pixels + i] = t->low[c] + (t->high[c] - t->low[c]) * pixels[c * t->pixels + i];
}

/* n steps; the gradient is taken anew at each, and the contrast with it. Leaves the logits in batch_logits. */
static enum wn_code perturb(struct wn_trial *t, int subject, int n, struct wn_error *err)
{
    const struct wn_subject *s = &t->options->subjects[subject];
    struct wn_question q = {.layer = s->layer, .method = s->method, .contrast = s->contrast, .target = t->chosen};
    float *x0 = wn_trial_picture(t, 1), *pixels = wn_trial_picture(t, 2), *x = wn_trial_picture(t, 0),
          *gradient = t->fill;
    int count = t->channels * t->pixels;
    enum wn_code code = WN_OK;
    to_pixels(t, t->picture->image, x0);
    memcpy(pixels, x0, (size_t)count * sizeof *pixels);
    memcpy(x, t->picture->image, (size_t)count * sizeof *x);
    for (int i = 0; i < n && code == WN_OK; i++) {
        code = wn_engine_gradient(t->engine, x, &q, t->batch_logits, gradient, err);
        t->passes += 2;
        if (code != WN_OK) return code;
        wn_sign_step(pixels, x0, gradient, count, EPS, n);
        from_pixels(t, pixels, x);
    }
    return wn_trial_forward(t, 1, err);
}

static bool is_gradient(const struct wn_method *m)
{
    return strcmp(m->name, "gradient") == 0;
}

static enum wn_code run(struct wn_trial *t, double *values, struct wn_error *err)
{
    double before = wn_trial_probability(t, t->logits, t->chosen);
    if (!t->low || !t->high) return WN_OK;
    for (int s = 0; s < t->options->n_subjects; s++) {
        if (!is_gradient(t->options->subjects[s].method)) continue; /* other maps say nothing of single values */
        for (int k = 0; k < 3; k++) {
            enum wn_code code = perturb(t, s, steps[k], err);
            if (code != WN_OK) return code;
            double *v = values + s * COLUMNS + 3 * k;
            v[0] = (double)t->batch_logits[t->chosen] - t->logits[t->chosen];
            v[1] = wn_trial_probability(t, t->batch_logits, t->chosen) - before;
            v[2] = (wn_trial_top(t, t->batch_logits) == t->chosen) - (t->first == t->chosen);
        }
    }
    return WN_OK;
}

const struct wn_evaluation_metric wn_evaluation_metric_gradient_sign = {
    .name = "gradient-sign",
    .summary = "Does following the gradient's sign raise the class, or only its logit? Of method 'gradient' alone.",
    .source = "Wang & Wang 2022, figure 3",
    .columns = columns,
    .n_columns = COLUMNS,
    .run = run,
};
