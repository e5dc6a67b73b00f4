/* Fills, blurs and masks: what of a picture is hidden, and what is put there. Knows no network and no question. */
#include <whynot/hiding.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- blurs ---- */

/* The outer product of these with themselves is what filtering a unit impulse of 11 x 11 with sigma 5, mirrored at half a pixel, gives. */
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
            float *restrict sum = out + (size_t)y * (size_t)w, tap = taps[i + radius]; /* analyzer: 2 * radius + 1 of them */
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
        return wn_fail(err, WN_BAD_REQUEST, "a blur of radius %d needs more than %d pixels a side, not %d x %d", radius, radius, w, h);
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

static enum wn_code fill_blur(const float *x, int c, int h, int w, float *out, int *radius, struct wn_error *err)
{
    float taps[2 * WN_BLUR_RADIUS + 1];
    int side = h < w ? h : w, r = side > WN_BLUR_RADIUS ? WN_BLUR_RADIUS : side - 1;
    wn_gaussian_taps(WN_BLUR_SIGMA, r, taps);
    *radius = r;
    return wn_blur(x, c, h, w, taps, r, WN_BORDER_MIRROR, out, err);
}

enum wn_code wn_fill_make(enum wn_fill fill, const float *x, int c, int h, int w, const float *black, float *out, int *radius,
                          struct wn_error *err)
{
    size_t plane = (size_t)h * (size_t)w;
    int none, *r = radius ? radius : &none;
    *r = 0;
    switch (fill) {
    case WN_FILL_BLUR: return fill_blur(x, c, h, w, out, r, err);
    case WN_FILL_ZERO: memset(out, 0, (size_t)c * plane * sizeof *out); return WN_OK;
    case WN_FILL_MEAN: fill_mean(x, c, plane, out); return WN_OK;
    case WN_FILL_BLACK:
        if (!black) break;
        fill_planes(out, c, plane, black);
        return WN_OK;
    }
    return wn_fail(err, WN_BAD_REQUEST, "nobody said what black is in this network's units");
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
    float value; /* lowest is hidden first */
    size_t at;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

enum wn_code wn_mask_extreme(const float *map, size_t n, enum wn_keep keep, size_t count, bool *hidden, struct wn_error *err)
{
    struct ranked *order = malloc((n ? n : 1) * sizeof *order);
    if (!order) return wn_fail(err, WN_NO_MEMORY, "no memory to rank %zu pixels", n);
    for (size_t i = 0; i < n; i++) order[i] = (struct ranked){keep == WN_KEEP_POSITIVE ? map[i] : -map[i], i};
    qsort(order, n, sizeof *order, by_value);
    memset(hidden, 0, n * sizeof *hidden);
    for (size_t i = 0; i < n && i < count; i++) hidden[order[i].at] = true;
    free(order);
    return WN_OK;
}

void wn_mask_apply(const float *x, const float *fill, const bool *hidden, int planes, size_t n, float *out)
{
    for (int c = 0; c < planes; c++)
        for (size_t i = 0; i < n; i++) {
            size_t at = (size_t)c * n + i;
            out[at] = hidden[i] ? fill[at] : x[at];
        }
}
