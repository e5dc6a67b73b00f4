/* Fills, blurs and masks: what of a picture is hidden, and what is put there. Knows no network and no question. */
#include <whynot/hiding.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- blurs ---- */

/* The outer product of these with themselves is what filtering a unit impulse of 11 x 11 with sigma 5, mirrored at
 * half a pixel, gives. */
const float wn_rise_taps[11] = {.0879581f, .0888961f, .0904742f, .0921911f, .0934894f, .0939821f,
                                .0934894f, .0921911f, .0904742f, .0888961f, .0879581f};

void wn_gaussian_taps(double sigma, int radius, float *taps)
{
    double sum = 0;
    for (int i = -radius; i <= radius; i++) sum += exp(-(double)i * i / (2 * sigma * sigma));
    for (int i = -radius; i <= radius; i++) taps[i + radius] = (float)(exp(-(double)i * i / (2 * sigma * sigma)) / sum);
}

/* out row y = sum of taps times the rows around it. */
static void blur_down(const float *x, int h, int w, const float *taps, int radius, enum wn_border border, float *out)
{
    memset(out, 0, (size_t)h * (size_t)w * sizeof *out);
    for (int y = 0; y < h; y++)
        for (int i = -radius; i <= radius; i++) {
            int from = wn_reflected(y + i, h, border);
            const float *restrict row = x + (size_t)(from < 0 ? 0 : from) * (size_t)w;
            /* analyzer: 2 * radius + 1 of them */
            float *restrict sum = out + (size_t)y * (size_t)w, tap = taps[i + radius];
            for (int k = 0; from >= 0 && k < w; k++) sum[k] += tap * row[k];
        }
}

/* line: w + 2*radius floats of scratch. */
static void blur_across(float *x, int h, int w, const float *taps, int radius, enum wn_border border, float *line)
{
    for (int y = 0; y < h; y++) {
        float *restrict row = x + (size_t)y * (size_t)w;
        for (int i = -radius; i < w + radius; i++) {
            int from = wn_reflected(i, w, border);
            line[i + radius] = from < 0 ? 0 : row[from];
        }
        memset(row, 0, (size_t)w * sizeof *row);
        for (int i = 0; i <= 2 * radius; i++)
            for (int k = 0; k < w; k++) row[k] += taps[i] * line[k + i]; /* analyzer: filled above from end to end */
    }
}

enum wn_code wn_blur(const float *x, int planes, int h, int w, const float *taps, int radius, enum wn_border border,
                     float *out, struct wn_error *err)
{
    if (border == WN_BORDER_MIRROR && (h <= radius || w <= radius))
        return wn_fail(err, WN_BAD_REQUEST, "a blur of radius %d needs more than %d pixels a side, not %d x %d", radius,
                       radius, w, h);
    float *line = malloc(((size_t)w + 2 * (size_t)radius) * sizeof *line);
    if (!line) return wn_fail(err, WN_NO_MEMORY, "no memory for a blur");
    size_t plane = (size_t)h * (size_t)w;
    for (int c = 0; c < planes; c++) {
        blur_down(x + (size_t)c * plane, h, w, taps, radius, border, out + (size_t)c * plane);
        blur_across(out + (size_t)c * plane, h, w, taps, radius, border, line);
    }
    free(line);
    return WN_OK;
}

/* ---- fills ---- */

static const struct {
    const char *name, *words;
} fills[] = {
#define X(id, name, words) {name, words},
    WN_FILLS(X)
#undef X
};

const char *wn_fill_name(int i)
{
    return i >= 0 && (size_t)i < sizeof fills / sizeof *fills ? fills[i].name : NULL;
}

const char *wn_fill_words(int i)
{
    return wn_fill_name(i) ? fills[i].words : NULL;
}

static void fill_planes(float *out, int c, size_t plane, const float *values)
{
    for (int k = 0; k < c; k++)
        for (size_t i = 0; i < plane; i++) out[(size_t)k * plane + i] = values[k];
}

static void fill_mean(const float *x, int c, size_t plane, float *out)
{
    for (int k = 0; k < c; k++) {
        double sum = 0;
        for (size_t i = 0; i < plane; i++) sum += x[(size_t)k * plane + i];
        float mean = (float)(sum / (double)plane);
        fill_planes(out + (size_t)k * plane, 1, plane, &mean);
    }
}

static void blur_of(int h, int w, struct wn_cover *out)
{
    int side = h < w ? h : w;
    out->kind = WN_COVER_BLUR;
    out->radius = side > WN_BLUR_RADIUS ? WN_BLUR_RADIUS : side - 1;
    out->border = WN_BORDER_MIRROR;
    wn_gaussian_taps(WN_BLUR_SIGMA, out->radius, out->taps);
}

enum wn_code wn_cover_of(enum wn_fill fill, int h, int w, const float *black, struct wn_cover *out,
                         struct wn_error *err)
{
    *out = (struct wn_cover){.kind = WN_COVER_COLOUR};
    switch (fill) {
    case WN_FILL_BLUR: blur_of(h, w, out); return WN_OK;
    case WN_FILL_ZERO: return WN_OK;
    case WN_FILL_MEAN: out->kind = WN_COVER_MEAN; return WN_OK;
    case WN_FILL_BLACK:
        if (!black) break;
        out->colour = black;
        return WN_OK;
    }
    return wn_fail(err, WN_BAD_REQUEST, "nobody said what black is in this network's units");
}

enum wn_code wn_cover_make(const struct wn_cover *cover, const float *x, int c, int h, int w, float *out,
                           struct wn_error *err)
{
    size_t plane = (size_t)h * (size_t)w;
    if (cover->kind == WN_COVER_BLUR) return wn_blur(x, c, h, w, cover->taps, cover->radius, cover->border, out, err);
    if (cover->kind == WN_COVER_MEAN)
        fill_mean(x, c, plane, out);
    else if (cover->colour)
        fill_planes(out, c, plane, cover->colour);
    else
        memset(out, 0, (size_t)c * plane * sizeof *out);
    return WN_OK;
}

enum wn_code wn_fill_make(enum wn_fill fill, const float *x, int c, int h, int w, const float *black, float *out,
                          int *radius, struct wn_error *err)
{
    struct wn_cover cover;
    enum wn_code code = wn_cover_of(fill, h, w, black, &cover, err);
    if (radius) *radius = cover.radius;
    return code == WN_OK ? wn_cover_make(&cover, x, c, h, w, out, err) : code;
}

/* ---- masks ---- */

size_t wn_mask_sign(const float *map, size_t n, enum wn_keep keep, bool *hidden)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        hidden[i] = wn_is_against(map[i], keep);
        count += hidden[i];
    }
    return count;
}

struct ranked {
    float value;
    int at;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

enum wn_code wn_mask_order(const float *map, size_t n, enum wn_keep keep, int *order, struct wn_error *err)
{
    struct ranked *ranked = malloc((n ? n : 1) * sizeof *ranked);
    if (!ranked) return wn_fail(err, WN_NO_MEMORY, "no memory to rank %zu pixels", n);
    for (size_t i = 0; i < n; i++) ranked[i] = (struct ranked){map[i], (int)i};
    qsort(ranked, n, sizeof *ranked, by_value);
    for (size_t i = 0; i < n; i++) order[i] = ranked[keep == WN_KEEP_POSITIVE ? i : n - 1 - i].at;
    free(ranked);
    return WN_OK;
}

enum wn_code wn_mask_extreme(const float *map, size_t n, enum wn_keep keep, size_t count, bool *hidden,
                             struct wn_error *err)
{
    int *order = malloc((n ? n : 1) * sizeof *order);
    if (!order) return wn_fail(err, WN_NO_MEMORY, "no memory to rank %zu pixels", n);
    enum wn_code code = wn_mask_order(map, n, keep, order, err);
    if (code == WN_OK) memset(hidden, 0, n * sizeof *hidden);
    for (size_t i = 0; i < n && i < count && code == WN_OK; i++) hidden[order[i]] = true;
    free(order);
    return code;
}

void wn_mask_apply(const float *x, const float *fill, const bool *hidden, int planes, size_t n, float *out)
{
    for (int c = 0; c < planes; c++)
        for (size_t i = 0; i < n; i++) {
            size_t at = (size_t)c * n + i;
            out[at] = hidden[i] ? fill[at] : x[at];
        }
}
