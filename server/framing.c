/* Header lines under suspicion: the HTTP library accepts more than is safe behind a proxy. */
#include "framing.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST_HEADERS 64

struct lines {
    int n, hosts, lengths, codings, authorizations;
    const char *length, *coding, *host;
    bool bad_name, bad_value, gap;
    const char *at; /* where the line before this one ended */
};

static bool is_token(const char *s, size_t n)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!plain && (!c || !strchr(others, c))) return false;
    }
    return n > 0;
}

static bool is_value(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f) return false;
    return true;
}

static bool is_blank(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t')) s++;
    return s == end;
}

/* The library cuts the head where it lies, putting zeros over CR and LF, over colons and over nothing else. So each
 * name must begin two bytes behind the line before it and each value behind its name's colon. A folded line, a line
 * that ends in LF alone, a zero byte or a line that was dropped leaves a gap, or moves the pieces elsewhere. */
static bool follows(const struct lines *l, const char *name, size_t name_size, const char *value)
{
    const char *behind = l->at + 2 + name_size + 1;
    return name == l->at + 2 && value >= behind && value - behind < 1 << 20 && is_blank(behind, value);
}

static enum MHD_Result look(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value,
                            size_t value_size)
{
    struct lines *l = cls;
    (void)kind;
    l->n++;
    l->gap |= !value || !follows(l, name, name_size, value);
    if (value) l->at = value + value_size;
    l->bad_name |= !is_token(name, name_size);
    l->bad_value |= value && !is_value(value, value_size);
    l->authorizations += strcasecmp(name, "Authorization") == 0;
    if (strcasecmp(name, "Host") == 0) l->hosts++, l->host = value;
    if (strcasecmp(name, "Content-Length") == 0) l->lengths++, l->length = value;
    if (strcasecmp(name, "Transfer-Encoding") == 0) l->codings++, l->coding = value;
    return MHD_YES;
}

static bool is_known(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "POST") == 0 ||
           strcmp(method, "PUT") == 0;
}

/* The same for the first line: method SP target SP version. */
static const char *first_line_complaint(const struct wn_request_line *line)
{
    const char *target = line->method + strlen(line->method) + 1, *version = line->target + line->target_size + 1;
    if (line->target != target || line->version != version) return "the first line has more than two spaces";
    if (strcmp(line->version, "HTTP/1.1") != 0 && strcmp(line->version, "HTTP/1.0") != 0)
        return "only HTTP/1.1 and HTTP/1.0 are spoken here";
    if (line->target[0] != '/') return "the target must be a path";
    return line->clean ? NULL : "the target holds a character that must be escaped";
}

static const char *complaint(const struct lines *l, bool is_1_0)
{
    if (l->bad_name) return "a header's name is not a token";
    if (l->bad_value) return "a header's value holds a control character";
    if (l->gap) return "the header lines are not lines of 'name: value' that end in CR LF";
    if (l->hosts > 1) return "there are several Host headers";
    if (l->lengths > 1) return "there are several Content-Length headers";
    if (l->codings > 1) return "there are several Transfer-Encoding headers";
    if (l->authorizations > 1) return "there are several Authorization headers";
    if (l->lengths && l->codings) return "Content-Length and Transfer-Encoding exclude each other";
    if (l->codings && (is_1_0 || !l->coding || strcasecmp(l->coding, "chunked") != 0))
        return "the only Transfer-Encoding read here is chunked, in HTTP/1.1";
    if (l->lengths && (!l->length || !*l->length || l->length[strspn(l->length, "0123456789")]))
        return "Content-Length is not a number";
    return NULL;
}

void wn_framing_target(struct wn_request_line *line, const char *target)
{
    line->target = target;
    line->target_size = strlen(target);
    line->clean = true;
    for (size_t i = 0; i < line->target_size; i++) line->clean &= target[i] > ' ' && target[i] <= '~';
}

/* Where the library keeps the lines as `follows` says. What newer ones do is theirs to check. */
static bool lines_lie_as_they_came(void)
{
    return strncmp(MHD_get_version(), "0.9.7", 5) == 0;
}

/* The target lies in the library's own buffer, which it goes on to write in: const is only the callback's word. */
void wn_framing_hide_query(const char *target)
{
    const char *query = strchr(target, '?');
    if (query && lines_lie_as_they_came()) ((char *)(uintptr_t)query)[1] = 0;
}

static size_t head_size(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

enum wn_code wn_framing_check(struct MHD_Connection *connection, const struct wn_request_line *line, int64_t most,
                              struct wn_head *head, struct wn_problem *p)
{
    struct lines l = {.at = line->version + strlen(line->version)};
    size_t size = head_size(connection);
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, look, &l);
    l.gap |= l.at + 4 != line->method + size; /* CR LF CR LF */
    l.gap &= lines_lie_as_they_came();
    *head = (struct wn_head){.length = l.codings ? -1 : 0, .host = l.host, .last = true};
    if (!is_known(line->method) && (line->target[0] != '/' || !is_token(line->method, strlen(line->method))))
        return wn_problem_set(p, NULL, WN_METHOD_NOT_ALLOWED, "there is no such method here");
    const char *what = first_line_complaint(line);
    if (!what) what = complaint(&l, strcmp(line->version, "HTTP/1.0") == 0);
    if (what) return wn_problem_set(p, NULL, WN_BAD_REQUEST, "%s", what);
    if ((int64_t)size > most)
        return wn_problem_set(p, NULL, WN_HEAD_TOO_LARGE, "the header lines are longer than %lld bytes",
                              (long long)most);
    if (l.n > MOST_HEADERS)
        return wn_problem_set(p, NULL, WN_HEAD_TOO_LARGE, "there are more than %d header lines", MOST_HEADERS);
    head->last = l.codings > 0;
    if (l.lengths) head->length = strlen(l.length) > 18 ? INT64_MAX : strtoll(l.length, NULL, 10);
    return WN_OK;
}
