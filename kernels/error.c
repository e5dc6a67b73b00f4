/* The error table as functions; knows nothing of who fails or who answers. */
#include <whynot/error.h>

#include <stdio.h>

static const struct {
    const char *name;
    int status;
    const char *title;
} rows[] = {
#define X(name, status, title) {#name, status, title},
    WN_ERRORS(X)
#undef X
};

enum wn_code wn_vfail(struct wn_error *err, enum wn_code code, const char *fmt, va_list args)
{
    if (err && err->code == WN_OK) {
        err->code = code;
        vsnprintf(err->text, sizeof err->text, fmt, args);
    }
    return code;
}

enum wn_code wn_fail(struct wn_error *err, enum wn_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    wn_vfail(err, code, fmt, args);
    va_end(args);
    return code;
}

const char *wn_code_name(enum wn_code code)
{
    return rows[code].name;
}

const char *wn_code_title(enum wn_code code)
{
    return rows[code].title;
}

int wn_code_http_status(enum wn_code code)
{
    return rows[code].status;
}
