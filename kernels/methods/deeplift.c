/* DeepLIFT: what the picture does to the scalar beside a baseline picture, by multipliers, (change of the
 * result)/(change of the operand), that chain like derivatives. The contributions sum to the change of the scalar. */
#include "method.h"

struct lift {
    struct wn_rows reference;
};

static int now(const struct wn_bent *at, int v)
{
    return wn_rows_of(at->p, v, at->rows);
}

static int then(const struct wn_bent *at, int v)
{
    const struct lift *lift = at->rule;
    return wn_rows_of(at->p, v, lift->reference);
}

static int change(const struct wn_bent *at, int v)
{
    return wn_binary(at->p, WN_BINARY_SUB, now(at, v), then(at, v));
}

/* n/d, and 0 where d is 0. */
static int quotient(struct wn_program *p, int n, int d)
{
    return wn_binary(p, WN_BINARY_DIV, wn_mul(p, n, d), wn_linear(p, wn_mul(p, d, d), 1, 1e-30f));
}

static int refuse(const struct wn_bent *at, const char *what)
{
    return wn_program_fail(at->p, WN_UNSUPPORTED, "DeepLIFT has no rule for %s", what);
}

/* Rescale: the slope between what it is given now and what it was given then. */
static int rescale(const struct wn_bent *at)
{
    const struct wn_step *s = at->step;
    const struct wn_act *u = &s->u.unary;
    if (u->kind == WN_UNARY_LINEAR) return at->dy;
    wn_bent_give(at, s->in[0],
                 wn_secant(at->p, u->kind, at->dy, now(at, s->in[0]), then(at, s->in[0]), u->alpha, u->beta));
    return WN_NONE;
}

/* A result that has risen is due to the cell that is largest now, one that has fallen to the cell that was largest.
 * Each cell's shares are gathered before the division by its change. */
static int route(const struct wn_bent *at)
{
    const struct wn_step *s = at->step;
    struct wn_program *p = at->p;
    struct wn_shape x = wn_bent_shape(at, s->in[0]);
    int dy = change(at, s->out[0]), share = wn_mul(p, at->dy, dy);
    int risen = wn_unary_bwd(p, WN_UNARY_RELU, share, dy, 0, 0), fallen = wn_binary(p, WN_BINARY_SUB, share, risen);
    int sum = wn_add(p, wn_maxpool_bwd(p, risen, now(at, s->out[1]), &s->u.pool.win, &x),
                     wn_maxpool_bwd(p, fallen, then(at, s->out[1]), &s->u.pool.win, &x));
    wn_bent_give(at, s->in[0], quotient(p, sum, change(at, s->in[0])));
    return WN_NONE;
}

static int middle(const struct wn_bent *at, int v)
{
    return wn_linear(at->p, wn_add(at->p, now(at, v), then(at, v)), 0.5f, 0);
}

static void give_reduced(const struct wn_bent *at, int v, int signal)
{
    struct wn_shape to = wn_bent_shape(at, v);
    wn_bent_give(at, v, wn_reduce_to(at->p, signal, &to));
}

/* ab - a0 b0 = (a - a0)(b + b0)/2 + (b - b0)(a + a0)/2, the mean of both orders of change; a/b is a times 1/b, which
 * changes by -(b - b0)/(b b0). */
static int product(const struct wn_bent *at)
{
    struct wn_program *p = at->p;
    int a = at->step->in[0], b = at->step->in[1];
    bool divide = at->step->u.binary == WN_BINARY_DIV;
    if (p->values[b].kind == WN_VALUE_CONST || (p->values[a].kind == WN_VALUE_CONST && !divide)) return at->dy;
    if (!divide) {
        if (wn_bent_wants(at, a)) give_reduced(at, a, wn_mul(p, at->dy, middle(at, b)));
        if (wn_bent_wants(at, b)) give_reduced(at, b, wn_mul(p, at->dy, middle(at, a)));
        return WN_NONE;
    }
    int both = wn_mul(p, now(at, b), then(at, b));
    int mean = wn_binary(p, WN_BINARY_DIV, middle(at, b), both); /* (1/b + 1/b0)/2 */
    if (wn_bent_wants(at, a)) give_reduced(at, a, wn_mul(p, at->dy, mean));
    if (wn_bent_wants(at, b))
        give_reduced(at, b, wn_linear(p, wn_binary(p, WN_BINARY_DIV, wn_mul(p, at->dy, middle(at, a)), both), -1, 0));
    return WN_NONE;
}

static int bend(const struct wn_bent *at)
{
    const struct wn_step *s = at->step;
    switch (s->prim) {
    case WN_PRIM_UNARY: return rescale(at);
    case WN_PRIM_MAXPOOL: return route(at);
    case WN_PRIM_BINARY:
        switch (s->u.binary) {
        case WN_BINARY_ADD:
        case WN_BINARY_SUB: return at->dy;
        case WN_BINARY_MUL:
        case WN_BINARY_DIV: return product(at);
        case WN_BINARY_POW: return refuse(at, "'pow'");
        default: return refuse(at, "the larger or smaller of two values");
        }
    case WN_PRIM_REDUCE:
        return s->u.reduce.kind == WN_REDUCE_MAX ? refuse(at, "a maximum over an axis (a softmax inside the network)")
                                                 : at->dy;
    case WN_PRIM_MATMUL:
        if (wn_bent_wants(at, s->in[0]) && wn_bent_wants(at, s->in[1]))
            return refuse(at, "a matrix product of two activations");
        return at->dy;
    default: return at->dy; /* linear: the multiplier is the weight */
    }
}

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    struct lift lift = {in->reference};
    int multiplier = wn_backward_bent(p, in->logits, in->seed, in->layer, in->rows, bend, &lift);
    int x = wn_rows_of(p, in->layer, in->rows), x0 = wn_rows_of(p, in->layer, in->reference);
    return wn_channel_dot(p, wn_binary(p, WN_BINARY_SUB, x, x0), multiplier);
}

const struct wn_method wn_method_deeplift = {
    .name = "deeplift",
    .summary = "What each pixel contributes to the difference that the picture makes to a baseline, a mean-coloured "
               "one unless said otherwise; sums to that difference.",
    .formula = "sum_c (x_c - x0_c) m_c, m chained through the steps: weights, (y - y0)/(x - x0) at activations, x0 the "
               "baseline",
    .source = "Shrikumar et al. 2017 (DeepLIFT), rescale rule; products halved between their factors",
    .cost = "a second forward pass for the baseline, and a little more than 1 for the way back",
    .misleads = "It compares with a baseline: what looks like that one (a plain picture of the mean colour) counts for "
                "nothing.",
    .flags = WN_METHOD_INPUT | WN_METHOD_LINEAR | WN_METHOD_REFERENCE,
    .settings = 1u << WN_SETTING_BASELINE,
    .build = build,
};
