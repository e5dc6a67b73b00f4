/* See selftest.h. */
#include "selftest.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <whynot/program.h>

/* as tensor cores like them */
enum { CHANNELS = 16, SIDE = 14, PLANE = SIDE * SIDE, FEATURES = CHANNELS * PLANE, CLASSES = 8 };

struct numbers {
    float x[FEATURES], filter[CHANNELS * CHANNELS * 9], matrix[FEATURES * CLASSES];
    double units[FEATURES], y[CLASSES];
};

/* Whole numbers from -most to most, the same ones in every process. */
static void scatter(float *dst, int n, int most, uint32_t seed)
{
    for (int i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        dst[i] = (float)((int)(seed >> 16) % (2 * most + 1) - most);
    }
}

static double convolved(const struct numbers *n, int out, int row, int col)
{
    double sum = 0;
    for (int c = 0; c < CHANNELS; c++)
        for (int tap = 0; tap < 9; tap++) {
            const int r = row + tap / 3 - 1, k = col + tap % 3 - 1;
            if (r < 0 || k < 0 || r >= SIDE || k >= SIDE) continue;
            sum += (double)n->x[c * PLANE + r * SIDE + k] * (double)n->filter[(out * CHANNELS + c) * 9 + tap];
        }
    return sum;
}

static void compute(struct numbers *n)
{
    for (int i = 0; i < FEATURES; i++) n->units[i] = fmax(convolved(n, i / PLANE, i % PLANE / SIDE, i % SIDE), 0);
    for (int k = 0; k < CLASSES; k++) {
        n->y[k] = 0;
        for (int i = 0; i < FEATURES; i++) n->y[k] += n->units[i] * (double)n->matrix[i * CLASSES + k];
    }
}

/* The value whose number is *y; what it reads from *x. */
static enum wn_code describe(struct wn_program *p, const struct wn_weight *filter, const struct wn_weight *matrix,
                             int *x, int *y, struct wn_error *err)
{
    const struct wn_window win = {
        .rank = 2, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .pad_lo = {1, 1}, .pad_hi = {1, 1}};
    *x = wn_program_input(p, (struct wn_shape){4, {1, CHANNELS, SIDE, SIDE}}, true);
    const int units = wn_relu(p, wn_conv(p, *x, wn_program_const(p, filter), WN_NONE, &win, 1));
    const int row = wn_reshape(p, units, &(struct wn_shape){2, {1, FEATURES}});
    *y = wn_program_output(p, wn_matmul(p, row, false, wn_program_const(p, matrix), false, WN_NONE));
    return wn_program_optimize(p, err);
}

static enum wn_code run(struct wn_backend *be, const struct wn_program *p, int x, int y, const float *src, float *dst,
                        struct wn_error *err)
{
    struct wn_exe *exe;
    enum wn_code code = be->impl->compile(be, p, &exe, err);
    if (code != WN_OK) return code;
    code = be->impl->write(exe, x, src, err);
    if (code == WN_OK) code = be->impl->run(exe, 0, err);
    if (code == WN_OK) code = be->impl->read(exe, y, dst, err);
    be->impl->release(exe);
    return code;
}

static double error_of(const double *want, const float *got)
{
    double most = 0, error = 0;
    for (int k = 0; k < CLASSES; k++) {
        if (!isfinite(got[k])) return (double)NAN;
        most = fmax(most, fabs(want[k]));
        error = fmax(error, fabs(want[k] - (double)got[k]));
    }
    return error / most;
}

enum wn_code cli_selftest(struct wn_backend *be, struct cli_selftest *out, struct wn_error *err)
{
    static struct numbers n; /* too large for the stack */
    const struct wn_weight filter = {.shape = {4, {CHANNELS, CHANNELS, 3, 3}}, .data = n.filter, .name = "filter"};
    const struct wn_weight matrix = {.shape = {2, {FEATURES, CLASSES}}, .data = n.matrix, .name = "matrix"};
    struct wn_backend_traits before = {0}, after = {0};
    struct wn_program *p = NULL;
    float got[CLASSES];
    int x, y;
    scatter(n.x, FEATURES, 2, 1), scatter(n.filter, CHANNELS * CHANNELS * 9, 1, 2),
        scatter(n.matrix, FEATURES * CLASSES, 1, 3);
    compute(&n);
    be->impl->traits(be, &before);
    enum wn_code code = wn_program_create(&p, err);
    if (code == WN_OK) code = describe(p, &filter, &matrix, &x, &y, err);
    if (code == WN_OK) code = run(be, p, x, y, n.x, got, err);
    wn_program_destroy(p);
    if (code != WN_OK) return code;
    be->impl->traits(be, &after);
    *out = (struct cli_selftest){.error = error_of(n.y, got), .plain = after.plain - before.plain};
    memcpy(out->refused, after.refused, sizeof out->refused);
    return WN_OK;
}
