/* Baseline pictures: the mean colour (0 in the network's units), black, and the picture blurred. Knows no method. */
#include "baseline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RADIUS 50
#define SIGMA 15.0

/* Index i of a line of n, reflected at its ends without repeating them, as often as it takes. */
static int64_t reflect(int64_t i, int64_t n)
{
    if (n == 1) return 0;
    int64_t period = 2 * (n - 1);
    i = (i % period + period) % period;
    return i < n ? i : period - i;
}

static void fill_kernel(double kernel[2 * RADIUS + 1])
{
    double sum = 0;
    for (int i = -RADIUS; i <= RADIUS; i++) sum += kernel[i + RADIUS] = exp(-0.5 * (i / SIGMA) * (i / SIGMA));
    for (int i = 0; i <= 2 * RADIUS; i++) kernel[i] /= sum;
}

/* One line of n elements, `step` apart. line: n floats of scratch. */
static void blur_line(const double *kernel, float *x, int64_t n, int64_t step, float *line)
{
    for (int64_t i = 0; i < n; i++) line[i] = x[i * step];
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = -RADIUS; k <= RADIUS; k++) sum += kernel[k + RADIUS] * line[reflect(i + k, n)];
        x[i * step] = (float)sum;
    }
}

static enum wn_code blur(const struct wn_graph *g, float *x, struct wn_error *err)
{
    int64_t c = wn_graph_channels(g), h = wn_graph_height(g), w = wn_graph_width(g);
    double kernel[2 * RADIUS + 1];
    float *line = malloc((size_t)(h > w ? h : w) * sizeof *line);
    if (!line) return wn_fail(err, WN_NO_MEMORY, "no memory to blur a picture");
    fill_kernel(kernel);
    for (int64_t i = 0; i < c * h; i++) blur_line(kernel, x + i * w, w, 1, line);
    for (int64_t k = 0; k < c; k++)
        for (int64_t i = 0; i < w; i++) blur_line(kernel, x + k * h * w + i, h, w, line);
    free(line);
    return WN_OK;
}

enum wn_code wn_baseline(const struct wn_engine *e, enum wn_baseline kind, const float *image, float *out,
                         struct wn_error *err)
{
    size_t pixels = wn_engine_pixels(e), plane = (size_t)(wn_graph_height(e->graph) * wn_graph_width(e->graph));
    if (kind == WN_BASELINE_ZERO) memset(out, 0, pixels * sizeof *out);
    if (kind == WN_BASELINE_BLACK && !e->black)
        return wn_fail(err, WN_UNSUPPORTED,
                       "nobody said what black is in this network's units; take the baseline 'zero' or 'blurred'");
    if (kind == WN_BASELINE_BLACK)
        for (size_t i = 0; i < pixels; i++) out[i] = e->black[i / plane];
    if (kind != WN_BASELINE_BLURRED) return WN_OK;
    memcpy(out, image, pixels * sizeof *out);
    return blur(e->graph, out, err);
}
