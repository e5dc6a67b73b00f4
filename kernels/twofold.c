/* Contrasts of two passes: such a question goes to the engine as two, and the two maps come back as one. Knows no
 * program and no device. */
#include "twofold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_twofold(const struct wn_question *q)
{
    return q->contrast && q->contrast->less;
}

static int count_twofold(const struct wn_batch *batch)
{
    int n = 0;
    for (int i = 0; i < batch->n_questions; i++) n += is_twofold(&batch->questions[i]);
    return n;
}

static double total(const struct wn_answer *a)
{
    double sum = 0;
    for (size_t i = 0; i < (size_t)a->h * (size_t)a->w; i++) sum += a->map[i];
    return sum;
}

/* One over a total, which may be nothing: then there is nothing to bring to a scale. */
static double inverse(double total)
{
    return isnormal(total) ? 1 / total : 0;
}

/* *a less *b, after both are brought to totals of one size. A bias can take so much of a pass that its total is
 * negative; divided by that, and not by its size, the pass would be turned round. */
static void combine(struct wn_answer *a, struct wn_answer *b, enum wn_balance balance)
{
    if (a->error.code == WN_OK && b->error.code != WN_OK) a->error = b->error;
    if (a->error.code != WN_OK) {
        wn_answer_finish(a);
        return;
    }
    double first = fabs(total(a)), keep = balance == WN_BALANCE_ONE ? inverse(first) : 1;
    double take = inverse(fabs(total(b))) * (balance == WN_BALANCE_ONE ? 1 : first);
    float lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < (size_t)a->h * (size_t)a->w; i++) {
        float x = a->map[i] = (float)(keep * a->map[i] - take * b->map[i]);
        if (!isfinite(x)) wn_fail(&a->error, WN_BAD_NUMBERS, "the map has values that are not finite");
        lo = fminf(lo, x);
        hi = fmaxf(hi, x);
    }
    a->flags = (a->flags & ~(unsigned)(WN_ANSWER_FLAT | WN_ANSWER_EMPTY)) | (lo == hi ? WN_ANSWER_FLAT : 0u) |
               (hi <= 0 ? WN_ANSWER_EMPTY : 0u);
    if (a->error.code != WN_OK) wn_answer_finish(a);
}

static void split(const struct wn_batch *batch, struct wn_question *questions)
{
    int n = batch->n_questions;
    if (n) memcpy(questions, batch->questions, (size_t)n * sizeof *questions);
    for (int i = 0, at = n; i < n; i++) {
        const struct wn_question *q = &batch->questions[i];
        if (!is_twofold(q)) continue;
        questions[at] = *q;
        questions[at++].contrast = q->contrast->less;
    }
}

static void join(const struct wn_batch *batch, struct wn_answer *all, struct wn_answer *answers)
{
    int n = batch->n_questions;
    for (int i = 0, at = n; i < n; i++) {
        answers[i] = all[i];
        if (!is_twofold(&batch->questions[i])) continue;
        combine(&answers[i], &all[at], batch->questions[i].contrast->balance);
        wn_answer_finish(&all[at++]);
    }
}

/* What the engine calls back about: questions of which the caller knows the first passes alone. */
struct passes {
    const struct wn_batch *batch; /* the caller's */
    struct wn_question *questions;
    int *of; /* which of the caller's questions each second pass belongs to */
    void (*settle)(void *context, int image, const float *logits);
    void *context;
};

/* What changes in the caller's questions once logits are known changes in both passes. */
static void settle_both(void *context, int image, const float *logits)
{
    const struct passes *p = context;
    p->settle(p->context, image, logits);
    split(p->batch, p->questions);
}

static bool given_up(void *context, int question)
{
    const struct passes *p = context;
    const int n = p->batch->n_questions;
    return p->batch->given_up(p->batch->ctx, question < n ? question : p->of[question - n]);
}

enum wn_code wn_engine_explain(struct wn_engine *e, const struct wn_batch *batch, float *logits,
                               struct wn_answer *answers, struct wn_engine_times *times, struct wn_error *err)
{
    return wn_engine_explain_late(e, batch, NULL, NULL, logits, answers, times, err);
}

enum wn_code wn_engine_explain_late(struct wn_engine *e, const struct wn_batch *batch,
                                    void (*settle)(void *context, int image, const float *logits), void *context,
                                    float *logits, struct wn_answer *answers, struct wn_engine_times *times,
                                    struct wn_error *err)
{
    int more = count_twofold(batch);
    if (!more) return wn_engine_explain_single(e, batch, settle, context, logits, answers, times, err);
    size_t n = (size_t)batch->n_questions + (size_t)more;
    struct passes p = {batch, calloc(n, sizeof *p.questions), calloc((size_t)more, sizeof *p.of), settle, context};
    struct wn_answer *all = calloc(n, sizeof *all);
    enum wn_code code = WN_NO_MEMORY;
    for (int i = 0; i < batch->n_questions; i++) answers[i] = (struct wn_answer){.target = -1, .foil = -1, .layer = -1};
    if (p.questions && p.of && all) {
        struct wn_batch whole = *batch;
        split(batch, p.questions);
        for (int i = 0, at = 0; i < batch->n_questions; i++)
            if (is_twofold(&batch->questions[i])) p.of[at++] = i;
        whole.questions = p.questions, whole.n_questions = (int)n;
        if (batch->given_up) whole.given_up = given_up, whole.ctx = &p;
        code = wn_engine_explain_single(e, &whole, settle ? settle_both : NULL, &p, logits, all, times, err);
        join(batch, all, answers);
    } else {
        wn_fail(err, code, "no memory for %zu questions", n);
    }
    free(p.questions), free(p.of);
    free(all);
    return code;
}
