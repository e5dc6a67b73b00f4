/* Pictures of a job: decoded, preprocessed, and with their questions counted. */
#ifndef WN_SERVER_PREPARE_H
#define WN_SERVER_PREPARE_H

#include "server.h"

/* Groups the resolved slots into items (one for each picture and model), decodes and preprocesses. What fails with
 * one picture stays with its item and its slots. WN_OK: there is work for the queue. WN_NOT_FOUND: no slot is left
 * that has no problem. No picture is begun after the deadline, or that nobody waits for (WN_DEADLINE, WN_TIMEOUT,
 * WN_NOT_READY). */
enum wn_code wn_prepare(struct wn_server *s, struct wn_job *job, struct wn_problem *problem);
/* About how long that takes, without a look at more than the pictures' first bytes. */
int64_t wn_prepare_cost_ns(const struct wn_server *s, const struct wn_job *job);

#endif
