/* cuDNN plans every convolution of the networks for an H100 that is only described: the graphs are made by the
 * backend's own code, no GPU is needed, and none has run them. plans_test CARD.json [MODEL.onnx...]: every shape at
 * 1 to 128 images, and the convolutions that the lowered programs of these models hold, forward and back to the
 * picture; plans_test CARD.json --models MODEL.onnx...: these alone. Exits 77 where cuDNN is older than 9.8.
 * plans_test CARD.json --driver: what differs where there is a driver's library, and that what networks run does not.
 * plans_test CARD.json --describe FILE, on a card: writes cuDNN's own description of it, and says whether the card
 * takes a plan that was made from the description CARD.json alone. Exits 77 where there is no card. */
#include "conv_graph.h"
#include "graph.h"
#include "program.h"
#include "tensor.h"
#include "vendor.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { NONE, RELU, RELU6 };
enum { NO_COPY = 1024 }; /* bytes of a workspace in which nothing of a network is copied */

struct row {
    const char *net;
    int64_t c, side, o, k, s, p, g;
    bool residual;
    int act;
};

static const struct row rows[] = {
#define X(net, c, side, o, k, s, p, g, residual, act) {net, c, side, o, k, s, p, g, residual, act},
#include "convolutions.def"
#undef X
};
enum { ROWS = sizeof rows / sizeof *rows };

static struct wn_cuda_planner planner;

struct way {
    const char *name;
    enum wn_cuda_type type;
    bool exact;
};
static const struct way ways[] = {{"f32", WN_CUDA_F32, true},
                                  {"tf32", WN_CUDA_F32, false},
                                  {"bf16", WN_CUDA_BF16, false},
                                  {"f16", WN_CUDA_F16, false}};

static struct wn_cuda_conv_shape shape_of(const struct row *r, int64_t n, const struct way *way)
{
    const int64_t to = (r->side + 2 * r->p - r->k) / r->s + 1;
    return (struct wn_cuda_conv_shape){.type = way->type,
                                       .exact = way->exact,
                                       .groups = r->g,
                                       .x = {4, {n, r->c, r->side, r->side}},
                                       .w = {4, {r->o, r->c / r->g, r->k, r->k}},
                                       .y = {4, {n, r->o, to, to}},
                                       .win = {2, {r->k, r->k}, {r->s, r->s}, {1, 1}, {r->p, r->p}, {r->p, r->p}}};
}

/* As the backend lays the picture that the first convolution reads. */
static bool pad(struct wn_cuda_conv_shape *s)
{
    const int64_t pitch = s->groups == 1 ? wn_cuda_pixel_pitch(s->x.dim[1], s->type, s->exact) : s->x.dim[1];
    const bool padded = pitch != s->x.dim[1];
    s->x.dim[1] = pitch;
    if (padded) s->w.dim[1] = pitch;
    return padded;
}

/* Whatever keeps numbers off the tensor cores (a layout, an alignment, a type, the heuristics) costs most of the
 * speed. In tf32 cuDNN has nothing there for three channels, which the backend pads. */
static bool wants_tensor_cores(const struct wn_cuda_conv_shape *s)
{
    return !s->exact && s->groups == 1 && (s->type != WN_CUDA_F32 || s->x.dim[1] % 4 == 0);
}

/* One plan, and the text of it that a cache would hold is taken back. */
static struct wn_cuda_plan_facts must_plan(const struct wn_cuda_conv_shape *shape, const struct row *r, int64_t n,
                                           const char *way)
{
    struct wn_error err = {0};
    struct wn_cuda_plan *plan = NULL;
    char key[512];
    int found = 0;
    wn_cuda_conv_key(shape, key, sizeof key);
    if (wn_cuda_plans(&planner, shape, 1, &plan, &found, &err) != WN_OK)
        fail_msg("%s, batch %lld, %s: no plan for %s: %s", r->net, (long long)n, way, key, err.text);
    const struct wn_cuda_plan_facts facts = wn_cuda_plan_facts(plan);
    /* two engines and their values beside it */
    assert_true(facts.workspace_bytes >= 0 && facts.workspace_bytes <= (int64_t)4 << 30);
    if (wants_tensor_cores(shape) && !facts.tensor_cores)
        fail_msg("%s, batch %lld, %s: no tensor cores for %s", r->net, (long long)n, way, key);
    wn_cuda_plan_destroy(plan);
    return facts;
}

/* A picture of three channels lies dense where something else wants it so: both have plans. Padded in 16 bits cuDNN
 * has no reason left to make a copy of its own, which is what its workspace is for three channels. */
static void must_plan_either(const struct wn_cuda_conv_shape *dense, const struct row *r, int64_t n, const char *way)
{
    struct wn_cuda_conv_shape padded = *dense;
    must_plan(dense, r, n, way);
    if (!pad(&padded)) return;
    const struct wn_cuda_plan_facts facts = must_plan(&padded, r, n, way);
    if (padded.type != WN_CUDA_F32) assert_true(facts.workspace_bytes < NO_COPY);
}

static void plan_row(const struct row *r, int64_t n, const struct way *way)
{
    struct wn_cuda_conv_shape shape = shape_of(r, n, way);
    if (r->act == RELU || r->residual) shape.bias = true, shape.relu = r->act == RELU, shape.residual = r->residual;
    must_plan_either(&shape, r, n, way->name);
    if (r->act == RELU6) return; /* bare, with an epilogue of ours */
    shape = shape_of(r, n, way);
    shape.bias = true;
    must_plan_either(&shape, r, n, way->name);
}

/* all that a program may have: powers of two */
static const int64_t batches[] = {1, 2, 4, 8, 16, 32, 64, 128};
enum { BATCHES = sizeof batches / sizeof *batches };

static void every_convolution_has_a_fused_plan(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++)
        for (int b = 0; b < BATCHES; b++)
            for (int w = 0; w < 4; w++) plan_row(&rows[i], batches[b], &ways[w]);
}

static void every_convolution_has_a_backward_plan(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++)
        for (int b = 0; b < BATCHES; b++)
            for (int w = 0; w < 4; w++) {
                struct wn_cuda_conv_shape shape = shape_of(&rows[i], batches[b], &ways[w]);
                shape.backward = true;
                must_plan(&shape, &rows[i], batches[b], ways[w].name);
            }
}

/* What wn_program_turn makes of a gradient; false where it leaves it as it is. */
static bool turn(const struct row *r, const struct wn_cuda_conv_shape *gradient, struct wn_cuda_conv_shape *out)
{
    const int64_t pad = r->k - 1 - r->p;
    if (r->s != 1 || pad < 0 || r->c < 5) return false;
    *out = *gradient;
    out->backward = false;
    out->x = gradient->y, out->y = gradient->x;
    out->w.dim[0] = r->c, out->w.dim[1] = r->o / r->g;
    for (int d = 0; d < 2; d++) out->win.pad_lo[d] = out->win.pad_hi[d] = pad;
    return true;
}

/* Alone and with what it is added to. */
static void every_gradient_that_is_a_convolution_has_a_plan_as_one(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++)
        for (int b = 0; b < BATCHES; b++)
            for (int w = 0; w < 4; w++) {
                const struct row *r = &rows[i];
                const struct wn_cuda_conv_shape gradient = shape_of(r, batches[b], &ways[w]);
                struct wn_cuda_conv_shape shape;
                if (!turn(r, &gradient, &shape)) continue;
                must_plan(&shape, r, batches[b], ways[w].name);
                shape.residual = shape.bias = true;
                must_plan(&shape, r, batches[b], ways[w].name);
            }
}

/* ---- models: what their programs hold ---- */

static char **models;
static int n_models;

static void plan_step(const struct wn_program *p, const struct wn_step *step, const char *model, const struct way *way)
{
    const bool backward = step->prim == WN_PRIM_CONV_BWD;
    const struct wn_shape *in = &wn_program_value(p, step->in[0])->shape,
                          *out = &wn_program_value(p, step->out[0])->shape;
    const bool relu = step->u.conv.act.kind == WN_UNARY_RELU && !backward;
    const bool residual = !backward && step->in[3] != WN_NONE, tail = residual || relu || step->in[2] != WN_NONE;
    struct wn_cuda_conv_shape shape = {.backward = backward,
                                       .bias = tail && !backward,
                                       .residual = residual,
                                       .relu = relu,
                                       .exact = way->exact,
                                       .type = way->type,
                                       .x = backward ? *out : *in,
                                       .y = backward ? *in : *out,
                                       .w = wn_program_value(p, step->in[1])->shape,
                                       .win = step->u.conv.win,
                                       .groups = step->u.conv.groups};
    const struct row row = {.net = model};
    must_plan(&shape, &row, in->dim[0], way->name);
    if (!backward && wn_program_value(p, step->in[0])->kind == WN_VALUE_INPUT && pad(&shape))
        must_plan(&shape, &row, in->dim[0], way->name);
}

/* Forward to the logits and, where every step has a derivative, back to the picture. */
static struct wn_program *program_of(struct wn_graph *g, int64_t n)
{
    struct wn_error err = {0};
    struct wn_program *p = NULL;
    struct wn_forward f = {0};
    if (wn_program_create(&p, &err) || wn_graph_lower(g, p, n, NULL, 0, &f, &err)) fail_msg("%s", err.text);
    wn_program_output(p, f.logits);
    wn_program_end_stage(p);
    const int seed = wn_program_input(p, wn_program_value(p, f.logits)->shape, true);
    wn_program_output(p, wn_backward(p, f.logits, seed, f.input, (struct wn_rows){WN_NONE, n}));
    wn_program_end_stage(p);
    if (wn_program_optimize(p, &err) != WN_OK) fail_msg("%s", err.text);
    wn_forward_finish(&f);
    return p;
}

static void every_convolution_of_the_models_has_a_plan(void **state)
{
    (void)state;
    int planned = 0;
    for (int i = 0; i < n_models; i++) {
        struct wn_error err = {0};
        struct wn_graph *g;
        if (wn_graph_load(models[i], NULL, &g, &err) != WN_OK) fail_msg("%s: %s", models[i], err.text);
        struct wn_program *p = program_of(g, 32);
        for (int k = 0; k < wn_program_steps(p); k++) {
            const struct wn_step *step = wn_program_step(p, k);
            if (step->prim != WN_PRIM_CONV && step->prim != WN_PRIM_CONV_BWD) continue;
            for (int w = 0; w < 4; w++) plan_step(p, step, models[i], &ways[w]);
            planned++;
        }
        wn_program_destroy(p);
        wn_graph_destroy(g);
    }
    if (n_models) assert_true(planned > n_models);
}

/* ---- what the project found out about cuDNN, so that a new library that changes it is noticed ---- */

/* Where there is a driver's library, cuDNN has engines besides that compile a kernel for what is planned, which
 * takes its time. A card always has one; a machine without a card only where the test loads a stand-in
 * (fake_driver.c). Newer cuDNNs, 9.28 for one, plan nothing at all without. */
static bool has_driver;

/* By its file, before the name is asked for: the loader gives this one to cuDNN then. */
static bool load_stand_in(void)
{
    const bool loaded = dlopen(STAND_IN, RTLD_NOW | RTLD_GLOBAL) != NULL;
    if (!loaded) fprintf(stderr, "%s\n", dlerror());
    return loaded;
}

/* What is only true of the versions that were looked at closely, 9.10 to 9.19. */
static bool is_newer(void)
{
    return cudnnGetVersion() >= 92000;
}

/* Planned, where there is a driver, by a compiled kernel, and else not at all. */
static void wants_a_driver(struct wn_cuda_conv_shape *shape)
{
    struct wn_error err = {0};
    struct wn_cuda_plan *plan = NULL;
    int n = 0;
    const enum wn_code code = wn_cuda_plans(&planner, shape, 1, &plan, &n, &err);
    assert_int_equal(code, has_driver ? WN_OK : WN_UNSUPPORTED);
    if (has_driver) {
        const struct wn_cuda_plan_facts facts = wn_cuda_plan_facts(plan);
        assert_true(facts.compiled);
        if (wants_tensor_cores(shape)) assert_true(facts.tensor_cores);
    } else {
        assert_non_null(strstr(err.text, "cuDNN has no plan"));
    }
    wn_cuda_plan_destroy(plan);
}

static void residual_fuses_before_the_bias_and_without_one_only_compiled(void **state)
{
    (void)state;
    struct wn_error err = {0};
    struct wn_cuda_plan *plan = NULL;
    int n = 0;
    struct wn_cuda_conv_shape shape = shape_of(&rows[4], 32, &ways[3]);
    shape.residual = true;
    wants_a_driver(&shape);
    shape.bias = true;
    if (wn_cuda_plans(&planner, &shape, 1, &plan, &n, &err) != WN_OK) fail_msg("%s", err.text);
    assert_false(wn_cuda_plan_facts(plan).compiled);
    wn_cuda_plan_destroy(plan);
}

static void what_fuses_behind_a_gradient_is_compiled(void **state)
{
    (void)state;
    for (int behind = 1; behind < 8; behind++) {
        struct wn_cuda_conv_shape shape = shape_of(&rows[4], 32, &ways[2]);
        shape.backward = true;
        shape.residual = behind & 1, shape.bias = behind & 2, shape.relu = behind & 4;
        wants_a_driver(&shape);
    }
}

/* A second each: so a start that keeps plans makes them for large results only. In tf32 on tensor cores as well; f32
 * by its own units has none. */
static void a_derivative_behind_a_gradient_is_compiled(void **state)
{
    (void)state;
    static const struct row turned[] = {{"resnet50", 64, 56, 256, 1, 1, 0, 1, true, NONE},
                                        {"vgg16", 128, 112, 128, 3, 1, 1, 1, false, NONE}};
    for (int i = 0; i < 2; i++)
        for (int w = 1; w < 4; w++) {
            struct wn_cuda_conv_shape shape = shape_of(&turned[i], 32, &ways[w]);
            shape.derivative = true, shape.units_type = ways[w].type, shape.residual = turned[i].residual;
            wants_a_driver(&shape);
        }
    struct wn_cuda_conv_shape mixed = shape_of(&turned[0], 32, &ways[2]); /* f16 goes forward, bf16 back */
    mixed.derivative = true, mixed.units_type = WN_CUDA_F16;
    wants_a_driver(&mixed);
}

static void must_not_compile(const struct wn_cuda_conv_shape *shape, const struct row *r, const char *way)
{
    if (must_plan(shape, r, shape->x.dim[0], way).compiled)
        fail_msg("%s, %s: the first plan is of a kernel that has to be compiled", r->net, way);
}

/* A start would take minutes. Depthwise ones without a bias are, and their gradients where the stride is not 1: that is
 * cuDNN's choice for them. */
static void what_a_network_runs_need_not_be_compiled(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++)
        for (int w = 0; w < 4; w++) {
            const struct row *r = &rows[i];
            struct wn_cuda_conv_shape shape = shape_of(r, 32, &ways[w]), back = shape, turned;
            shape.bias = true, shape.relu = r->act == RELU, shape.residual = r->residual;
            must_not_compile(&shape, r, ways[w].name);
            back.backward = true;
            if (r->g == 1) must_not_compile(&back, r, ways[w].name);
            if (!turn(r, &back, &turned)) continue;
            if (r->g == 1) must_not_compile(&turned, r, ways[w].name);
            turned.bias = true, turned.residual = r->g == 1;
            must_not_compile(&turned, r, ways[w].name);
        }
}

/* The heuristics' own first choice, when this was found out: an engine of the plain units that wants 18 MiB, as much
 * as x and y. What is timed where plans are timed is no poorer for it. cuDNN 9.28 prefers tensor cores by itself. */
static void tensor_cores_come_first_in_16_bits_and_the_heuristics_choice_behind_them(void **state)
{
    (void)state;
    static const struct row narrow = {"resnet18", 64, 56, 128, 1, 2, 0, 1, false, NONE};
    for (int w = 2; w < 4; w++) {
        struct wn_cuda_plan *plans[4];
        struct wn_cuda_conv_shape shape = shape_of(&narrow, 32, &ways[w]);
        struct wn_error err = {0};
        int n = 0, plain = 0;
        shape.bias = true;
        if (wn_cuda_plans(&planner, &shape, 4, plans, &n, &err) != WN_OK) fail_msg("%s", err.text);
        assert_int_equal(n, 4);
        assert_true(wn_cuda_plan_facts(plans[0]).tensor_cores);
        assert_true(wn_cuda_plan_facts(plans[0]).workspace_bytes < NO_COPY);
        for (int i = 0; i < n; i++) plain += !wn_cuda_plan_facts(plans[i]).tensor_cores, wn_cuda_plan_destroy(plans[i]);
        assert_true(plain > 0 || is_newer());
    }
}

/* Where cuDNN has several, as in f32 and tf32: f32 by the plain units has one that copies x and y into another layout,
 * whose configurations come first in a row, and one that copies nothing. cuDNN 9.28 names two in f32 that copy
 * nothing, and no more. */
static void what_is_timed_is_not_of_one_engine_alone(void **state)
{
    (void)state;
    static const struct row wide = {"resnet50", 64, 56, 256, 1, 1, 0, 1, true, RELU};
    for (int w = 0; w < 4; w++) {
        struct wn_cuda_plan *plans[4];
        struct wn_cuda_conv_shape shape = shape_of(&wide, 32, &ways[w]);
        struct wn_error err = {0};
        int n = 0, engines = 0, copy_nothing = 0;
        shape.bias = shape.relu = shape.residual = true;
        if (wn_cuda_plans(&planner, &shape, 4, plans, &n, &err) != WN_OK) fail_msg("%s", err.text);
        assert_true(n == 4 || (is_newer() && n >= 2));
        for (int i = 0; i < n; i++) {
            int before = 0;
            for (int k = 0; k < i; k++)
                before += wn_cuda_plan_facts(plans[k]).engine == wn_cuda_plan_facts(plans[i]).engine;
            engines += !before;
            copy_nothing += wn_cuda_plan_facts(plans[i]).workspace_bytes < NO_COPY;
        }
        assert_true(engines > (w < 2) && copy_nothing > 0);
        for (int i = 0; i < n; i++) wn_cuda_plan_destroy(plans[i]);
    }
}

static void a_plan_survives_being_written_down(void **state)
{
    (void)state;
    struct wn_error err = {0};
    struct wn_cuda_plan *plan = NULL, *again = NULL;
    int n = 0;
    struct wn_cuda_conv_shape shape = shape_of(&rows[1], 8, &ways[3]);
    shape.bias = shape.relu = true;
    assert_int_equal(wn_cuda_plans(&planner, &shape, 1, &plan, &n, &err), WN_OK);
    char *text = wn_cuda_plan_save(plan, &err);
    if (!text && cudnnGetVersion() < 91000) skip(); /* 9.8 writes no plan down that was made for a described card */
    if (!text) fail_msg("%s", err.text);
    if (wn_cuda_plan_load(&planner, text, &again, &err) != WN_OK) fail_msg("%s", err.text);
    assert_int_equal(wn_cuda_plan_facts(plan).workspace_bytes, wn_cuda_plan_facts(again).workspace_bytes);
    text[strlen(text) / 2] = '\0';
    assert_int_not_equal(wn_cuda_plan_load(&planner, text, &(struct wn_cuda_plan *){NULL}, NULL), WN_OK);
    free(text);
    wn_cuda_plan_destroy(plan);
    wn_cuda_plan_destroy(again);
}

static void keys_tell_shapes_apart(void **state)
{
    (void)state;
    char a[512], b[512];
    struct wn_cuda_conv_shape one = shape_of(&rows[1], 8, &ways[3]), other = one;
    wn_cuda_conv_key(&one, a, sizeof a);
    bool *const flags[] = {&other.backward, &other.bias, &other.residual, &other.relu, &other.derivative, &other.exact};
    for (int i = 0; i < 6; i++) {
        *flags[i] = !*flags[i];
        wn_cuda_conv_key(&other, b, sizeof b);
        assert_string_not_equal(a, b);
        *flags[i] = !*flags[i];
    }
    int64_t *const numbers[] = {&other.x.dim[0],      &other.x.dim[3],      &other.w.dim[2],
                                &other.y.dim[1],      &other.win.stride[1], &other.win.dilation[0],
                                &other.win.pad_lo[1], &other.win.pad_hi[0], &other.groups};
    for (int i = 0; i < 9; i++) {
        ++*numbers[i];
        wn_cuda_conv_key(&other, b, sizeof b);
        assert_string_not_equal(a, b);
        --*numbers[i];
    }
}

static char *read_text(const char *path)
{
    char *text = calloc(1 << 16, 1);
    FILE *f = fopen(path, "rb");
    if (!f || !text || fread(text, 1, (1 << 16) - 1, f) == 0) fprintf(stderr, "cannot read %s\n", path), exit(2);
    fclose(f);
    return text;
}

/* ---- on a card ---- */

static char *description_of(cudnnHandle_t handle)
{
    cudnnBackendDescriptor_t d = NULL;
    int64_t n = 0;
    char *text = NULL;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &d) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendSetAttribute(d, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle) ==
            CUDNN_STATUS_SUCCESS &&
        cudnnBackendFinalize(d) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendGetAttribute(d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, 0, &n, NULL) ==
            CUDNN_STATUS_SUCCESS &&
        (text = calloc((size_t)n + 1, 1)) &&
        cudnnBackendGetAttribute(d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, n, &n, text) !=
            CUDNN_STATUS_SUCCESS)
        free(text), text = NULL;
    if (d) cudnnBackendDestroyDescriptor(d);
    return text;
}

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    return f && fputs(text, f) >= 0 && fclose(f) == 0;
}

static int describe(const char *card, const char *to)
{
    struct wn_error err = {0};
    cudnnHandle_t handle;
    struct wn_cuda_plan *plan = NULL, *again = NULL;
    int n = 0;
    struct wn_cuda_conv_shape shape = shape_of(&rows[1], 8, &ways[3]);
    shape.bias = shape.relu = true;
    if (!(planner.description = wn_cuda_describe_device(card, &err)))
        return fprintf(stderr, "%s\n", err.text), err.code == WN_UNSUPPORTED ? 77 : 1;
    if (cudnnCreate(&handle) != CUDNN_STATUS_SUCCESS) return printf("skipped: there is no card\n"), 77;
    char *own = description_of(handle), *text = NULL;
    if (!own || !write_text(to, own)) return fprintf(stderr, "cuDNN does not describe this card\n"), 1;
    printf("| cuDNN's description of this card: %zu bytes in %s\n", strlen(own), to);
    if (wn_cuda_plans(&planner, &shape, 1, &plan, &n, &err) == WN_OK) text = wn_cuda_plan_save(plan, &err);
    const struct wn_cuda_planner here = {.handle = handle};
    const bool taken = text && wn_cuda_plan_load(&here, text, &again, &err) == WN_OK;
    printf("| a plan that was made from the description alone is %s%s\n",
           taken ? "taken" : "refused: ", taken ? "" : err.text);
    return !taken;
}

int main(int argc, char **argv)
{
    struct wn_error err = {0};
    if (argc < 2) return fprintf(stderr, "usage: plans_test CARD.json [MODEL.onnx...]\n"), 2;
    if (argc == 4 && strcmp(argv[2], "--describe") == 0) return describe(read_text(argv[1]), argv[3]);
    const bool only_with_driver = argc == 3 && strcmp(argv[2], "--driver") == 0;
    const bool only_models = argc > 2 && strcmp(argv[2], "--models") == 0;
    if (!only_with_driver) models = argv + 2 + only_models, n_models = argc - 2 - only_models;
    char *json = read_text(argv[1]);
    const bool wants_stand_in = only_with_driver || getenv("WHYNOT_STAND_IN");
    has_driver = dlopen("libcuda.so.1", RTLD_NOW) || (wants_stand_in && load_stand_in());
    if (wants_stand_in && !has_driver) return 1;
    planner.description = wn_cuda_describe_device(json, &err);
    free(json);
    if (!planner.description && err.code == WN_UNSUPPORTED) return printf("skipped: %s\n", err.text), 77;
    if (!planner.description && !has_driver && setenv("WHYNOT_STAND_IN", "", 1) == 0)
        execv("/proc/self/exe", argv); /* cuDNN does not look for a driver twice */
    if (!planner.description) return fprintf(stderr, "%s\n", err.text), 1;
    const struct CMUnitTest with_driver[] = {
        cmocka_unit_test(residual_fuses_before_the_bias_and_without_one_only_compiled),
        cmocka_unit_test(what_fuses_behind_a_gradient_is_compiled),
        cmocka_unit_test(a_derivative_behind_a_gradient_is_compiled),
        cmocka_unit_test(what_a_network_runs_need_not_be_compiled),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_convolution_has_a_fused_plan),
        cmocka_unit_test(every_convolution_has_a_backward_plan),
        cmocka_unit_test(every_gradient_that_is_a_convolution_has_a_plan_as_one),
        cmocka_unit_test(every_convolution_of_the_models_has_a_plan),
        cmocka_unit_test(residual_fuses_before_the_bias_and_without_one_only_compiled),
        cmocka_unit_test(what_fuses_behind_a_gradient_is_compiled),
        cmocka_unit_test(a_derivative_behind_a_gradient_is_compiled),
        cmocka_unit_test(tensor_cores_come_first_in_16_bits_and_the_heuristics_choice_behind_them),
        cmocka_unit_test(what_is_timed_is_not_of_one_engine_alone),
        cmocka_unit_test(a_plan_survives_being_written_down),
        cmocka_unit_test(keys_tell_shapes_apart),
    };
    const struct CMUnitTest of_models[] = {cmocka_unit_test(every_convolution_of_the_models_has_a_plan)};
    const int failed = only_with_driver ? cmocka_run_group_tests(with_driver, NULL, NULL)
                       : only_models    ? cmocka_run_group_tests(of_models, NULL, NULL)
                                        : cmocka_run_group_tests(tests, NULL, NULL);
    wn_cuda_describe_done(planner.description);
    return failed ? 1 : 0;
}
