/* Pictures with parts hidden, made in a program's input: the picture, small maps and what each row hides go there in
 * one copy, and everything that is as large as a batch is made on the device. Memory is kept between calls and grows
 * with the largest. Knows no network and no question. */
#include "exe.h"

#include <string.h>

#include "ranges.h"

/* One call: what is asked, and the input that it goes into. */
struct batch {
    const struct wn_hiding *h;
    int n, channels, height, width, pixels; /* n: pictures of the input, of which the last repeat the last row */
    float *input;                           /* (n, channels, height, width) on the device */
};

/* Where each part lies, bytes from the staging's start: what goes there, what comes back, and what never leaves. */
struct hiding_plan {
    size_t rows, image_of, taps, colour, maps, image, sent;
    size_t found, fetched;
    size_t large, cover, scratch, mean, hidden, all;
};

static size_t take(size_t *at, size_t count, size_t each)
{
    const size_t here = *at;
    *at = here + (count * each + 15) / 16 * 16;
    return here;
}

static struct hiding_plan plan_of(const struct batch *b)
{
    const struct wn_hiding *h = b->h;
    const size_t n = (size_t)b->n, pixels = (size_t)b->pixels, image = (size_t)b->channels * pixels,
                 maps = (size_t)h->n_maps;
    struct hiding_plan p = {0};
    size_t at = 0;
    p.rows = take(&at, n, sizeof(struct wn_cuda_hidden));
    p.image_of = take(&at, n, sizeof(int32_t));
    p.taps = take(&at, 2 * (size_t)h->cover->radius + 1, sizeof(float));
    p.colour = take(&at, (size_t)b->channels, sizeof(float));
    p.maps = take(&at, maps * (size_t)h->h * (size_t)h->w, sizeof(float));
    p.image = take(&at, image, sizeof(float));
    p.sent = at;
    p.found = take(&at, n, sizeof(int32_t));
    p.fetched = at;
    p.large = take(&at, maps * pixels, sizeof(float));
    p.cover = take(&at, image, sizeof(float));
    p.scratch = take(&at, image, sizeof(float));
    p.mean = take(&at, (size_t)b->channels, sizeof(float));
    p.hidden = take(&at, n * pixels, 1);
    p.all = at;
    return p;
}

/* Row i, or the last one in the place of those that nobody asked for. */
static struct wn_cuda_hidden row_of(const struct batch *b, int i)
{
    const struct wn_hidden *row = &b->h->rows[i < b->h->n ? i : b->h->n - 1];
    return (struct wn_cuda_hidden){row->map, row->count < b->pixels ? row->count : b->pixels, row->keep};
}

static void pack(const struct batch *b, const struct hiding_plan *p, char *to)
{
    const struct wn_hiding *h = b->h;
    const size_t area = (size_t)h->h * (size_t)h->w * sizeof(float), colours = (size_t)b->channels * sizeof(float);
    for (int i = 0; i < b->n; i++) {
        const struct wn_cuda_hidden row = row_of(b, i);
        memcpy(to + p->rows + (size_t)i * sizeof row, &row, sizeof row);
    }
    memset(to + p->image_of, 0, (size_t)b->n * sizeof(int32_t)); /* all are of the one picture */
    memcpy(to + p->taps, h->cover->taps, (2 * (size_t)h->cover->radius + 1) * sizeof(float));
    memset(to + p->colour, 0, colours);
    if (h->cover->colour) memcpy(to + p->colour, h->cover->colour, colours);
    for (int i = 0; i < h->n_maps; i++) memcpy(to + p->maps + (size_t)i * area, h->maps[i], area);
    memcpy(to + p->image, h->image, colours * (size_t)b->pixels);
}

static void launch_cover(const struct batch *b, const struct hiding_plan *p, char *at, struct CUstream_st *stream)
{
    const struct wn_cover *cover = b->h->cover;
    const float *x = (void *)(at + p->image), *values = (void *)(at + p->colour);
    float *out = (void *)(at + p->cover), *mean = (void *)(at + p->mean);
    if (cover->kind == WN_COVER_BLUR) {
        const struct wn_cuda_blur blur = {x,
                                          (void *)(at + p->taps),
                                          (void *)(at + p->scratch),
                                          out,
                                          b->channels,
                                          b->height,
                                          b->width,
                                          cover->radius,
                                          cover->border};
        wn_cuda_launch_blur(&blur, stream);
        return;
    }
    if (cover->kind == WN_COVER_MEAN) wn_cuda_launch_plane_mean(x, b->channels, b->pixels, mean, stream), values = mean;
    wn_cuda_launch_fill_planes(values, b->channels, b->pixels, out, stream);
}

static void launch(const struct batch *b, const struct hiding_plan *p, char *at, struct CUstream_st *stream)
{
    const struct wn_hiding *h = b->h;
    float *large = (void *)(at + p->large);
    const float *image = (void *)(at + p->image), *cover = (void *)(at + p->cover);
    uint8_t *hidden = (void *)(at + p->hidden);
    const struct wn_cuda_enlarge enlarge = {(void *)(at + p->maps), large, h->n_maps, h->h, h->w, b->height, b->width,
                                            h->align_corners};
    const struct wn_cuda_choose choose = {large,    (void *)(at + p->rows), hidden, (void *)(at + p->found), b->n,
                                          b->pixels};
    const struct wn_cuda_replace replace = {.x = h->appears ? cover : image,
                                            .fill = h->appears ? image : cover,
                                            .hidden = hidden,
                                            .image = (void *)(at + p->image_of),
                                            .out = b->input,
                                            .n = b->n,
                                            .channels = b->channels,
                                            .pixels = b->pixels};
    launch_cover(b, p, at, stream);
    wn_cuda_launch_enlarge(&enlarge, stream);
    wn_cuda_launch_choose(&choose, stream);
    wn_cuda_launch_replace(&replace, stream);
}

static enum wn_code room_for(struct wn_cuda_backend *be, const struct hiding_plan *p, struct wn_error *err)
{
    struct wn_cuda_staging *s = &be->hiding;
    if (p->all <= s->bytes && p->fetched <= s->twin) return WN_OK;
    wn_cuda_staging_close(be, s);
    enum wn_code code = wn_cuda_staging_open(be, s, "pictures with parts hidden", p->fetched, p->all - p->fetched, err);
    if (code != WN_OK) wn_cuda_staging_close(be, s);
    return code;
}

/* On the executable's stream, so behind whatever still reads its input; waits for the end, so that the staging is
 * free for the next one. */
static enum wn_code run(struct wn_cuda_exe *exe, const struct wn_cuda_port *port, const struct batch *b,
                        struct wn_error *err)
{
    const struct hiding_plan p = plan_of(b);
    enum wn_code code = room_for(exe->be, &p, err);
    if (code != WN_OK) return code;
    const struct wn_cuda_staging *s = &exe->be->hiding;
    pack(b, &p, s->pinned);
    code = wn_cuda_staging_send(s, exe->stream, p.sent, err);
    if (code != WN_OK) return code;
    launch(b, &p, s->device, exe->stream);
    code = wn_cuda_launched("hiding", err);
    if (code == WN_OK) code = wn_cuda_run_port(exe, port, err);
    if (code == WN_OK) code = wn_cuda_staging_fetch(s, exe->stream, p.found, p.fetched - p.found, err);
    if (code == WN_OK && b->h->found) memcpy(b->h->found, s->pinned + p.found, (size_t)b->h->n * sizeof(int32_t));
    return code;
}

/* Offsets within a picture are ints in the kernels, and planes and rows are a launch's second dimension; a mirror
 * needs sides longer than the radius. */
static bool fits(const struct wn_cuda_exe *exe, int value, const struct wn_hiding *h)
{
    const int64_t *dim = exe->values[value].shape.dim, most = INT32_MAX / 8;
    if (exe->values[value].shape.rank != 4 || h->n < 1 || h->n > dim[0] || dim[0] > 65535 || dim[1] > 65535)
        return false;
    if (dim[2] * dim[3] > most || (int64_t)h->h * h->w > most || h->n_maps > 65535) return false;
    return h->cover->kind != WN_COVER_BLUR || h->cover->border != WN_BORDER_MIRROR ||
           (dim[2] > h->cover->radius && dim[3] > h->cover->radius);
}

enum wn_code wn_cuda_hide(struct wn_exe *base, int value, const struct wn_hiding *h, struct wn_error *err)
{
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    struct wn_cuda_port *port = wn_cuda_port_of(exe, value, err);
    if (!port) return WN_INTERNAL;
    if (!fits(exe, value, h))
        return wn_fail(err, WN_UNSUPPORTED, "these pictures are too many or too large to be hidden in one launch");
    const int64_t *dim = exe->values[value].shape.dim;
    const struct batch b = {
        h, (int)dim[0], (int)dim[1], (int)dim[2], (int)dim[3], (int)(dim[2] * dim[3]), port->landing};
    enum wn_code code = wn_cuda_device_use(exe->be, err);
    if (code != WN_OK) return code;
    wn_cuda_range_begin("hide");
    code = run(exe, port, &b, err);
    wn_cuda_range_end();
    return code;
}
