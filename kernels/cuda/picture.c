/* Decoded pictures into an executable's input: their bytes go to the device through what was reserved at open, as
 * many at a time as fit, and two launches write the numbers where the host's would have landed. Knows no profile and
 * no file. */
#include "exe.h"

#include <string.h>

#include <whynot/resample.h>

#include "kernels.h"
#include "ranges.h"

enum {
    MOST = 64, /* pictures of one launch */
    HEAD = MOST * (int)sizeof(struct wn_cuda_picture),
    ROOM = WN_CUDA_PICTURE_ROOM
};

/* Pixels fill the room from its start, so that they are one copy; what only the device needs fills it from its end. */
struct load {
    struct wn_cuda_exe *exe;
    int n, most_lines, most_pixels;
    size_t begin, end;
};

static size_t pad(size_t n)
{
    return (n + 15) / 16 * 16;
}

static size_t pixel_bytes(const struct wn_picture *p)
{
    return pad((size_t)p->part_w * (size_t)p->part_h * 3);
}

static bool fits(const struct load *l, const struct wn_picture *p)
{
    return l->n < MOST && wn_picture_bytes(p) <= l->end - l->begin;
}

static void *take_end(struct load *l, size_t bytes)
{
    l->end -= pad(bytes);
    return l->exe->be->preparing.device + HEAD + l->end;
}

static struct wn_cuda_picture described(struct load *l, const struct wn_picture *p, float *out)
{
    struct wn_cuda_picture to = {.src_w = p->src_w,
                                 .src_h = p->src_h,
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
                                 .h = p->h,
                                 .antialias = p->antialias,
                                 .bgr = p->bgr,
                                 .channels = p->channels,
                                 .scale = p->scale,
                                 .out = out};
    memcpy(to.mean, p->mean, sizeof to.mean), memcpy(to.std, p->std, sizeof to.std);
    to.width_x = wn_support_width(p->box_w / p->dst_w), to.width_y = wn_support_width(p->box_h / p->dst_h);
    to.pixels = (const uint8_t *)l->exe->be->preparing.device + HEAD + l->begin;
    to.lines = take_end(l, (size_t)(p->w + p->h) * sizeof *to.lines);
    if (p->antialias)
        to.weights =
            take_end(l, ((size_t)p->w * (size_t)to.width_x + (size_t)p->h * (size_t)to.width_y) * sizeof *to.weights);
    return to;
}

static void put(struct load *l, const struct wn_picture *p, float *out)
{
    char *pinned = l->exe->be->preparing.pinned;
    const struct wn_cuda_picture d = described(l, p, out);
    memcpy(pinned + (size_t)l->n++ * sizeof d, &d, sizeof d);
    memcpy(pinned + HEAD + l->begin, p->rgb, (size_t)p->part_w * (size_t)p->part_h * 3);
    l->begin += pixel_bytes(p);
    if (p->w + p->h > l->most_lines) l->most_lines = p->w + p->h;
    if (p->w * p->h > l->most_pixels) l->most_pixels = p->w * p->h;
}

static struct load empty(struct wn_cuda_exe *exe)
{
    return (struct load){.exe = exe, .end = ROOM / 16 * 16};
}

/* Prepares what was put, and waits until there is room again where more follows. */
static enum wn_code send(struct load *l, bool more, struct wn_error *err)
{
    const struct wn_cuda_staging *s = &l->exe->be->preparing;
    if (!l->n) return WN_OK;
    enum wn_code code = wn_cuda_staging_send(s, l->exe->stream, HEAD + l->begin, err);
    if (code != WN_OK) return code;
    wn_cuda_launch_prepare((const struct wn_cuda_picture *)(void *)s->device, l->n, l->most_lines, l->most_pixels,
                           l->exe->stream);
    code = wn_cuda_launched("preparing", err);
    if (code == WN_OK) code = wn_cuda_staging_end(s, l->exe->stream, err);
    if (code == WN_OK && more) code = wn_cuda_staging_begin(s, err);
    *l = empty(l->exe);
    return code;
}

static enum wn_code fill(struct wn_cuda_exe *exe, struct wn_cuda_port *port, size_t count, const float *const *numbers,
                         const struct wn_picture *const *pictures, int n, struct wn_error *err)
{
    struct load l = empty(exe);
    enum wn_code code = wn_cuda_staging_begin(&exe->be->preparing, err);
    if (code == WN_OK) code = wn_cuda_port_begin(port, err);
    for (int i = 0; i < n && code == WN_OK; i++) {
        const size_t at = (size_t)i * count;
        if (numbers[i]) code = wn_cuda_port_part(exe, port, numbers[i], at, count, err);
        if (numbers[i] || !pictures[i]) continue;
        if (!fits(&l, pictures[i])) code = send(&l, true, err);
        if (code == WN_OK) put(&l, pictures[i], port->landing + at);
    }
    if (code == WN_OK) code = send(&l, false, err);
    if (code == WN_OK) code = wn_cuda_port_end(exe, port, err);
    return code == WN_OK ? wn_cuda_run_port(exe, port, err) : code;
}

static bool suits(const struct wn_shape *x, const struct wn_picture *p)
{
    return p->channels == x->dim[1] && p->h == x->dim[2] && p->w == x->dim[3] &&
           wn_picture_bytes(p) <= WN_CUDA_PICTURE_BYTES;
}

enum wn_code wn_cuda_prepare(struct wn_exe *base, int value, const float *const *numbers,
                             const struct wn_picture *const *pictures, int n, struct wn_error *err)
{
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    struct wn_cuda_port *port = &exe->ports[value];
    const struct wn_shape *x = &exe->values[value].shape;
    if (wn_program_value(exe->prog, value)->kind != WN_VALUE_INPUT || x->rank != 4 || n > x->dim[0])
        return wn_fail(err, WN_UNSUPPORTED, "value %d takes no %d pictures", value, n);
    for (int i = 0; i < n; i++)
        if (!numbers[i] && pictures[i] && !suits(x, pictures[i]))
            return wn_fail(err, WN_UNSUPPORTED, "picture %d is none that the device prepares", i);
    enum wn_code code = wn_cuda_device_use(exe->be, err);
    if (code != WN_OK) return code;
    wn_cuda_range_begin("prepare");
    code = fill(exe, port, (size_t)(x->dim[1] * x->dim[2] * x->dim[3]), numbers, pictures, n, err);
    wn_cuda_range_end();
    return code;
}

enum wn_code wn_cuda_preparing_open(struct wn_cuda_backend *be, struct wn_error *err)
{
    return wn_cuda_staging_open(be, &be->preparing, "preparing pictures", HEAD + ROOM, 0, err);
}
