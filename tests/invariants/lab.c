/* See lab.h. */
#include "lab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *why)
{
    printf("cannot go on: %s: %s\n", what, why);
    exit(1);
}

/* ---- inputs ---- */

static float *read_golden_input(FILE *f, int dim[4])
{
    int length, rank;
    char name[128];
    while (fread(&length, 4, 1, f) == 1 && length > 0 && length < 128 &&
           fread(name, 1, (size_t)length, f) == (size_t)length && fread(&rank, 4, 1, f) == 1 && rank >= 0 &&
           rank <= 4 && fread(dim, 4, (size_t)rank, f) == (size_t)rank) {
        size_t n = 1;
        for (int i = 0; i < rank; i++) n *= (size_t)dim[i];
        float *data = malloc(n * sizeof *data);
        if (!data || fread(data, sizeof *data, n, f) != n) die("input", "the golden is cut short");
        if (length == 5 && memcmp(name, "input", 5) == 0) return data;
        free(data);
    }
    return NULL;
}

static float *read_npy(FILE *f, int dim[4])
{
    unsigned char head[10];
    char text[1024] = {0};
    if (fread(head, 1, 10, f) != 10 || memcmp(head, "\x93NUMPY", 6) != 0) return NULL;
    size_t length = head[8] | (size_t)head[9] << 8;
    if (length >= sizeof text || fread(text, 1, length, f) != length || !strstr(text, "<f4")) return NULL;
    const char *shape = strchr(text, '(');
    if (!shape || sscanf(shape, "(%d, %d, %d, %d)", &dim[0], &dim[1], &dim[2], &dim[3]) != 4) return NULL;
    size_t n = (size_t)dim[0] * (size_t)dim[1] * (size_t)dim[2] * (size_t)dim[3];
    float *data = malloc(n * sizeof *data);
    return data && fread(data, sizeof *data, n, f) == n ? data : NULL;
}

static float *read_input(const char *path, int dim[4])
{
    FILE *f = fopen(path, "rb");
    if (!f) die(path, "no such input");
    float *data = strstr(path, ".npy") ? read_npy(f, dim) : read_golden_input(f, dim);
    fclose(f);
    if (!data) die(path, "no float32 input of rank 4 in it");
    return data;
}

/* ---- the bench ---- */

static const struct wn_backend_options exact = {.precision = WN_PRECISION_F32}; /* a GPU's own default rounds */

static bool open_engine(struct lab *lab)
{
    struct wn_error err = {0};
    if (wn_engine_create(lab->graph, &(struct wn_engine_options){.backend = lab->backend, .device = exact},
                         &lab->engine, &err) == WN_OK)
        return true;
    printf("no engine: %s\n", err.text);
    return false;
}

bool lab_open(struct lab *lab, const char *backend, const char *model, const char *input)
{
    struct wn_error err = {0};
    int dim[4];
    memset(lab, 0, sizeof *lab);
    lab->backend = backend;
    lab->images = read_input(input, dim);
    lab->n_images = dim[0];
    lab->pixels = (int64_t)dim[1] * dim[2] * dim[3];
    static const float low[3] = {-3, -3, -3}, high[3] = {3, 3, 3};
    struct wn_graph_options options = {.height = dim[2], .width = dim[3], .low = low, .high = high, .n_bounds = 3};
    if (wn_graph_load(model, &options, &lab->graph, &err) != WN_OK) {
        printf("%s: %s\n", model, err.text);
        return false;
    }
    lab->layer = wn_graph_find_layer(lab->graph, "auto");
    lab->classes = wn_graph_classes(lab->graph);
    const struct wn_layer *layer = wn_graph_layer(lab->graph, lab->layer);
    lab->h = (int)layer->height;
    lab->w = (int)layer->width;
    lab->channels = (int)layer->channels;
    return open_engine(lab);
}

const double lab_of_plans = 1e-4; /* in f32, as far as a card may be from PyTorch's numbers (golden_test) */

bool lab_on_a_card(const struct lab *lab)
{
#ifdef WN_EMULATED
    return (void)lab, false;
#else
    return strcmp(lab->backend, "cuda") == 0;
#endif
}

bool lab_reopen(struct lab *lab)
{
    wn_engine_destroy(lab->engine);
    lab->engine = NULL;
    return open_engine(lab);
}

void lab_close(struct lab *lab)
{
    wn_engine_destroy(lab->engine);
    wn_graph_destroy(lab->graph);
    free(lab->images);
}

static unsigned last_flags;

static float *ask(struct lab *lab, int image, struct wn_question *q, float *logits)
{
    const float *x = lab->images + image * lab->pixels;
    struct wn_answer a;
    struct wn_error err = {0};
    struct wn_batch batch = {1, &x, q ? 1 : 0, q, NULL, NULL, NULL};
    if (wn_engine_explain(lab->engine, &batch, logits, &a, NULL, &err) != WN_OK) die("engine", err.text);
    if (!q) return NULL;
    if (a.error.code != WN_OK) die(q->contrast->name, a.error.text);
    last_flags = a.flags;
    return a.map;
}

float *lab_value_map(struct lab *lab, int image, const char *method, int target, float value, unsigned *flags)
{
    struct wn_question q = {.layer = lab->layer,
                            .method = wn_method_find(method),
                            .contrast = wn_contrast_find("regression"),
                            .target = target,
                            .value = value,
                            .has_value = true};
    float *logits = malloc((size_t)lab->classes * sizeof *logits);
    float *map = ask(lab, image, &q, logits);
    *flags = last_flags;
    free(logits);
    return map;
}

float *lab_map(struct lab *lab, int image, const char *method, const char *contrast, int target, const int *foils,
               int n_foils)
{
    struct wn_question q = {.layer = lab->layer,
                            .method = wn_method_find(method),
                            .contrast = wn_contrast_find(contrast),
                            .target = target,
                            .foils = foils,
                            .n_foils = n_foils};
    float *logits = malloc((size_t)lab->classes * sizeof *logits);
    float *map = ask(lab, image, &q, logits);
    free(logits);
    return map;
}

int lab_area(const struct lab *lab, const char *method)
{
    bool input = wn_method_find(method)->flags & WN_METHOD_INPUT;
    return input ? (int)(wn_graph_height(lab->graph) * wn_graph_width(lab->graph)) : lab->h * lab->w;
}

bool lab_can(struct lab *lab, const char *method)
{
    struct wn_question q = {
        .layer = lab->layer, .method = wn_method_find(method), .contrast = wn_contrast_find("logit")};
    struct wn_answer a;
    struct wn_error err = {0};
    struct wn_batch batch = {1, (const float *const[]){lab->images}, 1, &q, NULL, NULL, NULL};
    float *logits = malloc((size_t)lab->classes * sizeof *logits);
    if (wn_engine_explain(lab->engine, &batch, logits, &a, NULL, &err) != WN_OK) die("engine", err.text);
    enum wn_code code = a.error.code;
    if (code != WN_OK && code != WN_UNSUPPORTED) die(method, a.error.text);
    if (code == WN_UNSUPPORTED) printf("      not for this network: %s\n", a.error.text);
    wn_answer_finish(&a);
    free(logits);
    return code == WN_OK;
}

float *lab_all_maps(struct lab *lab, int image, const char *method, const char *contrast)
{
    size_t k = (size_t)lab->classes, area = (size_t)lab_area(lab, method);
    struct wn_question *q = calloc(k, sizeof *q);
    struct wn_answer *a = calloc(k, sizeof *a);
    float *logits = malloc(k * sizeof *logits), *maps = malloc(k * area * sizeof *maps);
    const float *x = lab->images + image * lab->pixels;
    struct wn_error err = {0};
    for (size_t i = 0; i < k; i++)
        q[i] = (struct wn_question){.layer = lab->layer,
                                    .method = wn_method_find(method),
                                    .contrast = wn_contrast_find(contrast),
                                    .target = (int)i};
    struct wn_batch batch = {1, &x, lab->classes, q, NULL, NULL, NULL};
    if (wn_engine_explain(lab->engine, &batch, logits, a, NULL, &err) != WN_OK) die("engine", err.text);
    for (size_t i = 0; i < k; i++) {
        if (a[i].error.code != WN_OK) die(contrast, a[i].error.text);
        memcpy(maps + i * area, a[i].map, area * sizeof *maps);
        wn_answer_finish(&a[i]);
    }
    free(q);
    free(a);
    free(logits);
    return maps;
}

float *lab_logits(struct lab *lab, int image)
{
    float *logits = malloc((size_t)lab->classes * sizeof *logits);
    ask(lab, image, NULL, logits);
    return logits;
}

/* ---- the long way round ---- */

static int softmax_of(struct wn_program *p, int y)
{
    int e = wn_unary(p, WN_UNARY_EXP, wn_binary(p, WN_BINARY_SUB, y, wn_reduce(p, WN_REDUCE_MAX, y, 2u)), 0, 0);
    return wn_binary(p, WN_BINARY_DIV, e, wn_reduce(p, WN_REDUCE_SUM, e, 2u));
}

static int *values_to_keep(const struct lab *lab, int onnx_value, enum lab_folding folding, int *n)
{
    int *keep = malloc((size_t)lab->graph->n_values * sizeof *keep);
    *n = 0;
    if (folding == LAB_FOLD) keep[(*n)++] = onnx_value;
    for (int i = 0; folding == LAB_KEEP_ALL && i < lab->graph->n_values; i++) keep[(*n)++] = i;
    return keep;
}

void lab_gradient(struct lab *lab, int image, int onnx_value, const float *seed_data, enum lab_scalar scalar,
                  enum lab_folding folding, struct lab_gradient *out)
{
    struct wn_error err = {0};
    struct wn_program *p = NULL;
    struct wn_forward f = {0};
    struct wn_backend *be;
    struct wn_exe *exe = NULL;
    int n_keep, *keep = values_to_keep(lab, onnx_value, folding, &n_keep);
    if (wn_backend_open(lab->backend, &exact, &be, &err) || wn_program_create(&p, &err)) die("backend", err.text);
    wn_program_use_weights(p, (struct wn_weight_source){0});
    if (wn_graph_lower(lab->graph, p, 1, keep, n_keep, &f, &err)) die("lowering", err.text);
    int top = scalar == LAB_SOFTMAX ? softmax_of(p, f.logits) : f.logits, layer = f.values[onnx_value];
    wn_program_output(p, f.logits);
    wn_program_output(p, layer);
    wn_program_end_stage(p);
    int seed = wn_program_input(p, wn_shape_of(2, (int64_t[]){1, lab->classes}), true);
    int gradient = wn_program_output(p, wn_backward(p, top, seed, layer, (struct wn_rows){WN_NONE, 1}));
    wn_program_end_stage(p);
    if (wn_program_error(p, &err)) die("program", err.text);
    const struct wn_shape s = wn_program_value(p, layer)->shape;
    out->channels = s.dim[1];
    out->area = s.dim[2] * s.dim[3];
    out->activation = malloc((size_t)wn_shape_count(&s) * sizeof(float));
    out->gradient = malloc((size_t)wn_shape_count(&s) * sizeof(float));
    out->logits = malloc((size_t)lab->classes * sizeof(float));
    if (wn_program_optimize(p, &err) || be->impl->compile(be, p, &exe, &err)) die("compile", err.text);
    if (be->impl->write(exe, f.input, lab->images + image * lab->pixels, &err) ||
        be->impl->write(exe, seed, seed_data, &err) || be->impl->run(exe, 0, &err) || be->impl->run(exe, 1, &err) ||
        be->impl->read(exe, layer, out->activation, &err) || be->impl->read(exe, gradient, out->gradient, &err) ||
        be->impl->read(exe, f.logits, out->logits, &err))
        die("run", err.text);
    be->impl->release(exe);
    wn_forward_finish(&f);
    wn_program_destroy(p);
    wn_backend_close(be);
    free(keep);
}

void lab_gradient_free(struct lab_gradient *g)
{
    free(g->activation);
    free(g->gradient);
    free(g->logits);
}

bool lab_last_linear(struct lab *lab, float **weight, float **bias, int *features, bool *transposed)
{
    const struct wn_graph *g = lab->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct wn_node *n = &g->nodes[i];
        if (n->out[0] != g->logits || strcmp(n->op, "Gemm") != 0 || !g->constants[n->in[1]]) continue;
        struct wn_tensor *w = g->constants[n->in[1]];
        *transposed = false;
        for (int a = 0; a < n->n_attrs; a++)
            if (strcmp(n->attrs[a].name, "transB") == 0) *transposed = n->attrs[a].i != 0;
        *features = (int)w->shape.dim[*transposed ? 1 : 0];
        *weight = w->f;
        *bias = n->n_in > 2 && n->in[2] >= 0 && g->constants[n->in[2]] ? g->constants[n->in[2]]->f : NULL;
        return true;
    }
    return false;
}

double lab_most(const float *x, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= most)) most = fabs(x[i]);
    return most;
}
