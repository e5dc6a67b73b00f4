/* Matrix products through cuBLASLt, with bias and ReLU fused. cuBLASLt counts by columns: it is asked for the
 * transposed product, whose columns are our rows. Knows no program. */
#include "libraries.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "exe.h"

enum { WORKSPACE_BYTES = 32 << 20 };

struct wn_cuda_gemm {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, y; /* of our a and b */
    cublasLtMatmulAlgo_t algo;
    size_t workspace_bytes;
};

static cudaDataType_t data_type(enum wn_cuda_type type)
{
    return type == WN_CUDA_F32 ? CUDA_R_32F : type == WN_CUDA_F16 ? CUDA_R_16F : CUDA_R_16BF;
}

/* A matrix with `rows` of step `row` and `cols` of step `col`, as cuBLASLt sees the transposed one: side by side
 * along our columns (plain) or along our rows (op T). False where neither step is 1. */
static bool sides(int rows, int cols, int row, int col, cublasOperation_t *op, int64_t *ld)
{
    if (col == 1 && (row >= cols || rows == 1)) {
        *op = CUBLAS_OP_N, *ld = row >= cols ? row : cols;
        return true;
    }
    *op = CUBLAS_OP_T, *ld = col >= rows ? col : rows;
    return row == 1 && (col >= rows || cols == 1);
}

static enum wn_code layout(cublasLtMatrixLayout_t *out, enum wn_cuda_type type, int rows, int cols,
                           cublasOperation_t op, int64_t ld, int batch, int64_t step, struct wn_error *err)
{
    const bool plain = op == CUBLAS_OP_N;
    enum wn_code code = WN_CALL(blas,
                                cublasLtMatrixLayoutCreate(out, data_type(type), (uint64_t)(plain ? cols : rows),
                                                           (uint64_t)(plain ? rows : cols), ld),
                                err);
    if (code != WN_OK) return code;
    code = WN_CALL(
        blas, cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch), err);
    if (code != WN_OK) return code;
    return WN_CALL(
        blas, cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof step),
        err);
}

static enum wn_code layouts(struct wn_cuda_gemm *g, const struct wn_cuda_product *p, cublasOperation_t *op_a,
                            cublasOperation_t *op_b, struct wn_error *err)
{
    int64_t ld_a, ld_b, ld_y;
    cublasOperation_t op_y;
    if (!sides(p->m, p->k, p->a_m, p->a_k, op_a, &ld_a) || !sides(p->k, p->n, p->b_k, p->b_n, op_b, &ld_b) ||
        !sides(p->m, p->n, p->y_m, p->y_n, &op_y, &ld_y) || op_y != CUBLAS_OP_N)
        return WN_UNSUPPORTED;
    enum wn_code code = layout(&g->a, p->a_type, p->m, p->k, *op_a, ld_a, p->batch, p->a_batch, err);
    if (code == WN_OK) code = layout(&g->b, p->b_type, p->k, p->n, *op_b, ld_b, p->batch, p->b_batch, err);
    return code == WN_OK ? layout(&g->y, p->y_type, p->m, p->n, op_y, ld_y, p->batch, p->y_batch, err) : code;
}

static enum wn_code attribute(struct wn_cuda_gemm *g, cublasLtMatmulDescAttributes_t name, const void *value,
                              size_t size, struct wn_error *err)
{
    return WN_CALL(blas, cublasLtMatmulDescSetAttribute(g->desc, name, value, size), err);
}

static enum wn_code describe(struct wn_cuda_gemm *g, const struct wn_cuda_gemm_shape *s, bool exact,
                             struct wn_error *err)
{
    const bool f32 = s->product.a_type == WN_CUDA_F32;
    const cublasComputeType_t compute = f32 && !exact ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const cublasLtEpilogue_t tail = s->bias ? (s->relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                                            : (s->relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT);
    const int32_t bias_type = CUDA_R_32F;
    cublasOperation_t op_a, op_b;
    enum wn_code code = layouts(g, &s->product, &op_a, &op_b, err);
    if (code == WN_OK) code = WN_CALL(blas, cublasLtMatmulDescCreate(&g->desc, compute, CUDA_R_32F), err);
    if (code == WN_OK) code = attribute(g, CUBLASLT_MATMUL_DESC_TRANSA, &op_b, sizeof op_b, err);
    if (code == WN_OK) code = attribute(g, CUBLASLT_MATMUL_DESC_TRANSB, &op_a, sizeof op_a, err);
    if (code == WN_OK) code = attribute(g, CUBLASLT_MATMUL_DESC_EPILOGUE, &tail, sizeof tail, err);
    if (code == WN_OK && s->bias)
        code = attribute(g, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &bias_type, sizeof bias_type, err);
    if (code == WN_OK && s->bias) code = attribute(g, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &s->bias, sizeof s->bias, err);
    return code;
}

/* No reduction whose order depends on the run: partial sums go through the workspace or not at all. */
static enum wn_code choose(struct wn_cuda_gemm *g, cublasLtHandle_t handle, struct wn_error *err)
{
    const size_t most = WORKSPACE_BYTES;
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    cublasLtMatmulPreference_t wish;
    cublasLtMatmulHeuristicResult_t found = {0};
    int n = 0;
    enum wn_code code = WN_CALL(blas, cublasLtMatmulPreferenceCreate(&wish), err);
    if (code != WN_OK) return code;
    code = WN_CALL(
        blas, cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most),
        err);
    if (code == WN_OK)
        code = WN_CALL(blas,
                       cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes,
                                                            sizeof schemes),
                       err);
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    if (code == WN_OK)
        status = cublasLtMatmulAlgoGetHeuristic(handle, g->desc, g->b, g->a, g->y, g->y, wish, 1, &found, &n);
    cublasLtMatmulPreferenceDestroy(wish);
    if (code != WN_OK) return code;
    if (status == CUBLAS_STATUS_SUCCESS && n) status = found.state;
    if (!n || status != CUBLAS_STATUS_SUCCESS)
        return wn_fail(err, WN_UNSUPPORTED, "cuBLASLt has no algorithm for a product: status %d, %d found", (int)status,
                       n);
    g->algo = found.algo, g->workspace_bytes = found.workspaceSize;
    return WN_OK;
}

enum wn_code wn_cuda_gemm_job(struct wn_cuda_exe *exe, const struct wn_cuda_gemm_shape *shape, struct wn_cuda_job *job,
                              struct wn_error *err)
{
    if (!wn_cuda_grow(&exe->gemms, exe->n_gemms, &exe->cap_gemms, sizeof *exe->gemms))
        return wn_fail(err, WN_NO_MEMORY, "no memory for the products of a program");
    struct wn_cuda_gemm *g = calloc(1, sizeof *g);
    if (!g) return wn_fail(err, WN_NO_MEMORY, "no memory for a product");
    struct wn_error why = {0};
    enum wn_code code = describe(g, shape, exe->be->precision == WN_PRECISION_F32, &why);
    if (code == WN_OK) code = choose(g, exe->be->libraries->blas, &why);
    if (code != WN_OK) {
        wn_cuda_gemm_destroy(g);
        if (code == WN_UNSUPPORTED) snprintf(exe->be->refused, sizeof exe->be->refused, "%.127s", why.text);
        return code == WN_UNSUPPORTED ? code : wn_fail(err, code, "%s", why.text);
    }
    wn_cuda_workspace(exe, g->workspace_bytes);
    exe->gemms[exe->n_gemms++] = g;
    job->run = wn_cuda_run_gemm;
    job->u.gemm.gemm = g;
    return WN_OK;
}

void wn_cuda_gemm_destroy(struct wn_cuda_gemm *g)
{
    if (!g) return;
    if (g->a) cublasLtMatrixLayoutDestroy(g->a);
    if (g->b) cublasLtMatrixLayoutDestroy(g->b);
    if (g->y) cublasLtMatrixLayoutDestroy(g->y);
    if (g->desc) cublasLtMatmulDescDestroy(g->desc);
    free(g);
}

enum wn_code wn_cuda_run_gemm(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err)
{
    const float one = 1, zero = 0;
    struct wn_cuda_gemm *g = job->u.gemm.gemm;
    return WN_CALL(blas,
                   cublasLtMatmul(exe->be->libraries->blas, g->desc, &one, job->u.gemm.b, g->b, job->u.gemm.a, g->a,
                                  &zero, job->u.gemm.y, g->y, job->u.gemm.y, g->y, &g->algo, exe->workspace,
                                  exe->workspace_bytes, exe->stream),
                   err);
}
