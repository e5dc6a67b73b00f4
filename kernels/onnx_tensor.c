/* ONNX tensors of every number type made into the two that are held here, f32 and int64; refuses any tensor whose
 * bytes are not exactly as many as its dimensions ask for. */
#include <string.h>

#include "onnx_read.h"
#include "prescan.h"

static float half(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
    if (exponent == 0) { /* zero and subnormal: fraction * 2^-24 */
        float small = (float)fraction * 0x1p-24f;
        return sign ? -small : small;
    }
    uint32_t wide = sign | (exponent == 31 ? 0xffu : exponent + 112) << 23 | fraction << 13;
    float f;
    memcpy(&f, &wide, sizeof f);
    return f;
}

static float f32_of_f32(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float f;
    memcpy(&f, &low, sizeof f);
    return f;
}

static float f32_of_f64(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return (float)d;
}

static float f32_of_f16(uint64_t bits)
{
    return half((uint16_t)bits);
}

static float f32_of_bf16(uint64_t bits)
{
    return f32_of_f32((bits & 0xffff) << 16);
}

static int64_t i64_of_i8(uint64_t bits)
{
    return (int8_t)bits;
}

static int64_t i64_of_i16(uint64_t bits)
{
    return (int16_t)bits;
}

static int64_t i64_of_i32(uint64_t bits)
{
    return (int32_t)bits;
}

static int64_t i64_of_i64(uint64_t bits)
{
    return (int64_t)bits;
}

static int64_t i64_of_u8(uint64_t bits)
{
    return (uint8_t)bits;
}

static int64_t i64_of_u16(uint64_t bits)
{
    return (uint16_t)bits;
}

static int64_t i64_of_u32(uint64_t bits)
{
    return (uint32_t)bits;
}

static int64_t i64_of_bool(uint64_t bits)
{
    return (uint8_t)bits != 0;
}

/* Which of the typed fields of a TensorProto holds the elements when raw_data does not. */
enum typed { FLOAT_DATA, DOUBLE_DATA, INT32_DATA, INT64_DATA, UINT64_DATA };

static const struct number {
    int type;
    size_t width; /* bytes in raw_data */
    enum typed typed;
    enum wn_dtype dtype;
    float (*to_float)(uint64_t bits);
    int64_t (*to_int)(uint64_t bits);
} numbers[] = {
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 4, FLOAT_DATA, WN_F32, f32_of_f32, NULL},
    {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, 8, DOUBLE_DATA, WN_F64, f32_of_f64, NULL},
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, 2, INT32_DATA, WN_F32, f32_of_f16, NULL},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, 2, INT32_DATA, WN_F32, f32_of_bf16, NULL},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 8, INT64_DATA, WN_I64, NULL, i64_of_i64},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, 4, INT32_DATA, WN_I32, NULL, i64_of_i32},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT16, 2, INT32_DATA, WN_I32, NULL, i64_of_i16},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT8, 1, INT32_DATA, WN_I32, NULL, i64_of_i8},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, 1, INT32_DATA, WN_U8, NULL, i64_of_u8},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, 2, INT32_DATA, WN_I32, NULL, i64_of_u16},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT32, 4, UINT64_DATA, WN_I64, NULL, i64_of_u32},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, 1, INT32_DATA, WN_BOOL, NULL, i64_of_bool},
};

static const struct number *find_number(int type)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].type == type) return &numbers[i];
    return NULL;
}

static size_t typed_count(const Onnx__TensorProto *t, enum typed typed)
{
    const size_t counts[] = {[FLOAT_DATA] = t->n_float_data,
                             [DOUBLE_DATA] = t->n_double_data,
                             [INT32_DATA] = t->n_int32_data,
                             [INT64_DATA] = t->n_int64_data,
                             [UINT64_DATA] = t->n_uint64_data};
    return counts[typed];
}

static uint64_t typed_bits(const Onnx__TensorProto *t, enum typed typed, size_t i)
{
    uint64_t wide = 0;
    switch (typed) {
    case FLOAT_DATA: memcpy(&wide, &t->float_data[i], sizeof t->float_data[i]); break;
    case DOUBLE_DATA: memcpy(&wide, &t->double_data[i], sizeof t->double_data[i]); break;
    case INT32_DATA: wide = (uint32_t)t->int32_data[i]; break;
    case INT64_DATA: wide = (uint64_t)t->int64_data[i]; break;
    case UINT64_DATA: wide = t->uint64_data[i]; break;
    }
    return wide;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little-endian and is copied as it stands");

static uint64_t bits_at(const Onnx__TensorProto *t, const struct number *number, size_t i)
{
    uint64_t wide = 0;
    if (t->raw_data.len == 0) return typed_bits(t, number->typed, i);
    memcpy(&wide, t->raw_data.data + i * number->width, number->width);
    return wide;
}

/* A tensor may be empty: exporters leave out a region or axes that way. */
static bool read_shape(struct wn_reader *r, const Onnx__TensorProto *t, struct wn_shape *shape, size_t *count)
{
    int64_t n = 1;
    if (t->n_dims > WN_MAX_RANK)
        return wn_reader_bad(r, "the tensor '%s' has %zu dimensions, more than %d", wn_show(t->name).text, t->n_dims,
                             WN_MAX_RANK);
    shape->rank = (int)t->n_dims;
    for (int d = 0; d < shape->rank; d++) {
        int64_t dim = shape->dim[d] = t->dims[d];
        bool fits = dim >= 0 && dim <= r->limits->tensor_elements && !__builtin_mul_overflow(n, dim, &n);
        if (!fits || n > r->limits->tensor_elements)
            return wn_reader_bad(r, "the tensor '%s' has a dimension of %lld: negative or outside the limits",
                                 wn_show(t->name).text, (long long)dim);
    }
    *count = (size_t)n;
    return true;
}

static bool check_count(struct wn_reader *r, const Onnx__TensorProto *t, const struct number *number, size_t count)
{
    size_t raw = t->raw_data.len, typed = typed_count(t, number->typed);
    bool exact = raw > 0 ? typed == 0 && raw % number->width == 0 && raw / number->width == count : typed == count;
    if (exact) return true;
    return wn_reader_bad(
        r,
        "the tensor '%s' has %zu bytes and %zu typed elements where its dimensions ask for %zu elements of %zu bytes",
        wn_show(t->name).text, raw, typed, count, number->width);
}

static bool fill(struct wn_reader *r, const Onnx__TensorProto *t, const struct number *number, size_t count,
                 struct wn_tensor *out)
{
    out->dtype = number->dtype;
    if (number->to_float) {
        if (!(out->f = wn_reader_take(r, count, sizeof *out->f))) return false;
        if (number->width == sizeof(float) && t->raw_data.len > 0)
            memcpy(out->f, t->raw_data.data, t->raw_data.len);
        else
            for (size_t i = 0; i < count; i++) out->f[i] = number->to_float(bits_at(t, number, i));
        return true;
    }
    if (!(out->i = wn_reader_take(r, count, sizeof *out->i))) return false;
    for (size_t i = 0; i < count; i++) out->i[i] = number->to_int(bits_at(t, number, i));
    return true;
}

struct wn_tensor *wn_reader_tensor(struct wn_reader *r, const Onnx__TensorProto *t)
{
    const struct number *number = find_number(t->has_data_type ? t->data_type : 0);
    size_t count = 0;
    if (!number) {
        wn_fail(r->err, WN_UNSUPPORTED, "the tensor '%s' has the ONNX data type %d, which is not read here",
                wn_show(t->name).text, t->has_data_type ? t->data_type : 0);
        return NULL;
    }
    struct wn_tensor *out = wn_reader_take(r, 1, sizeof *out);
    if (!out || !read_shape(r, t, &out->shape, &count) || !check_count(r, t, number, count)) return NULL;
    return fill(r, t, number, count, out) ? out : NULL;
}

/* The tensor lives at the front of an arena that holds nothing else. */
struct lone_tensor {
    struct wn_tensor tensor;
    struct wn_arena *arena;
};

enum wn_code wn_tensor_parse(const void *data, size_t size, const struct wn_graph_limits *limits,
                             struct wn_tensor **out, struct wn_error *err)
{
    struct wn_error why = {0};
    struct wn_reader r = {.limits = limits, .err = &why};
    struct lone_tensor *lone = NULL;
    if (wn_prescan(data, size, &onnx__tensor_proto__descriptor, limits, &why) != WN_OK) goto fail;
    Onnx__TensorProto *t = (Onnx__TensorProto *)wn_unpack(&onnx__tensor_proto__descriptor, data, size, &why);
    if (!t) goto fail;
    if ((r.arena = wn_arena_create()) && (lone = wn_reader_take(&r, 1, sizeof *lone))) {
        struct wn_tensor *tensor = wn_reader_tensor(&r, t);
        if (tensor) *lone = (struct lone_tensor){.tensor = *tensor, .arena = r.arena};
    }
    onnx__tensor_proto__free_unpacked(t, NULL);
    if (!lone || !lone->arena) goto destroy_arena;
    *out = &lone->tensor;
    return WN_OK;
destroy_arena:
    wn_arena_destroy(r.arena);
fail:
    if (why.code == WN_OK) wn_fail(&why, WN_NO_MEMORY, "no memory for a tensor");
    return wn_fail(err, why.code, "%s", why.text);
}

void wn_tensor_destroy(struct wn_tensor *t)
{
    if (t) wn_arena_destroy(((struct lone_tensor *)t)->arena);
}
