/* The evaluator's list and its thread; knows no HTTP. */
#include "evaluator.h"

#include "guard.h"
#include "jsonload.h"
#include "metrics.h"
#include "seat.h"

#include <math.h>
#include <media/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *wn_assessment_state_name(int i)
{
    static const char *const names[] = {
#define X(id, name) name,
        WN_ASSESSMENT_STATES(X)
#undef X
    };
    return i >= 0 && (size_t)i < sizeof names / sizeof *names ? names[i] : NULL;
}

static bool is_over(const struct wn_assessment *job)
{
    return job->state != WN_ASSESSMENT_WAITING && job->state != WN_ASSESSMENT_RUNNING;
}

/* ---- one job ---- */

/* What only its run needed. */
static void let_go(struct wn_assessment *job)
{
    wn_judging_finish(&job->judging);
    wn_pool_finish(&job->pool);
    free(job->body);
    job->body = NULL;
    job->instances = NULL;
    wn_model_release(job->model);
    job->model = NULL;
}

void wn_assessment_free(struct wn_assessment *job)
{
    if (!job) return;
    let_go(job);
    wn_text_finish(&job->lines);
    wn_text_finish(&job->table);
    free(job);
}

static void end(struct wn_evaluator *e, struct wn_assessment *job, enum wn_assessment_state state)
{
    job->state = state;
    job->end_ns = wn_now_ns();
    if (state != WN_ASSESSMENT_DONE) {
        wn_text_finish(&job->lines);
        wn_text_finish(&job->table);
    }
    e->bytes -= job->bytes;
    job->bytes = sizeof *job + job->lines.bytes.size + job->table.bytes.size;
    e->bytes += job->bytes;
    wn_metric_add(WN_METRIC_EVALUATIONS, (int)state, 0, 1);
}

void wn_evaluator_cancel(struct wn_evaluator *e, struct wn_assessment *job, const char *why)
{
    if (is_over(job)) return;
    wn_fail(&job->error, WN_DEADLINE, "%s", why);
    atomic_store(&job->cancel, true);
    if (job->state != WN_ASSESSMENT_WAITING) return; /* its run ends it */
    let_go(job);
    end(e, job, WN_ASSESSMENT_CANCELLED);
}

/* ---- running ---- */

static bool is_cancelled(void *context)
{
    struct wn_assessment *job = context;
    return atomic_load(&job->cancel);
}

static enum wn_code judge(struct wn_assessment *job, struct wn_seat *seat, int i, struct wn_text *line,
                          struct wn_error *err)
{
    struct wn_instance *one = &job->instances[i];
    struct wn_buffer files[WN_PARTS] = {{0}};
    struct wn_bytes *const to[WN_PARTS] = {&one->exhibit.image, &one->exhibit.truth, &one->exhibit.counterfactual,
                                           &one->exhibit.elsewhere};
    struct wn_error why = {0};
    enum wn_code code = WN_OK;
    for (int k = 0; k < WN_PARTS && code == WN_OK; k++) {
        if (!one->part[k]) continue;
        code = wn_base64_decode(one->part[k]->data, one->part[k]->size, &files[k], &why);
        *to[k] = (struct wn_bytes){files[k].size ? (void *)files[k].data : "", files[k].size};
    }
    if (code == WN_OK)
        code = wn_judge(seat->evaluation, &job->judging, job->model, &one->exhibit, line, err);
    else
        code = wn_judge_missing(&job->judging, one->exhibit.name, why.text, line, err);
    for (int k = 0; k < WN_PARTS; k++) wn_buffer_finish(&files[k]);
    return code;
}

static enum wn_code count(struct wn_evaluator *e, struct wn_assessment *job, struct wn_tally *tally,
                          struct wn_text *line, struct wn_error *err)
{
    json_t *parsed;
    enum wn_code code = wn_json_parse(line->bytes.data, line->bytes.size, &parsed, err);
    if (code == WN_OK) code = wn_tally_add(tally, parsed, err);
    json_decref(parsed);
    pthread_mutex_lock(&e->lock);
    if (job->lines.bytes.size) wn_text_add(&job->lines, ",", 1);
    wn_text_add(&job->lines, (char *)line->bytes.data, line->bytes.size);
    if (job->lines.failed && code == WN_OK) code = wn_fail(err, WN_NO_MEMORY, "no memory for the pictures' numbers");
    job->done++;
    job->failed = tally->failed;
    pthread_mutex_unlock(&e->lock);
    wn_metric_add(WN_METRIC_EVALUATED, 0, 0, 1);
    return code;
}

static enum wn_code judge_all(struct wn_evaluator *e, struct wn_assessment *job, struct wn_seat *seat,
                              struct wn_text *table, struct wn_error *err)
{
    struct wn_tally tally = {0};
    enum wn_code code = wn_tally_create(&job->judging, &tally, err);
    for (int i = 0; i < job->of && code == WN_OK; i++) {
        struct wn_text line = {0};
        if (is_cancelled(job)) code = wn_fail(err, WN_DEADLINE, "cancelled");
        if (code == WN_OK) code = judge(job, seat, i, &line, err);
        wn_guard_look();
        if (code == WN_OK) code = count(e, job, &tally, &line, err);
        wn_text_finish(&line);
    }
    if (code == WN_OK) code = wn_tally_json(&tally, job->model, table, err);
    wn_tally_finish(&tally);
    return code;
}

static void run(struct wn_evaluator *e, struct wn_assessment *job)
{
    struct wn_graph *shuffled = NULL;
    struct wn_seat seat = {0};
    struct wn_text table = {0};
    struct wn_error err = {0};
    job->judging.options.given_up = is_cancelled;
    job->judging.options.context = job;
    enum wn_code code = wn_shuffled_load(&job->judging, job->model, e->config, &shuffled, &err);
    if (code == WN_OK) code = wn_seat_open(&job->judging, job->model, e->config, shuffled, &seat, &err);
    if (code == WN_OK) code = judge_all(e, job, &seat, &table, &err);
    wn_seat_close(&seat);
    wn_graph_destroy(shuffled);
    let_go(job);
    pthread_mutex_lock(&e->lock);
    job->table = table;
    if (code != WN_OK && job->error.code == WN_OK) job->error = err;
    end(e, job,
        code == WN_OK       ? WN_ASSESSMENT_DONE
        : is_cancelled(job) ? WN_ASSESSMENT_CANCELLED
                            : WN_ASSESSMENT_FAILED);
    pthread_mutex_unlock(&e->lock);
}

/* The oldest of the key whose turn is longest ago. NULL: nothing waits. */
static struct wn_assessment *next(struct wn_evaluator *e)
{
    struct wn_assessment *best = NULL;
    for (struct wn_assessment *job = e->first; job; job = job->next) {
        if (job->state != WN_ASSESSMENT_WAITING) continue;
        if (!best || e->served[job->key] < e->served[best->key]) best = job;
    }
    if (!best) return NULL;
    e->served[best->key] = ++e->clock;
    best->state = WN_ASSESSMENT_RUNNING;
    best->begin_ns = wn_now_ns();
    return best;
}

static void *work(void *arg)
{
    struct wn_evaluator *e = arg;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19); /* who asks for one answer is answered first */
    pthread_mutex_lock(&e->lock);
    while (!e->closed) {
        struct wn_assessment *job = next(e);
        if (!job) {
            pthread_cond_wait(&e->work, &e->lock);
            continue;
        }
        pthread_mutex_unlock(&e->lock);
        run(e, job);
        pthread_mutex_lock(&e->lock);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* ---- the list ---- */

static void drop(struct wn_evaluator *e, struct wn_assessment *job)
{
    struct wn_assessment **at = &e->first;
    while (*at != job) at = &(*at)->next;
    *at = job->next;
    e->n--;
    e->bytes -= job->bytes;
    wn_assessment_free(job);
}

/* The oldest result; one of this key where it has any. */
static struct wn_assessment *oldest(struct wn_evaluator *e, int key)
{
    struct wn_assessment *any = NULL;
    for (struct wn_assessment *job = e->first; job; job = job->next) {
        if (!is_over(job)) continue;
        if (job->key == key) return job;
        if (!any) any = job;
    }
    return any;
}

/* Where keys are in use, one of them has no more than half of the places with what waits or runs. */
static bool has_its_share(const struct wn_evaluator *e, int key)
{
    int own = 0;
    for (const struct wn_assessment *job = e->first; job; job = job->next) own += job->key == key && !is_over(job);
    return key && own >= (e->config->max_evaluations + 1) / 2;
}

/* Results go, the oldest first, until the job fits; none goes where that would not be enough. */
static enum wn_code drop_oldest(struct wn_evaluator *e, const struct wn_assessment *job, struct wn_error *err)
{
    const size_t most = (size_t)e->config->max_evaluation_bytes;
    size_t bytes = 0; /* of what stays in any case */
    int n = 0;
    for (const struct wn_assessment *other = e->first; other; other = other->next) {
        if (is_over(other)) continue;
        bytes += other->bytes;
        n++;
    }
    if (n >= e->config->max_evaluations)
        return wn_fail(err, WN_QUEUE_FULL,
                       "%d evaluations wait or run already: cancel one, or send this again when one is done "
                       "(--max-evaluations allows more)",
                       n);
    if (bytes + job->bytes > most)
        return wn_fail(err, WN_QUEUE_FULL,
                       "this evaluation may come to hold %zu bytes, and those that wait or run hold %zu of %zu: cancel "
                       "one, or send this again when one is done (--max-evaluation-bytes allows more)",
                       job->bytes, bytes, most);
    while (e->n >= e->config->max_evaluations || e->bytes + job->bytes > most) {
        struct wn_assessment *gone = oldest(e, job->key);
        if (!gone) break; /* analyzer: what stays in any case fits */
        drop(e, gone);
    }
    return WN_OK;
}

static enum wn_code make_room(struct wn_evaluator *e, const struct wn_assessment *job, struct wn_error *err)
{
    size_t most = (size_t)e->config->max_evaluation_bytes;
    if (e->closed) return wn_fail(err, WN_NOT_READY, "the server is stopping");
    if (job->bytes > most)
        return wn_fail(err, WN_TOO_LARGE,
                       "this evaluation may come to hold %zu bytes and all together may hold %zu: ask about fewer "
                       "pictures, methods or metrics",
                       job->bytes, most);
    if (has_its_share(e, job->key))
        return wn_fail(err, WN_QUEUE_FULL,
                       "this key has as many evaluations under way as it may; cancel one, or try again later");
    return drop_oldest(e, job, err);
}

static enum wn_code draw_id(struct wn_assessment *job, struct wn_error *err)
{
    unsigned char bytes[WN_EVALUATION_ID / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return wn_fail(err, WN_INTERNAL, "no random numbers for a name");
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(job->id + 2 * i, 3, "%02x", bytes[i]);
    return WN_OK;
}

enum wn_code wn_evaluator_add(struct wn_evaluator *e, struct wn_assessment *job, char *id, struct wn_error *err)
{
    struct wn_assessment **last = &e->first;
    pthread_mutex_lock(&e->lock);
    enum wn_code code = draw_id(job, err);
    if (code == WN_OK) code = make_room(e, job, err);
    if (code == WN_OK) {
        while (*last) last = &(*last)->next;
        *last = job;
        e->n++;
        e->bytes += job->bytes;
        memcpy(id, job->id, sizeof job->id);
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    if (code != WN_OK) wn_assessment_free(job);
    return code;
}

struct wn_assessment *wn_evaluator_lock(struct wn_evaluator *e, const char *id)
{
    pthread_mutex_lock(&e->lock);
    for (struct wn_assessment *job = e->first; job; job = job->next)
        if (strcmp(job->id, id) == 0) return job;
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

void wn_evaluator_unlock(struct wn_evaluator *e)
{
    pthread_mutex_unlock(&e->lock);
}

int wn_evaluator_waiting(struct wn_evaluator *e)
{
    int n = 0;
    pthread_mutex_lock(&e->lock);
    for (const struct wn_assessment *job = e->first; job; job = job->next) n += job->state == WN_ASSESSMENT_WAITING;
    pthread_mutex_unlock(&e->lock);
    return n;
}

/* ---- life ---- */

enum wn_code wn_evaluator_start(struct wn_evaluator *e, const struct wn_config *config, struct wn_error *err)
{
    *e = (struct wn_evaluator){.config = config};
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->work, NULL);
    e->started = pthread_create(&e->thread, NULL, work, e) == 0;
    return e->started ? WN_OK : wn_fail(err, WN_NO_MEMORY, "the thread of evaluations cannot be started");
}

void wn_evaluator_close(struct wn_evaluator *e)
{
    if (!e->started) return;
    pthread_mutex_lock(&e->lock);
    e->closed = true;
    for (struct wn_assessment *job = e->first; job; job = job->next)
        wn_evaluator_cancel(e, job, "the server is stopping");
    pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->lock);
}

void wn_evaluator_finish(struct wn_evaluator *e)
{
    if (!e->started) return;
    wn_evaluator_close(e);
    pthread_join(e->thread, NULL);
    while (e->first) drop(e, e->first);
    pthread_cond_destroy(&e->work);
    pthread_mutex_destroy(&e->lock);
    e->started = false;
}
