/* Bilinear resizing of 8-bit pictures. Results equal Pillow's to the bit because the arithmetic is the same: weights
 * in double, rounded to 22 bits, the horizontal pass first, each pass rounded to 8 bits. */
#include <media/resize.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <media/resize_rows.h>
#include <whynot/resample.h>

static void axis_finish(struct wn_axis *a)
{
    free(a->first);
    free(a->count);
    free(a->weight);
}

static void axis_place(struct wn_axis *a, int i, struct wn_support s, double *share)
{
    int32_t *weight = a->weight + (size_t)i * (size_t)a->width;
    double sum = 0.0;
    for (int k = 0; k < s.count; k++) sum += share[k] = wn_support_share(s, k);
    for (int k = 0; k < s.count; k++) weight[k] = wn_support_weight(share[k], sum);
    a->first[i] = s.first;
    a->count[i] = s.count;
    while (a->count[i] > 1 && !weight[a->count[i] - 1]) a->count[i]--;
}

static enum wn_code axis_init(struct wn_axis *a, int src_size, double box, int dst_size, int begin, int n,
                              struct wn_error *err)
{
    double scale = box / dst_size;
    *a = (struct wn_axis){.n = n, .width = wn_support_width(scale)};
    a->first = malloc((size_t)n * sizeof *a->first);
    a->count = malloc((size_t)n * sizeof *a->count);
    a->weight = calloc((size_t)n * (size_t)a->width, sizeof *a->weight);
    double *share = malloc((size_t)a->width * sizeof *share);
    bool ok = a->first && a->count && a->weight && share;
    for (int i = 0; ok && i < n; i++) axis_place(a, i, wn_support_at(begin + i, scale, src_size), share);
    free(share);
    return ok ? WN_OK : wn_fail(err, WN_NO_MEMORY, "No memory to resize a picture; try again later.");
}

/* From positions in the source to positions in what is there of it. */
static enum wn_code axis_shift(struct wn_axis *a, int from, int size, struct wn_error *err)
{
    for (int i = 0; i < a->n; i++) {
        a->first[i] -= from;
        if (a->first[i] < 0 || a->first[i] + a->count[i] > size)
            return wn_fail(err, WN_INTERNAL, "A part of a picture was decoded that is too small to be resized.");
    }
    return WN_OK;
}

static enum wn_code both_passes(const struct wn_resize *r, const struct wn_axis *ax, const struct wn_axis *ay,
                                const uint8_t *src, uint8_t *dst, struct wn_error *err)
{
    const struct wn_resize_rows *fast = wn_resize_rows_avx2(), *loops = fast ? fast : &wn_resize_rows_plain;
    const size_t src_stride = (size_t)r->part_w * (size_t)r->channels, stride = (size_t)r->w * (size_t)r->channels;
    int first = ay->first[0], rows = 0;
    for (int y = 0; y < ay->n; y++)
        if (ay->first[y] + ay->count[y] - first > rows) rows = ay->first[y] + ay->count[y] - first;
    uint8_t *between = malloc(stride * (size_t)rows); /* analyzer: an axis has a pixel or more */
    src += (size_t)first * src_stride;
    if (!between ||
        !(r->channels == 3 ? loops->horizontal_3 : loops->horizontal_1)(ax, src, src_stride, rows, between)) {
        free(between);
        return wn_fail(err, WN_NO_MEMORY, "No memory to resize a picture; try again later.");
    }
    for (int y = 0; y < ay->n; y++)
        loops->vertical(ay->weight + (size_t)y * (size_t)ay->width, ay->count[y],
                        between + (size_t)(ay->first[y] - first) * stride, stride, stride, dst + (size_t)y * stride);
    free(between);
    return WN_OK;
}

/* No picture format here is larger; far below what would overflow the 32-bit sums. */
enum { WN_RESIZE_MAX = 65535 };

static enum wn_code check(const struct wn_resize *r, struct wn_error *err)
{
    bool ok = r->src_w > 0 && r->src_h > 0 && r->src_w <= WN_RESIZE_MAX && r->src_h <= WN_RESIZE_MAX && r->dst_w > 0 &&
              r->dst_h > 0 && (r->channels == 1 || r->channels == 3) && r->x >= 0 && r->y >= 0 && r->w > 0 &&
              r->h > 0 && r->w <= r->dst_w - r->x && r->h <= r->dst_h - r->y && r->box_w <= r->src_w &&
              r->box_h <= r->src_h;
    return ok ? WN_OK
              : wn_fail(err, WN_TOO_LARGE,
                        "A %d x %d picture cannot be resized to %d x %d; at most %d pixels a side are taken.", r->src_w,
                        r->src_h, r->dst_w, r->dst_h, WN_RESIZE_MAX);
}

static double box_w(const struct wn_resize *r)
{
    return r->box_w > 0 ? r->box_w : r->src_w;
}

static double box_h(const struct wn_resize *r)
{
    return r->box_h > 0 ? r->box_h : r->src_h;
}

static enum wn_code copy_window(const struct wn_resize *r, const uint8_t *src, uint8_t *dst, struct wn_error *err)
{
    size_t pixel = (size_t)r->channels, stride = (size_t)r->w * pixel;
    int x = r->x - r->part_x, y = r->y - r->part_y;
    if (x < 0 || y < 0 || x + r->w > r->part_w || y + r->h > r->part_h)
        return wn_fail(err, WN_INTERNAL, "A part of a picture was decoded that is too small to be cropped.");
    for (int i = 0; i < r->h; i++)
        memcpy(dst + (size_t)i * stride, src + ((size_t)(y + i) * (size_t)r->part_w + (size_t)x) * pixel, stride);
    return WN_OK;
}

/* What is left out of `r` is all of the source. */
static struct wn_resize completed(const struct wn_resize *r)
{
    struct wn_resize whole = *r;
    if (!r->part_w) whole.part_x = whole.part_y = 0, whole.part_w = r->src_w, whole.part_h = r->src_h;
    return whole;
}

enum wn_code wn_resize_antialias(const struct wn_resize *given, const uint8_t *src, uint8_t *dst, struct wn_error *err)
{
    const struct wn_resize whole = completed(given), *r = &whole;
    struct wn_axis ax = {0}, ay = {0};
    enum wn_code code = check(r, err);
    if (code != WN_OK) return code;
    if (r->dst_w == box_w(r) && r->dst_h == box_h(r)) return copy_window(r, src, dst, err);
    code = axis_init(&ax, r->src_w, box_w(r), r->dst_w, r->x, r->w, err);
    if (code == WN_OK) code = axis_init(&ay, r->src_h, box_h(r), r->dst_h, r->y, r->h, err);
    if (code == WN_OK) code = axis_shift(&ax, r->part_x, r->part_w, err);
    if (code == WN_OK) code = axis_shift(&ay, r->part_y, r->part_h, err);
    if (code == WN_OK) code = both_passes(r, &ax, &ay, src, dst, err);
    axis_finish(&ay);
    axis_finish(&ax);
    return code;
}

/* ---- without antialiasing ---- */

/* part: where what is there of the source begins. */
static struct wn_between tap_at(int i, double box, int src_size, int dst_size, int part)
{
    struct wn_between t = wn_plain_between(i, box, src_size, dst_size);
    t.a -= part, t.b -= part;
    return t;
}

static void plain_row(const struct wn_resize *r, const struct wn_between *across, struct wn_between down,
                      const uint8_t *src, float *dst)
{
    const int n = r->channels;
    const uint8_t *upper = src + (size_t)down.a * (size_t)r->part_w * (size_t)n,
                  *lower = src + (size_t)down.b * (size_t)r->part_w * (size_t)n;
    for (int x = 0; x < r->w; x++) {
        struct wn_between t = across[x];
        for (int c = 0; c < n; c++) {
            float u = wn_blend(upper[t.a * n + c], upper[t.b * n + c], t.t);
            float l = wn_blend(lower[t.a * n + c], lower[t.b * n + c], t.t);
            *dst++ = wn_blend(u, l, down.t);
        }
    }
}

static bool is_there(struct wn_between first, struct wn_between last, int size)
{
    return first.a >= 0 && last.b < size;
}

enum wn_code wn_resize_plain(const struct wn_resize *given, const uint8_t *src, float *dst, struct wn_error *err)
{
    const struct wn_resize whole = completed(given), *r = &whole;
    enum wn_code code = check(r, err);
    if (code != WN_OK) return code;
    struct wn_between *across = malloc((size_t)r->w * sizeof *across);
    if (!across) return wn_fail(err, WN_NO_MEMORY, "No memory to resize a picture; try again later.");
    for (int x = 0; x < r->w; x++) across[x] = tap_at(r->x + x, box_w(r), r->src_w, r->dst_w, r->part_x);
    for (int y = 0; y < r->h && code == WN_OK; y++) {
        struct wn_between down = tap_at(r->y + y, box_h(r), r->src_h, r->dst_h, r->part_y);
        if (is_there(across[0], across[r->w - 1], r->part_w) && is_there(down, down, r->part_h))
            plain_row(r, across, down, src, dst + (size_t)y * (size_t)r->w * (size_t)r->channels);
        else
            code = wn_fail(err, WN_INTERNAL, "A part of a picture was decoded that is too small to be resized.");
    }
    free(across);
    return code;
}
