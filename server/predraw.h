/* Heatmaps that the device draws right after their maps, so that whoever writes the answer finds them drawn. */
#ifndef WN_SERVER_PREDRAW_H
#define WN_SERVER_PREDRAW_H

#include "job.h"

/* On the worker's thread, after the items, all of one model, are answered. Does nothing where the engine's device draws
 * nothing. What is not drawn here, for whatever reason, wn_draw draws. */
void wn_predraw(struct wn_engine *engine, struct wn_item *const *items, int n);

#endif
