/* Layouts and loops; see tensor.h. Knows neither CUDA nor programs. */
#include "tensor.h"

#include <string.h>

size_t wn_cuda_type_size(enum wn_cuda_type type)
{
    return type == WN_CUDA_F32 ? 4 : 2;
}

void wn_cuda_tensor_order(const struct wn_cuda_tensor *t, int order[WN_MAX_RANK])
{
    int n = 0, rank = t->shape.rank;
    for (int d = 0; d < rank; d++)
        if (!t->channels_last || d != 1) order[n++] = d;
    if (t->channels_last) order[n] = 1;
}

static void lay(struct wn_cuda_tensor *t, int64_t pitch)
{
    int order[WN_MAX_RANK];
    int64_t step = 1;
    wn_cuda_tensor_order(t, order);
    for (int i = t->shape.rank - 1; i >= 0; i--) {
        t->stride[order[i]] = step;
        step *= t->channels_last && order[i] == 1 ? pitch : t->shape.dim[order[i]];
    }
}

struct wn_cuda_tensor wn_cuda_tensor_of(const struct wn_shape *shape, enum wn_cuda_type type, bool channels_last)
{
    struct wn_cuda_tensor t = {.shape = *shape, .type = type, .channels_last = channels_last && shape->rank >= 3};
    lay(&t, t.channels_last ? shape->dim[1] : 0);
    return t;
}

struct wn_cuda_tensor wn_cuda_tensor_padded(const struct wn_shape *shape, enum wn_cuda_type type, int64_t pitch)
{
    struct wn_cuda_tensor t = {.shape = *shape, .type = type, .channels_last = true};
    lay(&t, pitch);
    return t;
}

int64_t wn_cuda_tensor_pitch(const struct wn_cuda_tensor *t)
{
    return t->stride[t->shape.rank - 1];
}

bool wn_cuda_tensor_is_padded(const struct wn_cuda_tensor *t)
{
    return t->channels_last && wn_cuda_tensor_pitch(t) != t->shape.dim[1];
}

struct wn_cuda_tensor wn_cuda_tensor_whole(const struct wn_cuda_tensor *t)
{
    struct wn_cuda_tensor whole = *t;
    if (t->channels_last) whole.shape.dim[1] = wn_cuda_tensor_pitch(t);
    return whole;
}

/* 16 bytes, which cuDNN's tensor-core engines load at once: fewer make them pad by themselves in each run, or load
 * number by number. On f32 units the engine is the same with and without, and has more to multiply; a single channel
 * lies row-major already. */
int64_t wn_cuda_pixel_pitch(int64_t channels, enum wn_cuda_type type, bool exact)
{
    const int64_t wide = 16 / (int64_t)wn_cuda_type_size(type);
    if (exact || channels < 2 || channels > WN_CUDA_WIDTH) return channels;
    return (channels + wide - 1) / wide * wide;
}

size_t wn_cuda_tensor_bytes(const struct wn_cuda_tensor *t)
{
    const int64_t elements = t->shape.rank ? t->shape.dim[0] * t->stride[0] : 1;
    return (size_t)elements * wn_cuda_type_size(t->type);
}

void wn_cuda_tensor_planes(const struct wn_cuda_tensor *t, int *n, int *c, int *spatial)
{
    int64_t rest = 1;
    for (int d = 2; d < t->shape.rank; d++) rest *= t->shape.dim[d];
    *n = t->shape.rank > 0 ? (int)t->shape.dim[0] : 1;
    *c = t->shape.rank > 1 ? (int)t->shape.dim[1] : 1;
    *spatial = (int)rest;
}

bool wn_cuda_tensor_is_flat(const struct wn_cuda_tensor *t)
{
    int n, c, spatial;
    wn_cuda_tensor_planes(t, &n, &c, &spatial);
    return !t->channels_last || ((c == 1 || spatial == 1) && !wn_cuda_tensor_is_padded(t));
}

bool wn_cuda_tensor_same_memory(const struct wn_cuda_tensor *a, const struct wn_cuda_tensor *b)
{
    int an, ac, as, bn, bc, bs;
    if (a->type != b->type) return false;
    if (wn_cuda_tensor_is_flat(a) && wn_cuda_tensor_is_flat(b)) return true;
    if (a->channels_last != b->channels_last || wn_cuda_tensor_is_padded(a) || wn_cuda_tensor_is_padded(b))
        return false;
    wn_cuda_tensor_planes(a, &an, &ac, &as);
    wn_cuda_tensor_planes(b, &bn, &bc, &bs);
    return an == bn && ac == bc && as == bs;
}

/* ---- walks ---- */

/* Axis `inner` can be walked together with the one outside it by every operand. */
static bool mergeable(int n, const int64_t (*strides)[WN_MAX_RANK], int outer, int inner, int64_t length)
{
    for (int i = 0; i < n; i++)
        if (strides[i][outer] != strides[i][inner] * length) return false;
    return true;
}

static bool wide_operand(const struct wn_cuda_arg *a, bool is_result)
{
    const int inner = a->stride[WN_CUDA_INNER];
    if (!a->data) return true;
    if (inner != 1) return inner == 0 && !is_result;
    if ((uintptr_t)a->data % 16) return false;
    for (int d = 0; d < WN_CUDA_INNER; d++)
        if (a->stride[d] % WN_CUDA_WIDTH) return false;
    return true;
}

static void decide_width(struct wn_cuda_loop *loop, const struct wn_cuda_arg *args, int n)
{
    loop->vector = loop->dim[WN_CUDA_INNER] % WN_CUDA_WIDTH == 0;
    for (int i = 0; i < n; i++) loop->vector = loop->vector && wide_operand(&args[i], i == n - 1);
}

/* Axes are laid into the last entries one by one, outermost first, so the entries in use move up as they grow. */
static void push_axis(struct wn_cuda_loop *loop, struct wn_cuda_arg *args, int n)
{
    const int first = WN_CUDA_AXES - loop->rank - 1;
    for (int d = first; d < WN_CUDA_INNER; d++) {
        loop->dim[d] = loop->dim[d + 1];
        for (int i = 0; i < n; i++) args[i].stride[d] = args[i].stride[d + 1];
    }
    loop->rank++;
}

void wn_cuda_walk_strided(int rank, const int64_t *extent, int n, const int64_t (*strides)[WN_MAX_RANK],
                          struct wn_cuda_loop *loop, struct wn_cuda_arg *args)
{
    int last = -1;
    *loop = (struct wn_cuda_loop){.count = 1};
    for (int d = 0; d < WN_CUDA_AXES; d++) loop->dim[d] = 1;
    for (int i = 0; i < n; i++) memset(args[i].stride, 0, sizeof args[i].stride);
    for (int d = 0; d < rank; d++) {
        if (extent[d] == 1) continue;
        const bool merge = last >= 0 && mergeable(n, strides, last, d, extent[d]);
        if (!merge) push_axis(loop, args, n);
        loop->dim[WN_CUDA_INNER] = (int)(merge ? loop->dim[WN_CUDA_INNER] * extent[d] : extent[d]);
        for (int i = 0; i < n; i++) args[i].stride[WN_CUDA_INNER] = (int)strides[i][d];
        loop->count *= (int)extent[d];
        last = d;
    }
    decide_width(loop, args, n);
}

void wn_cuda_walk(const struct wn_cuda_tensor *const *t, int n, struct wn_cuda_loop *loop, struct wn_cuda_arg *args)
{
    const struct wn_cuda_tensor *y = t[n - 1];
    int order[WN_MAX_RANK], rank = y->shape.rank;
    int64_t extent[WN_MAX_RANK], strides[WN_CUDA_OPERANDS][WN_MAX_RANK] = {{0}};
    wn_cuda_tensor_order(y, order);
    for (int i = 0; i < n; i++) args[i] = (struct wn_cuda_arg){0};
    for (int k = 0; k < rank; k++) extent[k] = y->shape.dim[order[k]];
    for (int i = 0; i < n; i++) {
        if (!t[i]) continue;
        args[i].data = t[i]->data, args[i].type = t[i]->type;
        for (int k = 0; k < rank; k++) {
            const int d = order[k] - (rank - t[i]->shape.rank);
            strides[i][k] = d < 0 || t[i]->shape.dim[d] == 1 ? 0 : t[i]->stride[d];
        }
    }
    wn_cuda_walk_strided(rank, extent, n, (const int64_t(*)[WN_MAX_RANK])strides, loop, args);
}

/* ---- numbers on the host ---- */

static uint16_t to_bf16(uint32_t bits)
{
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static uint16_t to_f16(uint32_t bits)
{
    const uint32_t sign = bits >> 16 & 0x8000u, a = bits & 0x7fffffffu;
    if (a > 0x7f800000u) return 0x7fff;
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and more */
    if (a >= 0x38800000u) return (uint16_t)(sign | (((a + 0xfffu + (a >> 13 & 1u)) >> 13) - (112u << 10)));
    const uint32_t shift = 126u - (a >> 23); /* subnormal: the implicit one moves below the point */
    if (shift > 24) return (uint16_t)sign;
    const uint32_t mantissa = (a & 0x7fffffu) | 0x800000u, kept = mantissa >> shift,
                   rest = mantissa & ((1u << shift) - 1);
    const uint32_t half = 1u << (shift - 1);
    return (uint16_t)(sign | (kept + (rest > half || (rest == half && kept & 1u))));
}

uint16_t wn_cuda_narrow(float value, enum wn_cuda_type type)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return type == WN_CUDA_BF16 ? to_bf16(bits) : to_f16(bits);
}
