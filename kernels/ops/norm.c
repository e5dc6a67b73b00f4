/* BatchNormalization, InstanceNormalization and LRN, as formulas over means and squares. */
#include <stdlib.h>

#include "op.h"

bool wn_op_batch_norm(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_instance_norm(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_lrn(struct wn_lower *lo, const struct wn_node *node);

/* scale and bias with one entry a channel, as (C,1,..); false on failure. */
static bool affine(struct wn_lower *lo, struct wn_slot x, struct wn_slot *scale, struct wn_slot *bias)
{
    struct wn_shape s = wn_slot_shape(lo, x);
    if (!wn_slot_ok(x)) return false;
    if (s.rank < 2) return wn_op_fail(lo, WN_BAD_MODEL, "a value of rank %d has no channels", s.rank);
    *scale = wn_slot_per_channel(lo, wn_op_in(lo, 1), s.rank - 2);
    *bias = wn_slot_per_channel(lo, wn_op_in(lo, 2), s.rank - 2);
    return wn_slot_ok(*scale) && wn_slot_ok(*bias);
}

/* scale * (x - mean) / sqrt(var + eps) + bias */
static struct wn_slot standardise(struct wn_lower *lo, struct wn_slot centred, struct wn_slot var, struct wn_slot scale,
                                  struct wn_slot bias)
{
    struct wn_slot spread = wn_slot_linear(lo, var, 1, wn_op_float(lo, "epsilon", 1e-5f));
    struct wn_slot unit = wn_slot_binary(lo, WN_FOLD_DIV, centred, wn_slot_unary(lo, WN_UNARY_SQRT, spread, 0, 0));
    return wn_slot_binary(lo, WN_FOLD_ADD, wn_slot_binary(lo, WN_FOLD_MUL, unit, scale), bias);
}

/* x - mean(x) and the variance over `axes`. */
static void moments(struct wn_lower *lo, struct wn_slot x, unsigned axes, struct wn_slot *mean, struct wn_slot *centred,
                    struct wn_slot *var)
{
    *mean = wn_slot_reduce(lo, WN_REDUCE_MEAN, x, axes);
    *centred = wn_slot_binary(lo, WN_FOLD_SUB, x, *mean);
    *var = wn_slot_reduce(lo, WN_REDUCE_MEAN, wn_slot_unary(lo, WN_UNARY_SQUARE, *centred, 0, 0), axes);
}

static struct wn_slot running(struct wn_lower *lo, struct wn_slot old, struct wn_slot now)
{
    float momentum = wn_op_float(lo, "momentum", 0.9f);
    struct wn_shape list = wn_slot_shape(lo, old);
    now = wn_slot_reshape(lo, now, &list);
    return wn_slot_binary(lo, WN_FOLD_ADD, wn_slot_linear(lo, old, momentum, 0),
                          wn_slot_linear(lo, now, 1 - momentum, 0));
}

/* With the statistics of this batch: refused by wn_slot_reduce where axis 0 holds pictures that must not see each
 * other. */
static bool train(struct wn_lower *lo, struct wn_slot x, struct wn_slot scale, struct wn_slot bias)
{
    struct wn_slot mean, centred, var;
    unsigned all = (1u << wn_slot_shape(lo, x).rank) - 1;
    moments(lo, x, all & ~2u, &mean, &centred, &var);
    if (!wn_op_set(lo, 0, standardise(lo, centred, var, scale, bias))) return false;
    if (wn_op_wants(lo, 1) && !wn_op_set(lo, 1, running(lo, wn_op_in(lo, 3), mean))) return false;
    return !wn_op_wants(lo, 2) || wn_op_set(lo, 2, running(lo, wn_op_in(lo, 4), var));
}

/* gain * x + shift: gain = scale/sqrt(var+eps) and shift = bias - mean*gain are constants. */
bool wn_op_batch_norm(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0), scale, bias;
    if (!affine(lo, x, &scale, &bias)) return false;
    if (wn_op_int(lo, "training_mode", 0)) return train(lo, x, scale, bias);
    for (int i = 1; i < node->n_out; i++)
        if (wn_op_wants(lo, i))
            return wn_op_fail(lo, WN_UNSUPPORTED, "its training outputs; export the model for inference");
    int spatial = wn_slot_shape(lo, x).rank - 2;
    struct wn_slot mean = wn_slot_per_channel(lo, wn_op_in(lo, 3), spatial);
    struct wn_slot var = wn_slot_per_channel(lo, wn_op_in(lo, 4), spatial);
    struct wn_slot spread = wn_slot_linear(lo, var, 1, wn_op_float(lo, "epsilon", 1e-5f));
    struct wn_slot gain = wn_slot_binary(lo, WN_FOLD_DIV, scale, wn_slot_unary(lo, WN_UNARY_SQRT, spread, 0, 0));
    struct wn_slot shift = wn_slot_binary(lo, WN_FOLD_SUB, bias, wn_slot_binary(lo, WN_FOLD_MUL, mean, gain));
    return wn_op_set(lo, 0, wn_slot_binary(lo, WN_FOLD_ADD, wn_slot_binary(lo, WN_FOLD_MUL, x, gain), shift));
}

bool wn_op_instance_norm(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0), scale, bias, mean, centred, var;
    (void)node;
    if (!affine(lo, x, &scale, &bias)) return false;
    unsigned all = (1u << wn_slot_shape(lo, x).rank) - 1;
    moments(lo, x, all & ~3u, &mean, &centred, &var);
    return wn_op_set(lo, 0, standardise(lo, centred, var, scale, bias));
}

/* Sum over the channels c - (size-1)/2 .. c + size/2: `taps` ones a channel, cut to the channels that are there. */
static struct wn_slot sum_neighbours(struct wn_lower *lo, struct wn_slot x, int64_t channels, int64_t size)
{
    int64_t before = (size - 1) / 2, after = size - 1 - before;
    if (before > channels) before = channels;
    if (after > channels) after = channels;
    int64_t taps = before + after + 1;
    if (!wn_slot_afford(lo, &(struct wn_shape){.rank = 3, .dim = {channels, taps, 2}})) return WN_NO_SLOT;
    int32_t *index = calloc((size_t)(channels * taps), sizeof *index);
    float *weight = calloc((size_t)(channels * taps), sizeof *weight);
    struct wn_slot y = WN_NO_SLOT;
    for (int64_t i = 0; index && weight && i < channels * taps; i++) {
        int64_t c = i / taps - before + i % taps;
        index[i] = c >= 0 && c < channels ? (int32_t)c : -1;
        weight[i] = 1;
    }
    if (index && weight)
        y = wn_slot_map(lo, x, 1, &(struct wn_taps){channels, channels, (int)taps, index, weight});
    else
        wn_op_fail(lo, WN_NO_MEMORY, "no memory for its neighbours");
    free(index);
    free(weight);
    return y;
}

/* x * (bias + alpha/size * sum of squares)^-beta */
bool wn_op_lrn(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    int64_t size = wn_op_int(lo, "size", 0);
    struct wn_shape s = wn_slot_shape(lo, x);
    (void)node;
    if (!wn_slot_ok(x)) return false;
    if (size < 1 || size >= INT32_MAX) return wn_op_fail(lo, WN_BAD_MODEL, "size %lld", (long long)size);
    if (s.rank < 2) return wn_op_fail(lo, WN_BAD_MODEL, "a value of rank %d has no channels", s.rank);
    struct wn_slot sum = sum_neighbours(lo, wn_slot_unary(lo, WN_UNARY_SQUARE, x, 0, 0), s.dim[1], size);
    sum = wn_slot_linear(lo, sum, wn_op_float(lo, "alpha", 1e-4f) / (float)size, wn_op_float(lo, "bias", 1));
    sum = wn_slot_unary(lo, WN_UNARY_POW, sum, -wn_op_float(lo, "beta", 0.75f), 0);
    return wn_op_set(lo, 0, wn_slot_binary(lo, WN_FOLD_MUL, x, sum));
}
