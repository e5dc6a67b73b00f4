/* Lines for the operator: one JSON object a line, on stderr. */
#ifndef WN_SERVER_LOG_H
#define WN_SERVER_LOG_H

#include "text.h"

#include <sys/socket.h>

/* Text of up to 1,000 bytes, escaped: whatever a client put into it stays inside its string. */
void wn_log(const char *level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* {"time":...,"level":... without its closing bracket, for lines with more keys; wn_log_write closes and writes it at
 * once. */
void wn_log_begin(struct wn_text *line, const char *level);
void wn_log_client(struct wn_text *line, const struct sockaddr *address); /* nothing where it is no IP address */
void wn_log_write(struct wn_text *line);

#endif
