/* "Why P?" over all foils at once: mean and variance of the contrasts against every other class (Prabhushankar et
 * al. 2020). Knows only a stack and the logits. */
#include <whynot/stack.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "enlarge.h"
#include "stack.h"

/* What one foil after the other passes through. */
struct press {
    int h, w, height, width;
    struct wn_tap *down, *across; /* height, width */
    float *small, *wide;          /* h*w: the positive part; h*width: its rows enlarged */
    float *mask;                  /* height*width */
    float *low, *high;            /* width: extremes of each column */
    double *sum, *squares;        /* height*width */
};

static void press_finish(struct press *p)
{
    free(p->down);
    free(p->across);
    free(p->small);
    free(p->wide);
    free(p->mask);
    free(p->low);
    free(p->high);
    free(p->sum);
    free(p->squares);
}

static enum wn_code press_init(struct press *p, const struct wn_stack *s, int height, int width, struct wn_error *err)
{
    size_t cells = (size_t)height * (size_t)width, w = (size_t)width;
    *p = (struct press){.h = s->h, .w = s->w, .height = height, .width = width};
    p->down = calloc((size_t)height, sizeof *p->down);
    p->across = calloc(w, sizeof *p->across);
    p->small = calloc((size_t)s->h * (size_t)s->w, sizeof *p->small);
    p->wide = calloc((size_t)s->h * w, sizeof *p->wide);
    p->mask = calloc(cells, sizeof *p->mask);
    p->low = calloc(w, sizeof *p->low);
    p->high = calloc(w, sizeof *p->high);
    p->sum = calloc(cells, sizeof *p->sum);
    p->squares = calloc(cells, sizeof *p->squares);
    if (!p->down || !p->across || !p->small || !p->wide || !p->mask || !p->low || !p->high || !p->sum || !p->squares) {
        press_finish(p);
        return wn_fail(err, WN_NO_MEMORY, "no memory for statistics of %d by %d cells", height, width);
    }
    wn_fill_taps(p->down, s->h, height, false);
    wn_fill_taps(p->across, s->w, width, false);
    return WN_OK;
}

/* small -> mask and its extremes. Extremes are kept a column at a time: such a loop runs over many columns at once. */
static void enlarge(struct press *p, float *lo, float *hi)
{
    int width = p->width;
    for (int y = 0; y < p->h; y++) {
        const float *row = p->small + (size_t)y * (size_t)p->w;
        float *wide = p->wide + (size_t)y * (size_t)width;
        for (int x = 0; x < width; x++) {
            const struct wn_tap t = p->across[x];
            wide[x] = row[t.low] + t.share * (row[t.high] - row[t.low]);
        }
    }
    for (int x = 0; x < width; x++) p->low[x] = INFINITY, p->high[x] = -INFINITY;
    for (int y = 0; y < p->height; y++) {
        const float *above = p->wide + (size_t)p->down[y].low * (size_t)width,
                    *below = p->wide + (size_t)p->down[y].high * (size_t)width;
        float *restrict mask = p->mask + (size_t)y * (size_t)width, *restrict low = p->low, *restrict high = p->high;
        float share = p->down[y].share;
        for (int x = 0; x < width; x++) {
            float v = above[x] + share * (below[x] - above[x]);
            mask[x] = v;
            low[x] = v < low[x] ? v : low[x];
            high[x] = v > high[x] ? v : high[x];
        }
    }
    *lo = INFINITY, *hi = -INFINITY;
    for (int x = 0; x < width; x++) {
        if (p->low[x] < *lo) *lo = p->low[x];
        if (p->high[x] > *hi) *hi = p->high[x];
    }
}

/* base - foil to p->mask, where *lo is its lowest value and 1 / *scale its span. foil NULL: base alone. False where
 * there is no mask: nothing positive, or the same everywhere. */
static bool press_mask(struct press *p, const float *base, const float *foil, double *lo, double *scale)
{
    float low, high, most = 0;
    for (size_t i = 0, n = (size_t)p->h * (size_t)p->w; i < n; i++) {
        float v = foil ? base[i] - foil[i] : base[i];
        p->small[i] = v > 0 ? v : 0;
        if (p->small[i] > most) most = p->small[i];
    }
    if (!(most > 0)) return false;
    enlarge(p, &low, &high);
    if (!(high > low)) return false;
    *lo = low;
    *scale = 1 / ((double)high - low);
    return true;
}

static bool press_foil(struct press *p, const float *base, const float *foil)
{
    double lo, scale;
    if (!press_mask(p, base, foil, &lo, &scale)) return false;
    double *restrict sum = p->sum, *restrict squares = p->squares;
    const float *restrict mask = p->mask;
    for (size_t i = 0, n = (size_t)p->height * (size_t)p->width; i < n; i++) {
        double v = ((double)mask[i] - lo) * scale;
        sum[i] += v;
        squares[i] += v * v;
    }
    return true;
}

/* What the contrasts with all foils have in common: each is base - M_Q. For a foil that makes up most of base, all
 * but itself cancels there; its contrast is made by itself. */
struct shared {
    float *base, *exact; /* h*w each, in one block that base names */
    int heavy;           /* the foil whose contrast is `exact`, or -1 */
};

/* ---- the two kinds ---- */

/* What the variance map says about the explanation of the target by itself: where the two overlap, and how even the
 * variance is. */
static void voice(struct press *p, const float *map, struct wn_statistics *out)
{
    const double threshold = 0.1, smooth = 1e-6;
    size_t cells = (size_t)out->h * (size_t)out->w, both = 0, either = 0;
    double least = INFINITY, most = -INFINITY, sum = 0, squares = 0, lo = 0, scale = 0;
    bool mask = press_mask(p, map, NULL, &lo, &scale);
    for (size_t i = 0; i < cells; i++) {
        if (out->variance[i] < least) least = out->variance[i];
        if (out->variance[i] > most) most = out->variance[i];
        sum += out->variance[i];
    }
    for (size_t i = 0; i < cells; i++) {
        bool uncertain = most > least && (out->variance[i] - least) / (most - least) > threshold;
        bool explains = mask && (p->mask[i] - lo) * scale > threshold;
        double off = out->variance[i] - sum / (double)cells;
        both += uncertain && explains;
        either += uncertain || explains;
        squares += off * off;
    }
    out->voice_iou = ((double)both + smooth) / ((double)either + smooth);
    out->flat = !(most > least);
    out->voice_snr = out->flat ? 0 : sum / (double)cells / sqrt(squares / (double)cells);
}

/* On the processor, one foil after the other. */
static void press_all(struct press *p, const struct wn_stack *s, const struct shared *shared, int target,
                      struct wn_statistics *out)
{
    size_t area = (size_t)s->h * (size_t)s->w;
    for (int q = 0; q < s->classes; q++)
        if (q != target && !(q == shared->heavy ? press_foil(p, shared->exact, NULL)
                                                : press_foil(p, shared->base, s->maps + (size_t)q * area)))
            out->empty++;
    double n = out->foils;
    for (size_t i = 0, cells = (size_t)out->h * (size_t)out->w; i < cells; i++) {
        double mean = p->sum[i] / n, spread = p->squares[i] - p->sum[i] * mean;
        out->mean[i] = (float)mean;
        out->variance[i] = n > 1 && spread > 0 ? (float)(spread / (n - 1)) : 0;
    }
}

/* n cells of two taps each. Finished by freeing index. */
static bool copy_taps(const struct wn_tap *from, int n, struct wn_taps *to)
{
    int32_t *index = malloc(2 * (size_t)n * (sizeof *index + sizeof(float)));
    if (!index) return false;
    float *weight = (void *)(index + 2 * (size_t)n);
    for (int i = 0; i < n; i++) {
        index[2 * i] = from[i].low, index[2 * i + 1] = from[i].high;
        weight[2 * i] = 1 - from[i].share, weight[2 * i + 1] = from[i].share;
    }
    *to = (struct wn_taps){.out = n, .taps = 2, .index = index, .weight = weight};
    return true;
}

/* On the device. Any failure but the device's own: it was not done, and is done here. */
static enum wn_code device_masks(const struct wn_masker *device, const struct press *p, const struct wn_stack *s,
                                 const struct shared *shared, int target, struct wn_statistics *out,
                                 struct wn_error *err)
{
    struct wn_taps down = {0}, across = {0};
    struct wn_masks m = {.classes = s->classes,
                         .target = target,
                         .heavy = shared->heavy,
                         .h = s->h,
                         .w = s->w,
                         .height = out->h,
                         .width = out->w,
                         .maps = s->maps,
                         .exe = device->exe,
                         .value = device->value,
                         .image = device->image,
                         .base = shared->base,
                         .exact = shared->exact,
                         .down = &down,
                         .across = &across,
                         .mean = out->mean,
                         .variance = out->variance};
    struct wn_error why = {0};
    enum wn_code code = WN_NO_MEMORY;
    if (copy_taps(p->down, out->h, &down) && copy_taps(p->across, out->w, &across))
        code = device->backend->impl->masks(device->backend, &m, &why);
    free((void *)down.index);
    free((void *)across.index);
    if (code == WN_OK) out->empty = m.empty;
    if (code == WN_DEVICE) wn_fail(err, code, "%s", why.text);
    return code;
}

static enum wn_code masks(const struct wn_masker *device, const struct wn_stack *s, const struct shared *shared,
                          int target, struct wn_statistics *out, struct wn_error *err)
{
    struct press p;
    enum wn_code code = press_init(&p, s, out->h, out->w, err), done = WN_UNSUPPORTED;
    if (code != WN_OK) return code;
    if (device && device->backend->impl->masks) done = device_masks(device, &p, s, shared, target, out, err);
    if (done == WN_DEVICE) code = done;
    if (done != WN_OK && done != WN_DEVICE) press_all(&p, s, shared, target, out);
    if (code == WN_OK) voice(&p, s->maps + (size_t)target * (size_t)s->h * (size_t)s->w, out);
    press_finish(&p);
    return code;
}

/* mean = base - mean M_Q and variance = Var M_Q: the shared part of all contrasts drops out of the variance. */
static void raw(const struct wn_stack *s, const float *base, int target, struct wn_statistics *out)
{
    size_t area = (size_t)s->h * (size_t)s->w;
    for (size_t i = 0; i < area; i++) {
        double sum = 0, squares = 0, n = out->foils;
        for (int q = 0; q < s->classes; q++)
            if (q != target) sum += s->maps[(size_t)q * area + i];
        for (int q = 0; q < s->classes; q++) {
            double off = s->maps[(size_t)q * area + i] - sum / n;
            if (q != target) squares += off * off;
        }
        out->mean[i] = (float)(base[i] - sum / n);
        out->variance[i] = n > 1 ? (float)(squares / (n - 1)) : 0;
    }
}

/* ---- what the contrasts with all foils have in common ---- */

/* The seed for foil q without the foil's own -1; shared[q] may have lost digits to it. */
static enum wn_code seed_without(const struct wn_contrast *c, const float *logits, int classes, int target, int q,
                                 float *shared, struct wn_error *err)
{
    int foil;
    struct wn_contrast_in in = {logits, classes, target, &target, 1, &q, 1, 0, false};
    enum wn_code code = wn_contrast_seed(c, &in, shared, &foil, err);
    shared[q] += 1;
    return code;
}

/* Every contrast must be the same sum of maps less the foil's own map; that of two foils is looked at. shared,
 * other: K floats. */
static enum wn_code shared_seed(const struct wn_contrast *c, const float *logits, int classes, int target,
                                float *shared, float *other, struct wn_error *err)
{
    int first = target == 0, last = target == classes - 1 ? classes - 2 : classes - 1;
    if (!(c->flags & WN_CONTRAST_FOIL))
        return wn_fail(
            err, WN_UNSUPPORTED,
            "contrast '%s' does not compare with one class at a time, so there is nothing to average over all of them",
            c->name);
    enum wn_code code = seed_without(c, logits, classes, target, first, shared, err);
    if (code == WN_OK) code = seed_without(c, logits, classes, target, last, other, err);
    if (code != WN_OK) return code;
    for (int k = 0; k < classes; k++)
        if (!(fabsf(shared[k] - other[k]) <= 1e-5f))
            return wn_fail(
                err, WN_UNSUPPORTED,
                "contrast '%s' takes more from its foil than the foil's map: there is no rule for all foils at once",
                c->name);
    if (last != first) shared[first] = other[first];
    return WN_OK;
}

/* The foil that makes up more than half of the shared seed, or -1. */
static int heavy_foil(const float *shared, int classes, int target)
{
    for (int k = 0; k < classes; k++)
        if (k != target && shared[k] > 0.5f) return k;
    return -1;
}

/* *out: finished by freeing base. */
static enum wn_code shared_part(const struct wn_stack *s, const struct wn_contrast *c, const float *logits, int target,
                                struct shared *out, struct wn_error *err)
{
    size_t k = (size_t)s->classes, area = (size_t)s->h * (size_t)s->w;
    float *seeds = malloc(2 * k * sizeof *seeds);
    out->base = malloc(2 * area * sizeof *out->base);
    enum wn_code code = seeds && out->base
                            ? shared_seed(c, logits, s->classes, target, seeds, seeds + k, err)
                            : wn_fail(err, WN_NO_MEMORY, "no memory for statistics of %d classes", s->classes);
    if (code == WN_OK) {
        int foil;
        wn_stack_contrast(s, seeds, out->base);
        out->exact = out->base + area;
        out->heavy = heavy_foil(seeds, s->classes, target);
        struct wn_contrast_in in = {.logits = logits,
                                    .classes = s->classes,
                                    .target = target,
                                    .targets = &target,
                                    .n_targets = 1,
                                    .foils = &out->heavy,
                                    .n_foils = 1};
        if (out->heavy >= 0) code = wn_contrast_seed(c, &in, seeds, &foil, err);
        if (out->heavy >= 0) wn_stack_contrast(s, seeds, out->exact);
    }
    free(seeds);
    return code;
}

enum wn_code wn_stack_statistics(const struct wn_stack *s, const float *logits, int target,
                                 const struct wn_contrast *contrast, enum wn_statistics_kind kind, int height,
                                 int width, struct wn_statistics *out, struct wn_error *err)
{
    return wn_statistics_on(NULL, s, logits, target, contrast, kind, height, width, out, err);
}

enum wn_code wn_statistics_on(const struct wn_masker *device, const struct wn_stack *s, const float *logits, int target,
                              const struct wn_contrast *contrast, enum wn_statistics_kind kind, int height, int width,
                              struct wn_statistics *out, struct wn_error *err)
{
    struct shared shared = {.heavy = -1};
    *out = (struct wn_statistics){.foils = s->classes - 1, .single_foil = s->classes == 2};
    if (s->classes < 2)
        return wn_fail(err, WN_BAD_REQUEST, "statistics over foils need a model with two outputs or more");
    if (target == WN_TARGET_PREDICTED) target = wn_argmax(logits, s->classes);
    if (target < 0 || target >= s->classes)
        return wn_fail(err, WN_NO_SUCH_CLASS, "target %d is not a class: the model has classes 0 to %d", target,
                       s->classes - 1);
    out->h = kind == WN_STATISTICS_RAW ? s->h : height;
    out->w = kind == WN_STATISTICS_RAW ? s->w : width;
    if (out->h < 1 || out->w < 1)
        return wn_fail(err, WN_BAD_REQUEST, "statistics of %d by %d cells: ask for 1 or more", height, width);
    size_t cells = (size_t)out->h * (size_t)out->w;
    enum wn_code code = shared_part(s, contrast, logits, target, &shared, err);
    if (code != WN_OK) goto free_base;
    out->mean = calloc(2 * cells, sizeof *out->mean);
    if (!out->mean) {
        code = wn_fail(err, WN_NO_MEMORY, "no memory for statistics of %d by %d cells", out->h, out->w);
        goto free_base;
    }
    out->variance = out->mean + cells;
    if (kind == WN_STATISTICS_RAW)
        raw(s, shared.base, target, out);
    else
        code = masks(device, s, &shared, target, out, err);
free_base:
    free(shared.base);
    if (code != WN_OK) wn_statistics_finish(out);
    return code;
}

void wn_statistics_finish(struct wn_statistics *s)
{
    free(s->mean);
    s->mean = s->variance = NULL;
}
