/* What a request's header lines must look like before anything in them is believed. */
#ifndef WN_SERVER_FRAMING_H
#define WN_SERVER_FRAMING_H

#include "problem.h"

#include <microhttpd.h>

/* Refuses what proxies and servers read differently: several Content-Length, Host or Transfer-Encoding lines, both of
 * them together, codings other than chunked, names that are not tokens, control characters. The problem then says to
 * close. *length: the body's length, 0 where there is none, -1 where it is chunked. */
enum wn_code wn_framing_check(struct MHD_Connection *connection, int64_t *length, struct wn_problem *p);

#endif
