/* Words to whoever started the daemon (systemd's notify protocol): that it is ready, reloads, stops, lives. */
#ifndef WN_SERVER_NOTIFY_H
#define WN_SERVER_NOTIFY_H

#include <stdint.h>

/* Sends "READY=1\nSTATUS=..." to NOTIFY_SOCKET. Nobody listens: nothing happens, and nothing fails. */
void wn_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* How often this process has to say WATCHDOG=1, microseconds; 0: nobody asked for it. */
int64_t wn_notify_watchdog_us(void);

#endif
