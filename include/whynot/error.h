/* The error table, and the one struct that carries a failure from where it happens to who answers for it.
 *
 * A fallible function returns `enum wn_code` and takes `struct wn_error *err` last. The first failure fills `err`,
 * later ones leave it as it is, so that a message names the cause and not the last thing that fell over.
 * `err` may be NULL where only the code matters. */
#ifndef WHYNOT_ERROR_H
#define WHYNOT_ERROR_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WN_API __attribute__((visibility("default")))
#define WN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define WN_API
#define WN_PRINTF(fmt, args)
#endif

/* name, HTTP status, title: every failure of the product is one of these rows. */
#define WN_ERRORS(X)                                                                                                   \
    X(OK, 200, "Success")                                                                                              \
    X(BAD_REQUEST, 400, "The request has a field that cannot be used")                                                 \
    X(UNAUTHORIZED, 401, "A valid key is needed")                                                                      \
    X(FORBIDDEN, 403, "This key may not do that")                                                                      \
    X(NOT_FOUND, 404, "There is no such thing here")                                                                   \
    X(NO_SUCH_MODEL, 404, "There is no model of that name")                                                            \
    X(NO_SUCH_CLASS, 404, "The model has no such class")                                                               \
    X(NO_SUCH_LAYER, 404, "The model has no such layer")                                                               \
    X(METHOD_NOT_ALLOWED, 405, "This route does not take that HTTP method")                                            \
    X(TIMEOUT, 408, "The request took too long to arrive")                                                             \
    X(TOO_LARGE, 413, "The request or the image is larger than the limit")                                             \
    X(UNSUPPORTED_MEDIA, 415, "Not a picture or a content type that is read here")                                     \
    X(WRONG_HOST, 421, "This server does not answer for that host")                                                    \
    X(UNREADABLE_IMAGE, 422, "The picture cannot be decoded")                                                          \
    X(BAD_MODEL, 422, "The model file is malformed or outside the limits")                                             \
    X(DYNAMIC_SIZE, 422, "The model leaves the size of its pictures free")                                             \
    X(BAD_NUMBERS, 422, "The network gave values that are not finite")                                                 \
    X(QUEUE_FULL, 429, "Too many requests wait already")                                                               \
    X(HEAD_TOO_LARGE, 431, "The header lines are longer than the limit")                                               \
    X(INTERNAL, 500, "The server failed at something that it should not fail at")                                      \
    X(UNSUPPORTED, 501, "Not possible on this graph or this backend")                                                  \
    X(NO_MEMORY, 503, "Not enough memory just now")                                                                    \
    X(DEVICE, 503, "The device failed")                                                                                \
    X(NOT_READY, 503, "The server is not ready or is draining")                                                        \
    X(DEADLINE, 504, "The deadline passed before the answer was ready")

enum wn_code {
#define X(name, status, title) WN_##name,
    WN_ERRORS(X)
#undef X
};

#define WN_ERROR_TEXT 512

/* Zero-initialise before use: {0} means "no failure yet". */
struct wn_error {
    enum wn_code code;
    char text[WN_ERROR_TEXT]; /* one sentence for a person: names the thing and the mending; UTF-8, always terminated */
};

/* Stores the first failure in `err` (a NULL `err` is fine) and returns `code`, so that `return wn_fail(...)` reads
 * well. */
WN_API enum wn_code wn_fail(struct wn_error *err, enum wn_code code, const char *fmt, ...) WN_PRINTF(3, 4);
WN_API enum wn_code wn_vfail(struct wn_error *err, enum wn_code code, const char *fmt, va_list args);

WN_API const char *wn_code_name(enum wn_code code);  /* "BAD_MODEL" */
WN_API const char *wn_code_title(enum wn_code code); /* the row's sentence */
WN_API int wn_code_http_status(enum wn_code code);

#ifdef __cplusplus
}
#endif
#endif
