/* The one gate: in which order a head is distrusted. Knows the questions, and not how each is answered. */
#include "gate.h"

#include <string.h>

/* Paths are spelled in one way only: no name here needs an escape, so one that has any, or a piece that a proxy might
 * fold away, is another path than any of ours. What no decoder would agree on is not even a path. */
static enum wn_code check_path(struct wn_request *r)
{
    if (!wn_unescape(&r->pool, r->uri, strlen(r->uri), false))
        return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "the path cannot be decoded");
    if (r->uri[strcspn(r->uri, "%\\;")] || strstr(r->uri, "//") || strstr(r->uri, "/."))
        return wn_problem_set(&r->problem, NULL, WN_NOT_FOUND,
                              "there is no such path: ours have no escapes, empty segments or dots");
    return WN_OK;
}

static enum wn_code find_route(struct wn_request *r)
{
    struct wn_segments names;
    r->route = wn_route_find(r->method, r->uri, &names, r->allow);
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
    return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST,
                          "the query string cannot be decoded, or has more than %d parameters", WN_MOST_PARAMETERS);
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
    if (code == WN_METHOD_NOT_ALLOWED) strcpy(r->allow, "GET, HEAD, POST");
    if (code == WN_OK && !r->uri) code = wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    return code == WN_OK ? wn_gate_address(r) : code;
}
