/* Header lines under suspicion: the HTTP library accepts more than is safe behind a proxy. */
#include "framing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct lines {
    int hosts, lengths, codings;
    const char *length, *coding;
    bool bad_name, bad_value;
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

static enum MHD_Result look(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value,
                            size_t value_size)
{
    struct lines *l = cls;
    (void)kind;
    l->bad_name |= !is_token(name, name_size);
    l->bad_value |= value && !is_value(value, value_size);
    l->hosts += strcasecmp(name, "Host") == 0;
    if (strcasecmp(name, "Content-Length") == 0) l->lengths++, l->length = value;
    if (strcasecmp(name, "Transfer-Encoding") == 0) l->codings++, l->coding = value;
    return MHD_YES;
}

static const char *complaint(const struct lines *l)
{
    if (l->bad_name) return "a header's name is not a token";
    if (l->bad_value) return "a header's value holds a control character";
    if (l->hosts > 1) return "there are several Host headers";
    if (l->lengths > 1) return "there are several Content-Length headers";
    if (l->codings > 1) return "there are several Transfer-Encoding headers";
    if (l->lengths && l->codings) return "Content-Length and Transfer-Encoding exclude each other";
    if (l->codings && (!l->coding || strcasecmp(l->coding, "chunked") != 0))
        return "the only Transfer-Encoding read here is chunked";
    if (l->lengths && (!l->length || !*l->length || l->length[strspn(l->length, "0123456789")]))
        return "Content-Length is not a number";
    return NULL;
}

enum wn_code wn_framing_check(struct MHD_Connection *connection, int64_t *length, struct wn_problem *p)
{
    struct lines l = {0};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, look, &l);
    const char *what = complaint(&l);
    *length = l.codings ? -1 : 0;
    if (what) {
        p->close = true;
        return wn_problem_set(p, NULL, WN_BAD_REQUEST, "%s", what);
    }
    if (l.lengths) *length = strlen(l.length) > 18 ? INT64_MAX : strtoll(l.length, NULL, 10);
    return WN_OK;
}
