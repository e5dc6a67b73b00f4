/* Resize and Upsample: one table of taps along each axis whose length changes, since every mode here is separable. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op.h"

bool wn_op_resize(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_upsample(struct wn_lower *lo, const struct wn_node *node);

/* What is asked for along one axis. */
struct axis_plan {
    int64_t in, out;
    float scale;
    float length;     /* of the result before it is cut to whole cells: scale*in */
    float begin, end; /* of the region, in parts of the input (tf_crop_and_resize) */
};

struct resize {
    const char *mode, *coordinates, *rounding;
    float cubic_a;
    bool exclude_outside;
    int rank;
    struct axis_plan axis[WN_MAX_RANK];
};

/* ---- coordinates ---- */

static const char *const coordinate_modes[] = {"half_pixel",         "asymmetric",           "align_corners",
                                               "pytorch_half_pixel", "tf_half_pixel_for_nn", "half_pixel_symmetric",
                                               "tf_crop_and_resize"};
static const char *const rounding_modes[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool listed(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is(name, list[i])) return true;
    return false;
}

/* Place in the input that cell i of the result looks at. */
static float place(const struct resize *r, const struct axis_plan *a, int64_t i)
{
    float x = (float)i, in = (float)a->in;
    if (is(r->coordinates, "asymmetric")) return x / a->scale;
    if (is(r->coordinates, "align_corners")) return a->length > 1 ? x * (in - 1) / (a->length - 1) : 0;
    if (is(r->coordinates, "pytorch_half_pixel")) return a->out > 1 ? (x + 0.5f) / a->scale - 0.5f : 0;
    if (is(r->coordinates, "tf_half_pixel_for_nn")) return (x + 0.5f) / a->scale;
    if (is(r->coordinates, "half_pixel_symmetric"))
        return in / 2 * (1 - (float)a->out / a->length) + (x + 0.5f) / a->scale - 0.5f;
    if (is(r->coordinates, "tf_crop_and_resize"))
        return a->out > 1 ? a->begin * (in - 1) + x * (a->end - a->begin) * (in - 1) / (float)(a->out - 1)
                          : 0.5f * (a->begin + a->end) * (in - 1);
    return (x + 0.5f) / a->scale - 0.5f;
}

static float rounded(const char *how, float x)
{
    if (is(how, "floor")) return floorf(x);
    if (is(how, "ceil")) return ceilf(x);
    return is(how, "round_prefer_ceil") ? floorf(x + 0.5f) : ceilf(x - 0.5f);
}

/* ---- taps ---- */

static int taps_of(const struct resize *r)
{
    return is(r->mode, "nearest") ? 1 : is(r->mode, "linear") ? 2 : 4;
}

/* Cubic convolution (Keys 1981), d cells from the place. */
static float cubic(float a, float d)
{
    d = fabsf(d);
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Taps of one cell: first cell touched and the weights from there on. */
static int64_t weigh(const struct resize *r, float x, float *w)
{
    if (is(r->mode, "nearest")) {
        w[0] = 1;
        return (int64_t)rounded(r->rounding, x);
    }
    float f = floorf(x);
    if (is(r->mode, "linear")) {
        w[0] = 1 - (x - f);
        w[1] = x - f;
        return (int64_t)f;
    }
    for (int t = 0; t < 4; t++) w[t] = cubic(r->cubic_a, x - (f - 1 + (float)t));
    return (int64_t)f - 1;
}

/* Cells outside are those at the edge, or (exclude_outside) nothing, the others made to sum to 1. */
static void write_taps(const struct resize *r, const struct axis_plan *a, int64_t i, int taps, int32_t *index,
                       float *weight)
{
    float x = place(r, a, i), w[4], sum = 0;
    bool outside = is(r->coordinates, "tf_crop_and_resize") && (x < 0 || x > (float)(a->in - 1));
    int64_t first = weigh(r, x, w);
    for (int t = 0; t < taps; t++) {
        int64_t at = first + t;
        if (r->exclude_outside && (at < 0 || at >= a->in)) w[t] = 0;
        index[t] = (int32_t)(at < 0 ? 0 : at >= a->in ? a->in - 1 : at);
        sum += w[t]; /* analyzer: weigh() gives as many as the mode has taps */
    }
    for (int t = 0; t < taps; t++) {
        weight[t] = r->exclude_outside && sum != 0 ? w[t] / sum : w[t];
        if (outside) index[t] = -1;
    }
}

static struct wn_slot resize_axis(struct wn_lower *lo, struct wn_slot x, const struct resize *r, int d)
{
    const struct axis_plan *a = &r->axis[d];
    int taps = taps_of(r);
    if (!wn_slot_ok(x) || (a->in == a->out && a->scale == 1 && !is(r->coordinates, "tf_crop_and_resize"))) return x;
    if (a->in == 0) return wn_slot_fail(lo, WN_BAD_MODEL, "axis %d has no elements", d);
    if (!wn_slot_afford(lo, &(struct wn_shape){.rank = 2, .dim = {a->out, 2 * taps}})) return WN_NO_SLOT;
    int32_t *index = calloc((size_t)(a->out * taps) + 1, sizeof *index);
    float *weight = calloc((size_t)(a->out * taps) + 1, sizeof *weight);
    struct wn_slot y = WN_NO_SLOT;
    for (int64_t i = 0; index && weight && i < a->out; i++)
        write_taps(r, a, i, taps, index + i * taps, weight + i * taps);
    if (index && weight)
        y = wn_slot_map(lo, x, d, &(struct wn_taps){a->in, a->out, taps, index, weight});
    else
        wn_op_fail(lo, WN_NO_MEMORY, "no memory for its taps");
    free(index);
    free(weight);
    return y;
}

/* ---- reading the node ---- */

/* A list of floats, from the attribute or a constant input; *n = -1 where there is none or it is empty. */
static bool floats(struct wn_lower *lo, const char *name, int i, float *dst, int *n)
{
    const struct wn_attr *a = wn_op_attr(lo, name);
    const float *src = a && a->kind == WN_ATTR_FLOATS ? a->floats : NULL;
    int64_t count = src ? a->n : 0;
    *n = -1;
    if (!src && i >= 0 && wn_op_has(lo, i)) {
        const struct wn_tensor *t = wn_op_constant(lo, i, name);
        if (!t) return false;
        count = wn_shape_count(&t->shape);
        src = t->f;
        if (count > 0 && !src) return wn_op_fail(lo, WN_BAD_MODEL, "'%s' must be floats", name);
    }
    if (count > 2 * WN_MAX_RANK) return wn_op_fail(lo, WN_BAD_MODEL, "'%s' has too many entries", name);
    if (count == 0) return true;
    memcpy(dst, src, (size_t)count * sizeof *dst);
    *n = (int)count;
    return true;
}

/* The axes that lists speak of, in their order: all, or those of the attribute (opset 18). */
static bool listed_axes(struct wn_lower *lo, int rank, int *axes, int *n)
{
    int64_t given[WN_MAX_RANK];
    unsigned seen;
    if (!wn_op_ints(lo, "axes", given, WN_MAX_RANK, n)) return false;
    if (*n >= 0 && !wn_op_axes(lo, given, *n, rank, &seen)) return false;
    for (int i = 0; i < rank; i++)
        axes[i] = *n < 0 ? i : (int)(given[i < *n ? i : 0] + (given[i < *n ? i : 0] < 0 ? rank : 0));
    if (*n < 0) *n = rank;
    return true;
}

static bool by_scales(struct wn_lower *lo, const float *scales, const int *axes, int n, struct resize *r)
{
    for (int i = 0; i < n; i++) {
        struct axis_plan *a = &r->axis[axes[i]]; /* analyzer: n axes are known */
        a->scale = scales[i];
        a->length = (float)a->in * scales[i];
        if (!(scales[i] > 0) || !(a->length < 2147483647.0f))
            return wn_op_fail(lo, WN_BAD_MODEL, "a scale of %g", (double)scales[i]);
        a->out = (int64_t)floorf(a->length);
    }
    return true;
}

/* keep_aspect_ratio_policy: one scale for all listed axes, the smallest or the largest of theirs. */
static void keep_ratio(bool larger, const int *axes, int n, struct resize *r)
{
    float scale = r->axis[axes[0]].scale;
    for (int i = 1; i < n; i++) {
        float s = r->axis[axes[i]].scale;
        if (larger ? s > scale : s < scale) scale = s;
    }
    for (int i = 0; i < n; i++) {
        struct axis_plan *a = &r->axis[axes[i]];
        a->scale = scale;
        a->out = (int64_t)floorf(scale * (float)a->in + 0.5f);
        a->length = (float)a->out;
    }
}

static bool by_sizes(struct wn_lower *lo, const int64_t *sizes, const int *axes, int n, struct resize *r)
{
    const char *policy = wn_op_string(lo, "keep_aspect_ratio_policy", "stretch");
    for (int i = 0; i < n; i++) {
        struct axis_plan *a = &r->axis[axes[i]];
        if (sizes[i] < 0 || sizes[i] >= INT32_MAX)
            return wn_op_fail(lo, WN_BAD_MODEL, "a size of %lld", (long long)sizes[i]);
        a->out = sizes[i];
        a->scale = (float)a->out / (float)(a->in ? a->in : 1);
        a->length = (float)a->out;
    }
    if (is(policy, "not_larger") || is(policy, "not_smaller"))
        keep_ratio(is(policy, "not_smaller"), axes, n, r);
    else if (!is(policy, "stretch"))
        return wn_op_fail(lo, WN_BAD_MODEL, "keep_aspect_ratio_policy '%s' is unknown", wn_show(policy).text);
    return true;
}

static bool read_region(struct wn_lower *lo, const int *axes, int n, struct resize *r)
{
    float roi[2 * WN_MAX_RANK];
    int count;
    if (!is(r->coordinates, "tf_crop_and_resize")) return true;
    if (wn_op_float(lo, "extrapolation_value", 0) != 0)
        return wn_op_fail(lo, WN_UNSUPPORTED, "an extrapolation_value that is not 0");
    if (!floats(lo, "roi", 1, roi, &count)) return false;
    if (count != 2 * n) return wn_op_fail(lo, WN_BAD_MODEL, "'roi' does not have two entries for each of %d axes", n);
    for (int i = 0; i < n; i++) {
        r->axis[axes[i]].begin = roi[i]; /* analyzer: 2 * n were read */
        r->axis[axes[i]].end = roi[n + i];
    }
    return true;
}

static bool modes_ok(struct wn_lower *lo, const struct resize *r)
{
    if (!is(r->mode, "nearest") && !is(r->mode, "linear") && !is(r->mode, "cubic"))
        return wn_op_fail(lo, WN_UNSUPPORTED, "mode '%s' is not supported; export with 'linear' or 'nearest'",
                          wn_show(r->mode).text);
    if (!listed(r->coordinates, coordinate_modes, sizeof coordinate_modes / sizeof *coordinate_modes))
        return wn_op_fail(lo, WN_UNSUPPORTED,
                          "coordinate_transformation_mode '%s' is not supported; export with 'half_pixel'",
                          wn_show(r->coordinates).text);
    if (!listed(r->rounding, rounding_modes, sizeof rounding_modes / sizeof *rounding_modes))
        return wn_op_fail(lo, WN_BAD_MODEL, "nearest_mode '%s' is unknown", wn_show(r->rounding).text);
    return true;
}

/* Antialiasing changes nothing where no axis shrinks. */
static bool antialias_ok(struct wn_lower *lo, const struct resize *r)
{
    bool shrinks = false;
    for (int d = 0; d < r->rank; d++) shrinks = shrinks || r->axis[d].scale < 1;
    if (!shrinks || !wn_op_int(lo, "antialias", 0) || is(r->mode, "nearest")) return true;
    return wn_op_fail(lo, WN_UNSUPPORTED, "antialias is not supported; export with antialias=0");
}

/* scales, sizes: inputs that hold them, -1: there is none of the kind. */
static bool resize(struct wn_lower *lo, struct resize *r, int scales_at, int sizes_at)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x);
    float scales[2 * WN_MAX_RANK];
    int64_t sizes[WN_MAX_RANK];
    int axes[WN_MAX_RANK], n, n_scales, n_sizes = 0;
    if (!wn_slot_ok(x) || !modes_ok(lo, r) || !listed_axes(lo, s.rank, axes, &n)) return false;
    r->rank = s.rank;
    for (int d = 0; d < s.rank; d++) r->axis[d] = (struct axis_plan){s.dim[d], s.dim[d], 1, (float)s.dim[d], 0, 1};
    if (!floats(lo, "scales", scales_at, scales, &n_scales)) return false;
    if (n_scales < 0 && sizes_at >= 0 && wn_op_has(lo, sizes_at) &&
        !wn_op_whole(lo, sizes_at, "sizes", sizes, WN_MAX_RANK, &n_sizes))
        return false;
    if (n < 1 || (n_scales < 0 ? n_sizes : n_scales) != n)
        return wn_op_fail(lo, WN_BAD_MODEL, "it needs a scale or a size for each of %d axes", n);
    if (!(n_scales < 0 ? by_sizes(lo, sizes, axes, n, r) : by_scales(lo, scales, axes, n, r))) return false;
    if (!read_region(lo, axes, n, r) || !antialias_ok(lo, r)) return false;
    for (int d = 0; d < s.rank; d++) x = resize_axis(lo, x, r, d);
    return wn_op_set(lo, 0, x);
}

bool wn_op_resize(struct wn_lower *lo, const struct wn_node *node)
{
    bool old = lo->graph->opset < 11;
    (void)node;
    struct resize r = {.mode = wn_op_string(lo, "mode", "nearest"),
                       .coordinates =
                           old ? "asymmetric" : wn_op_string(lo, "coordinate_transformation_mode", "half_pixel"),
                       .rounding = old ? "floor" : wn_op_string(lo, "nearest_mode", "round_prefer_floor"),
                       .cubic_a = wn_op_float(lo, "cubic_coeff_a", -0.75f),
                       .exclude_outside = wn_op_int(lo, "exclude_outside", 0) != 0};
    return resize(lo, &r, old ? 1 : 2, old ? -1 : 3);
}

bool wn_op_upsample(struct wn_lower *lo, const struct wn_node *node)
{
    struct resize r = {.mode = wn_op_string(lo, "mode", "nearest"), .coordinates = "asymmetric", .rounding = "floor"};
    (void)node;
    if (is(r.mode, "bilinear")) r.mode = "linear";
    return resize(lo, &r, 1, -1);
}
