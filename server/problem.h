/* What went wrong with one request or one instance, and how it is said: application/problem+json (RFC 9457). */
#ifndef WN_SERVER_PROBLEM_H
#define WN_SERVER_PROBLEM_H

#include "text.h"

#define WN_SIMILAR 5

/* Zero-initialise: error.code WN_OK means that nothing is wrong. */
struct wn_problem {
    struct wn_error error;
    char pointer[96];                /* JSON pointer of the field at fault, "" where there is none */
    const char *similar[WN_SIMILAR]; /* "did you mean"; names that live as long as the request */
    int n_similar;
    int retry_after_s; /* 0: no such header */
    bool close;        /* the connection cannot be trusted any more */
};

/* Keeps the first failure, like wn_fail; pointer may be NULL. Returns code. */
enum wn_code wn_problem_set(struct wn_problem *p, const char *pointer, enum wn_code code, const char *fmt, ...)
    WN_PRINTF(4, 5);
/* Adds the names near to word to the problem's "did you mean". */
void wn_problem_similar(struct wn_problem *p, const char *word, const char *const *names, int n);
/* Appends the problem object. request_id: as in X-Request-Id, or "" where no client asked. */
void wn_problem_write(const struct wn_problem *p, const char *request_id, struct wn_text *out);

#endif
