/* Names and origins that a browser may be on when it asks: against pages of other sites and names that are made to
 * point here. */
#ifndef WN_SERVER_HOSTS_H
#define WN_SERVER_HOSTS_H

#include "config.h"

/* Whether Host (with or without a port) is a name of this server: one of loopback's, the address it listens on, one of
 * the option `hosts`; where it listens on all addresses, any numeric one, because a name that somebody makes to point
 * here is never numeric. */
bool wn_host_is_ours(const struct wn_config *config, const char *host);
/* Whether a page of this origin ("https://a.example") is this server's own, asked by that Host. */
bool wn_origin_is_ours(const char *origin, const char *host);
/* Whether the option `cors_origins` lists origins, each scheme://host[:port]: what is none would never be asked by. */
enum wn_code wn_origins_check(const struct wn_config *config, struct wn_error *err);
/* Whether the origin is one of the option `cors_origins`. */
bool wn_origin_is_listed(const struct wn_config *config, const char *origin);

#endif
