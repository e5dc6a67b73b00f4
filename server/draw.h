/* Maps as pictures: the heatmap or overlay of one answer. */
#ifndef WN_SERVER_DRAW_H
#define WN_SERVER_DRAW_H

#include "job.h"

struct wn_drawing {
    struct wn_view view;
    struct wn_render render;
    const struct wn_colormap *colormap;
};

/* How this slot's maps are drawn; a range shared by all of them is found here. */
enum wn_code wn_draw_plan(const struct wn_slot *slot, struct wn_drawing *d, struct wn_error *err);
/* The same for the i-th answer of the item: maps over all foils have ranges of their own. */
struct wn_drawing wn_draw_adapt(const struct wn_slot *slot, int i, const struct wn_drawing *d);
/* a: one of the item's answers, d: as planned for it. Appends the heatmap's PNG to heatmap and the overlay's to
 * overlay; either may be NULL. *out: what was drawn. */
enum wn_code wn_draw(const struct wn_slot *slot, const struct wn_answer *a, const struct wn_drawing *d,
                     struct wn_buffer *heatmap, struct wn_buffer *overlay, struct wn_rendered *out,
                     struct wn_error *err);

#endif
