/* The queue's word before the body is read; knows heads and no bodies. */
#include "load.h"

#include "metrics.h"

#include <limits.h>
#include <string.h>

static enum wn_code read_timeout(struct wn_request *r)
{
    const char *text = wn_request_header(r, "X-Request-Timeout-Ms");
    if (!text) return WN_OK;
    r->timeout_ms = wn_ask_milliseconds(text);
    if (!r->timeout_ms)
        return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "X-Request-Timeout-Ms takes " WN_MILLISECONDS);
    return WN_OK;
}

/* Who asks for more than it may have gets the most that it may. */
static enum wn_code read_priority(struct wn_request *r)
{
    const char *text = wn_request_header(r, "X-Request-Priority");
    r->priority = WN_PRIORITY_NORMAL;
    if (text && !wn_priority_find(text, &r->priority))
        return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "X-Request-Priority takes low, normal or high");
    if (r->priority > r->most_priority) r->priority = r->most_priority;
    return WN_OK;
}

/* The body says which model is meant: refused is what none of them would take in. */
static enum wn_code any_admits(struct wn_request *r, const struct wn_models *models, int *retry_after_s,
                               struct wn_error *err)
{
    struct wn_queue *q = &r->server->queue;
    int soonest = INT_MAX;
    enum wn_code code = wn_queue_admits(q, NULL, r->key, r->priority, NULL, retry_after_s, err);
    if (code != WN_OK) return code;
    for (int i = 0; i < models->n; i++) {
        if (!wn_model_is_ready(models->list[i])) continue;
        code = wn_queue_admits(q, models->list[i], r->key, r->priority, NULL, retry_after_s, err);
        if (code == WN_OK) return WN_OK;
        if (*retry_after_s < soonest) soonest = *retry_after_s;
    }
    if (code != WN_OK) *retry_after_s = soonest;
    return code;
}

static enum wn_code admits(struct wn_request *r, int *retry_after_s, struct wn_error *err)
{
    const struct wn_models *models = wn_request_models(r);
    if (!r->model && models->n > 1) return any_admits(r, models, retry_after_s, err);
    const struct wn_model *model = r->model    ? wn_models_find(models, r->model, r->version)
                                   : models->n ? models->list[0]
                                               : NULL;
    return wn_queue_admits(&r->server->queue, model, r->key, r->priority, &r->place, retry_after_s, err);
}

void wn_load_check(struct wn_request *r)
{
    struct wn_server *s = r->server;
    struct wn_error err = {0};
    int retry_after_s = 1;
    if (read_timeout(r) != WN_OK || read_priority(r) != WN_OK) return;
    if (!atomic_load(&s->ready)) {
        wn_problem_set(&r->problem, NULL, WN_NOT_READY, "the models are still being loaded");
        r->problem.retry_after_s = 1;
        return;
    }
    enum wn_code code = admits(r, &retry_after_s, &err);
    if (code == WN_OK) return;
    wn_metric_add(WN_METRIC_REJECTED, code == WN_QUEUE_FULL ? WN_REJECT_QUEUE : WN_REJECT_DRAINING, 0, 1);
    wn_problem_set(&r->problem, NULL, code, "%s", err.text);
    r->problem.retry_after_s = retry_after_s;
}
