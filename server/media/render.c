/* Numbers about maps, upsampling and the way to 8-bit indices; refuses to know colours, files and networks. */
#include <media/render.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whynot/pixels.h>

static const char *const normalize_names[] = {"none", "minmax", "shared", "symmetric"};

const char *wn_normalize_name(enum wn_normalize n)
{
    return normalize_names[n];
}

bool wn_normalize_find(const char *name, enum wn_normalize *out)
{
    for (int i = 0; i < 4; i++)
        if (!strcmp(normalize_names[i], name)) {
            *out = (enum wn_normalize)i;
            return true;
        }
    return false;
}

/* ---- where the map lies ---- */

struct wn_view wn_view_whole(int w, int h)
{
    return (struct wn_view){w, h, 0, 0, w, h};
}

struct wn_view wn_view_input(const struct wn_geometry *geo)
{
    return wn_view_whole(geo->crop_w, geo->crop_h);
}

struct wn_view wn_view_picture(const struct wn_geometry *geo)
{
    double sx = (double)geo->image_w / geo->resized_w, sy = (double)geo->image_h / geo->resized_h;
    return (struct wn_view){geo->image_w,
                            geo->image_h,
                            geo->crop_x * sx,
                            geo->crop_y * sy,
                            (geo->crop_x + geo->crop_w) * sx,
                            (geo->crop_y + geo->crop_h) * sy};
}

void wn_view_covered(const struct wn_view *v, int *x0, int *y0, int *x1, int *y1)
{
    wn_covered(v->x0, v->x1, v->w, x0, x1);
    wn_covered(v->y0, v->y1, v->h, y0, y1);
}

/* What of a view the map covers. Values are kept of that alone, and so nothing outside can count. */
struct cover {
    int x, y, w, h;
    size_t n;    /* w * h */
    bool margin; /* there are pixels outside */
};

static struct cover cover_of(const struct wn_view *v)
{
    int x0, y0, x1, y1;
    wn_view_covered(v, &x0, &y0, &x1, &y1);
    const int w = x1 - x0, h = y1 - y0;
    return (struct cover){x0, y0, w, h, (size_t)w * (size_t)h, w < v->w || h < v->h};
}

/* Where the covered row y lies in the view's pixels. */
static size_t place_of(const struct cover *c, const struct wn_view *v, int y)
{
    return (size_t)(c->y + y) * (size_t)v->w + (size_t)c->x;
}

/* ---- numbers about a map ---- */

enum wn_code wn_map_stats(const float *map, int h, int w, struct wn_map_stats *out, struct wn_error *err)
{
    *out = (struct wn_map_stats){.min = map[0], .max = map[0]};
    for (int i = 0; i < h * w; i++) {
        if (!isfinite(map[i]))
            return wn_fail(err, WN_BAD_NUMBERS, "The map has a value that is not finite at (%d, %d).", i % w, i / w);
        if (map[i] < out->min) out->min = map[i];
        if (map[i] > out->max) {
            out->max = map[i];
            out->peak_x = i % w;
            out->peak_y = i / w;
        }
        if (map[i] > 0)
            out->mass_positive += map[i];
        else
            out->mass_negative -= map[i];
    }
    out->flat = out->min == out->max;
    out->empty = !(out->max > 0);
    return WN_OK;
}

struct wn_range wn_range_join(struct wn_range a, struct wn_range b)
{
    return (struct wn_range){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}

/* The value of the given rank (0: lowest) among n; v is reordered (Hoare's selection). */
static float select_rank(float *v, size_t n, size_t rank)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        float pivot = v[lo + (hi - lo) / 2];
        size_t i = lo, j = hi;
        for (;;) {
            while (v[i] < pivot) i++; /* analyzer: n values are there, and one of them is the pivot */
            while (v[j] > pivot) j--;
            if (i >= j) break;
            float t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
        if (rank <= j)
            hi = j;
        else
            lo = j + 1;
    }
    return v[rank];
}

/* The smallest limit that at least `percentile` percent of |v| do not exceed. */
static enum wn_code percentile_of(const float *v, size_t n, float percentile, float *out, struct wn_error *err)
{
    float *copy = malloc(n * sizeof *copy);
    if (!copy) return wn_fail(err, WN_NO_MEMORY, "No memory to draw a map; try again later.");
    for (size_t i = 0; i < n; i++) copy[i] = fabsf(v[i]);
    *out = select_rank(copy, n, (size_t)wn_percentile_rank(percentile, n));
    free(copy);
    return WN_OK;
}

/* In lanes: one running minimum after the other would wait for itself. */
static void span_of(const float *v, size_t n, float *lo, float *hi)
{
    enum { LANES = 16 };
    float low[LANES], high[LANES];
    size_t i = 0;
    for (int k = 0; k < LANES; k++) low[k] = high[k] = v[0]; /* analyzer: n is above 0, and all are there */
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            low[k] = v[i + (size_t)k] < low[k] ? v[i + (size_t)k] : low[k];
            high[k] = v[i + (size_t)k] > high[k] ? v[i + (size_t)k] : high[k];
        }
    for (; i < n; i++) {
        low[0] = v[i] < low[0] ? v[i] : low[0];
        high[0] = v[i] > high[0] ? v[i] : high[0];
    }
    *lo = low[0];
    *hi = high[0];
    for (int k = 1; k < LANES; k++) {
        *lo = low[k] < *lo ? low[k] : *lo;
        *hi = high[k] > *hi ? high[k] : *hi;
    }
}

static enum wn_code range_of(const float *v, size_t n, const struct wn_render *r, struct wn_range *out,
                             struct wn_error *err)
{
    float lo, hi, clipped = 0;
    span_of(v, n, &lo, &hi);
    if (wn_render_clips(r)) {
        enum wn_code code = percentile_of(v, n, r->percentile, &clipped, err);
        if (code != WN_OK) return code;
    }
    *out = wn_range_choose(r, lo, hi, clipped);
    return isfinite(out->hi - out->lo)
               ? WN_OK
               : wn_fail(err, WN_BAD_NUMBERS, "The map's values span more than a float can hold.");
}

/* A copy without negative values where relu asks for it and there are some, else NULL; *flat: what is to be drawn is
 * constant. Refuses values that are not finite. */
static enum wn_code prepare(const float *map, int h, int w, bool relu, float **copy, bool *flat, struct wn_error *err)
{
    struct wn_map_stats stats;
    enum wn_code code = wn_map_stats(map, h, w, &stats, err);
    *copy = NULL;
    *flat = stats.flat || (relu && stats.empty);
    if (code != WN_OK || !relu || stats.min >= 0) return code;
    *copy = malloc((size_t)h * (size_t)w * sizeof **copy);
    if (!*copy) return wn_fail(err, WN_NO_MEMORY, "No memory to draw a map; try again later.");
    for (size_t i = 0; i < (size_t)h * (size_t)w; i++) (*copy)[i] = map[i] > 0 ? map[i] : 0;
    return WN_OK;
}

enum wn_code wn_map_range(const float *map, int h, int w, const struct wn_render *r, struct wn_range *out,
                          struct wn_error *err)
{
    float *copy;
    bool flat;
    enum wn_code code = prepare(map, h, w, r->relu, &copy, &flat, err);
    if (code == WN_OK) code = range_of(copy ? copy : map, (size_t)h * (size_t)w, r, out, err);
    free(copy);
    return code;
}

/* ---- upsampling ---- */

static void stretch_row(const float *row, const struct wn_between *taps, int n, float *dst)
{
    /* analyzer: n taps are there */
    for (int x = 0; x < n; x++) dst[x] = wn_blend(row[taps[x].a], row[taps[x].b], taps[x].t);
}

static void blend_rows(const float *upper, const float *lower, float t, int n, float *dst)
{
    for (int x = 0; x < n; x++) dst[x] = wn_blend(upper[x], lower[x], t);
}

/* The covered pixels alone; dst: the first of them, rows `stride` apart. */
static enum wn_code enlarge(const float *map, int h, int w, const struct wn_view *view, const struct cover *c,
                            bool align_corners, float *dst, size_t stride, struct wn_error *err)
{
    int held[2] = {-1, -1};
    const size_t n = (size_t)c->w;
    struct wn_between *taps = malloc(n * sizeof *taps);
    float *rows = malloc(2 * n * sizeof *rows); /* source rows stretched to the view's width: even ones, odd ones */
    if (!taps || !rows) {
        free(taps);
        free(rows);
        return wn_fail(err, WN_NO_MEMORY, "No memory to draw a map; try again later.");
    }
    for (int x = 0; x < c->w; x++) taps[x] = wn_between_at(c->x + x, view->x0, view->x1, w, align_corners);
    for (int y = 0; y < c->h; y++) {
        struct wn_between down = wn_between_at(c->y + y, view->y0, view->y1, h, align_corners);
        for (int row = down.a; row <= down.b; row++)
            if (held[row & 1] != row) {
                stretch_row(map + (size_t)row * (size_t)w, taps, c->w, rows + (size_t)(row & 1) * n);
                held[row & 1] = row;
            }
        blend_rows(rows + (size_t)(down.a & 1) * n, rows + (size_t)(down.b & 1) * n, down.t, c->w,
                   dst + (size_t)y * stride);
    }
    free(rows);
    free(taps);
    return WN_OK;
}

enum wn_code wn_upsample(const float *map, int h, int w, const struct wn_view *view, bool align_corners, float *dst,
                         struct wn_error *err)
{
    const struct cover c = cover_of(view);
    if (c.margin) memset(dst, 0, (size_t)view->w * (size_t)view->h * sizeof *dst);
    return enlarge(map, h, w, view, &c, align_corners, dst + place_of(&c, view, 0), (size_t)view->w, err);
}

/* The map as it is drawn (without negative values where r->relu asks for it), of the covered pixels: *drawing is c->n
 * values, to be freed. *flat: the map was constant. */
static enum wn_code draw_values(const float *map, int h, int w, const struct wn_view *view, const struct cover *c,
                                const struct wn_render *r, float **drawing, bool *flat, struct wn_error *err)
{
    float *copy = NULL;
    *drawing = malloc(c->n * sizeof **drawing);
    enum wn_code code = *drawing ? prepare(map, h, w, r->relu, &copy, flat, err)
                                 : wn_fail(err, WN_NO_MEMORY, "No memory to draw a map; try again later.");
    if (code == WN_OK) code = enlarge(copy ? copy : map, h, w, view, c, r->align_corners, *drawing, (size_t)c->w, err);
    free(copy);
    return code;
}

/* ---- indices ---- */

static void index_values(const float *v, size_t n, const struct wn_render *r, struct wn_range range, bool flat,
                         uint8_t *dst)
{
    const float lo = range.lo, limit = range.hi, span = range.hi - range.lo;
    if (wn_index_is_flat(r, range, flat))
        memset(dst, wn_index_flat(r), n);
    else if (r->normalize == WN_NORMALIZE_SYMMETRIC)
        for (size_t i = 0; i < n; i++) dst[i] = wn_index_symmetric(v[i], limit);
    else
        for (size_t i = 0; i < n; i++) dst[i] = wn_index_between(v[i], lo, span);
}

static void index_view(const float *v, const struct wn_view *view, const struct cover *c, const struct wn_render *r,
                       const struct wn_rendered *drawn, uint8_t *dst)
{
    if (!c->margin) {
        index_values(v, c->n, r, drawn->range, drawn->flat, dst);
        return;
    }
    memset(dst, wn_index_outside(r, drawn->range, drawn->flat), (size_t)view->w * (size_t)view->h);
    for (int y = 0; y < c->h; y++)
        index_values(v + (size_t)y * (size_t)c->w, (size_t)c->w, r, drawn->range, drawn->flat,
                     dst + place_of(c, view, y));
}

/* ---- what was drawn ---- */

/* The value above which the strongest 20 % of the positive mass lie, from samples. */
static float strong_value(const float *v, int w, int h, float highest)
{
    uint64_t mass[WN_STRONG_BINS] = {0}, total = 0, strong = 0;
    for (int y = 0; y < h; y += wn_strong_step(h))
        for (int x = 0; x < w; x += wn_strong_step(w)) {
            /* analyzer: v has w * h values */
            uint32_t one = wn_strong_mass(v[(size_t)y * (size_t)w + (size_t)x], highest);
            mass[wn_strong_bin(one)] += one;
            total += one;
        }
    int bin = WN_STRONG_BINS - 1;
    while (bin > 0 && !wn_strong_enough(strong += mass[bin], total)) bin--;
    return wn_strong_value(bin, highest);
}

/* The box around all values of at least `strong` (and above 0). */
static void box_around(const float *v, int w, int h, float strong, struct wn_rendered *out)
{
    int x0 = w, y0 = h, x1 = -1, y1 = -1;
    for (int y = 0; y < h; y++) {
        const float *row = v + (size_t)y * (size_t)w;
        int left = 0, right = w - 1;
        while (left < w && !wn_is_strong(row[left], strong)) left++;
        if (left == w) continue;
        while (!wn_is_strong(row[right], strong)) right--;
        if (left < x0) x0 = left;
        if (right > x1) x1 = right;
        if (y < y0) y0 = y;
        y1 = y;
    }
    out->box_x = x0;
    out->box_y = y0;
    out->box_w = x1 - x0 + 1;
    out->box_h = y1 - y0 + 1;
}

static void describe(const float *v, const struct cover *c, struct wn_rendered *out)
{
    float lowest, highest;
    size_t peak = 0;
    span_of(v, c->n, &lowest, &highest);
    while (v[peak] != highest) peak++;
    out->peak_x = c->x + (int)(peak % (size_t)c->w);
    out->peak_y = c->y + (int)(peak / (size_t)c->w);
    if (!(highest > 0)) return;
    box_around(v, c->w, c->h, strong_value(v, c->w, c->h, highest), out);
    out->box_x += c->x;
    out->box_y += c->y;
}

enum wn_code wn_render_map(const float *map, int h, int w, const struct wn_view *view, const struct wn_render *r,
                           uint8_t *dst, struct wn_rendered *out, struct wn_error *err)
{
    const struct cover c = cover_of(view);
    struct wn_rendered drawn = {0};
    float *drawing;
    enum wn_code code = draw_values(map, h, w, view, &c, r, &drawing, &drawn.flat, err);
    if (code == WN_OK) code = range_of(drawing, c.n, r, &drawn.range, err);
    if (code == WN_OK) {
        index_view(drawing, view, &c, r, &drawn, dst);
        if (out) describe(drawing, &c, &drawn);
    }
    if (code == WN_OK && out) *out = drawn;
    free(drawing);
    return code;
}

static size_t mark_strong(const float *v, size_t n, float strong, uint8_t *mask)
{
    size_t inside = 0;
    for (size_t i = 0; i < n; i++) inside += mask[i] = wn_is_strong(v[i], strong);
    return inside;
}

enum wn_code wn_strong_mask(const float *map, int h, int w, const struct wn_view *view, const struct wn_render *r,
                            uint8_t *mask, size_t *inside, struct wn_error *err)
{
    const struct cover c = cover_of(view);
    float *drawing, lowest, highest;
    bool flat;
    enum wn_code code = draw_values(map, h, w, view, &c, r, &drawing, &flat, err);
    *inside = 0;
    if (code == WN_OK) {
        span_of(drawing, c.n, &lowest, &highest);
        const float strong = highest > 0 ? strong_value(drawing, c.w, c.h, highest) : INFINITY;
        if (c.margin) memset(mask, 0, (size_t)view->w * (size_t)view->h);
        for (int y = 0; y < c.h; y++)
            *inside +=
                mark_strong(drawing + (size_t)y * (size_t)c.w, (size_t)c.w, strong, mask + place_of(&c, view, y));
    }
    free(drawing);
    return code;
}

enum wn_code wn_strong_runs(const float *map, int h, int w, const struct wn_view *view, const struct wn_render *r,
                            uint32_t *runs, size_t *n, struct wn_error *err)
{
    size_t pixels;
    uint8_t inside = 0, *mask = malloc((size_t)view->w * (size_t)view->h);
    if (!mask) return wn_fail(err, WN_NO_MEMORY, "No memory to draw a map; try again later.");
    enum wn_code code = wn_strong_mask(map, h, w, view, r, mask, &pixels, err);
    *n = 1;
    runs[0] = 0;
    for (int x = 0; x < view->w && code == WN_OK; x++)
        for (int y = 0; y < view->h; y++) {
            /* analyzer: the mask is as large as the view */
            if (mask[(size_t)y * (size_t)view->w + (size_t)x] != inside) {
                inside = !inside;
                runs[(*n)++] = 0;
            }
            runs[*n - 1]++;
        }
    free(mask);
    return code;
}
