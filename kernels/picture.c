/* What it takes to prepare a picture, and whether its description can be trusted; prepares nothing. */
#include <whynot/preparing.h>

#include <whynot/resample.h>

enum { MOST_SIDE = 1 << 15 };

static bool is_side(int n)
{
    return n >= 1 && n <= MOST_SIDE;
}

/* One axis: the window lies in the result, and what it reads lies in the part. */
static bool axis_is_sound(bool antialias, int src, int part, int parts, double box, int dst, int at, int n)
{
    if (!is_side(src) || !is_side(parts) || !is_side(dst) || !is_side(n) || part < 0 || part > src - parts || at < 0 ||
        at > dst - n)
        return false;
    if (!(box > 0) || !(box <= src)) return false;
    if (antialias) {
        const struct wn_support first = wn_support_at(at, box / dst, src),
                                last = wn_support_at(at + n - 1, box / dst, src);
        return first.first >= part && last.count >= 1 && last.first + last.count <= part + parts;
    }
    return wn_plain_between(at, box, src, dst).a >= part &&
           wn_plain_between(at + n - 1, box, src, dst).b < part + parts;
}

static size_t padded(size_t bytes)
{
    return (bytes + 15) / 16 * 16;
}

size_t wn_picture_bytes(const struct wn_picture *p)
{
    if (!p->rgb || (p->channels != 1 && p->channels != 3)) return SIZE_MAX;
    if (!axis_is_sound(p->antialias, p->src_w, p->part_x, p->part_w, p->box_w, p->dst_w, p->x, p->w)) return SIZE_MAX;
    if (!axis_is_sound(p->antialias, p->src_h, p->part_y, p->part_h, p->box_h, p->dst_h, p->y, p->h)) return SIZE_MAX;
    const size_t across = (size_t)p->w * (size_t)wn_support_width(p->box_w / p->dst_w),
                 down = (size_t)p->h * (size_t)wn_support_width(p->box_h / p->dst_h);
    const size_t lines = ((size_t)p->w + (size_t)p->h) * 3 * sizeof(float);
    return padded((size_t)p->part_w * (size_t)p->part_h * 3) + padded(lines) +
           (p->antialias ? padded((across + down) * sizeof(int32_t)) : 0);
}
