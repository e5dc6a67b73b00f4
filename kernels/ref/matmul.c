/* Products: matrices, and activation against gradient over the channels. */
#include "ref.h"

/* A matrix inside a value of rank 2 or 3: element (i, j) at data[i*row + j*col]; batch is 0 where it is broadcast. */
struct matrix {
    const double *data;
    int64_t row, col, batch;
};

static struct matrix matrix_of(const struct wn_ref_tensor *t, bool transposed)
{
    int rank = t->shape.rank;
    int64_t rows = t->shape.dim[rank - 2], cols = t->shape.dim[rank - 1];
    int64_t batch = rank == 3 && t->shape.dim[0] > 1 ? rows * cols : 0;
    return transposed ? (struct matrix){t->data, 1, cols, batch} : (struct matrix){t->data, cols, 1, batch};
}

static void multiply(double *y, struct matrix a, struct matrix b, const double *bias, int64_t m, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < m; i++, y += n) {
        for (int64_t j = 0; j < n; j++) y[j] = bias ? bias[j] : 0;
        if (b.col == 1) { /* rows of b are contiguous */
            for (int64_t l = 0; l < k; l++) {
                double a_il = a.data[i * a.row + l * a.col];
                for (int64_t j = 0; j < n; j++) y[j] += a_il * b.data[l * b.row + j];
            }
        } else {
            for (int64_t j = 0; j < n; j++) {
                double sum = y[j];
                for (int64_t l = 0; l < k; l++) sum += a.data[i * a.row + l * a.col] * b.data[l * b.row + j * b.col];
                y[j] = sum;
            }
        }
    }
}

enum wn_code wn_ref_matmul(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                           struct wn_error *err)
{
    (void)err;
    const struct wn_shape *y = &out->shape, *a_shape = &in[0].shape;
    int64_t m = y->dim[y->rank - 2], n = y->dim[y->rank - 1], batches = y->rank == 3 ? y->dim[0] : 1;
    int64_t k = a_shape->dim[a_shape->rank - (step->u.matmul.trans_a ? 2 : 1)];
    struct matrix a = matrix_of(&in[0], step->u.matmul.trans_a), b = matrix_of(&in[1], step->u.matmul.trans_b);
    for (int64_t i = 0; i < batches; i++, a.data += a.batch, b.data += b.batch)
        multiply(out->data + i * m * n, a, b, in[2].data, m, n, k);
    wn_ref_activate(&step->u.matmul.act, out->data, wn_shape_count(y));
    return WN_OK;
}

enum wn_code wn_ref_channel_dot(const struct wn_step *step, const struct wn_ref_tensor *in,
                                const struct wn_ref_tensor *out, struct wn_error *err)
{
    (void)step, (void)err;
    int64_t rows = in[0].shape.dim[0], channels = in[0].shape.dim[1];
    int64_t plane = 1, g_plane = 1;
    for (int d = 2; d < in[0].shape.rank; d++) plane *= in[0].shape.dim[d];
    for (int d = 2; d < in[1].shape.rank; d++) g_plane *= in[1].shape.dim[d];
    for (int64_t r = 0; r < rows; r++)
        for (int64_t p = 0; p < plane; p++) {
            double sum = 0;
            for (int64_t c = 0; c < channels; c++) {
                int64_t rc = r * channels + c;
                sum += in[0].data[rc * plane + p] * in[1].data[rc * g_plane + (g_plane == plane ? p : 0)];
            }
            out->data[r * plane + p] = sum;
        }
    return WN_OK;
}
