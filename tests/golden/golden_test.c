/* Compares a backend with PyTorch's numbers: logits, the gradient at the layer, and the raw maps of each contrast.
 *
 *     golden_test BACKEND FOLDER MODELS
 *
 * FOLDER holds NAME.golden (records of make_goldens.py) and NAME.onnx, or the network is MODELS/NAME/model.onnx. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <whynot/whynot.h>

#include "graph.h"
#include "program.h"

#define MAX_RECORDS 96

struct record {
    char name[80];
    int rank, dim[4];
    float *data;
};

struct golden {
    struct record record[MAX_RECORDS];
    int n;
};

static double bound; /* max|diff| / max|golden| */
static int checked, wrong, networks;
static double worst;

static size_t count(const struct record *r)
{
    size_t n = 1;
    for (int i = 0; i < r->rank; i++) n *= (size_t)r->dim[i];
    return n;
}

static bool read_record(FILE *f, struct record *r)
{
    int length;
    if (fread(&length, sizeof length, 1, f) != 1 || length < 1 || length >= (int)sizeof r->name) return false;
    memset(r, 0, sizeof *r);
    if (fread(r->name, 1, (size_t)length, f) != (size_t)length || fread(&r->rank, sizeof r->rank, 1, f) != 1)
        return false;
    if (r->rank < 0 || r->rank > 4 || fread(r->dim, sizeof(int), (size_t)r->rank, f) != (size_t)r->rank) return false;
    r->data = malloc(count(r) * sizeof *r->data);
    return r->data && fread(r->data, sizeof *r->data, count(r), f) == count(r);
}

static bool read_golden(const char *path, struct golden *g)
{
    FILE *f = fopen(path, "rb");
    g->n = 0;
    if (!f) return false;
    while (g->n < MAX_RECORDS && read_record(f, &g->record[g->n])) g->n++;
    fclose(f);
    return g->n > 5;
}

static const struct record *find(const struct golden *g, const char *name)
{
    for (int i = 0; i < g->n; i++)
        if (strcmp(g->record[i].name, name) == 0) return &g->record[i];
    return NULL;
}

static const char *layer_name(const struct golden *g)
{
    for (int i = 0; i < g->n; i++)
        if (strncmp(g->record[i].name, "layer/", 6) == 0) return g->record[i].name + 6;
    return "";
}

static void fail(const char *network, const char *what, const char *why)
{
    printf("WRONG %s: %s: %s\n", network, what, why);
    wrong++;
}

static void compare(const char *network, const char *what, const float *got, const struct record *want)
{
    double most = 0, diff = 0;
    for (size_t i = 0, n = count(want); i < n; i++) {
        if (fabs(want->data[i]) > most) most = fabs(want->data[i]);
        double d = fabs((double)got[i] - want->data[i]);
        if (!(d <= diff)) diff = d; /* NaN sticks */
    }
    double error = most > 0 ? diff / most : diff;
    checked++;
    if (error > worst) worst = error;
    if (error <= bound) return;
    char text[64];
    snprintf(text, sizeof text, "relative error %.3g", error);
    fail(network, what, text);
}

/* ---- the program by hand: logits and the gradient of a seed at the layer ---- */

static void check_gradient(const char *network, struct wn_graph *g, struct wn_backend *be, const struct golden *gold,
                           int layer)
{
    struct wn_error err = {0};
    struct wn_program *p = NULL;
    struct wn_forward f = {0};
    struct wn_exe *exe = NULL;
    const struct record *x = find(gold, "input"), *logits = find(gold, "logits"), *gradient = find(gold, "gradient");
    float *y = malloc(count(logits) * sizeof *y), *dx = malloc(count(gradient) * sizeof *dx);
    int value = g->layer_values[layer], seed, grad;
    if (wn_program_create(&p, &err) || wn_graph_lower(g, p, x->dim[0], &value, 1, &f, &err)) goto failed;
    wn_program_output(p, f.logits);
    wn_program_end_stage(p);
    seed = wn_program_input(p, wn_shape_of(2, (int64_t[]){logits->dim[0], logits->dim[1]}), true);
    grad = wn_program_output(
        p, wn_backward(p, f.logits, seed, f.values[value], (struct wn_rows){WN_NONE, logits->dim[0]}));
    wn_program_end_stage(p);
    if (wn_program_optimize(p, &err) || be->impl->compile(be, p, &exe, &err)) goto failed;
    if (be->impl->write(exe, f.input, x->data, &err) || be->impl->run(exe, 0, &err) ||
        be->impl->write(exe, seed, find(gold, "seed")->data, &err) || be->impl->run(exe, 1, &err) ||
        be->impl->read(exe, f.logits, y, &err) || be->impl->read(exe, grad, dx, &err))
        goto failed;
    compare(network, "logits", y, logits);
    compare(network, "gradient", dx, gradient);
    goto done;
failed:
    fail(network, "gradient", err.text);
done:
    if (exe) be->impl->release(exe);
    wn_forward_finish(&f);
    wn_program_destroy(p);
    free(y);
    free(dx);
}

/* ---- the engine: the maps of every contrast that the golden has ---- */

/* The path as make_goldens.py walks it. */
static struct wn_settings walk(void)
{
    struct wn_settings s = {0};
    wn_setting_set(&s, WN_SETTING_STEPS, "8", NULL);
    wn_setting_set(&s, WN_SETTING_QUADRATURE, "midpoint", NULL);
    wn_setting_set(&s, WN_SETTING_PATH_TARGET, "frozen", NULL);
    return s;
}

static void check_maps(const char *network, struct wn_engine *e, const struct golden *gold, int layer,
                       const char *method, const char *contrast)
{
    char name[96];
    const struct record *x = find(gold, "input"), *logits = find(gold, "logits");
    struct wn_error err = {0};
    struct wn_question q[2];
    struct wn_answer a[2];
    const float *image[2];
    float *y = malloc(count(logits) * sizeof *y);
    snprintf(name, sizeof name, "%s.%s", method, contrast);
    struct record want = *find(gold, name);
    for (int i = 0; i < 2; i++) {
        image[i] = x->data + (size_t)i * count(x) / 2;
        q[i] = (struct wn_question){.image = i,
                                    .layer = layer,
                                    .method = wn_method_find(method),
                                    .contrast = wn_contrast_find(contrast),
                                    .target = WN_TARGET_PREDICTED};
        if (strcmp(method, "ig") == 0) q[i].settings = walk();
    }
    struct wn_batch batch = {2, image, 2, q, NULL, NULL, NULL};
    enum wn_code code = wn_engine_explain(e, &batch, y, a, NULL, &err);
    if (code != WN_OK) fail(network, name, err.text);
    size_t half = count(&want) / 2;
    float *both = calloc(2 * half, sizeof *both);
    for (int i = 0; code == WN_OK && i < 2; i++) {
        if (a[i].error.code != WN_OK)
            fail(network, name, a[i].error.text);
        else if ((size_t)(a[i].h * a[i].w) != half)
            fail(network, name, "the map has another size");
        else
            memcpy(both + (size_t)i * half, a[i].map, half * sizeof *both);
        wn_answer_finish(&a[i]);
    }
    if (code == WN_OK) compare(network, name, both, &want);
    free(both);
    free(y);
}

static void check_network(const char *network, const char *onnx, const struct golden *gold, const char *backend)
{
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    struct wn_engine *e = NULL;
    struct wn_backend *be = NULL;
    struct wn_graph_options options = {.height = find(gold, "input")->dim[2], .width = find(gold, "input")->dim[3]};
    networks++;
    if (wn_graph_load(onnx, &options, &g, &err) != WN_OK) {
        fail(network, "load", err.text);
        return;
    }
    int layer = wn_graph_find_layer(g, layer_name(gold));
    if (layer < 0) {
        fail(network, "layer", "the golden's layer is not among the graph's");
        goto done;
    }
    /* a GPU's own default rounds */
    const struct wn_engine_options exact = {.backend = backend, .device.precision = WN_PRECISION_F32};
    if (wn_backend_open(backend, &exact.device, &be, &err) != WN_OK || wn_engine_create(g, &exact, &e, &err) != WN_OK) {
        fail(network, "engine", err.text);
        goto done;
    }
    check_gradient(network, g, be, gold, layer);
    for (int i = 0; i < gold->n; i++)
        for (int m = 0; wn_method_at(m); m++) {
            const char *method = wn_method_at(m)->name, *name = gold->record[i].name;
            size_t length = strlen(method);
            if (strncmp(name, method, length) == 0 && name[length] == '.')
                check_maps(network, e, gold, layer, method, name + length + 1);
        }
done:
    wn_engine_destroy(e);
    wn_backend_close(be);
    wn_graph_destroy(g);
}

static void check_file(const char *folder, const char *file, const char *models, const char *backend)
{
    char path[512], onnx[512];
    struct golden gold;
    int stem = (int)(strlen(file) - strlen(".golden"));
    snprintf(path, sizeof path, "%s/%s", folder, file);
    snprintf(onnx, sizeof onnx, "%s/%.*s.onnx", folder, stem, file);
    if (access(onnx, R_OK) != 0) snprintf(onnx, sizeof onnx, "%s/%.*s/model.onnx", models, stem, file);
    if (!read_golden(path, &gold))
        fail(file, "golden", "the file cannot be read");
    else
        check_network(file, onnx, &gold, backend);
    for (int i = 0; i < gold.n; i++) free(gold.record[i].data);
}

static int is_golden(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 7 && strcmp(d->d_name + n - 7, ".golden") == 0;
}

int main(int argc, char **argv)
{
    struct dirent **files;
    if (argc != 4) {
        fprintf(stderr, "usage: golden_test BACKEND FOLDER MODELS\n");
        return 2;
    }
    if (!wn_backend_find(argv[1])) {
        printf("skipped: this build has no backend '%s'\n", argv[1]);
        return 77;
    }
    bound = strcmp(argv[1], "ref") == 0 ? 1e-5 : 1e-4;
    const char *every = getenv("WHYNOT_GOLDEN_EVERY"); /* a slow backend's share: each n-th network */
    int n = scandir(argv[2], &files, is_golden, alphasort), step = every ? atoi(every) : 1;
    for (int i = 0; i < n; i++) {
        if (step < 2 || i % step == 0) check_file(argv[2], files[i]->d_name, argv[3], argv[1]);
        free(files[i]);
    }
    if (n > 0) free(files);
    printf("%s: %d networks, %d comparisons, %d wrong, worst relative error %.2g (bound %.0g)\n", argv[1], networks,
           checked, wrong, worst, bound);
    return wrong || checked == 0;
}
