/* Score-CAM: channels weighted by what the scalar gains when the picture is seen through each of them; no gradient
 * at all. */
#include "method.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whynot/masking.h>

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_linear(p, in->activation, 1, 0); /* (R,C,h,w) */
}

struct channel {
    int number;
    double variance;
};

/* Most first; of equal ones the lower number. */
static int by_variance(const void *a, const void *b)
{
    const struct channel *x = a, *y = b;
    return x->variance < y->variance ? 1 : x->variance > y->variance ? -1 : x->number - y->number;
}

static double variance(const float *x, size_t n)
{
    double mean = 0, sum = 0;
    for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sum / (double)n;
}

struct trial {
    size_t cells, plane;
    int n; /* channels that are tried: none of them constant */
    struct channel *order;
    float *activation, *mask, *logits; /* C*cells, plane, room*K */
};

static void trial_finish(struct trial *t)
{
    free(t->order);
    free(t->activation);
    free(t->mask);
    free(t->logits);
}

/* Activations of the picture, and the order in which channels are tried. */
static enum wn_code trial_init(struct wn_run *r, struct trial *t, struct wn_error *err)
{
    size_t c = (size_t)r->at_channels;
    t->cells = (size_t)r->at_h * (size_t)r->at_w;
    t->plane = (size_t)(r->height * r->width);
    t->order = calloc(c, sizeof *t->order);
    t->activation = calloc(c * t->cells, sizeof *t->activation);
    t->mask = calloc(t->plane, sizeof *t->mask);
    t->logits = calloc((size_t)wn_run_room(r) * (size_t)r->classes, sizeof *t->logits);
    if (!t->order || !t->activation || !t->mask || !t->logits)
        return wn_fail(err, WN_NO_MEMORY, "no memory for the masks of a layer");
    /* the image's own forward pass has just been run */
    enum wn_code code = wn_run_backward(r, 1, r->seed, t->activation, err);
    int most = (int)wn_setting(&r->question->settings, WN_SETTING_CHANNELS);
    for (size_t k = 0; k < c && code == WN_OK; k++) {
        double v = variance(t->activation + k * t->cells, t->cells);
        if (!isfinite(v)) return wn_fail(err, WN_BAD_NUMBERS, "the layer has activations that are not finite");
        t->order[k] = (struct channel){(int)k, v};
    }
    qsort(t->order, c, sizeof *t->order, by_variance);
    while (t->n < r->at_channels && t->n < most && t->order[t->n].variance > 0) t->n++;
    return code;
}

/* The picture through one channel, enlarged and stretched to [0,1]. */
static enum wn_code mask_image(const struct wn_run *r, struct trial *t, int channel, float *x, struct wn_error *err)
{
    float lo = INFINITY, hi = -INFINITY;
    enum wn_code code = wn_enlarge(t->activation + (size_t)channel * t->cells, r->at_h, r->at_w, false, (int)r->height,
                                   (int)r->width, t->mask, err);
    if (code != WN_OK) return code;
    for (size_t i = 0; i < t->plane; i++) {
        if (t->mask[i] < lo) lo = t->mask[i];
        if (t->mask[i] > hi) hi = t->mask[i];
    }
    float scale = hi > lo ? 1 / (hi - lo) : 0;
    if (!isfinite(scale)) scale = 0;
    for (size_t i = 0; i < t->plane * (size_t)r->channels; i++)
        x[i] = r->image[i] * ((t->mask[i % t->plane] - lo) * scale);
    return WN_OK;
}

static double score(const struct wn_run *r, const float *logits)
{
    double sum = 0;
    for (int i = 0; i < r->classes; i++) sum += (double)r->seed[i] * logits[i];
    return sum;
}

static enum wn_code add_channels(struct wn_run *r, struct trial *t, double nothing, int first, int n, double *sum,
                                 struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int i = 0; i < n && code == WN_OK; i++)
        code = mask_image(r, t, t->order[first + i].number, wn_run_image(r, i), err);
    if (code == WN_OK) code = wn_run_forward(r, n, t->logits, err);
    for (int i = 0; i < n && code == WN_OK; i++) {
        const float *a = t->activation + (size_t)t->order[first + i].number * t->cells;
        double gain = score(r, t->logits + (size_t)i * (size_t)r->classes) - nothing;
        for (size_t j = 0; j < t->cells; j++) sum[j] += gain * a[j];
    }
    return code;
}

static enum wn_code try_all(struct wn_run *r, struct trial *t, double *sum, struct wn_error *err)
{
    int room = wn_run_room(r);
    memset(wn_run_image(r, 0), 0, t->plane * (size_t)r->channels * sizeof(float));
    enum wn_code code = wn_run_forward(r, 1, t->logits, err);
    double nothing = code == WN_OK ? score(r, t->logits) : 0;
    for (int i = 0; i < t->n && code == WN_OK; i += room)
        code = add_channels(r, t, nothing, i, t->n - i < room ? t->n - i : room, sum, err);
    return code;
}

static enum wn_code run(struct wn_run *r, struct wn_error *err)
{
    struct trial t = {0};
    enum wn_code code = trial_init(r, &t, err);
    r->h = r->at_h;
    r->w = r->at_w;
    r->map = calloc(t.cells, sizeof *r->map);
    double *sum = calloc(t.cells, sizeof *sum);
    if (code == WN_OK && (!r->map || !sum)) code = wn_fail(err, WN_NO_MEMORY, "no memory for a map");
    if (code == WN_OK) code = try_all(r, &t, sum, err);
    for (size_t i = 0; i < t.cells && code == WN_OK; i++) r->map[i] = (float)sum[i];
    free(sum);
    trial_finish(&t);
    return code;
}

static int64_t passes(const struct wn_settings *s)
{
    return 3 + (int64_t)wn_setting(s, WN_SETTING_CHANNELS);
}

const struct wn_method wn_method_scorecam = {
    .name = "scorecam",
    .summary = "Channels weighted by what the scalar gains when the picture is seen through them; needs no gradient.",
    .formula = "sum_k (v.y(x m_k) - v.y(0)) a_k, m_k = a_k enlarged and stretched to [0,1]",
    .source = "Wang et al. 2020 (Score-CAM), the gains as they are: a softmax over channels would lose the sign of a "
              "contrast",
    .cost = "a forward pass for each of the `channels` that are tried",
    .misleads = "A masked picture is unlike any that the network was trained on. With fewer `channels` than the layer "
                "has, the rest is left out.",
    .settings = 1u << WN_SETTING_CHANNELS,
    .build = build,
    .run = run,
    .passes = passes,
};
