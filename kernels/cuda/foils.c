/* Mean and variance of the masks of all foils on the device: what the host gives goes there in one copy, the maps of
 * every class stay where the program left them, and two pictures come back. Memory is kept between calls and grows
 * with the largest. Knows no question. */
#include "exe.h"

#include <stdlib.h>
#include <string.h>

#include "ranges.h"

/* Where each part lies, bytes from the staging's start: what goes there, what comes back, and what never leaves. */
struct foils_plan {
    size_t base, exact, down_index, down_share, across_index, across_share, maps, sent;
    size_t mean, variance, empty, fetched;
    size_t foil, low, scale, all;
};

static size_t take(size_t *at, size_t count, size_t each)
{
    const size_t here = *at;
    *at = here + (count * each + 15) / 16 * 16;
    return here;
}

/* The class axis and the position axis of maps that lie on the device as this kernel can read them. */
static bool lies_there(const struct wn_cuda_tensor *t, const struct wn_masks *m)
{
    return t->data && t->type == WN_CUDA_F32 && t->shape.rank == 4 && t->stride[2] == m->w * t->stride[3] &&
           t->shape.dim[1] == m->classes && m->image < t->shape.dim[0];
}

static struct foils_plan plan_of(const struct wn_masks *m, bool there)
{
    const size_t area = (size_t)m->h * (size_t)m->w, cells = (size_t)m->height * (size_t)m->width,
                 k = (size_t)m->classes;
    const size_t down = 2 * (size_t)m->height, across = 2 * (size_t)m->width;
    struct foils_plan p = {0};
    size_t at = 0;
    p.base = take(&at, area, sizeof(float));
    p.exact = take(&at, area, sizeof(float));
    p.down_index = take(&at, down, sizeof(int32_t));
    p.down_share = take(&at, down, sizeof(float));
    p.across_index = take(&at, across, sizeof(int32_t));
    p.across_share = take(&at, across, sizeof(float));
    p.maps = take(&at, there ? 0 : k * area, sizeof(float));
    p.sent = at;
    p.mean = take(&at, cells, sizeof(float));
    p.variance = take(&at, cells, sizeof(float));
    p.empty = take(&at, 1, sizeof(int));
    p.fetched = at;
    p.scale = take(&at, k, sizeof(double));
    p.low = take(&at, k, sizeof(float));
    p.foil = take(&at, k * area, sizeof(float));
    p.all = at;
    return p;
}

static void pack(const struct wn_masks *m, const struct foils_plan *p, bool there, char *to)
{
    const size_t area = (size_t)m->h * (size_t)m->w, down = 2 * (size_t)m->height, across = 2 * (size_t)m->width;
    memcpy(to + p->base, m->base, area * sizeof(float));
    memcpy(to + p->exact, m->exact, area * sizeof(float));
    memcpy(to + p->down_index, m->down->index, down * sizeof(int32_t));
    memcpy(to + p->down_share, m->down->weight, down * sizeof(float));
    memcpy(to + p->across_index, m->across->index, across * sizeof(int32_t));
    memcpy(to + p->across_share, m->across->weight, across * sizeof(float));
    if (!there) memcpy(to + p->maps, m->maps, (size_t)m->classes * area * sizeof(float));
}

static struct wn_cuda_foils foils_of(const struct wn_masks *m, const struct foils_plan *p,
                                     const struct wn_cuda_tensor *t, char *at)
{
    struct wn_cuda_foils f = {.classes = m->classes,
                              .target = m->target,
                              .heavy = m->heavy,
                              .h = m->h,
                              .w = m->w,
                              .height = m->height,
                              .width = m->width};
    f.maps = t ? (const float *)t->data + (int64_t)m->image * t->stride[0] : (void *)(at + p->maps);
    f.map_class = t ? (int)t->stride[1] : m->h * m->w;
    f.map_position = t ? (int)t->stride[3] : 1;
    f.base = (void *)(at + p->base), f.exact = (void *)(at + p->exact);
    f.down_index = (void *)(at + p->down_index), f.down_share = (void *)(at + p->down_share);
    f.across_index = (void *)(at + p->across_index), f.across_share = (void *)(at + p->across_share);
    f.foil = (void *)(at + p->foil), f.low = (void *)(at + p->low), f.scale = (void *)(at + p->scale);
    f.mean = (void *)(at + p->mean), f.variance = (void *)(at + p->variance), f.empty = (void *)(at + p->empty);
    return f;
}

static enum wn_code room_for(struct wn_cuda_backend *be, const struct foils_plan *p, struct wn_error *err)
{
    struct wn_cuda_staging *s = &be->foils;
    if (p->all <= s->bytes && p->fetched <= s->twin) return WN_OK;
    wn_cuda_staging_close(be, s);
    enum wn_code code = wn_cuda_staging_open(be, s, "masks of all foils", p->fetched, p->all - p->fetched, err);
    if (code != WN_OK) wn_cuda_staging_close(be, s);
    return code;
}

static enum wn_code run(struct wn_cuda_backend *be, struct wn_masks *m, const struct wn_cuda_tensor *t,
                        struct wn_error *err)
{
    const struct foils_plan p = plan_of(m, t != NULL);
    const struct wn_cuda_staging *s = &be->foils;
    const size_t cells = (size_t)m->height * (size_t)m->width;
    enum wn_code code = room_for(be, &p, err);
    if (code != WN_OK) return code;
    const struct wn_cuda_foils f = foils_of(m, &p, t, s->device);
    pack(m, &p, t != NULL, s->pinned);
    code = wn_cuda_staging_send(s, be->stream, p.sent, err);
    if (code != WN_OK) return code;
    wn_cuda_launch_foils(&f, be->stream);
    code = wn_cuda_launched("masks of all foils", err);
    if (code == WN_OK) code = wn_cuda_staging_fetch(s, be->stream, p.mean, p.fetched - p.mean, err);
    if (code != WN_OK) return code;
    memcpy(m->mean, s->pinned + p.mean, cells * sizeof(float));
    memcpy(m->variance, s->pinned + p.variance, cells * sizeof(float));
    memcpy(&m->empty, s->pinned + p.empty, sizeof m->empty);
    return WN_OK;
}

/* Offsets are ints in the kernels. */
static bool fits(const struct wn_masks *m)
{
    const int64_t most = INT32_MAX / 8;
    return (int64_t)m->classes * m->h * m->w <= most && (int64_t)m->height * m->width <= most;
}

enum wn_code wn_cuda_masks(struct wn_backend *base, struct wn_masks *m, struct wn_error *err)
{
    struct wn_cuda_backend *be = (struct wn_cuda_backend *)base;
    const struct wn_cuda_tensor *t = NULL;
    if (!fits(m)) return wn_fail(err, WN_UNSUPPORTED, "the maps of all classes are too large for one launch");
    if (m->exe && lies_there(&((struct wn_cuda_exe *)m->exe)->values[m->value], m))
        t = &((struct wn_cuda_exe *)m->exe)->values[m->value];
    enum wn_code code = wn_cuda_device_use(be, err);
    if (code != WN_OK) return code;
    wn_cuda_range_begin("masks");
    code = run(be, m, t, err);
    wn_cuda_range_end();
    return code;
}
