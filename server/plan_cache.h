/* The folder in which a GPU's backend keeps what it chose by running it, from one start to the next. */
#ifndef WN_SERVER_PLAN_CACHE_H
#define WN_SERVER_PLAN_CACHE_H

#include "config.h"

#include <whynot/backend.h>

#define WN_PLAN_CACHE_BYTES 512

/* The one that is configured; "auto": the folder that systemd gives the service for such things, or `whynot` among
 * the user's caches. "" in out: nothing is kept, because that is wanted or there is no such place. Makes no folder.
 * WN_BAD_REQUEST: what is configured is not there and cannot be made; then out is "", too. */
enum wn_code wn_plan_cache_find(const struct wn_config *c, char out[WN_PLAN_CACHE_BYTES], struct wn_error *err);

/* Where and how engines compute that are of no crew: on the first of the configured devices. room holds the text
 * that the options point to. */
struct wn_backend_options wn_first_device(const struct wn_config *c, char room[WN_PLAN_CACHE_BYTES]);

#endif
