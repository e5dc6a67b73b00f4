/* Scores of maps and curves, one picture at a time; what many pictures say together is told in estimates.c. */
#include <whynot/metrics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whynot/masking.h>

/* ---- insertion and deletion ---- */

enum wn_code wn_saliency_order(const float *map, int n, int *order, struct wn_error *err)
{
    float *turned = malloc((n > 0 ? (size_t)n : 1) * sizeof *turned);
    if (!turned) return wn_fail(err, WN_NO_MEMORY, "no memory to rank %d pixels", n);
    for (int i = 0; i < n; i++) turned[i] = -map[i];
    enum wn_code code = wn_mask_order(turned, (size_t)n, WN_KEEP_POSITIVE, order, err);
    free(turned);
    return code;
}

int wn_curve_points(int n, int step)
{
    return (n + step - 1) / step + 1;
}

void wn_curve_advance(float *x, const float *source, int planes, int n, const int *order, int from, int to)
{
    if (to > n) to = n;
    for (int p = 0; p < planes; p++)
        for (int i = from; i < to; i++) {
            size_t at = (size_t)p * (size_t)n + (size_t)order[i];
            x[at] = source[at];
        }
}

double wn_area_under(const double *scores, int n)
{
    double sum = -(scores[0] + scores[n - 1]) / 2;
    for (int i = 0; i < n; i++) sum += scores[i];
    return sum / (n - 1);
}

/* ---- where the mass lies ---- */

static double positive(float x)
{
    return x > 0 ? (double)x : 0;
}

double wn_mass_inside(const float *map, const uint8_t *inside, int n)
{
    double all = 0, in = 0;
    for (int i = 0; i < n; i++) {
        all += positive(map[i]);
        if (inside[i]) in += positive(map[i]);
    }
    return all > 0 ? in / all : NAN;
}

static int at_least(int x, int low)
{
    return x > low ? x : low;
}

static int at_most(int x, int high)
{
    return x < high ? x : high;
}

enum wn_code wn_content(const float *map, int h, int w, const struct wn_box *boxes, int n, double *share,
                        struct wn_error *err)
{
    uint8_t *inside = calloc((size_t)h * (size_t)w, 1);
    if (!inside) return wn_fail(err, WN_NO_MEMORY, "no memory for a mask");
    for (int b = 0; b < n; b++)
        for (int y = at_least(boxes[b].y0, 0); y <= at_most(boxes[b].y1, h - 1); y++)
            for (int x = at_least(boxes[b].x0, 0); x <= at_most(boxes[b].x1, w - 1); x++) inside[y * w + x] = 1;
    *share = wn_mass_inside(map, inside, h * w);
    free(inside);
    return WN_OK;
}

bool wn_pointing_hit(const float *map, const uint8_t *inside, int h, int w, double radius)
{
    int peak = 0;
    for (int i = 1; i < h * w; i++)
        if (map[i] > map[peak]) peak = i;
    int py = peak / w, px = peak % w, reach = radius < h + w ? (int)ceil(radius) : h + w;
    if (inside[peak]) return true;
    for (int y = at_least(py - reach, 0); y <= at_most(py + reach, h - 1); y++)
        for (int x = at_least(px - reach, 0); x <= at_most(px + reach, w - 1); x++) {
            double dy = y - py, dx = x - px;
            if (inside[y * w + x] && dy * dy + dx * dx < radius * radius) return true;
        }
    return false;
}

/* ---- two maps ---- */

double wn_cosine(const float *u, const float *v, int n)
{
    double uv = 0, uu = 0, vv = 0;
    for (int i = 0; i < n; i++) {
        uv += (double)u[i] * v[i];
        uu += (double)u[i] * u[i];
        vv += (double)v[i] * v[i];
    }
    return uu > 0 && vv > 0 ? uv / sqrt(uu * vv) : NAN;
}

struct value {
    double value;
    int index;
};

static int smaller_first(const void *a, const void *b)
{
    const struct value *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* Ranks from 1, ties sharing their mean. scratch: n. */
static void rank(const double *x, int n, struct value *scratch, double *ranks)
{
    for (int i = 0; i < n; i++) scratch[i] = (struct value){x[i], i};
    qsort(scratch, (size_t)n, sizeof *scratch, smaller_first);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && scratch[end].value == scratch[i].value; end++) {
        }
        for (int k = i; k < end; k++) ranks[scratch[k].index] = (i + 1 + end) / 2.0;
    }
}

static double correlation(const double *a, const double *b, int n)
{
    double mean = (n + 1) / 2.0, ab = 0, aa = 0, bb = 0; /* ranks from 1 to n: both have this mean */
    for (int i = 0; i < n; i++) {
        ab += (a[i] - mean) * (b[i] - mean);
        aa += (a[i] - mean) * (a[i] - mean);
        bb += (b[i] - mean) * (b[i] - mean);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

enum wn_code wn_rank_correlation(const double *a, const double *b, int n, double *r, struct wn_error *err)
{
    *r = NAN;
    if (n < 2) return WN_OK;
    struct value *scratch = malloc((size_t)n * sizeof *scratch);
    double *ranks = malloc((size_t)n * 2 * sizeof *ranks);
    if (scratch && ranks) {
        rank(a, n, scratch, ranks);
        rank(b, n, scratch, ranks + n);
        *r = correlation(ranks, ranks + n, n);
    }
    bool short_of_memory = !scratch || !ranks;
    free(scratch);
    free(ranks);
    return short_of_memory ? wn_fail(err, WN_NO_MEMORY, "no memory to rank %d values", n) : WN_OK;
}

static void mirror_rows(float *map, int h, int w)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w / 2; x++) {
            float left = map[y * w + x];
            map[y * w + x] = map[y * w + w - 1 - x];
            map[y * w + w - 1 - x] = left;
        }
}

enum wn_code wn_map_view(const float *map, int h, int w, int y, int x, int height, int width, bool flip, float *out,
                         struct wn_error *err)
{
    if (y < 0 || x < 0 || height < 1 || width < 1 || height > h - y || width > w - x)
        return wn_fail(err, WN_BAD_REQUEST, "a part of %d x %d at (%d, %d) is not inside a map of %d x %d", width,
                       height, x, y, w, h);
    float *part = malloc((size_t)height * (size_t)width * sizeof *part);
    if (!part) return wn_fail(err, WN_NO_MEMORY, "no memory for a part of a map");
    for (int i = 0; i < height; i++)
        memcpy(part + (size_t)i * (size_t)width, map + (size_t)(y + i) * (size_t)w + x, (size_t)width * sizeof *part);
    enum wn_code code = wn_enlarge(part, height, width, false, h, w, out, err);
    free(part);
    if (code == WN_OK && flip) mirror_rows(out, h, w);
    return code;
}

/* ---- confidence ---- */

double wn_confidence_drop(double before, double after)
{
    return after < before ? before - after : 0;
}

double wn_confidence_increase(double before, double after)
{
    return after > before;
}

/* ---- gradient signs ---- */

void wn_sign_step(float *x, const float *x0, const float *gradient, int count, double eps, int n)
{
    float step = (float)(eps / n), most = (float)eps;
    for (int i = 0; i < count; i++) {
        float low = fmaxf(x0[i] - most, 0), high = fminf(x0[i] + most, 1);
        float moved = x[i] + step * (float)((gradient[i] > 0) - (gradient[i] < 0));
        x[i] = fminf(fmaxf(moved, low), high);
    }
}
