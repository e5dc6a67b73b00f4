/* The one gate: in which order a head is distrusted. Knows the questions, and not how each is answered. */
#include "gate.h"

#include "hosts.h"

#include <string.h>
#include <strings.h>

/* A name that somebody else's page made to point here carries that page's name. */
static enum wn_code check_host(struct wn_request *r)
{
    if (!r->head.host || wn_host_is_ours(&r->server->config, r->head.host)) return WN_OK;
    r->head.last = true;
    return wn_problem_set(&r->problem, NULL, WN_WRONG_HOST,
                          "this server does not answer for that Host; --hosts adds names");
}

/* Paths are spelled in one way only: no name here needs an escape, so one that has any, or a piece that a proxy might
 * fold away, is another path than any of ours. */
static bool is_plain(const char *path)
{
    return !path[strcspn(path, "%\\;")] && !strstr(path, "//") && !strstr(path, "/.");
}

/* What no decoder would agree on is not even a path. */
static enum wn_code check_path(struct wn_request *r)
{
    if (wn_unescape(&r->pool, r->uri, strlen(r->uri), false)) return WN_OK;
    return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "the path cannot be decoded");
}

/* ---- who asks ---- */

/* Whoever reaches an address that needs no key may do everything; an address that others reach without keys gives no
 * one the right to change what runs here, or to go before others. */
static unsigned scopes_without_keys(const struct wn_server *s)
{
    unsigned all = WN_SCOPE_READ | WN_SCOPE_PREDICT | WN_SCOPE_EXPLAIN;
    return s->is_public ? all : all | WN_SCOPE_ADMIN;
}

static void look_up_key(struct wn_request *r)
{
    struct wn_key key;
    if (!atomic_load(&r->server->keys.n)) {
        r->scopes = scopes_without_keys(r->server);
        r->most_priority = r->server->is_public ? WN_PRIORITY_NORMAL : WN_PRIORITY_HIGH;
    } else if ((r->key = wn_keys_find(&r->server->keys, wn_request_header(r, "Authorization"), &key))) {
        r->scopes = key.scopes;
        r->most_priority = key.most;
        strcpy(r->key_name, key.name);
    }
}

static const char *scope_words(enum wn_scope wanted)
{
    switch (wanted) {
    case WN_SCOPE_PREDICT: return "the scope predict";
    case WN_SCOPE_EXPLAIN: return "the scope explain";
    case WN_SCOPE_INFER: return "the scope predict or explain";
    default: return "the scope admin";
    }
}

/* Without a key it cannot be told which paths there are. */
static enum wn_code check_key(struct wn_request *r)
{
    enum wn_scope wanted = r->route ? r->route->scope : WN_SCOPE_READ;
    look_up_key(r);
    if (wanted == WN_SCOPE_OPEN || r->scopes & wanted) return WN_OK;
    if (r->scopes)
        return wn_problem_set(&r->problem, NULL, WN_FORBIDDEN,
                              r->key ? "this path wants %s, and this key has it not" : "this path wants a key with %s",
                              scope_words(wanted));
    return wn_problem_set(&r->problem, NULL, WN_UNAUTHORIZED, "%s",
                          "this server wants a key: Authorization: Bearer ...");
}

/* ---- where it goes ---- */

static enum wn_code find_route(struct wn_request *r)
{
    struct wn_segments names = {0};
    bool plain = is_plain(r->uri);
    if (plain) r->route = wn_route_find(r->method, r->uri, &names, r->allow);
    if (check_key(r) != WN_OK) {
        r->allow[0] = 0;
        return r->problem.error.code;
    }
    if (!plain)
        return wn_problem_set(&r->problem, NULL, WN_NOT_FOUND,
                              "there is no such path: ours have no escapes, empty segments or dots");
    if (!r->route && r->allow[0])
        return wn_problem_set(&r->problem, NULL, WN_METHOD_NOT_ALLOWED, "this path takes %s", r->allow);
    if (!r->route)
        return wn_problem_set(&r->problem, NULL, WN_NOT_FOUND, "there is no such path; /openapi.json lists them");
    r->allow[0] = 0;
    if (names.size[0]) r->model = wn_pool_text(&r->pool, names.at[0], names.size[0]);
    if (names.size[1]) r->version = wn_pool_text(&r->pool, names.at[1], names.size[1]);
    if ((names.size[0] && !r->model) || (names.size[1] && !r->version))
        return wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    return WN_OK;
}

static enum wn_code check_query(struct wn_request *r)
{
    if (wn_query_parse(&r->pool, r->query, &r->parameters)) return WN_OK;
    if (r->parameters.too_many)
        return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "the query string has more than %d parameters",
                              WN_MOST_PARAMETERS);
    return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST,
                          "parameter %d of the query string cannot be decoded: it is UTF-8 without control characters, "
                          "in escapes like %%2B",
                          r->parameters.n);
}

/* ---- pages of other sites ---- */

static bool is_foreign(const struct wn_request *r, const char *origin, const char *site)
{
    if (origin && wn_origin_is_listed(&r->server->config, origin)) return false;
    if (origin && !wn_origin_is_ours(origin, r->head.host)) return true;
    return site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

/* A page of another site can send a form or plain text without asking first. It cannot hide where it is. */
static enum wn_code check_origin(struct wn_request *r)
{
    const char *origin = wn_request_header(r, "Origin"), *site = wn_request_header(r, "Sec-Fetch-Site"),
               *type = wn_request_header(r, "Content-Type");
    if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0) return WN_OK;
    if (is_foreign(r, origin, site))
        return wn_problem_set(&r->problem, NULL, WN_FORBIDDEN,
                              "pages of other sites may not ask here; --cors-origins lists those that may");
    if ((origin || site) && type && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0)
        return wn_problem_set(
            &r->problem, NULL, WN_UNSUPPORTED_MEDIA,
            "browsers send pictures as image/png, image/jpeg, multipart/form-data or application/json");
    return WN_OK;
}

static bool is_preflight(const struct wn_request *r)
{
    const char *origin = wn_request_header(r, "Origin");
    return strcmp(r->method, "OPTIONS") == 0 && origin && wn_origin_is_listed(&r->server->config, origin) &&
           wn_request_header(r, "Access-Control-Request-Method");
}

/* A body is read as it is. Taken for what it is not it would be called a broken picture, and what inflates can be a
 * bomb. */
static enum wn_code check_coding(struct wn_request *r)
{
    const char *coding = wn_request_header(r, "Content-Encoding");
    if (r->route->body == WN_BODY_NONE || !coding || !*coding || strcasecmp(coding, "identity") == 0) return WN_OK;
    return wn_problem_set(&r->problem, NULL, WN_UNSUPPORTED_MEDIA,
                          "no Content-Encoding is undone here: send the body as it is");
}

enum wn_code wn_gate_address(struct wn_request *r)
{
    enum wn_code code = check_path(r);
    if (code == WN_OK) code = find_route(r);
    return code == WN_OK ? check_query(r) : code;
}

enum wn_code wn_gate(struct wn_request *r)
{
    enum wn_code code =
        wn_framing_check(r->connection, &r->line, r->server->config.max_head_bytes, &r->head, &r->problem);
    if (code == WN_METHOD_NOT_ALLOWED) strcpy(r->allow, WN_METHODS);
    if (code == WN_OK && !r->uri) code = wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    if (code == WN_OK) code = check_host(r);
    if (code == WN_OK && (r->preflight = is_preflight(r))) return WN_OK;
    if (code == WN_OK) code = wn_gate_address(r);
    if (code == WN_OK) code = check_origin(r);
    return code == WN_OK ? check_coding(r) : code;
}
