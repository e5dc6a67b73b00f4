/* The rules of relevance for each kind of step, in gate form: what becomes of the signal on its way back. Knows no
 * method. */
#include "lrp.h"

#include <stdio.h>

/* z/(z + eps sign z) = |z|/(|z| + eps), without a sign to define at 0: a derivative like an activation's, so that it
 * costs as little. */
static int gate(const struct wn_bent *at)
{
    const struct wn_lrp_pass *pass = at->rule;
    int z = wn_rows_of(at->p, at->step->out[0], at->rows);
    return wn_unary_bwd(at->p, WN_UNARY_EPSILON_GATE, at->dy, z, pass->rule->epsilon, 0);
}

/* Relevance passes an activation unchanged: z g_z = y g_y, so the signal is scaled by y/z. Right for every
 * activation that keeps the sign and maps 0 to 0; for ReLU and its leaky kin it is the gradient. Where z is 0 there
 * is no relevance to carry. */
static int pass_through(const struct wn_bent *at)
{
    struct wn_program *p = at->p;
    int y = wn_unary(p, WN_UNARY_ABS, wn_rows_of(p, at->step->out[0], at->rows), 0, 0);
    int z = wn_unary(p, WN_UNARY_ABS, wn_rows_of(p, at->step->in[0], at->rows), 0, 0);
    wn_bent_give(at, at->step->in[0], wn_mul(p, at->dy, wn_binary(p, WN_BINARY_DIV, y, wn_linear(p, z, 1, 1e-30f))));
    return WN_NONE;
}

static int refuse(const struct wn_bent *at, const char *what)
{
    return wn_program_fail(at->p, WN_UNSUPPORTED, "LRP has no rule for %s", what);
}

static int activation(const struct wn_bent *at)
{
    const struct wn_act *u = &at->step->u.unary;
    switch (u->kind) {
    case WN_UNARY_RELU:
    case WN_UNARY_LEAKY:
    case WN_UNARY_ABS: return at->dy;
    case WN_UNARY_LINEAR: return u->beta == 0 ? at->dy : gate(at);
    case WN_UNARY_TANH:
    case WN_UNARY_HARDSWISH: return pass_through(at);
    case WN_UNARY_ELU: return u->alpha >= 0 ? pass_through(at) : refuse(at, "an 'elu' that turns the sign");
    case WN_UNARY_CLIP:
        return u->alpha <= 0 && u->beta >= 0 ? pass_through(at) : refuse(at, "a 'clip' whose range leaves 0 out");
    default: {
        char what[96];
        snprintf(what, sizeof what, "'%s', which does not map 0 to 0 and keep the sign", wn_unary_name(u->kind));
        return refuse(at, what);
    }
    }
}

/* ---- products of two activations ---- */

static const struct wn_step *maker(const struct wn_program *p, int v)
{
    return p->values[v].kind == WN_VALUE_STEP ? &p->steps[p->values[v].step] : NULL;
}

static bool is_const(const struct wn_program *p, int v)
{
    return p->values[v].kind == WN_VALUE_CONST;
}

/* Whether a value only opens and closes a product: an activation between two bounds, scaled and laid out, or a
 * softmax. */
static bool is_gate(const struct wn_program *p, int v)
{
    const struct wn_step *s;
    while ((s = maker(p, v)) != NULL) {
        switch (s->prim) {
        case WN_PRIM_RESHAPE:
        case WN_PRIM_COPY: v = s->in[0]; continue;
        case WN_PRIM_BINARY:
            if (s->u.binary == WN_BINARY_DIV && maker(p, s->in[0])) {
                const struct wn_step *top = maker(p, s->in[0]);
                if (top->prim == WN_PRIM_UNARY && top->u.unary.kind == WN_UNARY_EXP) return true;
            }
            if (is_const(p, s->in[1]))
                v = s->in[0];
            else if (is_const(p, s->in[0]) && s->u.binary != WN_BINARY_DIV)
                v = s->in[1];
            else
                return false;
            continue;
        case WN_PRIM_UNARY:
            if (s->u.unary.kind == WN_UNARY_LINEAR) {
                v = s->in[0];
                continue;
            }
            return s->u.unary.kind == WN_UNARY_SIGMOID || s->u.unary.kind == WN_UNARY_HARDSIGMOID ||
                   s->u.unary.kind == WN_UNARY_TANH || s->u.unary.kind == WN_UNARY_CLIP;
        default: return false;
        }
    }
    return false;
}

/* All of the relevance goes to the operand `which`; the other one is held fixed. */
static int hold_other(const struct wn_bent *at, int which)
{
    struct wn_program *p = at->p;
    int x = at->step->in[which], other = wn_rows_of(p, at->step->in[1 - which], at->rows);
    struct wn_shape to = wn_bent_shape(at, x);
    wn_bent_give(at, x, wn_reduce_to(p, wn_binary(p, at->step->u.binary, at->dy, other), &to));
    return WN_NONE;
}

/* Squeeze-and-excite, swish as exporters write it, and the like: the gate has decided how much passes, the signal is
 * what passed (Arras et al. 2017). A divisor, too, only says in which unit things are measured. */
static int product(const struct wn_bent *at)
{
    const struct wn_step *s = at->step;
    bool divide = s->u.binary == WN_BINARY_DIV;
    if (is_const(at->p, s->in[1]) || (is_const(at->p, s->in[0]) && !divide)) return at->dy;
    if (divide)
        return wn_bent_wants(at, s->in[0]) ? hold_other(at, 0)
                                           : refuse(at, "a quotient whose divisor alone depends on the picture");
    bool first = is_gate(at->p, s->in[0]), second = is_gate(at->p, s->in[1]);
    if (first == second) return refuse(at, "a product of two activations neither of which is a gate alone");
    return hold_other(at, first ? 1 : 0);
}

static int binary(const struct wn_bent *at)
{
    switch (at->step->u.binary) {
    case WN_BINARY_ADD:
    case WN_BINARY_SUB: return gate(at); /* residual sums, and shifts that could not be folded */
    case WN_BINARY_MUL:
    case WN_BINARY_DIV: return product(at);
    case WN_BINARY_MAX:
    case WN_BINARY_MIN: return at->dy; /* the winner takes all */
    default: return refuse(at, "'pow'");
    }
}

/* ---- all steps ---- */

int wn_lrp_bend(const struct wn_bent *at)
{
    const struct wn_lrp_pass *pass = at->rule;
    const struct wn_step *s = at->step;
    switch (s->prim) {
    case WN_PRIM_CONV:
    case WN_PRIM_CONV_BWD:
        if (pass->rule->boxed && s->in[0] == pass->pixels && s->prim == WN_PRIM_CONV) {
            wn_lrp_box(at);
            return WN_NONE;
        }
        if (!pass->rule->split) return gate(at);
        wn_lrp_split(at);
        return WN_NONE;
    case WN_PRIM_MATMUL:
        if (wn_bent_wants(at, s->in[0]) && wn_bent_wants(at, s->in[1]))
            return refuse(at, "a matrix product of two activations");
        return gate(at);
    case WN_PRIM_AVGPOOL:
    case WN_PRIM_REDUCE:
    case WN_PRIM_AXIS_MAP: return gate(at);
    case WN_PRIM_BINARY: return binary(at);
    case WN_PRIM_UNARY: return activation(at);
    default: return at->dy; /* steps that only move data, and max-pools: the winner takes all, as in their gradient */
    }
}
