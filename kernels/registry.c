/* The backend table and what is asked of it; the only file that sees every row, and it sees no more than their
 * names. */
#include <whynot/backend.h>

#include <string.h>

#define X(symbol) extern const struct wn_backend_impl symbol;
#include "backends.def"
#undef X

static const struct wn_backend_impl *const rows[] = {
#define X(symbol) &symbol,
#include "backends.def"
#undef X
};

const struct wn_backend_impl *wn_backend_at(int i)
{
    return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? rows[i] : NULL;
}

const struct wn_backend_impl *wn_backend_find(const char *name)
{
    for (int i = 0; wn_backend_at(i); i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

/* The oracle is last in the table, so a machine where nothing better opens still answers, slowly. */
static enum wn_code open_first(const struct wn_backend_options *options, struct wn_backend **out, struct wn_error *err)
{
    for (int i = 0; wn_backend_at(i); i++) {
        struct wn_error why = {0};
        if (rows[i]->open(options, out, &why) == WN_OK) return WN_OK;
        if (!wn_backend_at(i + 1)) return wn_fail(err, why.code, "no backend opens; the last one said: %s", why.text);
    }
    return wn_fail(err, WN_DEVICE, "this build has no backend");
}

enum wn_code wn_backend_open(const char *name, const struct wn_backend_options *options, struct wn_backend **out,
                             struct wn_error *err)
{
    static const struct wn_backend_options plain = {0};
    if (!options) options = &plain;
    if (!name || strcmp(name, "auto") == 0) return open_first(options, out, err);
    const struct wn_backend_impl *impl = wn_backend_find(name);
    if (!impl) return wn_fail(err, WN_BAD_REQUEST, "there is no backend '%.32s' in this build", name);
    return impl->open(options, out, err);
}

void wn_backend_close(struct wn_backend *be)
{
    if (be) be->impl->close(be);
}

const char *wn_backend_lost(void)
{
    for (int i = 0; wn_backend_at(i); i++)
        if (rows[i]->lost && rows[i]->lost()) return rows[i]->name;
    return NULL;
}

static const char *const precisions[] = {"default", "f32", "tf32", "bf16", "f16"};

const char *wn_precision_name(enum wn_precision precision)
{
    return precisions[precision];
}

enum wn_precision wn_precision_find(const char *name)
{
    for (int i = WN_PRECISION_F32; i <= WN_PRECISION_F16; i++)
        if (strcmp(precisions[i], name) == 0) return (enum wn_precision)i;
    return WN_PRECISION_DEFAULT;
}
