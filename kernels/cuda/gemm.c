/* Matrix products through cuBLASLt, with bias and ReLU fused. cuBLASLt counts by columns: it is asked for the
 * transposed product, whose columns are our rows. The algorithm is chosen as cuDNN's plans are. Knows no program. */
#include "libraries.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "exe.h"

enum { WORKSPACE_BYTES = 32 << 20, MOST_ALGORITHMS = 6 };

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

/* ---- the algorithm ---- */

/* No reduction whose order depends on the run: partial sums go through the workspace or not at all. */
static enum wn_code prefer(cublasLtMatmulPreference_t wish, struct wn_error *err)
{
    const size_t most = WORKSPACE_BYTES;
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    enum wn_code code = WN_CALL(
        blas, cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most),
        err);
    if (code != WN_OK) return code;
    return WN_CALL(blas,
                   cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes,
                                                        sizeof schemes),
                   err);
}

/* What the heuristics offer, the best first, into found [MOST_ALGORITHMS]. */
static enum wn_code offers(const struct wn_cuda_gemm *g, cublasLtHandle_t handle,
                           cublasLtMatmulHeuristicResult_t *found, int *n, struct wn_error *err)
{
    cublasLtMatmulPreference_t wish;
    int good = 0;
    enum wn_code code = WN_CALL(blas, cublasLtMatmulPreferenceCreate(&wish), err);
    if (code != WN_OK) return code;
    code = prefer(wish, err);
    *n = 0;
    if (code == WN_OK)
        code = WN_CALL(
            blas,
            cublasLtMatmulAlgoGetHeuristic(handle, g->desc, g->b, g->a, g->y, g->y, wish, MOST_ALGORITHMS, found, n),
            err);
    cublasLtMatmulPreferenceDestroy(wish);
    if (code != WN_OK) return wn_cuda_outlive(code);
    for (int i = 0; i < *n; i++)
        if (found[i].state == CUBLAS_STATUS_SUCCESS) found[good++] = found[i];
    if (good) return *n = good, WN_OK;
    return wn_fail(err, WN_UNSUPPORTED, "cuBLASLt has no algorithm for a product: none of %d can be used", *n);
}

/* Of the algorithms one that runs, the quickest or, where time is no matter, the first. */
static enum wn_code choose(struct wn_cuda_exe *exe, struct wn_cuda_gemm *g, const struct wn_cuda_job *like,
                           const cublasLtMatmulHeuristicResult_t *found, int n, bool by_time, struct wn_error *err)
{
    struct wn_cuda_gemm with[MOST_ALGORITHMS];
    struct wn_cuda_candidate c[MOST_ALGORITHMS] = {0};
    int best;
    for (int i = 0; i < n; i++) {
        with[i] = *g;
        with[i].algo = found[i].algo, with[i].workspace_bytes = found[i].workspaceSize;
        c[i] = (struct wn_cuda_candidate){.job = *like,
                                          .workspace_bytes = found[i].workspaceSize,
                                          .name = "an algorithm of cuBLASLt's",
                                          .what = "the workspace of a product"};
        c[i].job.run = wn_cuda_run_gemm;
        c[i].job.u.gemm.gemm = &with[i];
    }
    enum wn_code code = wn_cuda_trial(exe, c, n, by_time, &best, err);
    if (code == WN_OK) *g = with[best];
    return code;
}

/* All that the choice may depend on: extents, steps, types, and what is fused. */
static bool path_of(const struct wn_cuda_exe *exe, const struct wn_cuda_gemm_shape *s, char *path, size_t size)
{
    const struct wn_cuda_product *p = &s->product;
    char key[256];
    snprintf(key, sizeof key, "product%s%s%s-t%d.%d.%d-n%dm%dn%dk%d-a%d.%d.%d-b%d.%d.%d-y%d.%d.%d.algo",
             s->bias ? "+bias" : "", s->relu ? "+relu" : "", exe->be->precision == WN_PRECISION_F32 ? "-exact" : "",
             (int)p->a_type, (int)p->b_type, (int)p->y_type, p->batch, p->m, p->n, p->k, p->a_batch, p->a_m, p->a_k,
             p->b_batch, p->b_k, p->b_n, p->y_batch, p->y_m, p->y_n);
    return wn_cuda_kept_path(exe->be, cublasLtGetVersion(), key, path, size);
}

enum { WORDS = sizeof((cublasLtMatmulAlgo_t *)NULL)->data / sizeof(uint64_t) };

/* An algorithm is numbers that the same version of the library takes back. */
static bool recall(struct wn_cuda_exe *exe, const struct wn_cuda_gemm *g, const char *path,
                   cublasLtMatmulHeuristicResult_t *out)
{
    cublasLtMatmulAlgo_t algo;
    char *text = wn_cuda_kept_get(path), *end = text;
    int n = 0;
    for (; text && n < WORDS; n++) {
        const char *at = end;
        algo.data[n] = strtoull(at, &end, 16);
        if (end == at) break;
    }
    free(text);
    if (n < WORDS) return false;
    *out = (cublasLtMatmulHeuristicResult_t){.state = CUBLAS_STATUS_NOT_SUPPORTED};
    if (cublasLtMatmulAlgoCheck(exe->be->libraries->blas, g->desc, g->b, g->a, g->y, g->y, &algo, out) !=
            CUBLAS_STATUS_SUCCESS ||
        out->workspaceSize > WORKSPACE_BYTES)
        return false;
    out->algo = algo; /* which the check leaves alone */
    return true;
}

static void keep(const struct wn_cuda_exe *exe, const struct wn_cuda_gemm *g, const char *path)
{
    char text[WORDS * 17 + 1];
    for (int i = 0; i < WORDS; i++)
        snprintf(text + i * 17, 18, "%016llx%c", (unsigned long long)g->algo.data[i], i + 1 < WORDS ? ' ' : '\n');
    wn_cuda_kept_put(exe->be, path, text);
}

/* path: of the kept one, or NULL; that is taken where it still runs, else one of those that the heuristics offer. */
static enum wn_code take(struct wn_cuda_exe *exe, struct wn_cuda_gemm *g, const char *path,
                         const struct wn_cuda_job *like, struct wn_error *err)
{
    cublasLtMatmulHeuristicResult_t found[MOST_ALGORITHMS] = {0};
    int n = 0;
    if (path && recall(exe, g, path, found) && choose(exe, g, like, found, 1, false, NULL) == WN_OK) return WN_OK;
    enum wn_code code = offers(g, exe->be->libraries->blas, found, &n, err);
    if (code == WN_OK) code = choose(exe, g, like, found, n, path, err);
    if (code == WN_OK && path) keep(exe, g, path);
    return code;
}

static enum wn_code take_algorithm(struct wn_cuda_exe *exe, const struct wn_cuda_gemm_shape *shape,
                                   struct wn_cuda_gemm *g, const struct wn_cuda_job *like, struct wn_error *err)
{
    char path[WN_CUDA_KEPT_PATH];
    const bool kept = path_of(exe, shape, path, sizeof path);
    if (kept) wn_cuda_kept_begin();
    wn_cuda_disturb_begin();
    enum wn_code code = take(exe, g, kept ? path : NULL, like, err);
    wn_cuda_disturb_end();
    if (kept) wn_cuda_kept_end();
    return code;
}

/* ---- a product ---- */

enum wn_code wn_cuda_gemm_job(struct wn_cuda_exe *exe, const struct wn_cuda_gemm_shape *shape, struct wn_cuda_job *job,
                              struct wn_error *err)
{
    if (!wn_cuda_grow(&exe->gemms, exe->n_gemms, &exe->cap_gemms, sizeof *exe->gemms))
        return wn_fail(err, WN_NO_MEMORY, "no memory for the products of a program");
    struct wn_cuda_gemm *g = calloc(1, sizeof *g);
    if (!g) return wn_fail(err, WN_NO_MEMORY, "no memory for a product");
    struct wn_error why = {0};
    enum wn_code code = describe(g, shape, exe->be->precision == WN_PRECISION_F32, &why);
    if (code == WN_OK) code = take_algorithm(exe, shape, g, job, &why);
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
