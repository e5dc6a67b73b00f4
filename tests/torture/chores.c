/* See chores.h. */
#include "chores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

enum { MOST_PIXELS = 3 * 256 * 256, MOST_CLASSES = 64, IMAGES = 2, QUESTIONS = 6 };

static float pictures[IMAGES][MOST_PIXELS];

static void paint(void)
{
    uint32_t s = 7;
    if (pictures[0][0] != 0) return;
    for (int i = 0; i < IMAGES * MOST_PIXELS; i++) {
        s = s * 1664525u + 1013904223u;
        pictures[i / MOST_PIXELS][i % MOST_PIXELS] = (float)(s >> 8) / (1 << 23) - 1;
    }
}

struct wn_graph *desk_graph(const char *path)
{
    static const float low[] = {-1, -1, -1}, high[] = {1, 1, 1};
    struct wn_graph_options options = {.height = 9, .width = 9, .low = low, .high = high, .n_bounds = 3};
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    if (wn_graph_load(path, &options, &g, &err) == WN_BAD_MODEL) { /* its sides are its own */
        options.height = options.width = 0;
        err = (struct wn_error){0};
        wn_graph_load(path, &options, &g, &err);
    }
    if (!g) fail_msg("%s: %s", path, err.text);
    assert_true(wn_graph_channels(g) * wn_graph_height(g) * wn_graph_width(g) <= MOST_PIXELS &&
                wn_graph_classes(g) <= MOST_CLASSES);
    paint();
    return g;
}

void desk_open(struct desk *d, struct wn_graph *g, const char *backend)
{
    static const float black[] = {-1, -1, -1};
    const struct wn_engine_options options = {.backend = backend, .black = wn_graph_channels(g) <= 3 ? black : NULL};
    struct wn_error err = {0};
    d->graph = g;
    if (wn_engine_create(g, &options, &d->engine, &err) != WN_OK) fail_msg("%s", err.text);
}

void desk_close(struct desk *d)
{
    wn_engine_destroy(d->engine);
}

/* ---- records ---- */

static void note(struct record *r, const float *values, int n)
{
    assert_true(n <= MOST_RECORDED - r->n);
    memcpy(r->value + r->n, values, (size_t)n * sizeof *values);
    r->n += n;
}

static void note_number(struct record *r, double value)
{
    note(r, &(float){(float)value}, 1);
}

bool record_agrees(const struct record *a, const struct record *b, float tolerance)
{
    float most = 0;
    if (a->n != b->n) return false;
    for (int i = 0; i < a->n; i++) most = fmaxf(most, isfinite(a->value[i]) ? fabsf(a->value[i]) : 0);
    for (int i = 0; i < a->n; i++)
        if (!(fabsf(a->value[i] - b->value[i]) <= tolerance * most) &&
            memcmp(&a->value[i], &b->value[i], sizeof(float)) != 0)
            return false;
    return true;
}

/* ---- chores ---- */

static int ask(const struct desk *d, const struct wn_method *m, struct wn_question *q)
{
    static const char *const contrasts[] = {"logit", "pair", "weighted", "finer"}, *const relevance[] = {
                                                                                       "logit", "sglrp", "clrp",
                                                                                       "pair"};
    static const struct {
        enum wn_setting setting;
        const char *text;
    } few[] = {{WN_SETTING_STEPS, "3"},         {WN_SETTING_SAMPLES, "2"},    {WN_SETTING_CHANNELS, "2"},
               {WN_SETTING_ROUNDS, "2"},        {WN_SETTING_ITERATIONS, "2"}, {WN_SETTING_SUPERPIXELS, "4"},
               {WN_SETTING_PERTURBATIONS, "10"}}; /* passes, so that many failures can be tried */
    static const int layers[] = {0, 1};
    int n = 0;
    for (; n < 4; n++)
        q[n] = (struct wn_question){.image = n % IMAGES,
                                    .layer = WN_LAYER_AUTO,
                                    .method = m,
                                    .target = n % 2 ? 0 : WN_TARGET_PREDICTED,
                                    .contrast =
                                        wn_contrast_find(m->flags & WN_METHOD_RELEVANCE ? relevance[n] : contrasts[n])};
    q[n] = q[0];
    q[n].layer = 0;
    if (wn_graph_layers(d->graph) > 1) {
        q[++n] = q[0];
        q[n].layers = layers;
        q[n].n_layers = 2;
    }
    n++;
    for (int i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof few / sizeof *few; k++)
            wn_setting_set(&q[i].settings, few[k].setting, few[k].text, NULL);
        wn_setting_set(&q[i].settings, WN_SETTING_BASELINE, i % 2 ? "blurred" : "black", NULL);
        q[i].settings.given &= m->settings;
    }
    return n;
}

static enum wn_code explain(struct desk *d, const struct chore *c, struct record *out, struct wn_error *err)
{
    struct wn_question q[QUESTIONS];
    struct wn_answer a[QUESTIONS] = {0};
    const float *images[IMAGES] = {pictures[0], pictures[1]};
    float logits[IMAGES * MOST_CLASSES];
    int n = ask(d, c->method, q);
    const struct wn_batch batch = {.n_images = IMAGES, .images = images, .n_questions = n, .questions = q};
    enum wn_code code = wn_engine_explain(d->engine, &batch, logits, a, NULL, err);
    if (code == WN_OK) code = wn_answers_failure(a, n, err);
    if (code == WN_OK) note(out, logits, IMAGES * wn_graph_classes(d->graph));
    for (int i = 0; i < n; i++) {
        if (code == WN_OK) note_number(out, a[i].error.code);
        if (code == WN_OK && a[i].error.code == WN_OK) note(out, a[i].map, a[i].h * a[i].w);
        out->refusals += a[i].error.code != WN_OK;
        if (a[i].error.code != WN_OK) assert_true(a[i].error.text[0] && !a[i].map);
        wn_answer_finish(&a[i]);
    }
    return code;
}

static enum wn_code gradient(struct desk *d, const struct chore *c, struct record *out, struct wn_error *err)
{
    static float at[MOST_PIXELS];
    float logits[MOST_CLASSES];
    const struct wn_question q = {
        .layer = WN_LAYER_AUTO, .method = c->method, .contrast = wn_contrast_find("weighted"), .target = 0};
    enum wn_code code = wn_engine_gradient(d->engine, pictures[0], &q, logits, at, err);
    int64_t cells = wn_graph_channels(d->graph) * wn_graph_height(d->graph) * wn_graph_width(d->graph);
    if (code == WN_OK) note(out, at, (int)(cells < 4096 ? cells : 4096));
    return code;
}

static enum wn_code sum_up(struct desk *d, const struct wn_stack *s, const float *logits, struct record *out,
                           struct wn_error *err)
{
    static const struct {
        const char *contrast;
        enum wn_statistics_kind kind;
    } asked[] = {{"cross-entropy", WN_STATISTICS_MASKS}, {"pair", WN_STATISTICS_RAW}};
    enum wn_code code = WN_OK;
    for (int i = 0; i < 2 && code == WN_OK; i++) {
        struct wn_statistics all;
        code = wn_engine_statistics(d->engine, s, logits, WN_TARGET_PREDICTED, wn_contrast_find(asked[i].contrast),
                                    asked[i].kind, 12, 14, &all, err);
        if (code == WN_OK) note(out, all.mean, all.h * all.w);
        if (code == WN_OK) note(out, all.variance, all.h * all.w);
        wn_statistics_finish(&all);
    }
    return code;
}

static enum wn_code one_of_all(const struct wn_stack *s, const float *logits, const struct wn_method *m,
                               struct record *out, struct wn_error *err)
{
    const struct wn_question q = {.method = m, .contrast = wn_contrast_find("pair"), .target = WN_TARGET_PREDICTED};
    struct wn_answer a = {0};
    enum wn_code code = wn_stack_explain(s, logits, &q, &a);
    if (code == WN_OK) note(out, a.map, a.h * a.w);
    if (code != WN_OK) wn_fail(err, code, "%s", a.error.text);
    wn_answer_finish(&a);
    return code;
}

static enum wn_code stack(struct desk *d, const struct chore *c, struct record *out, struct wn_error *err)
{
    struct wn_stack s = {0};
    float logits[MOST_CLASSES];
    enum wn_code code = wn_engine_stack(d->engine, pictures[0], WN_LAYER_AUTO, c->method, logits, &s, err);
    if (code == WN_OK) note(out, s.maps, s.classes * s.h * s.w);
    if (code == WN_OK) code = one_of_all(&s, logits, c->method, out, err);
    if (code == WN_OK) code = sum_up(d, &s, logits, out, err);
    wn_stack_finish(&s);
    return code;
}

static enum wn_code mask(struct desk *d, const struct chore *c, struct record *out, struct wn_error *err)
{
    static const float map[] = {1, -1, 2, -2};
    float logits[MOST_CLASSES];
    const float *images[] = {pictures[0]}, black[MOST_CLASSES] = {-1, -1, -1};
    const struct wn_batch batch = {.n_images = 1, .images = images};
    struct wn_masking_in in = {.image = pictures[0],
                               .logits = logits,
                               .map = map,
                               .h = 2,
                               .w = 2,
                               .black = black,
                               .targets = (int[]){0},
                               .rivals = (int[]){1},
                               .n_targets = 1,
                               .n_rivals = 1};
    enum wn_code code = wn_engine_explain(d->engine, &batch, logits, NULL, NULL, err);
    (void)c;
    if (code == WN_OK) note(out, logits, wn_graph_classes(d->graph));
    for (int fill = 0; wn_fill_name(fill) && code == WN_OK; fill++) {
        struct wn_masking got;
        in.fill = (enum wn_fill)fill;
        code = wn_engine_masking(d->engine, d->graph, &in, &got, err);
        if (code == WN_OK) note_number(out, got.keep_positive);
        if (code == WN_OK) note_number(out, got.keep_negative);
    }
    return code;
}

struct chore chore_at(int i)
{
    const struct chore others[] = {{"the gradient at the picture", gradient, wn_method_find("gradcam")},
                                   {"a stack of Grad-CAM", stack, wn_method_find("gradcam")},
                                   {"a stack of the linear approximation", stack, wn_method_find("la")},
                                   {"masking", mask, NULL}};
    const struct wn_method *m = NULL;
    int methods = 0;
    for (; wn_method_at(methods); methods++)
        if (methods == i) m = wn_method_at(i);
    if (m) return (struct chore){m->name, explain, m};
    return i - methods < (int)(sizeof others / sizeof *others) ? others[i - methods] : (struct chore){0};
}

enum wn_code chore_do(const struct chore *c, struct desk *d, struct record *out, struct wn_error *err)
{
    out->n = out->refusals = 0;
    *err = (struct wn_error){0};
    return c->run(d, c, out, err);
}
