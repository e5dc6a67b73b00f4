/* An engine's maps of every class: the plans for them, and images in as many as one run takes. Knows no question and
 * no HTTP. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* ---- plans ---- */

/* Where forward mode has been refused for so many images, the plan for fewer stands in. */
static bool serves(const struct wn_stack_plan *p, int layer, const struct wn_method *method, int images)
{
    return p && p->layer == layer && p->method == method &&
           (p->images == images || (p->refused && p->refused <= images && p->images < images));
}

static int find(const struct wn_engine *e, int layer, const struct wn_method *method, int images)
{
    for (int i = 0; i < MAX_STACK_PLANS; i++)
        if (serves(e->stacks[i], layer, method, images)) return i;
    return WN_NONE;
}

static int oldest(const struct wn_engine *e)
{
    int slot = WN_NONE;
    for (int i = 0; i < MAX_STACK_PLANS; i++)
        if (e->stacks[i] && (slot == WN_NONE || e->stack_used[i] < e->stack_used[slot])) slot = i;
    return slot;
}

int wn_engine_spare_stack(const struct wn_engine *e)
{
    int n = 0;
    for (int i = 0; i < MAX_STACK_PLANS; i++) n += e->stacks[i] != NULL;
    return n > 1 ? oldest(e) : WN_NONE;
}

static int keep(struct wn_engine *e, struct wn_stack_plan *made)
{
    int slot = 0;
    while (slot < MAX_STACK_PLANS && e->stacks[slot]) slot++;
    if (slot == MAX_STACK_PLANS) slot = oldest(e);
    wn_stack_plan_destroy(e->stacks[slot]);
    e->stacks[slot] = made;
    e->stack_used[slot] = ++e->clock;
    wn_engine_let_old_plans_go(e);
    return slot;
}

/* For so many images or, where forward mode has no rule for them together, for half as many, and so on. What one
 * image has no rule for goes by backward passes, one image at a time. */
static enum wn_code plan_for(struct wn_engine *e, int layer, const struct wn_method *method, int images,
                             struct wn_stack_plan **out, struct wn_error *err)
{
    int refused = 0, slot;
    while ((slot = find(e, layer, method, images)) == WN_NONE) {
        struct wn_stack_plan *made;
        struct wn_error why = {0};
        enum wn_code code = wn_stack_plan_create(e->graph, e->backend, layer, method, images, &made, &why);
        if (code == WN_OK) {
            slot = keep(e, made);
            break;
        }
        if (code != WN_UNSUPPORTED || images == 1) return wn_fail(err, code, "%s", why.text);
        refused = images;
        images /= 2;
    }
    if (refused) e->stacks[slot]->refused = refused;
    e->stack_used[slot] = ++e->clock;
    *out = e->stacks[slot];
    return WN_OK;
}

/* ---- a call ---- */

/* As many as the plan takes, one behind the other. Places past the end repeat the last image: any numbers will do
 * there. */
static enum wn_code stage(struct wn_engine *e, const struct wn_stack_plan *plan, const float *const *images, int n,
                          const float **out, struct wn_error *err)
{
    size_t pixels = wn_engine_pixels(e);
    *out = e->resident && plan->sent ? NULL : images[0];
    if (!*out || plan->images == 1) return WN_OK;
    enum wn_code code = wn_engine_room(e, err);
    if (code != WN_OK) return code;
    for (int i = 0; i < plan->images; i++)
        memcpy(e->images + (size_t)i * pixels, images[i < n ? i : n - 1], pixels * sizeof **images);
    *out = e->images;
    return WN_OK;
}

/* Each in the room of the stack that was there, or in new room. */
static enum wn_code make_room(const struct wn_engine *e, const struct wn_stack_plan *plan, struct wn_stack *stacks,
                              int n, struct wn_error *err)
{
    for (int i = 0; i < n; i++) {
        const struct wn_stack before = stacks[i];
        const int k = e->graph->classes;
        stacks[i] = (struct wn_stack){
            .layer = plan->layer, .classes = k, .h = (int)plan->h, .w = (int)plan->w, .forward_mode = plan->rows == 0};
        if (before.maps && before.classes == k && before.h == stacks[i].h && before.w == stacks[i].w) {
            stacks[i].maps = before.maps;
            continue;
        }
        free(before.maps);
        stacks[i].maps = malloc((size_t)k * (size_t)(plan->h * plan->w) * sizeof *stacks[i].maps);
        if (!stacks[i].maps) return wn_fail(err, WN_NO_MEMORY, "no memory for the maps of %d classes", k);
    }
    return WN_OK;
}

/* Some of n images, in one run; *done: how many. */
static enum wn_code run_some(struct wn_engine *e, const float *const *images, int n, int layer,
                             const struct wn_method *method, float *logits, struct wn_stack *stacks,
                             struct wn_error *errors, int *done, struct wn_error *err)
{
    struct wn_stack_plan *plan;
    const float *source;
    enum wn_code code = plan_for(e, layer, method, (int)wn_engine_bucket(n, e->max_images), &plan, err);
    if (code != WN_OK) return code;
    *done = n < plan->images ? n : plan->images;
    code = make_room(e, plan, stacks, *done, err);
    if (code == WN_OK) code = stage(e, plan, images, *done, &source, err);
    return code == WN_OK ? wn_stack_plan_run(plan, source, *done, logits, stacks, errors, err) : code;
}

static enum wn_code check(const struct wn_engine *e, int layer, const struct wn_method *method, struct wn_error *err)
{
    if (!method) return wn_fail(err, WN_BAD_REQUEST, "a stack needs a method");
    if (method->flags & WN_METHOD_INPUT)
        return wn_fail(err, WN_UNSUPPORTED, "method '%s' has maps as large as the picture: ask one question at a time",
                       method->name);
    return wn_engine_check_layer(e, layer, err);
}

enum wn_code wn_engine_stacks(struct wn_engine *e, const float *const *images, int n, int layer,
                              const struct wn_method *method, float *logits, struct wn_stack *stacks,
                              struct wn_error *errors, struct wn_error *err)
{
    const int at = layer == WN_LAYER_AUTO ? e->graph->auto_layer : layer, k = e->graph->classes;
    for (int i = 0; i < n; i++) errors[i] = (struct wn_error){0};
    enum wn_code code = check(e, layer, method, err);
    for (int i = 0, some = 0; i < n && code == WN_OK; i += some)
        code = run_some(e, images + i, n - i, at, method, logits + (size_t)i * (size_t)k, stacks + i, errors + i, &some,
                        err);
    for (int i = 0; i < n; i++)
        if (code != WN_OK || errors[i].code != WN_OK) wn_stack_finish(&stacks[i]);
    return code;
}

enum wn_code wn_engine_stack(struct wn_engine *e, const float *image, int layer, const struct wn_method *method,
                             float *logits, struct wn_stack *out, struct wn_error *err)
{
    struct wn_error why;
    *out = (struct wn_stack){0};
    enum wn_code code = wn_engine_stacks(e, &image, 1, layer, method, logits, out, &why, err);
    return code == WN_OK && why.code != WN_OK ? wn_fail(err, why.code, "%s", why.text) : code;
}

/* The maps of a backward pass a class never lie together on the device. */
enum wn_code wn_engine_statistics(struct wn_engine *e, const struct wn_stack *s, const float *logits, int target,
                                  const struct wn_contrast *contrast, enum wn_statistics_kind kind, int height,
                                  int width, struct wn_statistics *out, struct wn_error *err)
{
    struct wn_masker device = {.backend = e->backend};
    for (int i = 0; i < MAX_STACK_PLANS; i++) {
        const struct wn_stack_plan *p = e->stacks[i];
        if (p && s->made && p->made == s->made && !p->rows)
            device = (struct wn_masker){e->backend, p->exe, p->maps, s->place};
    }
    return wn_statistics_on(&device, s, logits, target, contrast, kind, height, width, out, err);
}
