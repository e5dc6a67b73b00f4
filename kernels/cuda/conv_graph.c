/* Convolutions as cuDNN operation graphs; see conv_graph.h. Plain C over cudnn_backend.h, and no device needed: a
 * planner may be a handle or only the description of a card. */
#include "conv_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "plan.h"
#include "tensor.h"
#include "vendor.h"

/* ---- descriptors: a list that is freed in one place, and attributes that are set until the first failure ---- */

enum { MOST_DESCRIPTORS = 24, MOST_CONFIGS = 64 /* of one mode; lists of 37 were seen */, MOST_OF_AN_ENGINE = 2 };

struct sketch {
    cudnnBackendDescriptor_t made[MOST_DESCRIPTORS];
    int n;
    enum wn_code code;
    enum wn_code refusal; /* the gravest failure of one plan among many, for which another may do */
    struct wn_error *err;
};

static void sketch_finish(struct sketch *s)
{
    while (s->n) cudnnBackendDestroyDescriptor(s->made[--s->n]);
}

static cudnnBackendDescriptor_t begin(struct sketch *s, cudnnBackendDescriptorType_t kind)
{
    cudnnBackendDescriptor_t d = NULL;
    if (s->code == WN_OK && s->n == MOST_DESCRIPTORS)
        s->code = wn_fail(s->err, WN_INTERNAL, "an operation graph is too large");
    if (s->code == WN_OK) s->code = WN_CALL(dnn, cudnnBackendCreateDescriptor(kind, &d), s->err);
    if (s->code == WN_OK) s->made[s->n++] = d;
    return d;
}

static void set(struct sketch *s, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *elements)
{
    if (s->code == WN_OK) s->code = WN_CALL(dnn, cudnnBackendSetAttribute(d, name, type, count, elements), s->err);
}

static void set_descriptor(struct sketch *s, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                           cudnnBackendDescriptor_t other)
{
    set(s, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other);
}

static void finalize(struct sketch *s, cudnnBackendDescriptor_t d)
{
    if (s->code == WN_OK) s->code = WN_CALL(dnn, cudnnBackendFinalize(d), s->err);
}

/* ---- tensors ---- */

static cudnnDataType_t data_type(enum wn_cuda_type type)
{
    return type == WN_CUDA_F32 ? CUDNN_DATA_FLOAT : type == WN_CUDA_F16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16;
}

/* Graph tensors have at least two spatial axes: a line is a plane of height 1. */
struct dims {
    int64_t n, dim[5], stride[5];
};

static struct dims dims_of(const struct wn_shape *shape)
{
    struct dims d = {.n = shape->rank < 4 ? 4 : shape->rank};
    const int missing = (int)d.n - shape->rank;
    for (int i = 0; i < d.n; i++) d.dim[i] = i < 2 ? shape->dim[i] : i - missing < 2 ? 1 : shape->dim[i - missing];
    d.stride[1] = 1;
    int64_t step = d.dim[1];
    for (int i = (int)d.n - 1; i > 1; i--) d.stride[i] = step, step *= d.dim[i];
    d.stride[0] = step;
    return d;
}

static cudnnBackendDescriptor_t tensor(struct sketch *s, int64_t id, const struct dims *d, cudnnDataType_t type,
                                       bool virtual)
{
    /* Our values start on 256 bytes and weights where cudaMalloc put them. */
    const int64_t alignment = 16;
    cudnnBackendDescriptor_t t = begin(s, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    set(s, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    set(s, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(s, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, d->n, d->dim);
    set(s, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, d->n, d->stride);
    set(s, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    set(s, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &virtual);
    finalize(s, t);
    return t;
}

/* ---- operations ---- */

static cudnnBackendDescriptor_t window(struct sketch *s, const struct wn_window *win)
{
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t rank = win->rank < 2 ? 2 : win->rank;
    int64_t dilation[3], stride[3], lo[3], hi[3];
    for (int i = 0; i < rank; i++) {
        const int from = i - ((int)rank - win->rank);
        dilation[i] = from < 0 ? 1 : win->dilation[from], stride[i] = from < 0 ? 1 : win->stride[from];
        lo[i] = from < 0 ? 0 : win->pad_lo[from], hi[i] = from < 0 ? 0 : win->pad_hi[from];
    }
    cudnnBackendDescriptor_t d = begin(s, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    set(s, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &f32);
    set(s, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(s, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &rank);
    set(s, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, rank, dilation);
    set(s, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, rank, stride);
    set(s, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, rank, lo);
    set(s, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, rank, hi);
    finalize(s, d);
    return d;
}

static cudnnBackendDescriptor_t convolution(struct sketch *s, const struct wn_cuda_conv_shape *c,
                                            cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t w,
                                            cudnnBackendDescriptor_t y)
{
    static const struct {
        cudnnBackendDescriptorType_t kind;
        cudnnBackendAttributeName_t alpha, beta, window, w, x, y;
    } names[2] = {{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y},
                  {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY}};
    const float one = 1, zero = 0;
    cudnnBackendDescriptor_t win = window(s, &c->win), op = begin(s, names[c->backward].kind);
    set(s, op, names[c->backward].alpha, CUDNN_TYPE_FLOAT, 1, &one);
    set(s, op, names[c->backward].beta, CUDNN_TYPE_FLOAT, 1, &zero);
    set_descriptor(s, op, names[c->backward].window, win);
    set_descriptor(s, op, names[c->backward].x, x);
    set_descriptor(s, op, names[c->backward].w, w);
    set_descriptor(s, op, names[c->backward].y, y);
    finalize(s, op);
    return op;
}

/* b NULL: of one operand. Of a derivative x is the gradient that comes and b the units. */
static cudnnBackendDescriptor_t pointwise(struct sketch *s, cudnnPointwiseMode_t mode, cudnnBackendDescriptor_t x,
                                          cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y)
{
    const bool back = mode == CUDNN_POINTWISE_RELU_BWD;
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    cudnnBackendDescriptor_t how = begin(s, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    set(s, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set(s, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &f32);
    finalize(s, how);
    cudnnBackendDescriptor_t op = begin(s, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_descriptor(s, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    set_descriptor(s, op, back ? CUDNN_ATTR_OPERATION_POINTWISE_DYDESC : CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b) set_descriptor(s, op, back ? CUDNN_ATTR_OPERATION_POINTWISE_XDESC : CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    set_descriptor(s, op, back ? CUDNN_ATTR_OPERATION_POINTWISE_DXDESC : CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    finalize(s, op);
    return op;
}

/* ---- the graph ---- */

/* conv -> + residual -> + bias -> relu: in this order and no other does cuDNN 9 have engines that fuse all of it and
 * need not be compiled first. Those of conv -> + residual -> derivative all are compiled. What lies between two
 * operations is virtual, and f32. */
static cudnnBackendDescriptor_t operation_graph(struct sketch *s, const struct wn_cuda_planner *p,
                                                const struct wn_cuda_conv_shape *c)
{
    const struct dims x = dims_of(&c->x), w = dims_of(&c->w), y = dims_of(&c->y);
    const cudnnDataType_t type = data_type(c->type), f32 = CUDNN_DATA_FLOAT;
    const struct dims *to = c->backward ? &x : &y;
    struct dims bias = *to;
    cudnnBackendDescriptor_t ops[5];
    int left = c->residual + c->bias + c->relu + c->derivative, n = 0;
    int64_t id = WN_PLAN_BETWEEN;
    cudnnBackendDescriptor_t tw = tensor(s, WN_PLAN_W, &w, type, false);
    cudnnBackendDescriptor_t in = tensor(s, WN_PLAN_X, c->backward ? &y : &x, type, false);
    cudnnBackendDescriptor_t at = tensor(s, left ? id++ : WN_PLAN_Y, to, left ? f32 : type, left > 0);
    ops[n++] = c->backward ? convolution(s, c, at, tw, in) : convolution(s, c, in, tw, at);
    for (int i = 0; i < bias.n; i++) bias.dim[i] = i == 1 ? to->dim[1] : 1, bias.stride[i] = i == 1 ? 1 : to->dim[1];
    const struct {
        bool wanted;
        cudnnPointwiseMode_t mode;
        int64_t operand;
        const struct dims *dims;
        cudnnDataType_t type;
    } tail[4] = {{c->residual, CUDNN_POINTWISE_ADD, WN_PLAN_RESIDUAL, to, type},
                 {c->bias, CUDNN_POINTWISE_ADD, WN_PLAN_BIAS, &bias, type},
                 {c->relu, CUDNN_POINTWISE_RELU_FWD, 0, NULL, f32},
                 {c->derivative, CUDNN_POINTWISE_RELU_BWD, WN_PLAN_UNITS, to, data_type(c->units_type)}};
    for (int i = 0; i < 4; i++) {
        if (!tail[i].wanted) continue;
        left--;
        cudnnBackendDescriptor_t operand =
            tail[i].dims ? tensor(s, tail[i].operand, tail[i].dims, tail[i].type, false) : NULL;
        cudnnBackendDescriptor_t next = tensor(s, left ? id++ : WN_PLAN_Y, to, left ? f32 : type, left > 0);
        ops[n++] = pointwise(s, tail[i].mode, at, operand, next);
        at = next;
    }
    cudnnBackendDescriptor_t graph = begin(s, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(s, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n, ops);
    if (p->handle) set(s, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &p->handle);
    finalize(s, graph);
    return graph;
}

/* ---- choosing ---- */

/* What a caller has to know before all else: that there was no memory, then that the library failed. */
static int gravity(enum wn_code code)
{
    return code == WN_OK ? 0 : code == WN_NO_MEMORY ? 3 : code == WN_UNSUPPORTED ? 1 : 2;
}

static void refuse(struct sketch *s, enum wn_code code)
{
    if (gravity(code) > gravity(s->refusal)) s->refusal = code;
}

static bool is_compiled(cudnnBackendDescriptor_t engine)
{
    cudnnBackendBehaviorNote_t notes[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    int64_t n = 0;
    bool compiled = false;
    if (cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                 CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &n, notes) != CUDNN_STATUS_SUCCESS)
        return false;
    for (int i = 0; i < n; i++) compiled = compiled || notes[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return compiled;
}

/* What an engine does to numbers that we do not allow: answers that vary from run to run, ever; in exact f32 also
 * tensor cores, inputs made shorter, and transforms that lose digits. */
static bool acceptable(struct sketch *s, cudnnBackendDescriptor_t config, const struct wn_cuda_conv_shape *c,
                       struct wn_cuda_plan_facts *facts)
{
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t n = 0;
    cudnnBackendDescriptor_t engine = NULL;
    bool good = true;
    const enum wn_code code =
        WN_CALL(dnn, cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine), s->err);
    if (code != WN_OK) return refuse(s, code), false;
    if (cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine) !=
            CUDNN_STATUS_SUCCESS ||
        cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                 CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, notes) != CUDNN_STATUS_SUCCESS)
        n = 0, good = false;
    for (int i = 0; i < n; i++) {
        const bool shortened = notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE ||
                               notes[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
                               notes[i] == CUDNN_NUMERICAL_NOTE_WINOGRAD || notes[i] == CUDNN_NUMERICAL_NOTE_FFT;
        if (notes[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC || (c->exact && shortened)) good = false;
        if (notes[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) good = false;
        if (notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE) facts->tensor_cores = true;
    }
    cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n, &facts->engine);
    facts->compiled = is_compiled(engine);
    cudnnBackendDestroyDescriptor(engine);
    return good;
}

static void set_planner(struct sketch *s, cudnnBackendDescriptor_t d, const struct wn_cuda_planner *p,
                        cudnnBackendAttributeName_t handle, cudnnBackendAttributeName_t description)
{
    if (p->handle)
        set(s, d, handle, CUDNN_TYPE_HANDLE, 1, &p->handle);
    else
        set(s, d, description, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &p->description);
}

static enum wn_code finish_plan(cudnnBackendDescriptor_t d, const struct wn_cuda_plan_facts *facts,
                                struct wn_cuda_plan **out, struct wn_error *err)
{
    int64_t n, workspace_bytes = 0;
    enum wn_code code = WN_CALL(dnn,
                                cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
                                                         1, &n, &workspace_bytes),
                                err);
    if (code != WN_OK) return code;
    struct wn_cuda_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return wn_fail(err, WN_NO_MEMORY, "no memory for a plan");
    *plan = (struct wn_cuda_plan){.descriptor = d, .facts = *facts};
    plan->facts.workspace_bytes = workspace_bytes;
    *out = plan;
    return WN_OK;
}

static enum wn_code plan_of(const struct wn_cuda_planner *p, cudnnBackendDescriptor_t config,
                            const struct wn_cuda_plan_facts *facts, struct wn_cuda_plan **out, struct wn_error *err)
{
    struct sketch s = {.err = err};
    cudnnBackendDescriptor_t d = begin(&s, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set_planner(&s, d, p, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
    set_descriptor(&s, d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    finalize(&s, d);
    if (s.code == WN_OK) s.code = finish_plan(d, facts, out, err);
    if (s.code != WN_OK) return sketch_finish(&s), s.code;
    return WN_OK;
}

static bool add_plan(struct sketch *s, const struct wn_cuda_planner *p, cudnnBackendDescriptor_t config,
                     const struct wn_cuda_plan_facts *facts, struct wn_cuda_plan **out)
{
    const enum wn_code code = plan_of(p, config, facts, out, s->err);
    refuse(s, code);
    return code == WN_OK;
}

static int64_t results(struct sketch *s, cudnnBackendDescriptor_t heuristics, cudnnBackendDescriptor_t *configs)
{
    int64_t n = 0, room = 0;
    while (room < MOST_CONFIGS && s->code == WN_OK) {
        s->code =
            WN_CALL(dnn, cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[room]), s->err);
        if (s->code == WN_OK) room++;
    }
    if (s->code == WN_OK)
        s->code = WN_CALL(dnn,
                          cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, room, &n, configs),
                          s->err);
    return s->code != WN_OK ? 0 : n < room ? n : room; /* there may be more than were asked for */
}

/* Of one engine the heuristics offer many configurations in a row: a few of all would be of that one alone. More of
 * them fill what is left. */
static bool has_enough_of(struct wn_cuda_plan *const *plans, int n, int64_t engine)
{
    int same = 0;
    for (int i = 0; i < n; i++) same += plans[i]->facts.engine == engine;
    return same >= MOST_OF_AN_ENGINE;
}

/* Its workspace is of the size of what it reads or writes. */
static bool makes_copies(const struct wn_cuda_plan *plan, const struct wn_cuda_conv_shape *c)
{
    const int64_t x = wn_shape_count(&c->x), y = wn_shape_count(&c->y);
    return plan->facts.workspace_bytes >= (x < y ? x : y) * (int64_t)wn_cuda_type_size(c->type) / 2;
}

/* The heuristics put engines of the plain units first for some small products and narrow convolutions, also ones
 * that copy x and y into another layout. The first of theirs on tensor cores goes before them, in tf32 the first that
 * copies nothing; not of groups, where that one wants the copies. Returns its number, and its plan in *out; or -1. */
static int64_t put_ahead(struct sketch *s, const struct wn_cuda_planner *p, const struct wn_cuda_conv_shape *c,
                         const cudnnBackendDescriptor_t *configs, int64_t found, struct wn_cuda_plan **out)
{
    const bool tf32 = c->type == WN_CUDA_F32;
    bool first = true;
    for (int64_t i = 0; i < found && !c->exact && c->groups == 1; i++) {
        struct wn_cuda_plan_facts facts = {.engine = -1};
        if (!acceptable(s, configs[i], c, &facts)) continue;
        const bool preferred = first;
        first = false;
        if (!facts.tensor_cores || (tf32 && facts.compiled)) continue;
        if (!add_plan(s, p, configs[i], &facts, out)) continue;
        if (preferred || !tf32 || !makes_copies(*out, c)) return i;
        wn_cuda_plan_destroy(*out);
    }
    return -1;
}

/* Adds what one heuristic mode offers to the list. */
static void ask(struct sketch *s, const struct wn_cuda_planner *p, const struct wn_cuda_conv_shape *c,
                cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode, int most, struct wn_cuda_plan **out,
                int *n)
{
    cudnnBackendDescriptor_t configs[MOST_CONFIGS] = {0}, h = begin(s, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    set_descriptor(s, h, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set(s, h, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (!p->handle) set(s, h, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &p->description);
    finalize(s, h);
    const int64_t found = s->code == WN_OK ? results(s, h, configs) : 0;
    const int64_t ahead = put_ahead(s, p, c, configs, found, &out[*n]);
    bool taken[MOST_CONFIGS] = {0};
    if (ahead >= 0) taken[ahead] = true, ++*n;
    for (int fill = 0; fill < 2; fill++)
        for (int64_t i = 0; i < found && *n < most; i++) {
            struct wn_cuda_plan_facts facts = {.engine = -1};
            if (taken[i] || !acceptable(s, configs[i], c, &facts)) continue;
            if (!fill && has_enough_of(out, *n, facts.engine)) continue;
            taken[i] = true;
            *n += add_plan(s, p, configs[i], &facts, &out[*n]);
        }
    for (int i = 0; i < MOST_CONFIGS; i++)
        if (configs[i]) cudnnBackendDestroyDescriptor(configs[i]);
}

enum wn_code wn_cuda_plans(const struct wn_cuda_planner *planner, const struct wn_cuda_conv_shape *shape, int most,
                           struct wn_cuda_plan **out, int *n, struct wn_error *err)
{
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    struct wn_error why = {0};
    enum wn_code refusal = WN_UNSUPPORTED;
    *n = 0;
    for (int i = 0; i < 2 && *n == 0; i++) {
        struct sketch s = {.err = &why};
        cudnnBackendDescriptor_t graph = operation_graph(&s, planner, shape);
        if (s.code == WN_OK) ask(&s, planner, shape, graph, modes[i], most, out, n);
        refuse(&s, s.code);
        if (gravity(s.refusal) > gravity(refusal)) refusal = s.refusal;
        sketch_finish(&s);
    }
    if (*n) return WN_OK;
    return wn_fail(err, refusal, "cuDNN has no plan for this convolution: %s",
                   why.text[0] ? why.text : "no engine keeps to the precision that was asked for");
}

struct wn_cuda_plan_facts wn_cuda_plan_facts(const struct wn_cuda_plan *plan)
{
    return plan->facts;
}

void wn_cuda_plan_destroy(struct wn_cuda_plan *plan)
{
    if (!plan) return;
    cudnnBackendDestroyDescriptor(plan->descriptor);
    free(plan);
}

/* ---- plans as text ---- */

char *wn_cuda_plan_save(const struct wn_cuda_plan *plan, struct wn_error *err)
{
    int64_t n = 0, got = 0;
    enum wn_code code =
        WN_CALL(dnn,
                cudnnBackendGetAttribute(plan->descriptor, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                         CUDNN_TYPE_CHAR, 0, &n, NULL),
                err);
    if (code != WN_OK) return NULL;
    char *text = calloc((size_t)n + 1, 1);
    if (!text) return wn_fail(err, WN_NO_MEMORY, "no memory for a plan's text"), NULL;
    code = WN_CALL(dnn,
                   cudnnBackendGetAttribute(plan->descriptor, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                            CUDNN_TYPE_CHAR, n, &got, text),
                   err);
    if (code == WN_OK) return text;
    free(text);
    return NULL;
}

enum wn_code wn_cuda_plan_load(const struct wn_cuda_planner *planner, const char *text, struct wn_cuda_plan **out,
                               struct wn_error *err)
{
    struct sketch s = {.err = err};
    cudnnBackendDescriptor_t d = begin(&s, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set_planner(&s, d, planner, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
    set(&s, d, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(text) + 1, text);
    finalize(&s, d);
    if (s.code == WN_OK) s.code = finish_plan(d, &(struct wn_cuda_plan_facts){.engine = -1}, out, err);
    if (s.code != WN_OK) sketch_finish(&s);
    return s.code;
}

/* ---- cards that are only described ---- */

void *wn_cuda_describe_device(const char *json, struct wn_error *err)
{
    struct sketch s = {.err = err};
    s.code = wn_cuda_vendor_load(err); /* nobody opens a GPU first, where a card is only described */
    if (s.code == WN_OK && cudnnGetVersion() < 90800)
        s.code =
            wn_fail(err, WN_UNSUPPORTED, "cuDNN plans for a card that is only described since 9.8; this is %zu.%zu",
                    cudnnGetVersion() / 10000, cudnnGetVersion() % 10000 / 100);
    cudnnBackendDescriptor_t d = begin(&s, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    set(&s, d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json) + 1, json);
    finalize(&s, d);
    if (s.code == WN_OK) return d;
    sketch_finish(&s);
    return NULL;
}

void wn_cuda_describe_done(void *description)
{
    if (description) cudnnBackendDestroyDescriptor(description);
}
