/* The method table. */
#include <string.h>

#include "methods/method.h"

#define X(symbol) extern const struct wn_method symbol;
#include "methods/methods.def"
#undef X

static const struct wn_method *const rows[] = {
#define X(symbol) &symbol,
#include "methods/methods.def"
#undef X
};

const struct wn_method *wn_method_at(int i)
{
    return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? rows[i] : NULL;
}

const struct wn_method *wn_method_find(const char *name)
{
    for (int i = 0; wn_method_at(i); i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

int wn_method_build(const struct wn_method *m, struct wn_program *p, const struct wn_method_in *in)
{
    const int map = m->build(p, in);
    if (p->error.code || !wn_program_has(p, map)) return map;
    const struct wn_shape *s = &wn_program_value(p, map)->shape;
    if (s->rank == 4 && s->dim[0] == in->rows.count && (m->run || s->dim[1] == 1)) return map;
    return wn_program_fail(p, WN_INTERNAL,
                           "the method '%s' makes a value of rank %d, (%lld,%lld,...), where a map for each row is "
                           "wanted, (%lld,1,h,w): sum over the channels, and over nothing else (wn_channel_dot)",
                           m->name, s->rank, (long long)s->dim[0], (long long)s->dim[1], (long long)in->rows.count);
}
