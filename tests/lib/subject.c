/* See subject.h. */
#include "subject.h"
#include "oom.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Words behind every buffer that a backend fills. */
enum { GUARDS = 16 };
static const uint32_t guard = 0xfeedbeef;

static void *need(void *memory)
{
    if (!memory) fail_msg("no memory for the test itself");
    return memory;
}

void subject_init(struct subject *s, uint64_t seed, bool coarse)
{
    memset(s, 0, sizeof *s);
    s->rng.state = seed;
    s->coarse = coarse;
    if (wn_program_create(&s->p, NULL) != WN_OK) fail_msg("no program");
}

void subject_finish(struct subject *s)
{
    wn_program_destroy(s->p);
    for (int i = 0; i < s->n_inputs; i++) free(s->inputs[i].data);
    for (int i = 0; i < s->n_weights; i++) {
        free((void *)s->weights[i]->data);
        free(s->weights[i]);
    }
}

static float *random_data(struct subject *s, const struct wn_shape *shape, double lo, double hi)
{
    int64_t n = wn_shape_count(shape);
    float *data = need(calloc((size_t)n + 1, sizeof *data));
    for (int64_t i = 0; i < n; i++) {
        double x = rng_uniform(&s->rng, lo, hi);
        data[i] = (float)(s->coarse ? ceil(x * 64) / 64 : x);
    }
    return data;
}

static float *copied(const struct wn_shape *shape, const float *data)
{
    size_t bytes = (size_t)wn_shape_count(shape) * sizeof *data;
    return memcpy(need(malloc(bytes + 1)), data, bytes);
}

static int add_input(struct subject *s, struct wn_shape shape, bool batched, bool fixed, float *data)
{
    if (s->n_inputs == SUBJECT_MAX) fail_msg("a subject has too many inputs");
    int value = wn_program_input(s->p, shape, batched);
    s->inputs[s->n_inputs++] = (struct subject_input){value, data, fixed};
    return value;
}

static int add_weight(struct subject *s, struct wn_shape shape, float *data)
{
    if (s->n_weights == SUBJECT_MAX) fail_msg("a subject has too many weights");
    struct wn_weight *w = s->weights[s->n_weights++] = need(malloc(sizeof *w));
    *w = (struct wn_weight){shape, data, "w"};
    return wn_program_const(s->p, w);
}

int subject_input(struct subject *s, struct wn_shape shape, bool batched, double lo, double hi)
{
    return add_input(s, shape, batched, false, random_data(s, &shape, lo, hi));
}

int subject_weight(struct subject *s, struct wn_shape shape, double lo, double hi)
{
    return add_weight(s, shape, random_data(s, &shape, lo, hi));
}

int subject_rows(struct subject *s, int64_t r, int64_t n)
{
    struct wn_shape shape = wn_shape_of(1, &r);
    float *data = need(calloc((size_t)r + 1, sizeof *data));
    for (int64_t i = 0; i < r; i++) data[i] = (float)(i == 0 ? n - 1 : rng_below(&s->rng, n));
    return add_input(s, shape, true, true, data);
}

int subject_given(struct subject *s, struct wn_shape shape, const float *data)
{
    return add_input(s, shape, true, true, copied(&shape, data));
}

int subject_given_weight(struct subject *s, struct wn_shape shape, const float *data)
{
    return add_weight(s, shape, copied(&shape, data));
}

void subject_output(struct subject *s, int value)
{
    if (s->n_outputs == SUBJECT_MAX) fail_msg("a subject has too many outputs");
    s->outputs[s->n_outputs++] = wn_program_output(s->p, value);
}

void subject_exact_output(struct subject *s, int value)
{
    subject_output(s, value);
    s->exact[s->n_outputs - 1] = true;
}

/* ---- running ---- */

static void must(enum wn_code code, const struct wn_error *err)
{
    if (code != WN_OK) fail_msg("%s: %s", wn_code_name(code), err->text);
}

static int64_t count_of(const struct subject *s, int value)
{
    return wn_shape_count(&wn_program_value(s->p, value)->shape);
}

/* The first run may still set things up; the second may not allocate. */
static void run_stages(struct subject *s, struct wn_exe *exe, bool first, struct wn_error *err)
{
    float factor = first ? 37 : 1;
    const struct wn_backend_impl *impl = exe->backend->impl;
    for (int i = 0; i < s->n_inputs; i++) {
        struct subject_input *in = &s->inputs[i];
        int64_t n = count_of(s, in->value);
        float *shaken = need(calloc((size_t)n + 1, sizeof *shaken));
        for (int64_t j = 0; j < n; j++) shaken[j] = in->fixed ? in->data[j] : factor * in->data[j];
        must(impl->write(exe, in->value, shaken, err), err);
        memset(shaken, 0xff, (size_t)n * sizeof *shaken); /* write may not keep the caller's memory */
        free(shaken);
    }
    for (int i = 0; i < wn_program_stages(s->p); i++) {
        long asked = oom_asked();
        must(impl->run(exe, i, err), err);
        if (!first && oom_asked() != asked) fail_msg("running stage %d asked for memory", i);
    }
}

static float *read_guarded(struct wn_exe *exe, int value, int64_t n, struct wn_error *err)
{
    float *dst = need(malloc(((size_t)n + GUARDS) * sizeof *dst));
    for (int64_t i = 0; i < n; i++) dst[i] = NAN;
    for (int i = 0; i < GUARDS; i++) memcpy(dst + n + i, &guard, sizeof guard);
    must(exe->backend->impl->read(exe, value, dst, err), err);
    for (int i = 0; i < GUARDS; i++)
        if (memcmp(dst + n + i, &guard, sizeof guard) != 0) fail_msg("read wrote past the end of value %d", value);
    return dst;
}

enum wn_code subject_run(struct subject *s, struct wn_backend *be, struct outcome *out, struct wn_error *err)
{
    struct wn_exe *exe;
    *out = (struct outcome){0};
    must(wn_program_error(s->p, err), err);
    enum wn_code code = be->impl->compile(be, s->p, &exe, err);
    if (code == WN_UNSUPPORTED) return code;
    must(code, err);
    run_stages(s, exe, true, err);
    run_stages(s, exe, false, err);
    for (out->n = 0; out->n < s->n_outputs; out->n++) {
        int64_t n = count_of(s, s->outputs[out->n]);
        out->count[out->n] = n;
        out->data[out->n] = read_guarded(exe, s->outputs[out->n], n, err);
    }
    be->impl->release(exe);
    return WN_OK;
}

void outcome_finish(struct outcome *o)
{
    for (int i = 0; i < o->n; i++) free(o->data[i]);
}

double relative_error(const float *got, const float *ref, int64_t n, double floor)
{
    double largest = floor, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double off = got[i] == ref[i] ? 0 : fabs((double)got[i] - (double)ref[i]); /* equal infinities agree */
        if (!(off <= worst)) worst = isnan(off) ? INFINITY : off;
        if (isfinite(ref[i]) && fabs((double)ref[i]) > largest) largest = fabs((double)ref[i]);
    }
    return worst == 0 ? 0 : worst / (largest > 0 ? largest : 1);
}
