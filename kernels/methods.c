/* The method table. */
#include <string.h>

#include <whynot/explain.h>

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
