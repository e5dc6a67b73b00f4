/* A backend that does what the next one does, and fails where WHYNOT_FAULT says: the seam at which every device's
 * failures arrive. Test builds only; knows no device. WHYNOT_FAULT=KIND@run=N, KIND: lost (run N and all that
 * follow), memory (run N alone), shortage (every run from N on), device (run N alone), hang (run N never returns).
 * KIND@armed=N counts from the first SIGUSR2 on, and so does lost@compile=N, which counts the programs that are
 * compiled. WHYNOT_RUN_MS: every run takes so long, however many images are in it, as on a device that is mostly
 * waited for. WHYNOT_DRAW: how it draws heatmaps: as the server would, mirror (each index from 255, so that one sees
 * who drew), half (every other one), fail; not at all where there is none. WHYNOT_PREPARE: it prepares pictures as
 * the server would, several images at a time; with mirror all its numbers have the other sign, so that one sees who
 * prepared; with small only pictures of a few thousand bytes. Not at all where there is none. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <media/render.h>
#include <media/resize.h>
#include <whynot/backend.h>
#include <whynot/resample.h>

struct faulty {
    struct wn_backend base;
    struct wn_backend *inner;
};

struct faulty_exe {
    struct wn_exe base;
    struct wn_exe *inner;
    const struct wn_program *program;
};

static atomic_bool lost, armed;
static atomic_long runs, compiled;
extern const struct wn_backend_impl wn_backend_faulty;
extern const struct wn_backend_impl wn_backend_ref;

static const struct wn_backend_impl *inner_impl(const struct wn_exe *exe)
{
    return ((const struct faulty *)exe->backend)->inner->impl;
}

static void arm(int sig)
{
    (void)sig;
    atomic_store(&runs, 0);
    atomic_store(&armed, true);
    if (write(STDERR_FILENO, "armed\n", 6) != 6) _exit(1); /* whoever sent the signal waits for this */
}

static enum wn_code faulty_open(const struct wn_backend_options *options, struct wn_backend **out, struct wn_error *err)
{
    if (atomic_load(&lost)) return wn_fail(err, WN_DEVICE, "the device is lost");
    struct faulty *be = calloc(1, sizeof *be);
    if (!be) return wn_fail(err, WN_NO_MEMORY, "no memory for a backend");
    be->base.impl = &wn_backend_faulty;
    signal(SIGUSR2, arm);
    enum wn_code code = wn_backend_ref.open(options, &be->inner, err);
    if (code == WN_OK)
        *out = &be->base;
    else
        free(be);
    return code;
}

static void faulty_close(struct wn_backend *base)
{
    wn_backend_close(((struct faulty *)base)->inner);
    free(base);
}

static const char *prepares(void)
{
    return getenv("WHYNOT_PREPARE");
}

static void faulty_traits(const struct wn_backend *base, struct wn_backend_traits *out)
{
    const struct wn_backend *inner = ((const struct faulty *)base)->inner;
    inner->impl->traits(inner, out);
    out->draws = getenv("WHYNOT_DRAW") ? 1 << 20 : 0;
    if (!prepares()) return;
    out->prepares = strcmp(prepares(), "small") ? 1 << 20 : 5000;
    out->images = 4, out->rows = 8;
}

static enum wn_code fail_to_compile(struct wn_error *err)
{
    long at;
    const char *text = getenv("WHYNOT_FAULT");
    if (text && sscanf(text, "lost@compile=%ld", &at) == 1 && atomic_load(&armed) &&
        atomic_fetch_add(&compiled, 1) + 1 == at)
        atomic_store(&lost, true);
    return atomic_load(&lost)
               ? wn_fail(err, WN_DEVICE, "an illegal memory access while a program was made, as asked for")
               : WN_OK;
}

static bool faulty_lost(void)
{
    return atomic_load(&lost);
}

static enum wn_code faulty_compile(struct wn_backend *base, const struct wn_program *prog, struct wn_exe **out,
                                   struct wn_error *err)
{
    struct wn_backend *inner = ((struct faulty *)base)->inner;
    struct faulty_exe *exe = calloc(1, sizeof *exe);
    if (!exe) return wn_fail(err, WN_NO_MEMORY, "no memory for a program");
    exe->base.backend = base;
    exe->program = prog;
    enum wn_code code = fail_to_compile(err);
    if (code == WN_OK) code = inner->impl->compile(inner, prog, &exe->inner, err);
    if (code == WN_OK)
        *out = &exe->base;
    else
        free(exe);
    return code;
}

static void faulty_release(struct wn_exe *exe)
{
    if (!exe) return;
    inner_impl(exe)->release(((struct faulty_exe *)exe)->inner);
    free(exe);
}

static enum wn_code fail_as_told(struct wn_error *err)
{
    char kind[16], unit[8];
    long at, now = atomic_fetch_add(&runs, 1) + 1;
    const char *text = getenv("WHYNOT_FAULT");
    if (atomic_load(&lost)) return wn_fail(err, WN_DEVICE, "the device is lost");
    if (!text || sscanf(text, "%15[a-z]@%7[a-z]=%ld", kind, unit, &at) != 3) return WN_OK;
    if (strcmp(unit, "compile") == 0 || (strcmp(unit, "armed") == 0 && !atomic_load(&armed))) return WN_OK;
    bool here = now == at, since = now >= at;
    if (here && strcmp(kind, "hang") == 0)
        for (;;) pause();
    if (here && strcmp(kind, "lost") == 0) {
        atomic_store(&lost, true);
        return wn_fail(err, WN_DEVICE, "an illegal memory access, as asked for");
    }
    if (here && strcmp(kind, "device") == 0) return wn_fail(err, WN_DEVICE, "a failure, as asked for");
    if ((here && strcmp(kind, "memory") == 0) || (since && strcmp(kind, "shortage") == 0))
        return wn_fail(err, WN_NO_MEMORY, "no memory, as asked for");
    return WN_OK;
}

static enum wn_code faulty_write(struct wn_exe *exe, int value, const float *src, struct wn_error *err)
{
    return inner_impl(exe)->write(((struct faulty_exe *)exe)->inner, value, src, err);
}

static void take_time(void)
{
    const char *ms = getenv("WHYNOT_RUN_MS");
    const struct timespec pause = {0, ms ? atol(ms) * 1000000 : 0};
    if (ms) nanosleep(&pause, NULL);
}

static enum wn_code faulty_run(struct wn_exe *exe, int stage, struct wn_error *err)
{
    enum wn_code code = fail_as_told(err);
    take_time();
    return code == WN_OK ? inner_impl(exe)->run(((struct faulty_exe *)exe)->inner, stage, err) : code;
}

static enum wn_code faulty_read(struct wn_exe *exe, int value, float *dst, struct wn_error *err)
{
    return inner_impl(exe)->read(((struct faulty_exe *)exe)->inner, value, dst, err);
}

static enum wn_code faulty_draw(struct wn_backend *be, struct wn_heatmap *const *heatmaps, int n, struct wn_error *err)
{
    const char *how = getenv("WHYNOT_DRAW");
    (void)be;
    if (!strcmp(how, "fail")) return wn_fail(err, WN_DEVICE, "no drawing, as asked for");
    for (int i = 0; i < n; i++) {
        struct wn_heatmap *h = heatmaps[i];
        if (!strcmp(how, "half") && i % 2) continue;
        h->done = wn_render_map(h->map, h->h, h->w, &h->view, &h->how, h->index, &h->drawn, NULL) == WN_OK;
        for (int k = 0; h->done && !strcmp(how, "mirror") && k < h->view.w * h->view.h; k++)
            h->index[k] = (uint8_t)(255 - h->index[k]);
    }
    return WN_OK;
}

static void prepare_one(const struct wn_picture *p, float *out)
{
    const struct wn_resize r = {.src_w = p->src_w,
                                .src_h = p->src_h,
                                .channels = p->channels,
                                .part_x = p->part_x,
                                .part_y = p->part_y,
                                .part_w = p->part_w,
                                .part_h = p->part_h,
                                .box_w = p->box_w,
                                .box_h = p->box_h,
                                .dst_w = p->dst_w,
                                .dst_h = p->dst_h,
                                .x = p->x,
                                .y = p->y,
                                .w = p->w,
                                .h = p->h};
    const size_t pixels = (size_t)p->part_w * (size_t)p->part_h, n = (size_t)p->w * (size_t)p->h,
                 channels = (size_t)p->channels;
    const float sign = strcmp(prepares(), "mirror") ? 1 : -1;
    uint8_t *grey = malloc(pixels), *bytes = malloc(n * channels);
    float *plain = malloc(n * channels * sizeof *plain);
    if (!grey || !bytes || !plain) abort();
    for (size_t i = 0; i < pixels; i++) grey[i] = wn_luma(p->rgb[3 * i], p->rgb[3 * i + 1], p->rgb[3 * i + 2]);
    const uint8_t *from = channels == 1 ? grey : p->rgb;
    if ((p->antialias ? wn_resize_antialias(&r, from, bytes, NULL) : wn_resize_plain(&r, from, plain, NULL)) != WN_OK)
        abort();
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < n; i++) {
            const size_t at = i * channels + (p->bgr ? channels - 1 - c : c);
            out[c * n + i] =
                sign * wn_normalised(p->antialias ? bytes[at] : plain[at], p->scale, p->mean[c], p->std[c]);
        }
    free(grey), free(bytes), free(plain);
}

static enum wn_code faulty_prepare(struct wn_exe *base, int value, const float *const *numbers,
                                   const struct wn_picture *const *pictures, int n, struct wn_error *err)
{
    const struct wn_shape *x = &wn_program_value(((struct faulty_exe *)base)->program, value)->shape;
    const size_t count = (size_t)(x->dim[1] * x->dim[2] * x->dim[3]);
    float *all = calloc((size_t)x->dim[0] * count, sizeof *all);
    if (!all) return wn_fail(err, WN_NO_MEMORY, "no memory to prepare pictures");
    for (int i = 0; i < n; i++) {
        if (numbers[i])
            memcpy(all + (size_t)i * count, numbers[i], count * sizeof *all);
        else if (pictures[i])
            prepare_one(pictures[i], all + (size_t)i * count);
    }
    enum wn_code code = faulty_write(base, value, all, err);
    free(all);
    return code;
}

const struct wn_backend_impl wn_backend_faulty = {
    .name = "faulty",
    .summary = "plain loops that fail as WHYNOT_FAULT says",
    .open = faulty_open,
    .close = faulty_close,
    .traits = faulty_traits,
    .compile = faulty_compile,
    .release = faulty_release,
    .write = faulty_write,
    .run = faulty_run,
    .read = faulty_read,
    .draw = faulty_draw,
    .prepare = faulty_prepare,
    .lost = faulty_lost,
};
