/* cuBLASLt as its manual describes it: columns, leading dimensions, op(A) * op(B), a bias along the rows of D.
 * Refuses what the table of supported types does not have, and ends the process where a call makes no sense. */
#include "fake_vendor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WN_CUDA_VENDOR_PLAIN
#include "vendor.h"

#include "fake_runtime.h"
#include "fake_streams.h"

struct desc {
    cublasComputeType_t compute;
    cublasOperation_t a, b;
    cublasLtEpilogue_t tail;
    int32_t bias_type;
    const void *bias;
};
struct layout {
    cudaDataType_t type;
    uint64_t rows, cols;
    int64_t ld, step;
    int32_t batch;
};
struct preference {
    uint64_t workspace;
    uint32_t schemes;
};
struct call {
    struct desc desc;
    struct layout a, b, d;
    const void *x, *y;
    void *z, *workspace;
    size_t workspace_bytes;
};

/* What an algorithm is known by. */
enum { FIRST = 0x77, SECOND = 0x99 };

enum { WORKSPACE = 4096 };

static void check(bool fine, const char *what)
{
    if (fine) return;
    fprintf(stderr, "fake cuBLASLt: %s\n", what);
    abort();
}

static cublasStatus_t make(void *out, const void *value, size_t bytes)
{
    if (fake_vendor_fails()) return CUBLAS_STATUS_INTERNAL_ERROR;
    void *p = malloc(bytes);
    if (!p) return CUBLAS_STATUS_ALLOC_FAILED;
    memcpy(p, value, bytes);
    memcpy(out, &p, sizeof p);
    fake_vendor.held++;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t drop(void *p)
{
    fake_vendor.held--;
    free(p);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t blas_create(cublasLtHandle_t *handle)
{
    check(!fake_streams_captures_anywhere(), "a handle is made while a stream is captured");
    return make(handle, &(int){0}, sizeof(int));
}

static cublasStatus_t blas_destroy(cublasLtHandle_t handle)
{
    check(!fake_streams_captures_anywhere(), "a handle is closed while a stream is captured");
    return drop(handle);
}

static const char *blas_words(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_SUPPORTED ? "not supported" : "an error that the test asked for";
}

static cublasStatus_t desc_create(cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale)
{
    check(scale == CUDA_R_32F, "scales are f32 here");
    return make(
        out,
        &(struct desc){
            .compute = compute, .a = CUBLAS_OP_N, .b = CUBLAS_OP_N, .tail = CUBLASLT_EPILOGUE_DEFAULT, .bias_type = -1},
        sizeof(struct desc));
}

static cublasStatus_t desc_destroy(cublasLtMatmulDesc_t desc)
{
    return drop(desc);
}

static cublasStatus_t put(void *dst, size_t room, const void *src, size_t bytes)
{
    check(room == bytes, "an attribute of another size");
    memcpy(dst, src, bytes);
    return fake_vendor_fails() ? CUBLAS_STATUS_INTERNAL_ERROR : CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t desc_set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name, const void *src,
                               size_t bytes)
{
    struct desc *d = (struct desc *)(void *)desc;
    switch (name) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return put(&d->a, sizeof(int32_t), src, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return put(&d->b, sizeof(int32_t), src, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return put(&d->tail, sizeof(uint32_t), src, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return put(&d->bias_type, sizeof(int32_t), src, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return put(&d->bias, sizeof(void *), src, bytes);
    default: check(false, "an unknown attribute of a product"); return CUBLAS_STATUS_INVALID_VALUE;
    }
}

static cublasStatus_t layout_create(cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows, uint64_t cols,
                                    int64_t ld)
{
    check(rows > 0 && cols > 0 && ld >= (int64_t)rows, "a leading dimension below the rows");
    return make(out, &(struct layout){.type = type, .rows = rows, .cols = cols, .ld = ld, .batch = 1},
                sizeof(struct layout));
}

static cublasStatus_t layout_destroy(cublasLtMatrixLayout_t layout)
{
    return drop(layout);
}

static cublasStatus_t layout_set(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t name, const void *src,
                                 size_t bytes)
{
    struct layout *l = (struct layout *)(void *)layout;
    if (name == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return put(&l->batch, sizeof l->batch, src, bytes);
    check(name == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, "an unknown attribute of a layout");
    return put(&l->step, sizeof l->step, src, bytes);
}

static cublasStatus_t preference_create(cublasLtMatmulPreference_t *out)
{
    return make(out, &(struct preference){.schemes = ~0u}, sizeof(struct preference));
}

static cublasStatus_t preference_destroy(cublasLtMatmulPreference_t preference)
{
    return drop(preference);
}

static cublasStatus_t preference_set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t name,
                                     const void *src, size_t bytes)
{
    struct preference *p = (struct preference *)(void *)preference;
    if (name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return put(&p->workspace, sizeof p->workspace, src, bytes);
    check(name == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, "an unknown preference");
    return put(&p->schemes, sizeof p->schemes, src, bytes);
}

static uint64_t rows_of(const struct layout *l, cublasOperation_t op)
{
    return op == CUBLAS_OP_N ? l->rows : l->cols;
}

static uint64_t cols_of(const struct layout *l, cublasOperation_t op)
{
    return op == CUBLAS_OP_N ? l->cols : l->rows;
}

static bool has_bias(cublasLtEpilogue_t tail)
{
    return tail == CUBLASLT_EPILOGUE_BIAS || tail == CUBLASLT_EPILOGUE_RELU_BIAS;
}

/* The manual's table: both factors of one type, the result of theirs or f32, the bias of the result's. */
static bool has_types(const struct desc *d, const struct layout *a, const struct layout *b, const struct layout *y)
{
    if (a->type != b->type || (y->type != a->type && y->type != CUDA_R_32F)) return false;
    if (d->compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a->type != CUDA_R_32F) return false;
    return !has_bias(d->tail) || (d->bias && d->bias_type == (int32_t)y->type);
}

static bool is_algorithm(const cublasLtMatmulAlgo_t *algo)
{
    return (algo->data[0] == FIRST || algo->data[0] == SECOND) && algo->data[7] == ~UINT64_C(0);
}

static size_t workspace_of(const cublasLtMatmulAlgo_t *algo)
{
    const size_t own = fake_vendor.algorithms[algo->data[0] == SECOND].workspace;
    return own ? own : WORKSPACE;
}

static cublasStatus_t heuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t y,
                                cublasLtMatmulPreference_t preference, int wanted,
                                cublasLtMatmulHeuristicResult_t found[], int *n)
{
    const struct desc *d = (struct desc *)(void *)desc;
    const struct layout *la = (struct layout *)(void *)a, *lb = (struct layout *)(void *)b,
                        *ly = (struct layout *)(void *)y;
    const struct preference *p = (struct preference *)(void *)preference;
    check(!fake_streams_captures_anywhere(), "an algorithm is looked for while a stream is captured");
    check(handle && c == y && wanted > 1, "a question of another form");
    check(p->workspace >= WORKSPACE && !(p->schemes & CUBLASLT_REDUCTION_SCHEME_INPLACE),
          "sums whose order depends on the run, or no workspace");
    check(rows_of(la, d->a) == ly->rows && cols_of(lb, d->b) == ly->cols && cols_of(la, d->a) == rows_of(lb, d->b),
          "matrices that do not fit");
    check(la->batch == ly->batch && lb->batch == ly->batch, "batches that differ");
    *n = 0;
    if (fake_vendor_fails()) return CUBLAS_STATUS_INTERNAL_ERROR;
    if (fake_vendor.offers_fail) return (cublasStatus_t)fake_vendor.offers_fail;
    if (!has_types(d, la, lb, ly)) return CUBLAS_STATUS_NOT_SUPPORTED;
    fake_vendor.asked++;
    memset(found, 0, 2 * sizeof *found);
    for (int i = 0; i < 2; i++) {
        found[i].algo.data[0] = i ? SECOND : FIRST, found[i].algo.data[7] = ~UINT64_C(0);
        found[i].workspaceSize = workspace_of(&found[i].algo);
        found[i].state = CUBLAS_STATUS_SUCCESS;
    }
    *n = 2;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t algorithm_check(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                      cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t y,
                                      const cublasLtMatmulAlgo_t *algo, cublasLtMatmulHeuristicResult_t *result)
{
    const struct desc *d = (struct desc *)(void *)desc;
    check(handle && c == y, "a question of another form");
    if (fake_vendor_fails()) return CUBLAS_STATUS_INTERNAL_ERROR;
    if (!is_algorithm(algo) ||
        !has_types(d, (struct layout *)(void *)a, (struct layout *)(void *)b, (struct layout *)(void *)y))
        return CUBLAS_STATUS_INVALID_VALUE;
    fake_vendor.checked++;
    memset(result, 0, sizeof *result); /* of the real one the algorithm is never updated */
    result->workspaceSize = workspace_of(algo);
    result->state = CUBLAS_STATUS_SUCCESS;
    return CUBLAS_STATUS_SUCCESS;
}

static size_t blas_version(void)
{
    return 130100;
}

static int type_of(cudaDataType_t type)
{
    return type == CUDA_R_32F ? FAKE_F32 : type == CUDA_R_16F ? FAKE_F16 : FAKE_BF16;
}

static double factor(const struct call *c, const void *data, const struct layout *l, int64_t batch,
                     cublasOperation_t op, int64_t row, int64_t col)
{
    const double v = fake_load(data, type_of(l->type),
                               batch * l->step + (op == CUBLAS_OP_N ? row + col * l->ld : col + row * l->ld));
    return c->desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? fake_tf32(v) : v;
}

static void run(void *arg)
{
    const struct call *c = arg;
    const struct desc *d = &c->desc;
    const int64_t m = (int64_t)c->d.rows, n = (int64_t)c->d.cols, depth = (int64_t)cols_of(&c->a, d->a);
    if (c->workspace_bytes) memset(c->workspace, 0xff, c->workspace_bytes);
    for (int64_t i = 0; i < c->d.batch * m * n; i++) {
        const int64_t batch = i / n / m, col = i / m % n, row = i % m;
        double sum = has_bias(d->tail) ? fake_load(d->bias, type_of((cudaDataType_t)d->bias_type), row) : 0;
        for (int64_t k = 0; k < depth; k++)
            sum += factor(c, c->x, &c->a, batch, d->a, row, k) * factor(c, c->y, &c->b, batch, d->b, k, col);
        if ((d->tail == CUBLASLT_EPILOGUE_RELU || d->tail == CUBLASLT_EPILOGUE_RELU_BIAS) && !(sum > 0)) sum = 0;
        fake_store(c->z, type_of(c->d.type), batch * c->d.step + row + col * c->d.ld, sum);
    }
}

static cublasStatus_t multiply(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
                               cublasLtMatrixLayout_t la, const void *b, cublasLtMatrixLayout_t lb, const void *beta,
                               const void *c, cublasLtMatrixLayout_t lc, void *d, cublasLtMatrixLayout_t ld,
                               const cublasLtMatmulAlgo_t *algo, void *workspace, size_t bytes, cudaStream_t stream)
{
    float one, zero;
    memcpy(&one, alpha, sizeof one), memcpy(&zero, beta, sizeof zero);
    check(handle && one == 1 && zero == 0 && c == d && lc == ld && is_algorithm(algo), "a product of another form");
    check(workspace && bytes >= workspace_of(algo), "a workspace that is smaller than the algorithm's");
    struct fake_engine *engine = &fake_vendor.algorithms[algo->data[0] == SECOND];
    if (fake_vendor_fails() || engine->broken) return CUBLAS_STATUS_EXECUTION_FAILED;
    struct call *kept = aligned_alloc(64, (sizeof *kept + 63) / 64 * 64); /* not malloc, which tests let fail */
    *kept = (struct call){*(struct desc *)(void *)desc,
                          *(struct layout *)(void *)la,
                          *(struct layout *)(void *)lb,
                          *(struct layout *)(void *)ld,
                          a,
                          b,
                          d,
                          workspace,
                          workspace_of(algo)};
    fake_engine_run(engine, stream, run, kept);
    return CUBLAS_STATUS_SUCCESS;
}

void fake_blas_fill(void)
{
    struct wn_cuda_vendor *v = &wn_cuda_vendor;
    v->cublasLtCreate_ = blas_create, v->cublasLtDestroy_ = blas_destroy, v->cublasLtGetStatusString_ = blas_words;
    v->cublasLtMatmul_ = multiply, v->cublasLtMatmulAlgoGetHeuristic_ = heuristic,
    v->cublasLtMatmulAlgoCheck_ = algorithm_check, v->cublasLtGetVersion_ = blas_version;
    v->cublasLtMatmulDescCreate_ = desc_create, v->cublasLtMatmulDescDestroy_ = desc_destroy,
    v->cublasLtMatmulDescSetAttribute_ = desc_set;
    v->cublasLtMatmulPreferenceCreate_ = preference_create, v->cublasLtMatmulPreferenceDestroy_ = preference_destroy;
    v->cublasLtMatmulPreferenceSetAttribute_ = preference_set;
    v->cublasLtMatrixLayoutCreate_ = layout_create, v->cublasLtMatrixLayoutDestroy_ = layout_destroy,
    v->cublasLtMatrixLayoutSetAttribute_ = layout_set;
}
