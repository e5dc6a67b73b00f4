/* Questions in every protocol: from a body to a job, and from the finished job to an answer; and POST /v1/explain,
 * the native one. */
#include "answer.h"
#include "http.h"
#include "etag.h"
#include "intake.h"
#include "metrics.h"
#include "prepare.h"
#include "questions.h"
#include "resolve.h"
#include "serve.h"

/* The whole request's deadline: the nearest that any of its questions asks for. */
static int64_t deadline(const struct wn_request *r)
{
    int64_t ms = r->server->config.request_timeout_ms;
    if (r->timeout_ms && r->timeout_ms < ms) ms = r->timeout_ms;
    for (int i = 0; i < r->job->n_slots; i++) {
        int64_t own = r->job->slots[i].ask.timeout_ms;
        if (own && own < ms) ms = own;
    }
    return r->begin_ns + ms * 1000000;
}

/* The client holds the answer to just this question: nothing is computed. */
static bool has_it_already(const struct wn_request *r)
{
    return r->tag && wn_etag_listed(wn_request_header(r, "If-None-Match"), r->tag);
}

/* Only an answer without a failure is worth keeping. */
static void tag_answer(struct wn_request *r)
{
    bool good = r->problem.error.code == WN_OK;
    for (int i = 0; i < r->job->n_slots; i++) good &= r->job->slots[i].problem.error.code == WN_OK;
    if (good) r->reply.etag = r->tag;
}

/* Bytes beside the body until it is answered: what the network reads, pictures for overlays, maps. */
static int64_t holds(const struct wn_job *job)
{
    int64_t bytes = 0;
    for (int i = 0; i < job->n_items; i++) {
        const struct wn_item *item = &job->items[i];
        const struct wn_graph *g = item->model->graph;
        if (item->image.rgb) bytes += 3 * (int64_t)item->image.width * item->image.height;
        if (item->input)
            bytes += (int64_t)sizeof(float) * wn_graph_channels(g) * wn_graph_height(g) * wn_graph_width(g);
    }
    for (int i = 0; i < job->n_slots; i++) {
        const struct wn_slot *slot = &job->slots[i];
        if (!slot->item || slot->problem.error.code != WN_OK || slot->item->problem.error.code != WN_OK) continue;
        const struct wn_graph *g = slot->item->model->graph;
        const struct wn_layer *layer =
            slot->layer >= 0 && slot->layer < wn_graph_layers(g) ? wn_graph_layer(g, slot->layer) : NULL;
        int64_t cells = layer ? layer->height * layer->width : wn_graph_height(g) * wn_graph_width(g);
        bytes += (int64_t)sizeof(float) * cells * wn_slot_most(slot);
    }
    return bytes;
}

static enum wn_code make_job(struct wn_request *r, const struct wn_protocol *protocol)
{
    r->job = wn_job_create();
    if (!r->job) return wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    r->job->key = r->key;
    r->job->priority = r->connection ? r->priority : WN_PRIORITY_NORMAL;
    enum wn_code code = protocol->intake(r, r->job);
    if (code != WN_OK) return code;
    r->job->deadline_ns = deadline(r);
    wn_resolve(r, r->job);
    r->tag = wn_etag_question(r);
    return WN_OK;
}

static void read_pictures(struct wn_request *r)
{
    r->prepared = wn_prepare(r->server, r->job, &r->problem);
}

/* Pictures that take long are decoded by other threads, and no more of them than can be decoded in the time that a
 * new picture may wait. */
static bool leave_to_readers(struct wn_request *r)
{
    struct wn_chores *readers = &r->server->reader;
    const int64_t most_ns = r->server->config.max_queue_wait_ms * 1000000,
                  cost_ns = wn_prepare_cost_ns(r->server, r->job);
    if (!r->connection || !wn_request_is_long(cost_ns)) return false;
    const int64_t wait_ns = wn_chores_wait_ns(readers);
    if (!most_ns || wait_ns <= most_ns) return wn_request_defer(r, readers, cost_ns, read_pictures);
    wn_metric_add(WN_METRIC_REJECTED, WN_REJECT_QUEUE, 0, 1);
    wn_problem_set(&r->problem, NULL, WN_QUEUE_FULL,
                   "a picture of this size would wait %lld ms to be decoded; try again in a moment",
                   (long long)(wait_ns / 1000000));
    r->problem.retry_after_s = 1 + (int)(wait_ns / 1000000000);
    return false;
}

static void too_late(struct wn_request *r)
{
    enum wn_code code = r->job->late.code;
    int reason = code == WN_DEADLINE     ? WN_REJECT_DEADLINE
                 : code == WN_QUEUE_FULL ? WN_REJECT_QUEUE
                                         : WN_REJECT_DRAINING;
    if (code != WN_TIMEOUT)
        wn_metric_add(WN_METRIC_REJECTED, reason, 0, 1); /* a client that is gone was counted where it was seen */
    wn_problem_set(&r->problem, NULL, r->job->late.code, "%s", r->job->late.text);
    if (code == WN_QUEUE_FULL) r->problem.retry_after_s = 1;
}

static void write_answer(struct wn_request *r)
{
    r->protocol->answer(r);
    tag_answer(r);
    wn_answer_timing(r);
    r->answered = true;
}

/* From a body to a job whose pictures are read. False: they are being read. */
static bool begin(struct wn_request *r, const struct wn_protocol *protocol)
{
    r->protocol = protocol;
    r->prepared = make_job(r, protocol);
    if (r->prepared != WN_OK) return true;
    if (has_it_already(r)) {
        r->reply.status = 304;
        r->reply.etag = r->tag;
        return true;
    }
    if (leave_to_readers(r)) return false;
    if (r->problem.error.code == WN_OK) read_pictures(r);
    return true;
}

bool wn_serve(struct wn_request *r, const struct wn_protocol *protocol)
{
    if (!r->job && !begin(r, protocol)) return false;
    if (r->reply.status == 304 || r->problem.error.code != WN_OK) return true;
    if (!r->handed) {
        r->handed = true;
        if (r->prepared == WN_OK && !wn_request_hold(r, holds(r->job))) return true;
        if (r->prepared == WN_OK) {
            wn_request_wait(r);
            return false;
        }
    }
    if (r->job->late.code != WN_OK) {
        too_late(r);
        return true;
    }
    if (r->answered) return true;
    wn_answer_collect(r);
    if (wn_request_defer(r, &r->server->drawer, protocol->cost(r), write_answer)) return false;
    write_answer(r);
    return true;
}

static enum wn_code intake(struct wn_request *r, struct wn_job *job)
{
    enum wn_code code = wn_intake(r, job);
    if (code == WN_OK && job->is_batch && wn_answer_type(wn_request_header(r, "Accept")) != WN_ANSWER_JSON)
        code = wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "a batch is answered as application/json only");
    return code;
}

bool wn_route_explain(struct wn_request *r)
{
    static const struct wn_protocol native = {intake, wn_answer, wn_answer_cost};
    return wn_serve(r, &native);
}
