/* See ailing.h. */
#include "ailing.h"
#include "turn.h"

#include <math.h>
#include <stdlib.h>

struct ailing {
    struct wn_backend base;
    struct wn_backend *inner;
};

struct ailing_exe {
    struct wn_exe base;
    struct wn_exe *inner;
};

extern const struct wn_backend_impl wn_backend_faulty;
static const char *inner_name = "ref";
static struct turn turn;
static enum ailment ailment;

void ailing_over(const char *backend)
{
    inner_name = backend;
}

void ailing_arm(long n, enum ailment how)
{
    ailment = how;
    turn_arm(&turn, n);
}

bool ailing_disarm(void)
{
    return turn_disarm(&turn);
}

static enum wn_code call(struct wn_error *err)
{
    static const enum wn_code codes[] = {WN_DEVICE, WN_NO_MEMORY, WN_UNSUPPORTED};
    if (ailment == AILS_NUMBERS || !turn_comes(&turn)) return WN_OK;
    return wn_fail(err, codes[ailment], "a failure, as asked for");
}

static struct wn_exe *inner_of(struct wn_exe *exe)
{
    return ((struct ailing_exe *)exe)->inner;
}

static enum wn_code ailing_open(const struct wn_backend_options *options, struct wn_backend **out, struct wn_error *err)
{
    struct ailing *be;
    enum wn_code code = call(err);
    if (code != WN_OK) return code;
    if (!(be = calloc(1, sizeof *be))) return wn_fail(err, WN_NO_MEMORY, "no memory for a backend");
    be->base.impl = &wn_backend_faulty;
    code = wn_backend_open(inner_name, options, &be->inner, err);
    if (code == WN_OK)
        *out = &be->base;
    else
        free(be);
    return code;
}

static void ailing_close(struct wn_backend *base)
{
    wn_backend_close(((struct ailing *)base)->inner);
    free(base);
}

static void ailing_traits(const struct wn_backend *base, struct wn_backend_traits *out)
{
    const struct wn_backend *inner = ((const struct ailing *)base)->inner;
    inner->impl->traits(inner, out);
}

static enum wn_code ailing_compile(struct wn_backend *base, const struct wn_program *prog, struct wn_exe **out,
                                   struct wn_error *err)
{
    struct wn_backend *inner = ((struct ailing *)base)->inner;
    struct ailing_exe *exe;
    enum wn_code code = call(err);
    if (code != WN_OK) return code;
    if (!(exe = calloc(1, sizeof *exe))) return wn_fail(err, WN_NO_MEMORY, "no memory for a program");
    exe->base.backend = base;
    code = inner->impl->compile(inner, prog, &exe->inner, err);
    if (code == WN_OK)
        *out = &exe->base;
    else
        free(exe);
    return code;
}

static void ailing_release(struct wn_exe *exe)
{
    if (!exe) return;
    inner_of(exe)->backend->impl->release(inner_of(exe));
    free(exe);
}

static enum wn_code ailing_write(struct wn_exe *exe, int value, const float *src, struct wn_error *err)
{
    enum wn_code code = call(err);
    return code == WN_OK ? inner_of(exe)->backend->impl->write(inner_of(exe), value, src, err) : code;
}

static enum wn_code ailing_run(struct wn_exe *exe, int stage, struct wn_error *err)
{
    enum wn_code code = call(err);
    return code == WN_OK ? inner_of(exe)->backend->impl->run(inner_of(exe), stage, err) : code;
}

static enum wn_code ailing_read(struct wn_exe *exe, int value, float *dst, struct wn_error *err)
{
    enum wn_code code = call(err);
    if (code == WN_OK) code = inner_of(exe)->backend->impl->read(inner_of(exe), value, dst, err);
    if (code == WN_OK && ailment == AILS_NUMBERS && turn_comes(&turn)) dst[0] = NAN;
    return code;
}

const struct wn_backend_impl wn_backend_faulty = {
    .name = "faulty",
    .summary = "what another backend does, with failures on demand",
    .open = ailing_open,
    .close = ailing_close,
    .traits = ailing_traits,
    .compile = ailing_compile,
    .release = ailing_release,
    .write = ailing_write,
    .run = ailing_run,
    .read = ailing_read,
};
