/* Many tasks side by side, their results one by one in order. */
#ifndef WN_CLI_JOB_H
#define WN_CLI_JOB_H

#include "cli.h"

#include <media/buffer.h>

struct cli_result {
    struct wn_buffer text; /* what is written for it */
    bool good;
};

struct cli_job {
    int n, threads;
    /* Task i, in any thread. Not CLI_OK: the whole job ends there, and no later result is delivered. */
    enum cli_exit (*work)(void *arg, int i, struct cli_result *out);
    /* The results in order, from one thread at a time; the job finishes their text. */
    enum cli_exit (*deliver)(void *arg, int i, const struct cli_result *result);
    void *arg;
};

/* The first failure of any task, in the order of the tasks. */
enum cli_exit cli_job_run(const struct cli_job *job);

/* A line of progress on a terminal's standard error; nothing elsewhere. */
struct cli_progress {
    double begin_s, shown_s;
    int done, of, before; /* before: those of an earlier run */
    bool wanted;
};
void cli_progress_begin(struct cli_progress *p, int before, int of, bool wanted);
void cli_progress_step(struct cli_progress *p);
void cli_progress_clear(const struct cli_progress *p); /* before other lines are written */

#endif
