/* The alpha-beta rule: what excites a cell and what inhibits it share its relevance apart. Needs the filter twice,
 * as two filters that are never negative, made once a model. */
#include "lrp.h"

#include <stdio.h>

/* ---- filters: the positive part, and the size of the negative one ---- */

struct part {
    const struct wn_weight *w;
    float sign;
};

static void take_part(float *dst, const void *arg)
{
    const struct part *part = arg;
    for (int64_t i = 0, n = wn_shape_count(&part->w->shape); i < n; i++) {
        float x = part->sign * part->w->data[i];
        dst[i] = x > 0 ? x : 0;
    }
}

/* max(sign*w, 0); WN_NONE stays what it is. */
static int part_of(struct wn_program *p, int weight, float sign)
{
    if (weight == WN_NONE) return WN_NONE;
    if (p->values[weight].kind != WN_VALUE_CONST)
        return wn_program_fail(p, WN_UNSUPPORTED,
                               "LRP has no alpha-beta rule for a filter that depends on the picture");
    struct part part = {p->values[weight].weight, sign};
    char key[256];
    snprintf(key, sizeof key, "%.160s|%p|%s", part.w->name ? part.w->name : "", (const void *)part.w,
             sign > 0 ? "positive part" : "negative part");
    return wn_program_derive(p, key, &part.w->shape, take_part, &part);
}

/* ---- the step, and its transpose, with another filter ---- */

static int push(const struct wn_bent *at, int x, int w, int bias)
{
    const struct wn_step *s = at->step;
    const struct wn_shape y = at->p->values[s->out[0]].shape;
    if (s->prim == WN_PRIM_CONV) return wn_conv(at->p, x, w, bias, &s->u.conv.win, s->u.conv.groups);
    return wn_conv_bwd(at->p, x, w, bias, &s->u.conv.win, s->u.conv.groups, &y);
}

static int pull(const struct wn_bent *at, int dy, int w)
{
    const struct wn_step *s = at->step;
    struct wn_shape x = wn_bent_shape(at, s->in[0]);
    if (s->prim == WN_PRIM_CONV) return wn_conv_bwd(at->p, dy, w, WN_NONE, &s->u.conv.win, s->u.conv.groups, &x);
    return wn_conv(at->p, dy, w, WN_NONE, &s->u.conv.win, s->u.conv.groups);
}

/* ---- the rule ---- */

/* One side of the split: sign +1 what excites (alpha), -1 what inhibits (beta). Everything in it is a size, never
 * negative. */
struct side {
    int same, other; /* filters that meet positive and negative activations */
    int share;       /* factor * R_j / (Z_j + eps), (R,..) */
};

static struct side make_side(const struct wn_bent *at, float sign, float factor, int up, int down)
{
    struct wn_program *p = at->p;
    const struct wn_lrp_pass *pass = at->rule;
    struct side side = {part_of(p, at->step->in[1], sign),
                        down == WN_NONE ? WN_NONE : part_of(p, at->step->in[1], -sign), WN_NONE};
    int total = push(at, up, side.same, part_of(p, at->step->in[2], sign));
    if (down != WN_NONE) total = wn_add(p, total, push(at, down, side.other, WN_NONE));
    int relevance = wn_mul(p, at->dy, wn_rows_of(p, at->step->out[0], at->rows));
    int floor = wn_linear(p, wn_rows_of(p, total, at->rows), 1, pass->rule->epsilon);
    side.share = wn_linear(p, wn_binary(p, WN_BINARY_DIV, relevance, floor), factor, 0);
    return side;
}

/* Signal for activations of one sign; `inhibit` is left out where beta is 0. */
static int collect(const struct wn_bent *at, const struct side *excite, const struct side *inhibit, bool negative)
{
    int g = pull(at, excite->share, negative ? excite->other : excite->same);
    if (!inhibit) return g;
    return wn_binary(at->p, WN_BINARY_SUB, g, pull(at, inhibit->share, negative ? inhibit->other : inhibit->same));
}

void wn_lrp_split(const struct wn_bent *at)
{
    struct wn_program *p = at->p;
    const struct wn_lrp_pass *pass = at->rule;
    const struct wn_lrp *rule = pass->rule;
    int x = at->step->in[0], up = x, down = WN_NONE;
    if (!pass->positive[x]) {
        up = wn_relu(p, x);
        down = wn_relu(p, wn_linear(p, x, -1, 0));
    }
    const bool inhibits = rule->beta != 0;
    struct side excite = make_side(at, 1, rule->alpha, up, down), inhibit;
    if (inhibits) inhibit = make_side(at, -1, rule->beta, up, down);
    const struct side *beta = inhibits ? &inhibit : NULL;
    int g = collect(at, &excite, beta, false);
    if (down != WN_NONE) { /* R = |a| times what reaches a negative activation, so the signal R/a has the sign turned */
        int rise = wn_unary_bwd(p, WN_UNARY_RELU, g, wn_rows_of(p, up, at->rows), 0, 0);
        int fall =
            wn_unary_bwd(p, WN_UNARY_RELU, collect(at, &excite, beta, true), wn_rows_of(p, down, at->rows), 0, 0);
        g = wn_binary(p, WN_BINARY_SUB, rise, fall);
    }
    wn_bent_give(at, x, g);
}

/* ---- pixels between two bounds ---- */

/* R_i = (x_i - l_i) c+_i + (h_i - x_i) c-_i with c = what the shares R_j/(Z_j + eps) hand back through each part of
 * the filter: the pixel times c+ - c-, and a rest without the pixel. Biases cancel. */
void wn_lrp_box(const struct wn_bent *at)
{
    struct wn_program *p = at->p;
    struct wn_lrp_pass *pass = at->rule;
    int x = at->step->in[0], plus = part_of(p, at->step->in[1], 1), minus = part_of(p, at->step->in[1], -1);
    int above = wn_binary(p, WN_BINARY_SUB, x, pass->low), below = wn_binary(p, WN_BINARY_SUB, pass->high, x);
    int total = wn_rows_of(p, wn_add(p, push(at, above, plus, WN_NONE), push(at, below, minus, WN_NONE)), at->rows);
    int relevance = wn_mul(p, at->dy, wn_rows_of(p, at->step->out[0], at->rows));
    int share = wn_binary(p, WN_BINARY_DIV, relevance, wn_linear(p, total, 1, pass->rule->epsilon));
    int up = pull(at, share, plus), down = pull(at, share, minus);
    struct wn_shape bound = wn_bent_shape(at, x);
    bound.dim[2] = bound.dim[3] = 1;
    int rest = wn_binary(p, WN_BINARY_SUB, wn_channel_dot(p, down, wn_expand(p, pass->high, &bound)),
                         wn_channel_dot(p, up, wn_expand(p, pass->low, &bound)));
    pass->rest = pass->rest == WN_NONE ? rest : wn_add(p, pass->rest, rest);
    wn_bent_give(at, x, wn_binary(p, WN_BINARY_SUB, up, down));
}

/* ---- which activations are never negative ---- */

static bool unary_is_positive(const struct wn_act *u, bool x)
{
    switch (u->kind) {
    case WN_UNARY_RELU:
    case WN_UNARY_SIGMOID:
    case WN_UNARY_EXP:
    case WN_UNARY_SQRT:
    case WN_UNARY_ABS:
    case WN_UNARY_HARDSIGMOID:
    case WN_UNARY_SQUARE: return true;
    case WN_UNARY_CLIP: return u->alpha >= 0 || (x && u->beta >= 0);
    case WN_UNARY_LINEAR: return x && u->alpha >= 0 && u->beta >= 0;
    case WN_UNARY_LEAKY:
    case WN_UNARY_ELU:
    case WN_UNARY_TANH:
    case WN_UNARY_HARDSWISH: return x;
    default: return false;
    }
}

static bool is_positive(const struct wn_step *s, const bool *positive)
{
    switch (s->prim) {
    case WN_PRIM_UNARY: return unary_is_positive(&s->u.unary, positive[s->in[0]]);
    case WN_PRIM_BINARY:
        return (s->u.binary == WN_BINARY_ADD || s->u.binary == WN_BINARY_MUL) && positive[s->in[0]] &&
               positive[s->in[1]];
    case WN_PRIM_CONCAT:
        for (int i = 0; i < s->n_in; i++)
            if (!positive[s->in[i]]) return false;
        return true;
    case WN_PRIM_COPY: return s->u.copy.fill >= 0 && positive[s->in[0]];
    case WN_PRIM_MAXPOOL:
    case WN_PRIM_AVGPOOL:
    case WN_PRIM_REDUCE:
    case WN_PRIM_RESHAPE: return positive[s->in[0]];
    default: return false;
    }
}

void wn_lrp_find_positive(const struct wn_program *p, bool *positive, int n)
{
    for (int i = 0; i < p->n_steps; i++)
        if (p->steps[i].out[0] < n) positive[p->steps[i].out[0]] = is_positive(&p->steps[i], positive);
}
