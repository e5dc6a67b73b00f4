/* The network asked about one picture with parts of it hidden, many times: what does not change is made once.
 * Private to kernels/. */
#ifndef WN_KERNELS_HIDDEN_H
#define WN_KERNELS_HIDDEN_H

#include "engine.h"

#define WN_HIDER_ROWS 16 /* most of one ask */

/* Where pictures are made that no device makes; all the caller's. */
struct wn_hider_room {
    float *pictures; /* C*H*W for each row of the largest ask */
    float *cover;    /* C*H*W */
    float *map;      /* H*W */
    bool *hidden;    /* H*W */
    int *order;      /* H*W; may be NULL where no row has a count */
};

struct wn_hider {
    struct wn_engine *engine;
    struct wn_hider_room room;
    struct wn_hiding what; /* but for the rows */
    struct wn_cover cover;
    bool covered;    /* room.cover holds the cover */
    int at, ordered; /* map that room.map holds, and the side that room.order begins with; -1: none */
};

/* From now on about this picture; image (C*H*W) stays the caller's, and so do the maps. appears: see wn_hiding. Maps
 * are to be set anew. */
void wn_hider_show(struct wn_hider *h, const float *image, const struct wn_cover *cover, bool appears);
void wn_hider_maps(struct wn_hider *h, const float *const *maps, int n, int height, int width, bool align_corners);
/* Logits (n*K, the caller's) of what n rows make of the picture, and how many pixels each hides (n, the caller's; or
 * NULL). Errors: of the cover, the engine's. */
enum wn_code wn_hider_ask(struct wn_hider *h, const struct wn_hidden *rows, int n, float *logits, int *found,
                          struct wn_error *err);

#endif
