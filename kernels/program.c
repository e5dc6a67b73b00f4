/* A program's storage: values, steps, stages, the sticky error and derived weights. Knows no primitive. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

/* ---- shapes ---- */

struct wn_shape wn_shape_of(int rank, const int64_t *dim)
{
    struct wn_shape s = {.rank = rank};
    for (int i = 0; i < rank && i < WN_MAX_RANK; i++) s.dim[i] = dim[i];
    return s;
}

int64_t wn_shape_count(const struct wn_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dim[i];
    return n;
}

bool wn_shape_equal(const struct wn_shape *a, const struct wn_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

/* Elements that fit in memory and in the 32-bit indices of a device. */
bool wn_shape_fits(const struct wn_shape *s)
{
    int64_t n = 1;
    if (s->rank < 0 || s->rank > WN_MAX_RANK) return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0 || __builtin_mul_overflow(n, s->dim[i], &n) || n > INT32_MAX) return false;
    return true;
}

bool wn_shape_broadcast(const struct wn_shape *a, const struct wn_shape *b, struct wn_shape *y)
{
    y->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= y->rank; i++) {
        int64_t da = i <= a->rank ? a->dim[a->rank - i] : 1, db = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (da != db && da != 1 && db != 1) return false;
        y->dim[y->rank - i] = da == 1 ? db : da;
    }
    return true;
}

/* ---- storage ---- */

enum wn_code wn_program_create(struct wn_program **out, struct wn_error *err)
{
    struct wn_program *p = calloc(1, sizeof *p);
    if (p) p->stages = calloc(1, sizeof *p->stages);
    if (!p || !p->stages) {
        free(p);
        return wn_fail(err, WN_NO_MEMORY, "no memory for a program");
    }
    *out = p;
    return WN_OK;
}

void wn_program_destroy(struct wn_program *p)
{
    if (!p) return;
    for (int i = 0; i < p->n_blocks; i++) free(p->blocks[i]);
    free(p->blocks);
    free(p->values);
    free(p->origins);
    free(p->steps);
    free(p->stages);
    free(p);
}

enum wn_code wn_program_error(const struct wn_program *p, struct wn_error *err)
{
    if (p->error.code != WN_OK) wn_fail(err, p->error.code, "%s", p->error.text);
    return p->error.code;
}

int wn_program_fail(struct wn_program *p, enum wn_code code, const char *fmt, ...)
{
    char text[WN_ERROR_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (p->about.op && code == WN_UNSUPPORTED)
        wn_fail(&p->error, code, "node '%s' (%s): %s", wn_show(p->about.name).text, wn_show(p->about.op).text, text);
    else
        wn_fail(&p->error, code, "%s", text);
    return -1;
}

/* Room for one more element of an array that doubles. */
static bool grow(struct wn_program *p, void *array, int n, int *cap, size_t size)
{
    void **slot = array;
    if (n < *cap) return true;
    int more = *cap ? *cap * 2 : 64;
    void *bigger = realloc(*slot, (size_t)more * size);
    if (!bigger) {
        wn_program_fail(p, WN_NO_MEMORY, "no memory for a program of %d steps", p->n_steps);
        return false;
    }
    *slot = bigger;
    *cap = more;
    return true;
}

void *wn_program_block(struct wn_program *p, const void *src, size_t bytes)
{
    if (!grow(p, &p->blocks, p->n_blocks, &p->cap_blocks, sizeof *p->blocks)) return NULL;
    void *block = malloc(bytes ? bytes : 1);
    if (!block) {
        wn_program_fail(p, WN_NO_MEMORY, "no memory for %zu bytes of a program", bytes);
        return NULL;
    }
    memcpy(block, src, bytes);
    return p->blocks[p->n_blocks++] = block;
}

int wn_program_add_value(struct wn_program *p, struct wn_value v)
{
    if (p->error.code) return -1;
    if (!wn_shape_fits(&v.shape))
        return wn_program_fail(p, WN_UNSUPPORTED, "a value has more than 2^31 elements or %d axes", WN_MAX_RANK + 1);
    if (!grow(p, &p->values, p->n_values, &p->cap_values, sizeof *p->values)) return -1;
    p->values[p->n_values] = v;
    return p->n_values++;
}

bool wn_program_has(struct wn_program *p, int value)
{
    if (value >= 0 && value < p->n_values) return true;
    wn_program_fail(p, WN_INTERNAL, "a step was given a value that does not exist");
    return false;
}

/* Appends a step with one result (and room for a second); the step's attributes are in `proto`. */
int wn_program_add_step(struct wn_program *p, struct wn_step proto, const int *in, int n_in, const struct wn_shape *y)
{
    bool batched = false;
    for (int i = 0; i < n_in; i++) {
        if (in[i] == WN_NONE) continue;
        if (!wn_program_has(p, in[i])) return -1;
        batched = batched || p->values[in[i]].batched;
    }
    if (p->error.code || !grow(p, &p->steps, p->n_steps, &p->cap_steps, sizeof *p->steps)) return -1;
    if (!grow(p, &p->origins, p->n_steps, &p->cap_origins, sizeof *p->origins)) return -1;
    proto.in = wn_program_block(p, in, (size_t)n_in * sizeof *in);
    if (!proto.in) return -1;
    proto.n_in = n_in;
    proto.n_out = 1;
    int v = wn_program_add_value(
        p, (struct wn_value){.kind = WN_VALUE_STEP, .shape = *y, .step = p->n_steps, .batched = batched});
    if (v < 0) return -1;
    proto.out[0] = v;
    proto.out[1] = WN_NONE;
    p->origins[p->n_steps] = p->origin;
    p->steps[p->n_steps++] = proto;
    return v;
}

int wn_program_values(const struct wn_program *p)
{
    return p->n_values;
}

const struct wn_value *wn_program_value(const struct wn_program *p, int value)
{
    return &p->values[value];
}

int wn_program_steps(const struct wn_program *p)
{
    return p->n_steps;
}

const struct wn_step *wn_program_step(const struct wn_program *p, int step)
{
    return &p->steps[step];
}

/* The stage that is open has no row of its own until it is closed. */
int wn_program_stages(const struct wn_program *p)
{
    int closed = p->n_stages ? p->stages[p->n_stages - 1].end : 0;
    return p->n_stages + (closed < p->n_steps);
}

struct wn_stage wn_program_stage(const struct wn_program *p, int stage)
{
    if (stage < p->n_stages) return p->stages[stage];
    return (struct wn_stage){p->n_stages ? p->stages[p->n_stages - 1].end : 0, p->n_steps};
}

int wn_program_end_stage(struct wn_program *p)
{
    if (p->error.code) return -1;
    struct wn_stage *bigger = realloc(p->stages, (size_t)(p->n_stages + 1) * sizeof *bigger);
    if (!bigger) return wn_program_fail(p, WN_NO_MEMORY, "no memory for a stage");
    p->stages = bigger;
    p->stages[p->n_stages] = (struct wn_stage){p->n_stages ? bigger[p->n_stages - 1].end : 0, p->n_steps};
    return p->n_stages++;
}

int wn_program_output(struct wn_program *p, int value)
{
    if (p->error.code || !wn_program_has(p, value)) return -1;
    p->values[value].readable = true;
    return value;
}

/* ---- leaves ---- */

int wn_program_input(struct wn_program *p, struct wn_shape s, bool batched)
{
    return wn_program_add_value(p,
                                (struct wn_value){.kind = WN_VALUE_INPUT, .shape = s, .step = -1, .batched = batched});
}

int wn_program_const(struct wn_program *p, const struct wn_weight *w)
{
    if (!w) return wn_program_fail(p, WN_INTERNAL, "a constant is missing");
    for (int i = 0; i < p->n_values; i++)
        if (p->values[i].weight == w) return i;
    return wn_program_add_value(p,
                                (struct wn_value){.kind = WN_VALUE_CONST, .shape = w->shape, .step = -1, .weight = w});
}

void wn_program_use_weights(struct wn_program *p, struct wn_weight_source source)
{
    p->weights = source;
}

/* A weight that the program owns, for programs that belong to no model. */
static const struct wn_weight *own_weight(struct wn_program *p, const struct wn_shape *s,
                                          void (*make)(float *dst, const void *arg), const void *arg)
{
    size_t n = (size_t)wn_shape_count(s);
    float *data = calloc(n ? n : 1, sizeof *data);
    if (!data) return NULL;
    make(data, arg);
    struct wn_weight w = {.shape = *s, .data = wn_program_block(p, data, n * sizeof *data), .name = "derived"};
    free(data);
    return w.data ? wn_program_block(p, &w, sizeof w) : NULL;
}

int wn_program_derive(struct wn_program *p, const char *key, const struct wn_shape *s,
                      void (*make)(float *dst, const void *arg), const void *arg)
{
    if (p->error.code) return -1;
    const struct wn_weight *w =
        p->weights.get ? p->weights.get(p->weights.ctx, key, s, make, arg, &p->error) : own_weight(p, s, make, arg);
    if (!w) return wn_program_fail(p, WN_NO_MEMORY, "no memory for a derived weight");
    return wn_program_const(p, w);
}

struct wn_mark wn_program_mark(const struct wn_program *p)
{
    return (struct wn_mark){p->n_values, p->n_steps, p->n_stages};
}

/* Operand lists and tables of the steps taken back stay with the program: they are freed with it. */
void wn_program_rewind(struct wn_program *p, struct wn_mark mark, struct wn_error *why)
{
    p->n_values = mark.values;
    p->n_steps = mark.steps;
    p->n_stages = mark.stages;
    *why = p->error;
    p->error = (struct wn_error){0};
}

int wn_program_open_stage(const struct wn_program *p)
{
    return p->n_stages ? p->stages[p->n_stages - 1].end : 0;
}
