/* The guard: one thread that ends the process when it must end, whatever hangs: after the device was lost, or at the
 * end of patience. */
#ifndef WN_SERVER_GUARD_H
#define WN_SERVER_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <whynot/error.h>

struct wn_server;

/* No device call will succeed any more in this process. /readyz is 503 from now on; the guard, where one is started,
 * answers everything in flight with 503 and ends the process with status 70. From any thread, any number of times. */
void wn_guard_device_lost(const char *why);
bool wn_guard_is_lost(void);
/* Asks the backends, and says the above where one's device is lost. Whoever called an engine, or tried to make one,
 * does so afterwards: devices tell of a failure later than the call that it befell, and some answers hide it. */
void wn_guard_look(void);

/* One a process. */
enum wn_code wn_guard_start(struct wn_server *server, struct wn_error *err);
/* The process ends at that time (CLOCK_MONOTONIC) with that status, if it still runs then. */
void wn_guard_exit_by(int64_t at_ns, int status);
/* Before the server is taken apart further than the workers; a time that was set still holds. */
void wn_guard_release(void);

#endif
