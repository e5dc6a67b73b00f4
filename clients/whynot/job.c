/* Threads over a list of tasks; knows nothing of what they do. */
#include "job.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define AHEAD 4 /* results a thread may be ahead of the one that is waited for */

struct slot {
    bool filled;
    enum cli_exit code;
    struct cli_result result;
};

struct running {
    const struct cli_job *job;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct slot *slots; /* a ring of n_slots */
    int n_slots, next, delivered;
    bool delivering, ended;
    enum cli_exit code;
};

/* With the lock held: hands over what is there in order; one thread does it for all. */
static void deliver(struct running *r)
{
    if (r->delivering) return;
    r->delivering = true;
    while (!r->ended && r->slots[r->delivered % r->n_slots].filled) {
        struct slot *s = &r->slots[r->delivered % r->n_slots];
        enum cli_exit code = s->code;
        int i = r->delivered;
        pthread_mutex_unlock(&r->lock);
        if (code == CLI_OK) code = r->job->deliver(r->job->arg, i, &s->result);
        wn_buffer_finish(&s->result.text);
        pthread_mutex_lock(&r->lock);
        s->filled = false;
        r->delivered++;
        if (code != CLI_OK) r->ended = true, r->code = code;
        if (r->delivered == r->job->n) r->ended = true;
        pthread_cond_broadcast(&r->moved);
    }
    r->delivering = false;
}

static void *work(void *arg)
{
    struct running *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->ended && r->next < r->job->n) {
        if (r->next >= r->delivered + r->n_slots) {
            pthread_cond_wait(&r->moved, &r->lock);
            continue;
        }
        int i = r->next++;
        struct slot *s = &r->slots[i % r->n_slots];
        struct cli_result result = {0};
        pthread_mutex_unlock(&r->lock);
        enum cli_exit code = r->job->work(r->job->arg, i, &result);
        pthread_mutex_lock(&r->lock);
        *s = (struct slot){true, code, result};
        deliver(r);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum cli_exit cli_job_run(const struct cli_job *job)
{
    int wanted = job->threads < job->n ? job->threads : job->n, started = 0;
    struct running r = {.job = job, .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    pthread_t *threads = calloc((size_t)wanted + 1, sizeof *threads);
    r.n_slots = AHEAD * (wanted + 1);
    r.slots = calloc((size_t)r.n_slots, sizeof *r.slots);
    if (threads && r.slots) {
        while (started + 1 < wanted && pthread_create(&threads[started], NULL, work, &r) == 0) started++;
        work(&r);
        for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    } else {
        r.code = cli_fail(CLI_FAILED, "no memory for the job");
    }
    for (int i = 0; r.slots && i < r.n_slots; i++) wn_buffer_finish(&r.slots[i].result.text);
    free(r.slots);
    free(threads);
    return r.code;
}

/* ---- progress ---- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void cli_progress_begin(struct cli_progress *p, int before, int of, bool wanted)
{
    *p = (struct cli_progress){.begin_s = now_s(), .of = of, .before = before};
    p->wanted = wanted && of > 1 && cli_obeys(STDERR_FILENO);
}

/* "[#####.....]  123/500  45.2/s  0:08 left" */
static void show(const struct cli_progress *p, double now)
{
    char bar[64];
    struct winsize size = {0};
    int at = p->before + p->done,
        columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    int width = columns < 50 ? 0 : columns > 100 ? 50 : columns - 50, full = (int)((double)width * at / p->of);
    double rate = now > p->begin_s ? p->done / (now - p->begin_s) : 0;
    int left = rate > 0 ? (int)((p->of - at) / rate + 0.5) : 0;
    for (int i = 0; i < width; i++) bar[i] = i < full ? '#' : '.';
    bar[width] = 0;
    fprintf(stderr, "\r[%s]  %d/%d  %.1f/s  %d:%02d left\x1b[K", bar, at, p->of, rate, left / 60, left % 60);
}

void cli_progress_step(struct cli_progress *p)
{
    p->done++;
    double now = now_s();
    if (!p->wanted || (now - p->shown_s < 0.1 && p->before + p->done < p->of)) return;
    p->shown_s = now;
    show(p, now);
    if (p->before + p->done == p->of) fputc('\n', stderr);
}

void cli_progress_clear(const struct cli_progress *p)
{
    if (p->wanted && p->shown_s > 0) fputs("\r\x1b[K", stderr);
}
