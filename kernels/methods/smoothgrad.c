/* SmoothGrad: another method's map, averaged over noisy copies of the picture. The scalar stays that of the picture
 * itself: v is held. */
#include "method.h"

#include <stdlib.h>
#include <string.h>

#include "../random.h"

static double range(const float *x, size_t n)
{
    float lo = x[0], hi = x[0];
    for (size_t i = 1; i < n; i++) {
        if (x[i] < lo) lo = x[i];
        if (x[i] > hi) hi = x[i];
    }
    return (double)hi - lo;
}

static enum wn_code average(struct wn_run *r, const struct wn_method *base, float *maps, double *sum, size_t cells,
                            struct wn_error *err)
{
    const struct wn_settings *s = &r->question->settings;
    size_t pixels = (size_t)(r->channels * r->height * r->width);
    int samples = (int)wn_setting(s, WN_SETTING_SAMPLES), room = wn_run_room(r);
    double deviation = wn_setting(s, WN_SETTING_NOISE) * range(r->image, pixels);
    uint64_t seed = (uint64_t)wn_setting(s, WN_SETTING_NOISE_SEED);
    enum wn_code code = WN_OK;
    for (int first = 0; first < samples && code == WN_OK; first += room) {
        int n = samples - first < room ? samples - first : room;
        for (int i = 0; i < n; i++) {
            float *x = wn_run_image(r, i);
            uint64_t begin = (uint64_t)(first + i) * pixels;
            for (size_t j = 0; j < pixels; j++)
                x[j] = (float)(r->image[j] + deviation * wn_random_normal_at(seed, begin + j));
        }
        code = wn_run_other(r, base, n, maps, err);
        /* analyzer: run() comes here with all three or not at all */
        for (size_t i = 0; i < (size_t)n * cells && code == WN_OK; i++) sum[i % cells] += maps[i];
    }
    for (size_t i = 0; i < cells; i++) sum[i] /= samples;
    return code;
}

static enum wn_code run(struct wn_run *r, struct wn_error *err)
{
    const struct wn_method *base = wn_method_at((int)wn_setting(&r->question->settings, WN_SETTING_BASE_METHOD));
    wn_run_size(r, base, &r->h, &r->w);
    size_t cells = (size_t)r->h * (size_t)r->w;
    float *maps = malloc((size_t)wn_run_room(r) * cells * sizeof *maps);
    double *sum = calloc(cells, sizeof *sum);
    r->map = malloc(cells * sizeof *r->map);
    enum wn_code code = maps && sum && r->map ? average(r, base, maps, sum, cells, err)
                                              : wn_fail(err, WN_NO_MEMORY, "no memory for maps");
    for (size_t i = 0; i < cells && code == WN_OK; i++) r->map[i] = (float)sum[i]; /* analyzer: else code says so */
    free(maps);
    free(sum);
    return code;
}

static int64_t passes(const struct wn_settings *s)
{
    const struct wn_method *base = wn_method_at((int)wn_setting(s, WN_SETTING_BASE_METHOD));
    return 1 + (int64_t)wn_setting(s, WN_SETTING_SAMPLES) * (base->passes ? base->passes(s) : 2);
}

#define BIT(s) (1u << WN_SETTING_##s)

const struct wn_method wn_method_smoothgrad = {
    .name = "smoothgrad",
    .summary = "The map of base_method, any other method, averaged over noisy copies of the picture: less speckle.",
    .formula = "1/n sum_i map(x + e_i), e_i ~ N(0, (noise (max x - min x))^2)",
    .source = "Smilkov et al. 2017 (SmoothGrad)",
    .cost = "`samples` times the base method",
    .misleads = "What is steady under noise need not be what the network looked at; more noise gives smoother maps of "
                "another question.",
    .flags = WN_METHOD_INPUT,
    .settings = BIT(SAMPLES) | BIT(NOISE) | BIT(NOISE_SEED) | BIT(BASE_METHOD),
    .run = run,
    .passes = passes,
};
