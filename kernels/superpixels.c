/* Superpixels by SLIC; knows pictures, and nothing of networks. */
#include "superpixels.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { ROUNDS = 10 };
static const double compactness = 10;

struct cluster {
    double color[3], x, y; /* means of its pixels */
};

struct slic {
    int h, w, rows, columns; /* of pixels; of clusters */
    double step;             /* pixels between clusters, about */
    float *color;            /* H*W*3: L, a, b */
    struct cluster *clusters, *sums;
    int *members; /* by cluster */
    int *of;      /* H*W: which cluster */
    double *best; /* H*W: how far that is, squared */
};

/* ---- colours ---- */

static double linear(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double curve(double t)
{
    return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

/* sRGB, 0 to 1, to CIE Lab under D65. */
static void to_lab(const double *rgb, float *lab)
{
    const double r = linear(rgb[0]), g = linear(rgb[1]), b = linear(rgb[2]);
    const double x = curve((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
    const double y = curve(0.2126729 * r + 0.7151522 * g + 0.0721750 * b);
    const double z = curve((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883);
    lab[0] = (float)(116 * y - 16);
    lab[1] = (float)(500 * (x - y));
    lab[2] = (float)(200 * (y - z));
}

static double within(double v)
{
    return v > 0 ? (v < 1 ? v : 1) : 0; /* what is no number counts as 0 */
}

static void fill_colors(const struct slic *s, const float *planes, int channels)
{
    const size_t plane = (size_t)s->h * (size_t)s->w;
    for (size_t i = 0; i < plane; i++) {
        double rgb[3], mean = 0;
        for (int c = 0; c < channels; c++) mean += within(planes[(size_t)c * plane + i]) / channels;
        for (int c = 0; c < 3; c++) rgb[c] = channels == 3 ? within(planes[(size_t)c * plane + i]) : mean;
        to_lab(rgb, s->color + 3 * i);
    }
}

/* ---- clusters ---- */

/* On a grid; each begins with the colour of the pixel that it stands on, and has the pixels of its cell. */
static void place_clusters(const struct slic *s)
{
    for (int i = 0; i < s->rows * s->columns; i++) {
        struct cluster *c = &s->clusters[i];
        const int row = i / s->columns, column = i % s->columns;
        c->y = (row + 0.5) * s->h / s->rows - 0.5;
        c->x = (column + 0.5) * s->w / s->columns - 0.5;
        const float *color = s->color + 3 * ((size_t)lround(c->y) * (size_t)s->w + (size_t)lround(c->x));
        for (int k = 0; k < 3; k++) c->color[k] = color[k];
    }
    for (int y = 0; y < s->h; y++)
        for (int x = 0; x < s->w; x++)
            s->of[y * s->w + x] =
                (int)((int64_t)y * s->rows / s->h) * s->columns + (int)((int64_t)x * s->columns / s->w);
}

static double distance(const struct slic *s, const struct cluster *c, int x, int y)
{
    const float *color = s->color + 3 * ((size_t)y * (size_t)s->w + (size_t)x);
    double hue = 0, dx = x - c->x, dy = y - c->y;
    for (int k = 0; k < 3; k++) hue += (color[k] - c->color[k]) * (color[k] - c->color[k]);
    return hue / (compactness * compactness) + (dx * dx + dy * dy) / (s->step * s->step);
}

/* Pixels within two steps of a cluster go to it where it is nearer than the others. */
static bool gather(const struct slic *s)
{
    bool any = false;
    for (int i = 0; i < s->h * s->w; i++) s->best[i] = distance(s, &s->clusters[s->of[i]], i % s->w, i / s->w);
    for (int i = 0; i < s->rows * s->columns; i++) {
        const struct cluster *c = &s->clusters[i];
        const int top = (int)fmax(0, ceil(c->y - 2 * s->step)), bottom = (int)fmin(s->h - 1, floor(c->y + 2 * s->step));
        const int left = (int)fmax(0, ceil(c->x - 2 * s->step)), right = (int)fmin(s->w - 1, floor(c->x + 2 * s->step));
        for (int y = top; y <= bottom; y++)
            for (int x = left; x <= right; x++) {
                const double far = distance(s, c, x, y);
                if (far >= s->best[y * s->w + x]) continue;
                s->best[y * s->w + x] = far;
                s->of[y * s->w + x] = i;
                any = true;
            }
    }
    return any;
}

/* Each cluster to the mean of its pixels; one that has lost them all stays where it was. */
static void move_clusters(const struct slic *s)
{
    const int n = s->rows * s->columns;
    for (int i = 0; i < n; i++) s->sums[i] = (struct cluster){0}, s->members[i] = 0;
    for (int i = 0; i < s->h * s->w; i++) {
        struct cluster *sum = &s->sums[s->of[i]];
        const int row = i / s->w, column = i % s->w;
        for (int k = 0; k < 3; k++) sum->color[k] += s->color[3 * i + k];
        sum->x += column;
        sum->y += row;
        s->members[s->of[i]]++;
    }
    for (int i = 0; i < n; i++) {
        const struct cluster *sum = &s->sums[i];
        const int m = s->members[i];
        if (m)
            s->clusters[i] =
                (struct cluster){{sum->color[0] / m, sum->color[1] / m, sum->color[2] / m}, sum->x / m, sum->y / m};
    }
}

/* ---- whole areas ---- */

/* The pixels that hang together with pixel `first` in its cluster, into list; returns how many. *beside: an area
 * next to them, or -1. */
static int flood(const struct slic *s, int first, const int *area, bool *seen, int *list, int *beside)
{
    int n = 0;
    *beside = -1;
    list[n++] = first;
    seen[first] = true;
    for (int i = 0; i < n; i++) {
        const int at = list[i], x = at % s->w, y = at / s->w;
        const int next[4] = {y > 0 ? at - s->w : -1, x > 0 ? at - 1 : -1, x < s->w - 1 ? at + 1 : -1,
                             y < s->h - 1 ? at + s->w : -1};
        for (int k = 0; k < 4; k++) {
            if (next[k] < 0) continue;
            if (area[next[k]] >= 0 && *beside < 0) *beside = area[next[k]];
            if (seen[next[k]] || s->of[next[k]] != s->of[first]) continue;
            seen[next[k]] = true;
            list[n++] = next[k];
        }
    }
    return n;
}

/* A piece of less than half the mean size goes to an area beside it; the first of all has none yet. */
static int join_pieces(const struct slic *s, int *area, bool *seen, int *list)
{
    const int all = s->h * s->w, least = all / (s->rows * s->columns) / 2;
    int n = 0, beside;
    for (int i = 0; i < all; i++) area[i] = -1;
    for (int i = 0; i < all; i++) {
        if (area[i] >= 0) continue;
        const int size = flood(s, i, area, seen, list, &beside), number = size < least && beside >= 0 ? beside : n++;
        for (int k = 0; k < size; k++) area[list[k]] = number;
    }
    return n;
}

enum wn_code wn_superpixels(const float *planes, int channels, int h, int w, int wanted, int *of, int *n,
                            struct wn_error *err)
{
    const size_t all = (size_t)h * (size_t)w;
    const double step = fmax(1, round(sqrt((double)all / wanted)));
    struct slic s = {
        .h = h, .w = w, .step = step, .rows = (int)fmax(1, floor(h / step)), .columns = (int)fmax(1, floor(w / step))};
    if (s.rows * s.columns == 1 && wanted > 1) { /* two or three are rounded to one */
        if (h > w)
            s.rows = 2;
        else if (w > 1)
            s.columns = 2;
    }
    const size_t clusters = (size_t)s.rows * (size_t)s.columns;
    enum wn_code code = WN_OK;
    s.color = malloc(3 * all * sizeof *s.color);
    s.best = malloc(all * sizeof *s.best);
    s.of = malloc(2 * all * sizeof *s.of);
    s.clusters = malloc(2 * clusters * sizeof *s.clusters);
    s.members = malloc(clusters * sizeof *s.members);
    bool *seen = calloc(all, sizeof *seen);
    if (!s.color || !s.best || !s.of || !s.clusters || !s.members || !seen) {
        code = wn_fail(err, WN_NO_MEMORY, "no memory for the areas of a picture");
        goto free_all;
    }
    s.sums = s.clusters + clusters;
    fill_colors(&s, planes, channels);
    place_clusters(&s);
    for (int i = 0; i < ROUNDS && (gather(&s) || i == 0); i++) move_clusters(&s);
    *n = join_pieces(&s, of, seen, s.of + all);
free_all:
    free(s.color);
    free(s.best);
    free(s.of);
    free(s.clusters);
    free(s.members);
    free(seen);
    return code;
}
