/* GET /: a plain page that says what is here and how to ask. */
#include "server.h"

#include <whynot/whynot.h>

static void escape(struct wn_text *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '<')
            wn_text_puts(out, "&lt;");
        else if (*s == '&')
            wn_text_puts(out, "&amp;");
        else if (*s == '"')
            wn_text_puts(out, "&quot;");
        else
            wn_text_add(out, s, 1);
    }
}

static void write_routes(struct wn_text *out)
{
    const struct wn_route *route;
    wn_text_puts(out, "<h2>Routes</h2><table>");
    for (int i = 0; (route = wn_route_at(i)); i++) {
        wn_text_printf(out, "<tr><td>%s</td><td><code>%s</code></td><td>", route->method, route->path);
        escape(out, route->summary);
        wn_text_puts(out, "</td></tr>");
    }
    wn_text_puts(out, "</table>");
}

static void write_models(struct wn_text *out, const struct wn_models *models)
{
    wn_text_puts(out, "<h2>Models</h2><ul>");
    for (int i = 0; i < models->n; i++) {
        const struct wn_model *m = models->list[i];
        wn_text_puts(out, "<li><code>");
        escape(out, m->name);
        wn_text_puts(out, "</code> ");
        escape(out, m->manifest.description ? m->manifest.description : "");
        wn_text_puts(out, atomic_load(&m->state) == WN_MODEL_READY ? "</li>" : " (not ready)</li>");
    }
    wn_text_puts(out, "</ul>");
}

bool wn_route_page(struct wn_request *r)
{
    const struct wn_models *models = wn_request_models(r);
    struct wn_text *out = &r->reply.body;
    const char *model = models->n ? models->list[0]->name : "MODEL";
    r->reply.type = "text/html; charset=utf-8";
    wn_text_puts(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>whynot</title><style>body{font:16px/1.5 "
        "sans-serif;"
        "max-width:60em;margin:2em auto;padding:0 1em}td{padding:.1em .8em .1em 0}pre{background:#eee;padding:.8em;"
        "overflow:auto}</style><h1>Why P, rather than Q?</h1><p>Send a picture, get the places in it that made the "
        "network say one class rather than another.</p><h2>Ask</h2><pre>");
    wn_text_printf(out, "curl --data-binary @picture.jpg 'http://%.64s:%d/v1/models/", r->server->config.host,
                   r->server->port);
    escape(out, model);
    wn_text_puts(out, "/explain?why_not=auto:1'\n\n# the heatmap alone:\ncurl -H 'Accept: image/png' -o why.png "
                      "--data-binary @picture.jpg ");
    wn_text_printf(out, "'http://%.64s:%d/v1/models/", r->server->config.host, r->server->port);
    escape(out, model);
    wn_text_puts(
        out, "/explain'</pre><p>The fields of a question stand in <a href=\"/openapi.json\">/openapi.json</a>.</p>");
    write_models(out, models);
    write_routes(out);
    wn_text_printf(out, "<p>whynot %s</p></html>", wn_version());
    return true;
}
