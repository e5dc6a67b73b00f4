/* libFuzzer: well-formed files with wild graphs. The bytes choose operators, operands and attributes from lists of
 * nasty ones, so that the fuzzer gets past the wire format into the lowering of every operator. What loads is then
 * explained, on the backend that WHYNOT_BACKEND names. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <whynot/whynot.h>

#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const ops[] = {
#define X(name, function) #name,
#include "ops/ops.def"
#undef X
};
/* clang-format off */
static const char *const ints_names[] = {"axes", "perm", "kernel_shape", "pads", "strides", "dilations", "output_padding",
                                         "output_shape", "split", "starts", "ends", "value_ints"};
static const char *const int_names[] = {"axis", "group", "ceil_mode", "count_include_pad", "keepdims", "transA", "transB", "to",
                                        "size", "num_outputs", "storage_order", "allowzero", "noop_with_empty_axes", "start",
                                        "end", "exclude_outside", "fmod", "value_int", "batch_dims"};
static const char *const float_names[] = {"alpha", "beta", "gamma", "bias", "epsilon", "min", "max", "value", "ratio", "value_float",
                                          "extrapolation_value", "cubic_coeff_a"};
static const char *const string_names[] = {"auto_pad", "mode", "coordinate_transformation_mode", "nearest_mode"};
static const char *const strings[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "constant", "reflect", "edge", "wrap",
                                      "nearest", "linear", "cubic", "half_pixel", "asymmetric", "align_corners",
                                      "pytorch_half_pixel", "tf_crop_and_resize", "floor", "ceil", "round_prefer_floor", ""};
static const int64_t numbers[] = {0, 1, 2, 3, 4, 5, 7, 8, -1, -2, -3, -4, 16, 100, 65536, INT32_MAX, INT64_C(1) << 31, INT32_MIN,
                                  INT64_C(1) << 40, INT64_C(1) << 62, INT64_MAX, INT64_MIN};
/* clang-format on */
static const float floats[] = {0, 1, -1, 0.5f, 2, 1e-5f, 1e30f, -1e30f, INFINITY, -INFINITY, NAN, 3};

#define PICK(b, list) ((list)[next(b) % (sizeof(list) / sizeof *(list))])

struct bytes {
    const uint8_t *data;
    size_t left;
};

static unsigned next(struct bytes *b)
{
    if (!b->left) return 0;
    b->left--;
    return *b->data++;
}

/* Half of the numbers are small and likely, the other half nasty. */
static int64_t number(struct bytes *b)
{
    unsigned r = next(b);
    return r < 128 ? (int64_t)(r % 8) : numbers[r % (sizeof numbers / sizeof *numbers)];
}

static const char *value_name(char *buffer, unsigned v)
{
    snprintf(buffer, 16, v ? "v%u" : "x", v);
    return buffer;
}

static void add_constant(struct wire *graph, struct bytes *b, const char *name)
{
    int64_t dims[6], ints[64] = {0}, count = 1;
    float f[64] = {0};
    unsigned kind = next(b);
    int rank = (int)(kind >> 1) % 5;
    for (int d = 0; d < rank; d++) {
        dims[d] = 1 + next(b) % 4;
        count = count * dims[d] <= 64 ? count * dims[d] : (dims[d] = 1, count);
    }
    for (int64_t i = 0; i < count; i++) {
        ints[i] = number(b);
        f[i] = i % 4 == 0 ? PICK(b, floats) : (float)i / 8;
    }
    bool is_float = kind & 1;
    wire_graph_initializer(graph, wire_tensor_raw(name, is_float ? WIRE_F32 : WIRE_I64, rank, dims,
                                                  is_float ? (void *)f : (void *)ints,
                                                  (size_t)count * (is_float ? sizeof *f : sizeof *ints)));
}

static void add_attribute(struct wire *node, struct bytes *b)
{
    int64_t list[8];
    int n;
    switch (next(b) % 5) {
    case 0: wire_attr_int(node, PICK(b, int_names), number(b)); return;
    case 1: wire_attr_float(node, PICK(b, float_names), PICK(b, floats)); return;
    case 2: wire_attr_string(node, PICK(b, string_names), PICK(b, strings)); return;
    default:
        n = (int)(next(b) % 8);
        for (int i = 0; i < n; i++) list[i] = number(b);
        wire_attr_ints(node, PICK(b, ints_names), n, list);
    }
}

static void add_node(struct wire *graph, struct bytes *b, unsigned *values)
{
    char in[128] = "", out[64], name[16];
    unsigned n_in = next(b) % 5, n_attrs = next(b) % 4;
    const char *op = PICK(b, ops);
    for (unsigned k = 0; k < n_in; k++) {
        unsigned r = next(b), back = r % 16 < *values ? *values - 1 - r % 16 : 0; /* mostly what was made last */
        if (k) strcat(in, ",");
        if (r < 250) strcat(in, value_name(name, back));
    }
    snprintf(out, sizeof out, "v%u", *values);
    if (next(b) % 8 == 0) snprintf(out, sizeof out, "v%u,w%u", *values, *values);
    struct wire node = wire_node(op, "n", in, out);
    for (unsigned k = 0; k < n_attrs; k++) add_attribute(&node, b);
    wire_graph_node(graph, node);
    ++*values;
}

static struct wire make_model(struct bytes *b)
{
    static const int64_t opsets[] = {9, 10, 11, 12, 13, 14, 17, 18, 19, 21, 22, 25, 28};
    struct wire graph = {0};
    char name[16];
    unsigned values = 1, constants = next(b) % 6, nodes = 1 + next(b) % 10;
    int64_t opset = PICK(b, opsets), side = 1 + next(b) % 9;
    wire_graph_input(&graph, "x", 4, DIMS(0, 1 + next(b) % 4, side, side));
    for (unsigned i = 0; i < constants; i++) add_constant(&graph, b, value_name(name, values++));
    for (unsigned i = 0; i < nodes; i++) {
        if (next(b) % 4 == 0) add_constant(&graph, b, value_name(name, values++));
        add_node(&graph, b, &values);
    }
    if (next(b) % 2) { /* most graphs do not end in a list of classes by themselves */
        char last[16];
        snprintf(last, sizeof last, "v%u", values - 1);
        wire_graph_node(&graph, wire_node("Flatten", "end", last, "y"));
        wire_graph_output(&graph, "y");
    } else
        wire_graph_output(&graph, value_name(name, values - 1));
    return wire_model(opset, graph);
}

static const struct wn_method *any_method(struct bytes *b)
{
    const struct wn_method *m = wn_method_at((int)(next(b) % 12));
    return m ? m : wn_method_at(0);
}

static const struct wn_contrast *any_contrast(struct bytes *b)
{
    const struct wn_contrast *c = wn_contrast_at((int)(next(b) % 12));
    return c ? c : wn_contrast_at(0);
}

static void explain(struct wn_graph *g, struct bytes *b)
{
    const struct wn_engine_options options = {.backend = getenv("WHYNOT_BACKEND"), .max_images = 2, .max_rows = 2};
    struct wn_engine *e = NULL;
    struct wn_error err = {0};
    size_t pixels = (size_t)(wn_graph_channels(g) * wn_graph_height(g) * wn_graph_width(g));
    float *picture = calloc(pixels, sizeof *picture), *logits = calloc(2 * (size_t)wn_graph_classes(g), sizeof *logits);
    if (!picture || !logits) abort();
    for (size_t i = 0; i < pixels; i++) picture[i] = (float)(i % 7) / 7;
    if (wn_engine_create(g, &options, &e, &err) == WN_OK) {
        struct wn_answer answers[2] = {{.map = NULL}, {.map = NULL}};
        struct wn_question questions[2];
        for (int i = 0; i < 2; i++)
            questions[i] =
                (struct wn_question){.image = i,
                                     .method = any_method(b),
                                     .contrast = any_contrast(b),
                                     .layer = i ? (int)(next(b) % (unsigned)wn_graph_layers(g)) : WN_LAYER_AUTO,
                                     .target = WN_TARGET_PREDICTED};
        const float *images[2] = {picture, picture};
        const struct wn_batch batch = {.n_images = 2, .images = images, .n_questions = 2, .questions = questions};
        if (wn_engine_explain(e, &batch, logits, answers, NULL, &err) == WN_OK)
            for (int i = 0; i < 2; i++) wn_answer_finish(&answers[i]);
        wn_engine_destroy(e);
    }
    if (err.code == WN_INTERNAL) abort();
    free(picture);
    free(logits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    struct wire model = make_model(&b);
    struct wn_graph_limits limits = wn_graph_limits_default();
    limits.value_elements = 4096;
    limits.tensor_elements = 4096;
    const struct wn_graph_options options = {.limits = &limits};
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    enum wn_code code = wn_graph_parse(model.data, model.n, &options, &g, &err);
    wire_free(&model);
    if (code == WN_INTERNAL || (code != WN_OK && (!*err.text || err.code != code))) abort();
    if (code == WN_OK && wn_graph_layers(g) > 0) explain(g, &b);
    wn_graph_destroy(code == WN_OK ? g : NULL);
    return 0;
}
