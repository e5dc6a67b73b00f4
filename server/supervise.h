/* The supervisor: a parent that touches no device, holds the listening sockets, and starts the worker process again
 * when it dies. */
#ifndef WN_SERVER_SUPERVISE_H
#define WN_SERVER_SUPERVISE_H

#include "config.h"

/* Whether this process was started by a supervisor. */
bool wn_is_supervised(void);
/* Runs until the worker stops as asked, or dies too often. Returns the status to exit with. argv: the worker's too. */
int wn_supervise(struct wn_config *config, char **argv);

#endif
