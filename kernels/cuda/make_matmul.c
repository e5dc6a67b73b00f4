/* Maker of the matrix product: cuBLASLt with bias and ReLU fused where it has an algorithm, else a kernel of ours
 * and an epilogue. */
#include "exe.h"
#include "switches.h"

static enum wn_code run_direct(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_matmul(&j->u.product, exe->stream);
    return wn_cuda_launched(j->name, err);
}

/* Elements between neighbours: of the batch (0 where it is broadcast), along rows and along columns of op(t). */
static void matrix_steps(const struct wn_cuda_tensor *t, bool transposed, int *batch, int *row, int *col)
{
    const int r = t->shape.rank;
    *batch = r == 3 && t->shape.dim[0] > 1 ? (int)t->stride[0] : 0;
    *row = (int)t->stride[transposed ? r - 1 : r - 2];
    *col = (int)t->stride[transposed ? r - 2 : r - 1];
}

static struct wn_cuda_product product_of(const struct wn_step *s, const struct wn_cuda_tensor *a,
                                         const struct wn_cuda_tensor *b, const struct wn_cuda_tensor *y)
{
    const int r = y->shape.rank, ra = a->shape.rank;
    struct wn_cuda_product p = {.batch = r == 3 ? (int)y->shape.dim[0] : 1,
                                .m = (int)y->shape.dim[r - 2],
                                .n = (int)y->shape.dim[r - 1],
                                .a = a->data,
                                .b = b->data,
                                .y = y->data,
                                .a_type = a->type,
                                .b_type = b->type,
                                .y_type = y->type};
    p.k = (int)a->shape.dim[s->u.matmul.trans_a ? ra - 2 : ra - 1];
    matrix_steps(a, s->u.matmul.trans_a, &p.a_batch, &p.a_m, &p.a_k);
    matrix_steps(b, s->u.matmul.trans_b, &p.b_batch, &p.b_k, &p.b_n);
    matrix_steps(y, false, &p.y_batch, &p.y_m, &p.y_n);
    return p;
}

static enum wn_code by_library(struct wn_cuda_exe *exe, const struct wn_cuda_gemm_shape *shape, struct wn_cuda_job *job,
                               struct wn_error *err)
{
    return wn_cuda_plain() ? WN_UNSUPPORTED : wn_cuda_gemm_job(exe, shape, job, err);
}

enum wn_code wn_cuda_make_matmul(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const enum wn_cuda_type type = wn_cuda_step_type(exe, step);
    const struct wn_cuda_tensor y = exe->values[s->out[0]];
    const struct wn_act *act = &s->u.matmul.act;
    struct wn_cuda_tensor a, b, bias = {0};
    enum wn_code code = wn_cuda_operand(exe, s->in[0], type, &a, err);
    if (code == WN_OK) code = wn_cuda_operand(exe, s->in[1], type, &b, err);
    if (code == WN_OK && s->in[2] != WN_NONE) code = wn_cuda_value(exe, s->in[2], &bias, err);
    if (code != WN_OK) return code;

    const bool tail = bias.data || act->kind != WN_UNARY_COUNT;
    const bool fusable = tail && (act->kind == WN_UNARY_COUNT || act->kind == WN_UNARY_RELU) && y.type == WN_CUDA_F32;
    struct wn_cuda_gemm_shape shape = {.product = product_of(s, &a, &b, &y)};
    struct wn_cuda_job job = {.name = wn_prim_name(s->prim), .u.gemm = {.a = a.data, .b = b.data, .y = y.data}};
    code = WN_UNSUPPORTED;
    if (fusable) {
        shape.bias = bias.data, shape.relu = act->kind == WN_UNARY_RELU;
        code = by_library(exe, &shape, &job, err);
    }
    const bool fused = code == WN_OK;
    if (code == WN_UNSUPPORTED) {
        shape.bias = NULL, shape.relu = false;
        code = by_library(exe, &shape, &job, err);
    }
    if (code == WN_UNSUPPORTED) {
        job.run = run_direct, job.u.product = shape.product;
        exe->be->plain++;
    } else if (code != WN_OK) {
        return code;
    }
    code = wn_cuda_job_add(exe, &job, err);
    if (code != WN_OK || fused || !tail) return code;
    return wn_cuda_job_epilogue(exe, &y, NULL, bias.data ? &bias : NULL, NULL, act, &y, err);
}
