/* Makes a finished program smaller: drops steps that no output needs, makes gradients of convolutions convolutions
 * where that is what they are, and fuses an addition and an activation into the convolution or product before them.
 * Changes no number beyond rounding; knows no backend. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

struct uses {
    int *count; /* [values]: operands that read it */
    bool *keep; /* [steps] */
};

static bool is_fusable(enum wn_unary kind)
{
    switch (kind) {
    case WN_UNARY_RELU:
    case WN_UNARY_LEAKY:
    case WN_UNARY_ELU:
    case WN_UNARY_CLIP:
    case WN_UNARY_SIGMOID:
    case WN_UNARY_TANH:
    case WN_UNARY_HARDSWISH: return true;
    default: return false;
    }
}

/* ---- what is needed ---- */

static bool step_needed(const struct wn_program *p, const struct wn_step *s, const int *count)
{
    for (int k = 0; k < s->n_out; k++)
        if (p->values[s->out[k]].readable || count[s->out[k]] > 0) return true;
    return false;
}

static void mark_needed(struct wn_program *p, struct uses *u)
{
    memset(u->count, 0, (size_t)p->n_values * sizeof *u->count);
    for (int i = p->n_steps - 1; i >= 0; i--) {
        const struct wn_step *s = &p->steps[i];
        u->keep[i] = step_needed(p, s, u->count);
        for (int k = 0; u->keep[i] && k < s->n_in; k++)
            if (s->in[k] != WN_NONE) u->count[s->in[k]]++;
    }
}

/* The winner's index of a max-pool that no gradient passes is not worth keeping. */
static void drop_unused_second(struct wn_program *p, struct wn_step *s, const int *count)
{
    if (s->n_out == 2 && !count[s->out[1]] && !p->values[s->out[1]].readable) {
        p->values[s->out[1]].step = -1;
        s->out[1] = WN_NONE;
        s->n_out = 1;
    }
}

/* ---- fusion: step `i` (addition or activation) swallows the convolution or product that feeds it ---- */

static int stage_of(const struct wn_program *p, int step)
{
    int n = wn_program_stages(p);
    for (int i = 0; i < n; i++)
        if (step < wn_program_stage(p, i).end) return i;
    return -1;
}

/* The step that makes `v` for step `i` alone, in the same stage, with no activation yet; or NULL. */
static struct wn_step *sole_maker(struct wn_program *p, const struct uses *u, int v, int i, enum wn_prim prim)
{
    const struct wn_value *val = &p->values[v];
    if (val->kind != WN_VALUE_STEP || val->step < 0 || u->count[v] != 1 || val->readable) return NULL;
    struct wn_step *s = &p->steps[val->step];
    if (s->prim != prim || !u->keep[val->step] || stage_of(p, val->step) != stage_of(p, i)) return NULL;
    const struct wn_act *act = prim == WN_PRIM_CONV ? &s->u.conv.act : &s->u.matmul.act;
    return act->kind == WN_UNARY_COUNT ? s : NULL;
}

/* Puts a copy of `s` in the place of step `i`, whose result it now makes. */
static void replace(struct wn_program *p, struct uses *u, int i, struct wn_step *s)
{
    /* analyzer: each caller has a step, or does not call */
    int y = p->steps[i].out[0], gone = s->out[0];
    u->keep[p->values[gone].step] = false;
    p->values[gone].step = -1;
    p->steps[i] = *s; /* analyzer: as above */
    p->steps[i].out[0] = y;
}

static void fuse_activation(struct wn_program *p, struct uses *u, int i)
{
    const struct wn_act act = p->steps[i].u.unary;
    int x = p->steps[i].in[0];
    if (!is_fusable(act.kind)) return;
    struct wn_step *conv = sole_maker(p, u, x, i, WN_PRIM_CONV);
    struct wn_step *product = conv ? NULL : sole_maker(p, u, x, i, WN_PRIM_MATMUL);
    if (conv) conv->u.conv.act = act;
    if (product) product->u.matmul.act = act;
    if (conv || product) replace(p, u, i, conv ? conv : product);
}

static bool fuse_residual(struct wn_program *p, struct uses *u, int i, int conv_operand)
{
    struct wn_step *s = &p->steps[i];
    int v = s->in[conv_operand], other = s->in[!conv_operand];
    struct wn_step *conv = sole_maker(p, u, v, i, WN_PRIM_CONV);
    if (!conv || v == other || conv->in[3] != WN_NONE) return false;
    if (!wn_shape_equal(&p->values[v].shape, &p->values[other].shape)) return false;
    conv->in[3] = other;
    replace(p, u, i, conv);
    return true;
}

/* MatMul followed by the addition of one number a column, as exporters write a linear layer. */
static bool fuse_bias(struct wn_program *p, struct uses *u, int i, int product_operand)
{
    struct wn_step *s = &p->steps[i];
    int v = s->in[product_operand], bias = s->in[!product_operand];
    struct wn_step *m = sole_maker(p, u, v, i, WN_PRIM_MATMUL);
    const struct wn_shape *b = &p->values[bias].shape, *y = &p->values[v].shape;
    if (!m || m->in[2] != WN_NONE || p->values[bias].kind != WN_VALUE_CONST || b->rank != 1 ||
        b->dim[0] != y->dim[y->rank - 1] || !wn_shape_equal(y, &p->values[s->out[0]].shape))
        return false;
    m->in[2] = bias;
    replace(p, u, i, m);
    return true;
}

/* Of two convolutions that are added, the later one takes the other as its residual: the earlier is ready by then. */
static void fuse_addition(struct wn_program *p, struct uses *u, int i)
{
    const struct wn_step *s = &p->steps[i];
    int later = p->values[s->in[1]].step > p->values[s->in[0]].step;
    if (s->u.binary != WN_BINARY_ADD) return;
    if (fuse_residual(p, u, i, later) || fuse_residual(p, u, i, !later)) return;
    if (fuse_bias(p, u, i, 0)) return;
    fuse_bias(p, u, i, 1);
}

/* New filters are new values: true where there are any. */
static bool turn_gradients(struct wn_program *p, const struct uses *u)
{
    bool any = false;
    for (int i = 0; i < p->n_steps && !p->error.code; i++)
        if (u->keep[i] && wn_program_turn(p, i)) any = true;
    return any;
}

static bool count_anew(struct wn_program *p, struct uses *u)
{
    int *count = realloc(u->count, ((size_t)p->n_values + 1) * sizeof *count);
    if (!count) return false;
    u->count = count;
    mark_needed(p, u);
    return true;
}

/* ---- closing the gaps ---- */

static void compact(struct wn_program *p, const bool *keep)
{
    int n = 0, stage = 0;
    for (int i = 0; i <= p->n_steps; i++) {
        for (; stage < p->n_stages && p->stages[stage].end == i; stage++) {
            p->stages[stage].begin = stage ? p->stages[stage - 1].end : 0;
            p->stages[stage].end = n;
        }
        if (i == p->n_steps) break;
        for (int k = 0; k < p->steps[i].n_out; k++)
            if (p->values[p->steps[i].out[k]].step == i) p->values[p->steps[i].out[k]].step = keep[i] ? n : -1;
        if (keep[i]) p->steps[n++] = p->steps[i];
    }
    p->n_steps = n;
}

enum wn_code wn_program_optimize(struct wn_program *p, struct wn_error *err)
{
    if (p->error.code) return wn_program_error(p, err);
    struct uses u = {.count = calloc((size_t)p->n_values + 1, sizeof *u.count),
                     .keep = calloc((size_t)p->n_steps + 1, sizeof *u.keep)};
    enum wn_code code = WN_OK;
    if (!u.count || !u.keep) {
        code = wn_fail(err, WN_NO_MEMORY, "no memory to optimise a program");
        goto out;
    }
    mark_needed(p, &u);
    if (turn_gradients(p, &u) && !count_anew(p, &u))
        wn_program_fail(p, WN_NO_MEMORY, "no memory to optimise a program");
    if (p->error.code) {
        code = wn_program_error(p, err);
        goto out;
    }
    for (int i = 0; i < p->n_steps; i++) {
        if (!u.keep[i]) continue;
        drop_unused_second(p, &p->steps[i], u.count);
        if (p->steps[i].prim == WN_PRIM_BINARY) fuse_addition(p, &u, i);
        if (p->steps[i].prim == WN_PRIM_UNARY) fuse_activation(p, &u, i);
    }
    compact(p, u.keep);
out:
    free(u.count);
    free(u.keep);
    return code;
}
