/* GET /v1/methods, /v1/contrasts, /v1/colormaps and /v1/backends: the tables of the code, in the words of their
 * rows. */
#include "server.h"

#include <media/colormap.h>
#include <whynot/backend.h>
#include <whynot/explain.h>

static void open_list(struct wn_text *out, const char *key)
{
    wn_json_open(out, '{');
    wn_json_key(out, key);
    wn_json_open(out, '[');
}

static bool close_list(struct wn_text *out)
{
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    return true;
}

static void write_words(struct wn_text *out, const char *name, const char *summary, const char *formula,
                        const char *source, const char *cost, const char *misleads)
{
    wn_json_open(out, '{');
    wn_json_pair(out, "name", name);
    wn_json_pair(out, "summary", summary);
    if (formula) wn_json_pair(out, "formula", formula);
    if (source) wn_json_pair(out, "source", source);
    if (cost) wn_json_pair(out, "cost", cost);
    if (misleads) wn_json_pair(out, "misleads", misleads);
}

bool wn_route_methods(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    const struct wn_method *m;
    open_list(out, "methods");
    for (int i = 0; (m = wn_method_at(i)); i++) {
        write_words(out, m->name, m->summary, m->formula, m->source, m->cost, m->misleads);
        bool wraps = m->settings >> WN_SETTING_BASE_METHOD & 1;
        wn_json_pair(out, "explains",
                     wraps                        ? "what base_method explains"
                     : m->flags & WN_METHOD_INPUT ? "the input"
                                                  : "a layer");
        wn_json_key(out, "options");
        wn_json_open(out, '[');
        for (int k = 0; wn_setting_at(k); k++)
            if (m->settings >> k & 1) wn_json_string(out, wn_setting_at(k)->name);
        wn_json_close(out, ']');
        wn_json_pair_bool(out, "relevance", m->flags & WN_METHOD_RELEVANCE);
        wn_json_close(out, '}');
    }
    return close_list(out);
}

static const char *rivals_of(const struct wn_contrast *c)
{
    return c->flags & WN_CONTRAST_FOIL       ? "one (each of a list gives a map)"
           : c->flags & WN_CONTRAST_FOIL_SET ? "a set"
                                             : "none";
}

bool wn_route_contrasts(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    const struct wn_contrast *c;
    open_list(out, "contrasts");
    for (int i = 0; (c = wn_contrast_at(i)); i++) {
        write_words(out, c->name, c->summary, c->formula, c->source, c->cost, c->misleads);
        wn_json_pair(out, "why_not", rivals_of(c));
        wn_json_pair_bool(out, "several_targets", c->flags & WN_CONTRAST_TARGET_SET);
        wn_json_pair_bool(out, "same_class_allowed", c->flags & WN_CONTRAST_SAME_OK);
        wn_json_pair_bool(out, "sees_what_all_classes_share", c->flags & WN_CONTRAST_UNBALANCED);
        wn_json_pair_bool(out, "wants_value", c->flags & WN_CONTRAST_VALUE);
        wn_json_pair(out, "methods", c->flags & WN_CONTRAST_RELEVANCE ? "relevance" : "any");
        wn_json_pair(out, "positive_means", wn_positive_words((int)c->positive));
        wn_json_close(out, '}');
    }
    return close_list(out);
}

/* "440154..." : six digits a colour, the lowest first. */
static void write_palette(struct wn_text *out, const uint8_t (*palette)[3])
{
    wn_json_key(out, "palette");
    wn_text_puts(out, "\"");
    for (int i = 0; i < 256; i++) wn_text_printf(out, "%02x%02x%02x", palette[i][0], palette[i][1], palette[i][2]);
    wn_text_puts(out, "\"");
}

bool wn_route_colormaps(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    const struct wn_colormap *c;
    open_list(out, "colormaps");
    for (int i = 0; (c = wn_colormap_at(i)); i++) {
        write_words(out, c->name, c->summary, NULL, NULL, NULL, NULL);
        wn_json_pair_bool(out, "diverging", c->diverging);
        write_palette(out, wn_colormap_palette(c));
        wn_json_close(out, '}');
    }
    return close_list(out);
}

bool wn_route_backends(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    const struct wn_backend_impl *b;
    open_list(out, "backends");
    for (int i = 0; (b = wn_backend_at(i)); i++) {
        write_words(out, b->name, b->summary, NULL, NULL, NULL, NULL);
        wn_json_close(out, '}');
    }
    return close_list(out);
}
