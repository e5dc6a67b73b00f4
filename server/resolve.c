/* Resolving of names against the models; knows no pictures and no threads. */
#include "resolve.h"

#include "lookup.h"
#include "questions.h"
#include "spelling.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static enum wn_code fail(struct wn_slot *slot, const char *field, enum wn_code code, const char *what)
{
    char pointer[96];
    snprintf(pointer, sizeof pointer, "%s/%s", slot->pointer, field);
    return wn_problem_set(&slot->problem, pointer, code, "%s", what);
}

/* ---- the model ---- */

static enum wn_code resolve_model(const struct wn_models *models, struct wn_slot *slot, const struct wn_request *r)
{
    const char *name = slot->ask.model ? slot->ask.model : r->model ? r->model : wn_lookup_only(models);
    const char *version = slot->ask.version ? slot->ask.version : r->version;
    if (r->model && slot->ask.model && strcmp(r->model, slot->ask.model) != 0)
        return fail(slot, "model", WN_BAD_REQUEST, "the path and the question name different models");
    if (r->version && slot->ask.version && strcmp(r->version, slot->ask.version) != 0)
        return fail(slot, "version", WN_BAD_REQUEST, "the path and the question name different versions");
    if (!name) return fail(slot, "model", WN_BAD_REQUEST, "there are several models: name one of them");
    slot->model =
        wn_lookup(models, name, version, slot->ask.model || slot->ask.version ? slot->pointer : "", &slot->problem);
    if (!slot->model) return WN_NO_SUCH_MODEL;
    if (wn_model_is_ready(slot->model)) return WN_OK;
    slot->problem.retry_after_s = atomic_load(&slot->model->state) == WN_MODEL_LOADING;
    return wn_problem_set(&slot->problem, NULL, WN_NOT_READY, "the model %s is not ready: %s", slot->model->name,
                          slot->model->why.text);
}

/* ---- classes ---- */

/* "0, hen": several classes, where a label may hold a comma and so none is cut at one. */
static bool lists_classes(const struct wn_model *m, const char *word)
{
    enum { MOST = 16 }; /* each is looked for among all labels, and a word may be as long as a body */
    int parts = 0;
    for (const char *at = word; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL, parts++) {
        char part[129];
        if (parts == MOST) return false;
        at += strspn(at, " ");
        size_t n = strcspn(at, ",");
        while (n && at[n - 1] == ' ') n--;
        snprintf(part, sizeof part, "%.*s", (int)(n < sizeof part ? n : sizeof part - 1), at);
        int index = wn_digits(part);
        if (!n || (wn_model_class(m, part) < 0 && (index < 0 || index >= m->classes))) return false;
    }
    return parts > 1;
}

static enum wn_code no_such_class(struct wn_slot *slot, const char *field, const char *word)
{
    char what[400];
    if (lists_classes(slot->model, word)) {
        bool rival = strcmp(field, "why_not") == 0;
        snprintf(what, sizeof what,
                 "the model %s has no class '%.128s', but each part of it is one: repeat -%c for each (in a query "
                 "%s=...; in JSON send a list)",
                 slot->model->name, word, rival ? 'q' : 'w', field);
        return fail(slot, field, WN_NO_SUCH_CLASS, what);
    }
    snprintf(what, sizeof what, "the model %s has no class '%.128s'; see /v1/models/%s/labels?q=", slot->model->name,
             word, slot->model->name);
    fail(slot, field, WN_NO_SUCH_CLASS, what);
    wn_problem_similar(&slot->problem, word, slot->model->labels, slot->model->classes);
    return WN_NO_SUCH_CLASS;
}

static enum wn_code several_classes(struct wn_slot *slot, const char *field, const char *word)
{
    char what[400], where[80];
    wn_spelled_where(slot->model->labels, slot->model->classes, word, where, sizeof where);
    snprintf(what, sizeof what, "'%.128s' is the label of the classes %s of the model %s: say the number", word, where,
             slot->model->name);
    return fail(slot, field, WN_BAD_REQUEST, what);
}

static enum wn_code resolve_class(struct wn_slot *slot, const char *field, const struct wn_class_ref *ref, int *out)
{
    int64_t index = ref->index;
    char what[400];
    if (ref->text) index = wn_model_class(slot->model, ref->text);
    if (index == WN_SPELLED_TWICE) return several_classes(slot, field, ref->text);
    if (ref->text && index < 0) index = wn_digits(ref->text);
    if (ref->text && index < 0) return no_such_class(slot, field, ref->text);
    if (index < 0 || index >= slot->model->classes) {
        int called = ref->digits ? wn_model_class(slot->model, ref->digits) : WN_SPELLED_NOWHERE;
        int n = snprintf(what, sizeof what, "%lld is not a class: the model has classes 0 to %d", (long long)index,
                         slot->model->classes - 1);
        if (called >= 0)
            snprintf(what + n, sizeof what - (size_t)n, "; the one that is called so is '%.20s (%d)'", ref->digits,
                     called);
        return fail(slot, field, WN_NO_SUCH_CLASS, what);
    }
    *out = (int)index;
    return WN_OK;
}

static enum wn_code resolve_list(struct wn_slot *slot, struct wn_pool *pool, const char *field,
                                 const struct wn_class_refs *refs, int **out, int *n)
{
    size_t room = (size_t)(slot->all ? slot->model->classes : refs->n > refs->nearest ? refs->n : refs->nearest);
    *out = wn_pool_array(pool, room + 1, sizeof **out); /* one more: a runner-up that nobody named */
    if (!*out) return wn_problem_set(&slot->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    for (*n = 0; *n < refs->n && !(slot->all && refs == &slot->ask.why_not); ++*n) {
        enum wn_code code = resolve_class(slot, field, &refs->list[*n], &(*out)[*n]);
        if (code != WN_OK) return code;
        for (int i = 0; i < *n; i++)
            if ((*out)[i] == (*out)[*n]) return fail(slot, field, WN_BAD_REQUEST, "the same class is named twice");
    }
    return WN_OK;
}

static bool is_word(const struct wn_class_refs *refs, const char *word)
{
    return refs->n == 1 && refs->list[0].text && strcasecmp(refs->list[0].text, word) == 0;
}

static enum wn_code resolve_classes(struct wn_slot *slot, struct wn_pool *pool)
{
    const struct wn_ask *ask = &slot->ask;
    slot->all = is_word(&ask->why_not, "all") && wn_model_class(slot->model, "all") == WN_SPELLED_NOWHERE;
    slot->nearest = ask->why_not.nearest < slot->model->classes ? ask->why_not.nearest : slot->model->classes - 1;
    bool predicted = is_word(&ask->target, "top1") && wn_model_class(slot->model, "top1") == WN_SPELLED_NOWHERE;
    enum wn_code code = WN_OK;
    if (!predicted) code = resolve_list(slot, pool, "target", &ask->target, &slot->targets, &slot->n_targets);
    return code == WN_OK ? resolve_list(slot, pool, "why_not", &ask->why_not, &slot->foils, &slot->n_foils) : code;
}

/* ---- contrast and layer ---- */

static bool share_a_class(const struct wn_slot *s)
{
    for (int i = 0; i < s->n_targets; i++)
        for (int k = 0; k < s->n_foils; k++)
            if (s->targets[i] == s->foils[k]) return true;
    return false;
}

static enum wn_code resolve_contrast(struct wn_slot *slot)
{
    bool rivals = slot->n_foils || slot->nearest || slot->all;
    char what[256];
    bool valued = !isnan(slot->ask.value);
    const char *standard = slot->all ? "cross-entropy" : valued ? "regression" : rivals ? "pair" : "logit";
    slot->contrast = slot->ask.contrast ? slot->ask.contrast : wn_contrast_find(standard);
    unsigned flags = slot->contrast->flags;
    if (valued != ((flags & WN_CONTRAST_VALUE) != 0)) {
        snprintf(what, sizeof what,
                 valued ? "the contrast %s takes no value; regression does"
                        : "the contrast %s wants a value, the number that was not said",
                 slot->contrast->name);
        return fail(slot, "value", WN_BAD_REQUEST, what);
    }
    if (valued && wn_graph_classes(slot->model->graph) == 1 && slot->n_targets && slot->targets[0] != 1) {
        snprintf(what, sizeof what,
                 "the one output is of the class '%.100s', and the value with it: ask about that one",
                 slot->model->labels[1]);
        return fail(slot, "target", WN_BAD_REQUEST, what);
    }
    if ((flags & WN_CONTRAST_RELEVANCE) &&
        !(wn_method_flags(slot->ask.method, &slot->ask.settings) & WN_METHOD_RELEVANCE)) {
        snprintf(
            what, sizeof what,
            "the contrast %s is made of passes of relevance, and %s has none: ask with method lrp-zplus or another lrp",
            slot->contrast->name, slot->ask.method->name);
        return fail(slot, "contrast", WN_BAD_REQUEST, what);
    }
    bool takes_rivals = flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET),
         wants_rival_maps = slot->ask.maps & WN_MAPS_RIVAL;
    if (slot->n_targets > 1 && !(flags & WN_CONTRAST_TARGET_SET)) {
        snprintf(what, sizeof what, "the contrast %s takes one target", slot->contrast->name);
        return fail(slot, "target", WN_BAD_REQUEST, what);
    }
    if (rivals && !takes_rivals && !wants_rival_maps) {
        snprintf(what, sizeof what, "the contrast %s takes no why_not; pair and others of /v1/contrasts do",
                 slot->contrast->name);
        return fail(slot, "why_not", WN_BAD_REQUEST, what);
    }
    if (wants_rival_maps && slot->all)
        return fail(slot, "maps", WN_BAD_REQUEST, "with why_not=all the small maps of N rivals come with rivals=N");
    if (wants_rival_maps && !rivals && !takes_rivals)
        return fail(slot, "maps", WN_BAD_REQUEST, "maps of rivals want a why_not");
    if (takes_rivals && !(flags & WN_CONTRAST_SAME_OK) && share_a_class(slot)) {
        snprintf(what, sizeof what,
                 "why_not is the target itself, and the contrast %s of a class with itself is nothing",
                 slot->contrast->name);
        return fail(slot, "why_not", WN_BAD_REQUEST, what);
    }
    return WN_OK;
}

/* What is answered from the maps of every class needs a method whose maps add up. */
static enum wn_code resolve_stack(struct wn_slot *slot)
{
    const struct wn_method *m = slot->ask.method;
    char what[400] = "", all[200] = "";
    bool stacked = wn_slot_is_stacked(slot);
    if (slot->ask.rivals && !wn_slot_has_statistics(slot))
        return fail(slot, "rivals", WN_BAD_REQUEST,
                    "rivals=N goes with why_not=all and a contrast that takes one rival");
    if (slot->ask.statistics != WN_STATISTICS_MASKS && !wn_slot_has_statistics(slot))
        return fail(slot, "statistics", WN_BAD_REQUEST,
                    "statistics=raw goes with why_not=all and a contrast that takes one rival");
    if (wn_slot_has_statistics(slot) && wn_graph_classes(slot->model->graph) < 2)
        return fail(slot, "why_not", WN_BAD_REQUEST, "the model has one output, so there are no foils to average over");
    if (!stacked || (m->flags & WN_METHOD_LINEAR && !(m->flags & WN_METHOD_INPUT))) return WN_OK;
    for (int i = 0; wn_method_at(i); i++)
        if (wn_method_at(i)->flags & WN_METHOD_LINEAR && !(wn_method_at(i)->flags & WN_METHOD_INPUT) &&
            strlen(all) < 160)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", all[0] ? ", " : "", wn_method_at(i)->name);
    snprintf(what, sizeof what,
             "%s needs the small map of every class, and the maps of the method %s %s; these methods have them: %s",
             slot->ask.reuse && !wn_slot_has_statistics(slot) ? "reuse" : "why_not=all", m->name,
             m->flags & WN_METHOD_INPUT ? "are as large as the picture" : "do not add up", all);
    return fail(slot, "method", WN_UNSUPPORTED, what);
}

static enum wn_code resolve_variant(struct wn_slot *slot, int *number)
{
    char what[256];
    bool raw = slot->ask.layer_variant == WN_VARIANT_RAW_CONVOLUTION;
    if (slot->ask.layer_variant == WN_VARIANT_AS_NAMED ||
        wn_method_flags(slot->ask.method, &slot->ask.settings) & WN_METHOD_INPUT)
        return WN_OK;
    const struct wn_layer *layer = wn_graph_layer(slot->model->graph, *number);
    int other = raw ? layer->raw_convolution : layer->before_activation;
    snprintf(what, sizeof what,
             raw ? "the layer %.128s is not made by one convolution; name the convolution's own output as the layer"
                 : "the layer %.128s is not made by an activation",
             layer->name);
    if (other < 0) return fail(slot, "layer_variant", WN_BAD_REQUEST, what);
    *number = other;
    return WN_OK;
}

/* Who says what hides pixels and hides none would take the map for judged. */
static enum wn_code resolve_evidence(struct wn_slot *slot)
{
    if (!slot->ask.fill_given || slot->ask.evidence == WN_EVIDENCE_MASK) return WN_OK;
    return fail(slot, "fill", WN_BAD_REQUEST, "fill goes with evidence=mask: without it no pixel is hidden");
}

/* What a method does not take is said before anything is computed, and so is what would take too long. */
static enum wn_code resolve_settings(struct wn_slot *slot)
{
    const int64_t most = 4096;
    struct wn_error why = {0};
    const struct wn_question q = {.method = slot->ask.method,
                                  .contrast = slot->contrast,
                                  .n_layers = slot->ask.layers.n,
                                  .settings = slot->ask.settings};
    if (wn_method_check(slot->ask.method, &slot->ask.settings, &why) != WN_OK)
        return fail(slot, "method", why.code, why.text);
    if (wn_question_passes(&q) <= most) return WN_OK;
    return fail(slot, "method", WN_BAD_REQUEST,
                "these settings ask for more than 4096 passes through the network; ask for fewer steps or samples");
}

static enum wn_code find_layer(struct wn_slot *slot, const char *field, const char *name, int *number)
{
    char what[384];
    bool automatic = strcmp(name, "auto") == 0;
    *number = automatic ? slot->model->layer : wn_graph_find_layer(slot->model->graph, name);
    if (*number >= 0) return resolve_variant(slot, number);
    if (automatic) return WN_OK; /* where auto means none, the engine says so, or needs none */
    snprintf(what, sizeof what, "the model %s has no layer '%.128s'; see /v1/models/%s/layers", slot->model->name, name,
             slot->model->name);
    return fail(slot, field, WN_NO_SUCH_LAYER, what);
}

/* Several layers whose maps become one. */
static enum wn_code resolve_layers(struct wn_slot *slot)
{
    const struct wn_names *names = &slot->ask.layers;
    char what[256];
    snprintf(what, sizeof what, "the method %s explains the input: it has no layers to fuse", slot->ask.method->name);
    if (wn_method_flags(slot->ask.method, &slot->ask.settings) & WN_METHOD_INPUT)
        return fail(slot, "layers", WN_BAD_REQUEST, what);
    if (strcmp(slot->ask.layer, "auto") != 0)
        return fail(slot, "layers", WN_BAD_REQUEST,
                    "layer names one layer and layers several: send one of the two fields");
    if (names->n < 2)
        return fail(slot, "layers", WN_BAD_REQUEST,
                    "layers must name two to eight layers; one goes into the field layer");
    if (wn_slot_is_stacked(slot))
        return fail(slot, "layers", WN_BAD_REQUEST, "maps of every class (why_not=all, reuse) are those of one layer");
    for (int i = 0; i < names->n; i++) {
        enum wn_code code = find_layer(slot, "layers", names->list[i], &slot->layers[i]);
        if (code != WN_OK) return code;
        for (int k = 0; k < i; k++)
            if (slot->layers[k] == slot->layers[i])
                return fail(slot, "layers", WN_BAD_REQUEST, "the same layer is named twice");
    }
    slot->n_layers = names->n;
    slot->layer = slot->layers[0];
    return WN_OK;
}

static enum wn_code resolve_layer(struct wn_slot *slot)
{
    return slot->ask.layers.n ? resolve_layers(slot) : find_layer(slot, "layer", slot->ask.layer, &slot->layer);
}

void wn_resolve(struct wn_request *r, struct wn_job *job)
{
    const struct wn_models *models = job->models = wn_models_hold(wn_request_models(r));
    for (int i = 0; i < job->n_slots; i++) {
        struct wn_slot *slot = &job->slots[i];
        if (slot->problem.error.code != WN_OK) continue;
        if (!slot->ask.image)
            fail(slot, "image", WN_BAD_REQUEST, "image is missing: the picture that is asked about");
        else if (resolve_model(models, slot, r) == WN_OK && resolve_classes(slot, &job->pool) == WN_OK &&
                 resolve_contrast(slot) == WN_OK && resolve_stack(slot) == WN_OK && resolve_evidence(slot) == WN_OK &&
                 resolve_settings(slot) == WN_OK)
            resolve_layer(slot);
    }
}
