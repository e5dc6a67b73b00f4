/* A program as text, for people who debug one: a line a step with shapes. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

#include <whynot/whynot.h>

const char *wn_version(void)
{
    return WN_VERSION;
}

const char *wn_prim_name(enum wn_prim prim)
{
    static const char *const names[] = {
#define X(id, name, doc) name,
        WN_PRIMS(X)
#undef X
    };
    return names[prim];
}

const char *wn_unary_name(enum wn_unary kind)
{
    static const char *const names[] = {
#define X(id, name, from, fwd, bwd) name,
#include <whynot/unary.def>
#undef X
        "none"};
    return names[kind];
}

static void print_value(FILE *f, const struct wn_program *p, int v)
{
    if (v == WN_NONE) {
        fputs(" -", f);
        return;
    }
    const struct wn_value *val = &p->values[v];
    fprintf(f, " %s%d(", val->kind == WN_VALUE_CONST ? "w" : val->kind == WN_VALUE_INPUT ? "in" : "v", v);
    for (int i = 0; i < val->shape.rank; i++) fprintf(f, "%s%lld", i ? "x" : "", (long long)val->shape.dim[i]);
    fprintf(f, ")%s", val->readable ? "!" : "");
}

static void print_step(FILE *f, const struct wn_program *p, const struct wn_step *s)
{
    fputs(" ", f);
    for (int i = 0; i < s->n_out; i++) print_value(f, p, s->out[i]);
    fprintf(f, " = %s", wn_prim_name(s->prim));
    for (int i = 0; i < s->n_in; i++) print_value(f, p, s->in[i]);
    if (s->prim == WN_PRIM_UNARY || s->prim == WN_PRIM_UNARY_BWD || s->prim == WN_PRIM_SECANT)
        fprintf(f, " %s", wn_unary_name(s->u.unary.kind));
    if (s->prim == WN_PRIM_CONV && s->u.conv.act.kind != WN_UNARY_COUNT)
        fprintf(f, " +%s", wn_unary_name(s->u.conv.act.kind));
    if (s->prim == WN_PRIM_MATMUL && s->u.matmul.act.kind != WN_UNARY_COUNT)
        fprintf(f, " +%s", wn_unary_name(s->u.matmul.act.kind));
    fputc('\n', f);
}

char *wn_program_text(const struct wn_program *p)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return NULL;
    for (int i = 0; i < wn_program_stages(p); i++) {
        struct wn_stage stage = wn_program_stage(p, i);
        fprintf(f, "stage %d\n", i);
        for (int k = stage.begin; k < stage.end; k++) print_step(f, p, &p->steps[k]);
    }
    fclose(f);
    return text;
}
