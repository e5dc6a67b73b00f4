/* Ends the process in time; knows the queue, which it empties, and how many requests are under way. */
#include "guard.h"

#include "exits.h"
#include "log.h"
#include "server.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <whynot/backend.h>

#define REPLIES_MS 1200 /* for 503s to leave */

static atomic_bool lost;
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct wn_server *server; /* NULL: nothing is in flight any more */
    int64_t at_ns;            /* 0: no time is set */
    int status;
} guard = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool wn_guard_is_lost(void)
{
    return atomic_load(&lost);
}

void wn_guard_device_lost(const char *why)
{
    if (atomic_exchange(&lost, true)) return;
    wn_log("fatal", "the device is lost, and with it this process: %s", why);
    pthread_mutex_lock(&guard.lock);
    pthread_cond_broadcast(&guard.changed);
    pthread_mutex_unlock(&guard.lock);
}

void wn_guard_look(void)
{
    const char *name = wn_backend_lost();
    if (name) wn_guard_device_lost(name);
}

/* With the lock held, so that the server stays. Handlers at exit could hang in a driver that is gone: they are not
 * called. */
static void leave_lost(struct wn_server *s)
{
    /* A pause is longer where the machine is busy: the clock says when it is enough. */
    const struct timespec pause = {0, 10000000};
    const int64_t until = wn_now_ns() + REPLIES_MS * 1000000LL;
    if (s) {
        atomic_store(&s->draining, true);
        wn_queue_close(&s->queue);
        wn_queue_give_up(&s->queue, WN_DEVICE,
                         "the device failed, and the server starts again; ask once more in a moment");
        while (atomic_load(&s->requests) > 0 && wn_now_ns() < until) nanosleep(&pause, NULL);
    }
    _exit(WN_EXIT_START_AGAIN);
}

static void *watch(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&guard.lock);
    for (;;) {
        struct timespec at = {guard.at_ns / 1000000000, guard.at_ns % 1000000000};
        if (atomic_load(&lost)) leave_lost(guard.server);
        if (guard.at_ns && wn_now_ns() >= guard.at_ns) _exit(guard.status);
        if (guard.at_ns)
            pthread_cond_timedwait(&guard.changed, &guard.lock, &at);
        else
            pthread_cond_wait(&guard.changed, &guard.lock);
    }
    return NULL;
}

enum wn_code wn_guard_start(struct wn_server *server, struct wn_error *err)
{
    pthread_t thread;
    pthread_attr_t detached;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&guard.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    guard.server = server;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int why = pthread_create(&thread, &detached, watch, NULL);
    pthread_attr_destroy(&detached);
    return why ? wn_fail(err, WN_NO_MEMORY, "a thread cannot be started") : WN_OK;
}

void wn_guard_exit_by(int64_t at_ns, int status)
{
    pthread_mutex_lock(&guard.lock);
    guard.at_ns = at_ns;
    guard.status = status;
    pthread_cond_broadcast(&guard.changed);
    pthread_mutex_unlock(&guard.lock);
}

void wn_guard_release(void)
{
    pthread_mutex_lock(&guard.lock);
    guard.server = NULL;
    pthread_mutex_unlock(&guard.lock);
}
