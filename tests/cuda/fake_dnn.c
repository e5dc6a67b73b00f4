/* cuDNN's backend as its manual describes it: descriptors with attributes, operation graphs of a convolution and
 * what is done to its result, heuristics, execution plans and their text. Three engines: one on tensor cores, one of
 * plain units that wants a workspace, and one whose answers vary from run to run, which nobody may choose. Ends the
 * process where a call makes no sense. */
#include "fake_vendor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WN_CUDA_VENDOR_PLAIN
#include "vendor.h"

#include "fake_runtime.h"
#include "fake_streams.h"

enum { ATTRIBUTES = 12, SPACE = 5, OPS = 4, WORKSPACE = 3000 };
enum engine { TENSOR_CORES, PLAIN, VARYING, ENGINES };

struct tensor {
    int64_t id, rank, dim[SPACE], stride[SPACE];
    int type;
    bool virtual;
};
struct op {
    cudnnBackendDescriptorType_t kind;
    cudnnPointwiseMode_t mode;
    /* of a convolution, as it is forward: x picture, b filter; of one back, y is read and x is written; of a
     * derivative b are the units */
    struct tensor x, b, y;
    int64_t rank, stride[3], dilation[3], lo[3];
};
struct graph {
    struct op op[OPS];
    int n;
    enum engine engine;
};
struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    void *data;
};
struct descriptor {
    cudnnBackendDescriptorType_t kind;
    bool final;
    struct attribute attribute[ATTRIBUTES];
    int n;
    struct graph graph; /* of configurations, engines and plans */
};
struct handle {
    cudaStream_t stream;
};

static void check(bool fine, const char *what)
{
    if (fine) return;
    fprintf(stderr, "fake cuDNN: %s\n", what);
    abort();
}

/* ---- descriptors ---- */

static size_t size_of(cudnnBackendAttributeType_t type)
{
    switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR: return 1;
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_FLOAT:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE:
    case CUDNN_TYPE_POINTWISE_MODE: return 4;
    default: return 8;
    }
}

static cudnnStatus_t dnn_create(cudnnHandle_t *handle)
{
    check(!fake_streams_captures_anywhere(), "a handle is made while a stream is captured");
    if (fake_vendor_fails()) return CUDNN_STATUS_NOT_INITIALIZED;
    struct handle *h = calloc(1, sizeof *h);
    if (!h) return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    fake_vendor.held++;
    *handle = (cudnnHandle_t)(void *)h;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t dnn_destroy(cudnnHandle_t handle)
{
    const cudaStream_t stream = ((struct handle *)(void *)handle)->stream;
    check(!stream || fake_streams_has(stream), "a handle outlives its stream");
    check(!fake_streams_captures_anywhere(), "a handle is closed while a stream is captured");
    fake_vendor.held--;
    free(handle);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t dnn_set_stream(cudnnHandle_t handle, cudaStream_t stream)
{
    ((struct handle *)(void *)handle)->stream = stream;
    return fake_vendor_fails() ? CUDNN_STATUS_BAD_PARAM : CUDNN_STATUS_SUCCESS;
}

static size_t dnn_version(void)
{
    return 91900;
}

static const char *dnn_words(cudnnStatus_t status)
{
    (void)status;
    return "an error that the test asked for";
}

static void dnn_last_words(char *dst, size_t size)
{
    snprintf(dst, size, "the fake refuses this");
}

/* Neither the legacy one, which no stream of the backend waits for, nor one that is gone. */
static void must_have_a_stream(const void *handle)
{
    check(handle && fake_streams_has(((const struct handle *)handle)->stream),
          "a handle is used whose stream was never set, or is gone");
}

static cudnnStatus_t begin(cudnnBackendDescriptorType_t kind, cudnnBackendDescriptor_t *out)
{
    if (fake_vendor_fails()) return CUDNN_STATUS_INTERNAL_ERROR;
    struct descriptor *d = calloc(1, sizeof *d);
    if (!d) return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    d->kind = kind;
    fake_vendor.held++;
    *out = d;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t end(cudnnBackendDescriptor_t descriptor)
{
    struct descriptor *d = descriptor;
    for (int i = 0; i < d->n; i++) free(d->attribute[i].data);
    fake_vendor.held--;
    free(d);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                         cudnnBackendAttributeType_t type, int64_t count, const void *src)
{
    struct descriptor *d = descriptor;
    check(d && !d->final && src && count > 0 && d->n < ATTRIBUTES,
          "an attribute of nothing, of a descriptor that is final, or too many");
    if (fake_vendor_fails()) return CUDNN_STATUS_BAD_PARAM;
    void *copy = malloc((size_t)count * size_of(type));
    if (!copy) return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    memcpy(copy, src, (size_t)count * size_of(type));
    d->attribute[d->n++] = (struct attribute){name, type, count, copy};
    return CUDNN_STATUS_SUCCESS;
}

static const struct attribute *find(const struct descriptor *d, cudnnBackendAttributeName_t name)
{
    for (int i = 0; i < d->n; i++)
        if (d->attribute[i].name == name) return &d->attribute[i];
    return NULL;
}

/* Copies at most `most` elements; returns how many there were. */
static int64_t get(const struct descriptor *d, cudnnBackendAttributeName_t name, void *dst, int64_t most)
{
    const struct attribute *a = find(d, name);
    if (!a) return 0;
    check(a->count <= most, "an attribute of too many elements");
    memcpy(dst, a->data, (size_t)a->count * size_of(a->type));
    return a->count;
}

static const struct descriptor *other(const struct descriptor *d, cudnnBackendAttributeName_t name,
                                      cudnnBackendDescriptorType_t kind)
{
    const struct descriptor *o = NULL;
    if (!get(d, name, &o, 1)) return NULL;
    check(o && o->final && o->kind == kind, "a descriptor that is not final, or of another kind");
    return o;
}

/* ---- graphs ---- */

static struct tensor tensor_of(const struct descriptor *op, cudnnBackendAttributeName_t name)
{
    const struct descriptor *d = other(op, name, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    struct tensor t = {0};
    cudnnDataType_t type;
    int64_t alignment = 0;
    if (!d) return t;
    t.rank = get(d, CUDNN_ATTR_TENSOR_DIMENSIONS, t.dim, SPACE);
    check(t.rank >= 4 && get(d, CUDNN_ATTR_TENSOR_STRIDES, t.stride, SPACE) == t.rank, "a tensor without dimensions");
    check(get(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, &t.id, 1) && get(d, CUDNN_ATTR_TENSOR_DATA_TYPE, &type, 1) &&
              get(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &alignment, 1) && alignment == 16,
          "a tensor without a number, a type or an alignment");
    get(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, &t.virtual, 1);
    t.type = type == CUDNN_DATA_FLOAT ? FAKE_F32 : type == CUDNN_DATA_HALF ? FAKE_F16 : FAKE_BF16;
    check(t.stride[1] == 1, "channels that do not lie side by side");
    return t;
}

static struct op convolution_of(const struct descriptor *d)
{
    const bool back = d->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
    const struct descriptor *window = other(d,
                                            back ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC
                                                 : CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                            CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    struct op o = {.kind = d->kind};
    float alpha = 0, beta = 1;
    int64_t hi[3];
    o.x =
        tensor_of(d, back ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX : CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X);
    o.b = tensor_of(d, back ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W : CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W);
    o.y =
        tensor_of(d, back ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY : CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
    get(d, back ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA : CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
        &alpha, 1);
    get(d, back ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA : CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, &beta,
        1);
    check(alpha == 1 && beta == 0 && o.x.rank && o.b.rank && o.y.rank && window, "a convolution that lacks something");
    get(window, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &o.rank, 1);
    check(o.rank == o.x.rank - 2 && get(window, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, o.stride, 3) == o.rank &&
              get(window, CUDNN_ATTR_CONVOLUTION_DILATIONS, o.dilation, 3) == o.rank &&
              get(window, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, o.lo, 3) == o.rank &&
              get(window, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, hi, 3) == o.rank,
          "a window of another rank");
    for (int i = 0; i < o.rank; i++)
        check(o.y.dim[2 + i] ==
                  (o.x.dim[2 + i] + o.lo[i] + hi[i] - o.dilation[i] * (o.b.dim[2 + i] - 1) - 1) / o.stride[i] + 1,
              "a result of another size");
    check(o.x.dim[0] == o.y.dim[0] && o.b.dim[0] == o.y.dim[1] && o.x.dim[1] % o.b.dim[1] == 0 &&
              o.y.dim[1] % (o.x.dim[1] / o.b.dim[1]) == 0,
          "channels that do not fit");
    return o;
}

static struct op pointwise_of(const struct descriptor *d)
{
    struct op o = {.kind = d->kind};
    const struct descriptor *how =
        other(d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    check(how && get(how, CUDNN_ATTR_POINTWISE_MODE, &o.mode, 1), "a pointwise operation without a mode");
    const bool back = o.mode == CUDNN_POINTWISE_RELU_BWD;
    o.x = tensor_of(d, back ? CUDNN_ATTR_OPERATION_POINTWISE_DYDESC : CUDNN_ATTR_OPERATION_POINTWISE_XDESC);
    o.b = tensor_of(d, back ? CUDNN_ATTR_OPERATION_POINTWISE_XDESC : CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
    o.y = tensor_of(d, back ? CUDNN_ATTR_OPERATION_POINTWISE_DXDESC : CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
    check(o.x.rank && o.y.rank && (o.mode == CUDNN_POINTWISE_RELU_FWD) == !o.b.rank,
          "a pointwise operation that lacks something");
    return o;
}

static struct graph graph_of(const struct descriptor *d)
{
    const struct descriptor *ops[OPS];
    struct graph g = {.n = (int)get(d, CUDNN_ATTR_OPERATIONGRAPH_OPS, ops, OPS)};
    check(g.n > 0, "a graph without operations");
    for (int i = 0; i < g.n; i++) {
        check(ops[i]->final, "an operation that is not final");
        g.op[i] = i == 0 ? convolution_of(ops[i]) : pointwise_of(ops[i]);
    }
    return g;
}

/* As on a card: neither a sum nor an activation without a bias, and a residual before the bias; a derivative only
 * without one; none of it behind a gradient. */
static bool has_engines(const struct graph *g)
{
    bool bias = false, residual = false, relu = false;
    if (g->op[g->n - 1].mode == CUDNN_POINTWISE_RELU_BWD)
        return g->op[0].kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR &&
               (g->n == 2 || (g->n == 3 && g->op[1].b.dim[0] == g->op[1].y.dim[0]));
    for (int i = 1; i < g->n; i++) {
        const struct op *o = &g->op[i];
        const bool spread = o->b.rank && o->b.dim[0] == 1 && o->b.dim[2] == 1 && o->b.dim[1] == o->y.dim[1];
        if (o->mode == CUDNN_POINTWISE_RELU_BWD) return false;
        if (o->mode == CUDNN_POINTWISE_RELU_FWD)
            relu = true;
        else if (spread && !bias)
            bias = true;
        else if (bias)
            return false;
        else
            residual = true;
    }
    return g->n == 1 || (bias && g->op[0].kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR &&
                         (relu || residual || g->n == 2));
}

/* ---- plans ---- */

static cudnnStatus_t finalize(cudnnBackendDescriptor_t descriptor)
{
    struct descriptor *d = descriptor;
    const struct descriptor *config;
    void *handle = NULL;
    check(!d->final, "a descriptor is made final twice");
    if (fake_vendor_fails()) return CUDNN_STATUS_NOT_SUPPORTED;
    if (d->kind == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) d->graph = graph_of(d);
    if (d->kind == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
        if (fake_vendor.plans_fail) return (cudnnStatus_t)fake_vendor.plans_fail;
        check(!fake_streams_captures_anywhere(), "a plan is made while a stream is captured");
        check(get(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, &handle, 1) && handle, "a plan without a handle");
        must_have_a_stream(handle);
        const struct attribute *text = find(d, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
        if (text) {
            if (text->count != 2 * (int64_t)sizeof d->graph + 1) return CUDNN_STATUS_BAD_PARAM;
            for (size_t i = 0; i < sizeof d->graph; i++) {
                unsigned byte = 0;
                if (sscanf((char *)text->data + 2 * i, "%2x", &byte) != 1) return CUDNN_STATUS_BAD_PARAM;
                ((unsigned char *)&d->graph)[i] = (unsigned char)byte;
            }
            fake_vendor.loaded++;
        } else {
            config = *(struct descriptor **)find(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->data;
            d->graph = config->graph;
            fake_vendor.planned++;
        }
    }
    d->final = true;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t engines_of(const struct descriptor *heuristics, int64_t most, int64_t *n, void *dst)
{
    const struct descriptor *asked =
        other(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    const struct graph g = asked->graph;
    void *handle = NULL;
    struct descriptor **configs = dst;
    /* what is preferred is not what exact arithmetic may use */
    static const enum engine order[ENGINES] = {VARYING, TENSOR_CORES, PLAIN};
    const int64_t available = fake_vendor.refused + ENGINES;
    *n = 0;
    get(asked, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, &handle, 1);
    must_have_a_stream(handle);
    if (!has_engines(&g)) return CUDNN_STATUS_NOT_SUPPORTED;
    for (int64_t i = 0; i < available && i < most; i++)
        configs[i]->graph = g,
        configs[i]->graph.engine = i < fake_vendor.refused ? VARYING : order[i - fake_vendor.refused];
    *n = available;
    return CUDNN_STATUS_SUCCESS;
}

static size_t workspace_of(const struct graph *g)
{
    return g->engine == PLAIN ? WORKSPACE : (int64_t)fake_vendor.tensor_cores.workspace;
}

static cudnnStatus_t ask(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                         cudnnBackendAttributeType_t type, int64_t most, int64_t *n, void *dst)
{
    const struct descriptor *d = descriptor;
    (void)type;
    if (fake_vendor_fails()) return CUDNN_STATUS_INTERNAL_ERROR;
    *n = 1;
    switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: return engines_of(d, most, n, dst);
    case CUDNN_ATTR_ENGINECFG_ENGINE: (*(struct descriptor **)dst)->graph = d->graph; return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX: *(int64_t *)dst = d->graph.engine; return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE: return *n = 0, CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
        if (d->graph.engine == PLAIN) return *n = 0, CUDNN_STATUS_SUCCESS;
        *(cudnnBackendNumericalNote_t *)dst =
            d->graph.engine == VARYING ? CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC : CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        *(int64_t *)dst = (int64_t)workspace_of(&d->graph);
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION:
        *n = 2 * (int64_t)sizeof d->graph + 1;
        for (size_t i = 0; dst && i < sizeof d->graph; i++)
            snprintf((char *)dst + 2 * i, 3, "%02x", ((const unsigned char *)&d->graph)[i]);
        return CUDNN_STATUS_SUCCESS;
    default: check(false, "an unknown question"); return CUDNN_STATUS_BAD_PARAM;
    }
}

/* ---- execution ---- */

enum { MOST_IDS = 8 };

struct call {
    struct graph graph;
    void *data[MOST_IDS], *workspace; /* by the tensors' numbers */
};

static int64_t count_of(const struct tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

/* Where the element lies whose place in row-major order is i, in a tensor that may have length 1 where `like` has
 * more. */
static int64_t place(const struct tensor *t, const struct tensor *like, int64_t i)
{
    int64_t at = 0;
    for (int d = (int)like->rank - 1; d >= 0; d--) {
        at += (t->dim[d] == 1 ? 0 : i % like->dim[d]) * t->stride[d];
        i /= like->dim[d];
    }
    return at;
}

static double *widened(const struct call *c, const struct tensor *t)
{
    const int64_t n = count_of(t);
    double *v = aligned_alloc(64, ((size_t)n * sizeof *v + 63) / 64 * 64);
    for (int64_t i = 0; i < n; i++) {
        v[i] = fake_load(c->data[t->id], t->type, place(t, t, i));
        if (c->graph.engine == TENSOR_CORES && t->type == FAKE_F32) v[i] = fake_tf32(v[i]);
    }
    return v;
}

/* Every pair of an element of x and one of y that a weight joins. */
static void convolve(const struct op *o, const double *w, const double *from, double *to)
{
    const bool back = o->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
    const int64_t depth = o->b.dim[1], per_group = o->y.dim[1] / (o->x.dim[1] / depth);
    int64_t taps = 1, cells = 1, inside = 1;
    for (int i = 0; i < o->rank; i++) taps *= o->b.dim[2 + i], cells *= o->y.dim[2 + i], inside *= o->x.dim[2 + i];
    for (int64_t at = 0; at < o->y.dim[0] * cells; at++)
        for (int64_t tap = 0; tap < taps; tap++) {
            int64_t x = 0, scale = 1, cell = at % cells, t = tap;
            for (int i = (int)o->rank - 1; i >= 0; i--) {
                const int64_t p =
                    cell % o->y.dim[2 + i] * o->stride[i] - o->lo[i] + t % o->b.dim[2 + i] * o->dilation[i];
                if (p < 0 || p >= o->x.dim[2 + i]) scale = 0;
                x += p * scale, scale *= o->x.dim[2 + i], cell /= o->y.dim[2 + i], t /= o->b.dim[2 + i];
            }
            for (int64_t k = 0; k < o->y.dim[1] && scale; k++)
                for (int64_t c = 0; c < depth; c++) {
                    const int64_t image = at / cells,
                                  in = (image * o->x.dim[1] + k / per_group * depth + c) * inside + x;
                    const int64_t out = (image * o->y.dim[1] + k) * cells + at % cells;
                    if (back)
                        to[in] += w[(k * depth + c) * taps + tap] * from[out];
                    else
                        to[out] += w[(k * depth + c) * taps + tap] * from[in];
                }
        }
}

static void run(void *arg)
{
    const struct call *c = arg;
    const struct op *o = &c->graph.op[0], *last = &c->graph.op[c->graph.n - 1];
    const bool back = o->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
    const struct tensor *to = back ? &o->x : &o->y, *result = c->graph.n > 1 ? &last->y : to;
    const int64_t n = count_of(to);
    double *w = widened(c, &o->b), *from = widened(c, back ? &o->y : &o->x),
           *sum = aligned_alloc(64, ((size_t)n * sizeof *sum + 63) / 64 * 64);
    memset(sum, 0, (size_t)n * sizeof *sum);
    if (workspace_of(&c->graph)) memset(c->workspace, 0xff, workspace_of(&c->graph));
    convolve(o, w, from, sum);
    for (int k = 1; k < c->graph.n; k++)
        for (int64_t i = 0; i < n; i++) {
            const struct op *p = &c->graph.op[k];
            if (p->mode == CUDNN_POINTWISE_ADD) sum[i] += fake_load(c->data[p->b.id], p->b.type, place(&p->b, to, i));
            if (p->mode == CUDNN_POINTWISE_RELU_FWD && !(sum[i] > 0)) sum[i] = 0;
            if (p->mode == CUDNN_POINTWISE_RELU_BWD &&
                !(fake_load(c->data[p->b.id], p->b.type, place(&p->b, to, i)) > 0))
                sum[i] = 0;
        }
    for (int64_t i = 0; i < n; i++)
        fake_store(c->data[result->id], result->type, place(result, to, i), c->graph.engine == VARYING ? NAN : sum[i]);
    free(w), free(from), free(sum);
}

static void must_be_here(const struct call *c, const struct tensor *t)
{
    if (!t->rank || t->virtual) return;
    check(t->id > 0 && t->id < MOST_IDS && c->data[t->id] && (uintptr_t)c->data[t->id] % 16 == 0,
          "a tensor without memory, or not on 16 bytes");
}

static cudnnStatus_t execute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t variants)
{
    const struct descriptor *p = plan, *v = variants;
    void *made_for = NULL, *pointers[MOST_IDS];
    int64_t ids[MOST_IDS];
    check(p->final && v && v->final && p->kind == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR &&
              v->kind == CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
          "no plan, or no pointers");
    get(p, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, &made_for, 1);
    check(made_for == (void *)handle, "a plan of another handle");
    must_have_a_stream(handle);
    struct fake_engine *engine = p->graph.engine == PLAIN ? &fake_vendor.plain : &fake_vendor.tensor_cores;
    if (fake_vendor_fails() || engine->broken) return CUDNN_STATUS_EXECUTION_FAILED;
    struct call *c = aligned_alloc(64, (sizeof *c + 63) / 64 * 64); /* not malloc, which tests let fail */
    memset(c, 0, sizeof *c);
    c->graph = p->graph;
    const int64_t n = get(v, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids, MOST_IDS);
    check(get(v, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, pointers, MOST_IDS) == n, "other pointers than numbers");
    for (int64_t i = 0; i < n; i++)
        check(ids[i] > 0 && ids[i] < MOST_IDS, "an unknown tensor"), c->data[ids[i]] = pointers[i];
    get(v, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &c->workspace, 1);
    check(c->workspace || !workspace_of(&c->graph), "a plan without its workspace");
    for (int i = 0; i < c->graph.n; i++)
        must_be_here(c, &c->graph.op[i].x), must_be_here(c, &c->graph.op[i].b), must_be_here(c, &c->graph.op[i].y);
    fake_engine_run(engine, ((struct handle *)(void *)handle)->stream, run, c);
    return CUDNN_STATUS_SUCCESS;
}

void fake_dnn_fill(void)
{
    struct wn_cuda_vendor *v = &wn_cuda_vendor;
    v->cudnnCreate_ = dnn_create, v->cudnnDestroy_ = dnn_destroy, v->cudnnSetStream_ = dnn_set_stream,
    v->cudnnGetVersion_ = dnn_version;
    v->cudnnGetErrorString_ = dnn_words, v->cudnnGetLastErrorString_ = dnn_last_words;
    v->cudnnBackendCreateDescriptor_ = begin, v->cudnnBackendDestroyDescriptor_ = end,
    v->cudnnBackendSetAttribute_ = set, v->cudnnBackendGetAttribute_ = ask;
    v->cudnnBackendFinalize_ = finalize, v->cudnnBackendExecute_ = execute;
}
