/* Host and Origin against their lists; knows their spelling and nothing of requests. */
#include "hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_BYTES 256

/* "[::1]:80" -> "::1", "a.example:80" -> "a.example". False where it is neither. */
static bool split(const char *host, char name[NAME_BYTES], bool *bracketed)
{
    *bracketed = host[0] == '[';
    const char *begin = host + *bracketed, *end = begin + strcspn(begin, *bracketed ? "]" : ":");
    const char *port = *bracketed && *end ? end + 1 : end;
    if (end == begin || end - begin >= NAME_BYTES || (*bracketed && *end != ']')) return false;
    if (*port && (*port != ':' || strspn(port + 1, "0123456789") != strlen(port + 1) || strlen(port) > 6)) return false;
    memcpy(name, begin, (size_t)(end - begin));
    name[end - begin] = 0;
    return true;
}

/* "a, b,c" has "b"? */
static bool lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    if (word[strcspn(word, ", \t")]) return false;
    for (const char *at = list; *at; at += strcspn(at, ",")) {
        at += strspn(at, ", \t");
        if (strncasecmp(at, word, n) == 0 && strchr(", \t", at[n])) return *at;
    }
    return false;
}

static bool is_numeric(const char *name, bool bracketed)
{
    unsigned char address[16];
    return inet_pton(bracketed ? AF_INET6 : AF_INET, name, address) == 1;
}

bool wn_host_is_ours(const struct wn_config *c, const char *host)
{
    char name[NAME_BYTES];
    bool bracketed, everywhere = strcmp(c->host, "0.0.0.0") == 0 || strcmp(c->host, "::") == 0;
    if (!split(host, name, &bracketed)) return false;
    if (bracketed ? strcmp(name, "::1") == 0 : strcasecmp(name, "localhost") == 0 || strcmp(name, "127.0.0.1") == 0)
        return true;
    if (strcasecmp(name, c->host) == 0 || (everywhere && is_numeric(name, bracketed))) return true;
    return lists(c->hosts, name) || lists(c->hosts, "*");
}

bool wn_origin_is_ours(const char *origin, const char *host)
{
    size_t scheme = strncasecmp(origin, "http://", 7) == 0 ? 7 : strncasecmp(origin, "https://", 8) == 0 ? 8 : 0;
    return scheme && host && strcasecmp(origin + scheme, host) == 0;
}

bool wn_origin_is_listed(const struct wn_config *c, const char *origin)
{
    return *origin && lists(c->cors_origins, origin);
}

/* "https://a.example:8443": no path, no user, no more. */
static bool is_origin(const char *word)
{
    char name[NAME_BYTES];
    bool bracketed;
    const char *host = strstr(word, "://");
    if (!host || host == word || !isalpha((unsigned char)word[0])) return false;
    for (const char *c = word; c < host; c++)
        if (!isalnum((unsigned char)*c) && !strchr("+-.", *c)) return false;
    host += 3;
    return !host[strcspn(host, "/?#@*")] && split(host, name, &bracketed);
}

enum wn_code wn_origins_check(const struct wn_config *c, struct wn_error *err)
{
    char word[sizeof c->cors_origins];
    for (const char *at = c->cors_origins; *(at += strspn(at, ", \t"));) {
        size_t n = strcspn(at, ", \t");
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        if (!is_origin(word))
            return wn_fail(err, WN_BAD_REQUEST,
                           "cors_origins: '%.128s' is no origin: scheme://host or scheme://host:port", word);
        at += n;
    }
    return WN_OK;
}
