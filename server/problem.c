/* Problems and their JSON; knows the error table and nothing of HTTP. */
#include "problem.h"

#include "nearest.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum wn_code wn_problem_set(struct wn_problem *p, const char *pointer, enum wn_code code, const char *fmt, ...)
{
    if (p->error.code != WN_OK) return code;
    va_list args;
    va_start(args, fmt);
    wn_vfail(&p->error, code, fmt, args);
    va_end(args);
    if (pointer) snprintf(p->pointer, sizeof p->pointer, "%s", pointer);
    return code;
}

void wn_problem_similar(struct wn_problem *p, const char *word, const char *const *names, int n)
{
    p->n_similar = wn_nearest_names(word, names, n, p->similar, WN_SIMILAR);
}

/* "NO_SUCH_CLASS" -> "urn:whynot:no-such-class" */
static void write_type(const char *name, struct wn_text *out)
{
    char type[64];
    int n = snprintf(type, sizeof type, "urn:whynot:%s", name);
    for (int i = 0; i < n; i++) type[i] = type[i] == '_' ? '-' : (char)tolower((unsigned char)type[i]);
    wn_json_string(out, type);
}

static void write_field(const struct wn_problem *p, struct wn_text *out)
{
    wn_json_key(out, "errors");
    wn_json_open(out, '[');
    if (p->pointer[0]) {
        wn_json_open(out, '{');
        wn_json_pair(out, "pointer", p->pointer);
        wn_json_pair(out, "detail", p->error.text);
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

static void write_similar(const struct wn_problem *p, struct wn_text *out)
{
    wn_json_key(out, "did_you_mean");
    wn_json_open(out, '[');
    for (int i = 0; i < p->n_similar; i++) wn_json_string(out, p->similar[i]);
    wn_json_close(out, ']');
}

/* The request, and not its path: that is what differs from one occurrence to the next, and every id is fit for a URN
 * (audit.c). */
static void write_instance(const char *request_id, struct wn_text *out)
{
    char instance[128];
    snprintf(instance, sizeof instance, "%s%.80s", request_id[0] ? "urn:whynot:request:" : "", request_id);
    wn_json_pair(out, "instance", instance);
}

void wn_problem_write(const struct wn_problem *p, const char *request_id, struct wn_text *out)
{
    enum wn_code code = p->error.code;
    wn_json_open(out, '{');
    wn_json_key(out, "type");
    write_type(wn_code_name(code), out);
    wn_json_pair(out, "title", wn_code_title(code));
    wn_json_pair_int(out, "status", wn_code_http_status(code));
    wn_json_pair(out, "detail", p->error.text);
    write_instance(request_id, out);
    wn_json_pair(out, "code", wn_code_name(code));
    write_field(p, out);
    if (p->n_similar) write_similar(p, out);
    wn_json_pair(out, "request_id", request_id);
    wn_json_key(out,
                "error"); /* the same sentence under the name that KServe, Open Inference and Triton clients read */
    wn_json_string(out, p->error.text);
    wn_json_close(out, '}');
}
