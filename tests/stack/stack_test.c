/* wn_engine_stack on whole networks: the stack of every layer is one explanation a class, any contrast of the
 * automatic layer is its weighted sum, and a batch of stacks is the stacks of its images:
 *
 *     stack_test BACKEND MODEL.onnx INPUT [batches]
 *
 * INPUT: a .golden or a .npy. batches: only batches, of the automatic layer. */
#include "lab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double bound = 5e-6;
static int failed, passed;

static void verdict(const char *what, const char *layer, double error)
{
    bool ok = error <= bound;
    if (!ok || passed < 4)
        printf("%s %-40s %-30s %.2g (bound %.0g)\n", ok ? "ok   " : "WRONG", what, layer, error, bound);
    *(ok ? &passed : &failed) += 1;
}

static void wrong(const char *what, const char *why)
{
    printf("WRONG %s: %s\n", what, why);
    failed++;
}

/* max|a - b| / max|b| */
static double off(const float *a, const float *b, int64_t n)
{
    double most = 0, size = lab_most(b, n);
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - b[i]) <= most)) most = fabs((double)a[i] - b[i]);
    return size > 0 ? most / size : most;
}

/* Networks whose automatic layer has a closed form for all classes; a fall back to backward passes would be a loss.
 * The linear approximation has one where a mean over space follows, or a 1x1 classifier and then a mean. */
static bool must_be_forward(const char *model, const char *method)
{
    static const char *const pooled[] = {"residual",        "pointwise_head", "batch_norm_f", "global_aver",
                                         "resnet18",        "resnet50",       "squeezenet10", "mobilenetv2",
                                         "cifar_resnet20.", "signs-resnet"};
    static const char *const flat[] = {"vgg_head", "max_pool.", "gtsrb_cnn"};
    if (strcmp(method, "xgradcam") == 0) return false;
    for (size_t i = 0; i < sizeof pooled / sizeof *pooled; i++)
        if (strstr(model, pooled[i])) return true;
    for (size_t i = 0; i < sizeof flat / sizeof *flat; i++)
        if (strstr(model, flat[i])) return strcmp(method, "gradcam") == 0;
    return false;
}

static void check_contrasts(struct lab *lab, const struct wn_stack *stack, int image, const char *method,
                            const char *layer)
{
    float *y = lab_logits(lab, image), *map = malloc((size_t)(stack->h * stack->w) * sizeof *map);
    float *seed = malloc((size_t)lab->classes * sizeof *seed);
    int top[2], foil, n = stack->h * stack->w;
    wn_top(y, lab->classes, 2, top);
    for (int c = 0; wn_contrast_at(c) && lab->classes > 1; c++) {
        const struct wn_contrast *row = wn_contrast_at(c);
        /* not for every method, not for every network */
        if (row->flags & (WN_CONTRAST_RELEVANCE | WN_CONTRAST_VALUE)) continue;
        int foils = row->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET) ? 1 : 0;
        struct wn_contrast_in in = {y, lab->classes, top[0], top, 1, &top[1], foils, 0, false};
        wn_contrast_seed(row, &in, seed, &foil, NULL);
        wn_stack_contrast(stack, seed, map);
        float *want = lab_map(lab, image, method, row->name, top[0], &top[1], foils);
        double size = 0; /* rounding is of the terms, which may cancel */
        for (int s = 0; s < lab->classes; s++)
            size = fmax(size, fabs(seed[s]) * lab_most(stack->maps + (int64_t)s * n, n));
        double most = 0;
        for (int i = 0; i < n; i++) most = fmax(most, fabs((double)map[i] - want[i]));
        verdict(row->name, layer, size > 0 ? most / size : most);
        struct wn_question q = {.method = wn_method_find(method),
                                .contrast = row,
                                .target = WN_TARGET_PREDICTED,
                                .foils = &top[1],
                                .n_foils = foils};
        struct wn_answer a;
        wn_stack_explain(stack, y, &q, &a);
        double score = 0;
        for (int s = 0; s < lab->classes; s++) score += (double)seed[s] * y[s];
        if (a.error.code != WN_OK || a.target != top[0] || a.foil != foil || a.layer != stack->layer ||
            a.score != (float)score || memcmp(a.map, map, (size_t)n * sizeof *map) != 0)
            wrong(row->name, a.error.code != WN_OK ? a.error.text : "wn_stack_explain gives another answer");
        wn_answer_finish(&a);
        free(want);
    }
    free(y);
    free(map);
    free(seed);
}

/* Every pair of classes, the short way and by its seed. */
static void check_pairs(const struct lab *lab, const struct wn_stack *stack)
{
    const int n = stack->h * stack->w, most = lab->classes < 12 ? lab->classes : 12;
    float *seed = calloc((size_t)lab->classes, sizeof *seed), *want = malloc((size_t)n * sizeof *want),
          *got = malloc((size_t)n * sizeof *got);
    for (int p = 0; p < most; p++)
        for (int q = 0; q < most; q++) {
            if (p == q) continue;
            seed[p] = 1, seed[q] = -1;
            wn_stack_contrast(stack, seed, want);
            wn_stack_pair(stack, p, q, got);
            seed[p] = seed[q] = 0;
            for (int i = 0; i < n; i++)
                if (got[i] != want[i]) wrong("wn_stack_pair", "a pair is not its seed's map");
        }
    free(seed);
    free(want);
    free(got);
}

/* Mean and unbiased variance, over all foils, of the maps that the engine gives for each cross-entropy question. */
static void check_raw_statistics(struct lab *lab, const struct wn_stack *stack, int image, const float *y,
                                 const char *method, const char *layer)
{
    struct wn_statistics got;
    struct wn_error err = {0};
    int n = stack->h * stack->w, k = lab->classes, target = wn_argmax(y, k);
    float *maps = malloc((size_t)k * (size_t)n * sizeof *maps), *mean = calloc((size_t)n, sizeof *mean);
    float *variance = calloc((size_t)n, sizeof *variance);
    for (int q = 0; q < k; q++) {
        float *map = lab_map(lab, image, method, "cross-entropy", target, &q, 1);
        memcpy(maps + (size_t)q * (size_t)n, map, (size_t)n * sizeof *map);
        free(map);
    }
    for (int i = 0; i < n; i++) {
        double sum = 0, squares = 0;
        for (int q = 0; q < k; q++) sum += q == target ? 0 : maps[q * n + i];
        for (int q = 0; q < k; q++) squares += q == target ? 0 : pow(maps[q * n + i] - sum / (k - 1), 2);
        mean[i] = (float)(sum / (k - 1));
        variance[i] = k > 2 ? (float)(squares / (k - 2)) : 0;
    }
    if (wn_stack_statistics(stack, y, target, wn_contrast_find("cross-entropy"), WN_STATISTICS_RAW, 0, 0, &got, &err) !=
        WN_OK) {
        wrong("statistics", err.text);
    } else {
        verdict("mean over all foils", layer, off(got.mean, mean, n));
        verdict("variance over all foils", layer, off(got.variance, variance, n));
    }
    wn_statistics_finish(&got);
    free(maps);
    free(mean);
    free(variance);
}

/* Masks of all foils, which a device may make itself, are those that the host makes. */
static void check_masks(struct lab *lab, const struct wn_stack *stack, const float *y, const char *layer)
{
    struct wn_statistics got = {0}, want = {0};
    struct wn_error err = {0};
    const struct wn_contrast *contrast = wn_contrast_find("cross-entropy");
    const int target = wn_argmax(y, lab->classes), height = 2 * stack->h + 1, width = 3 * stack->w;
    if (wn_engine_statistics(lab->engine, stack, y, target, contrast, WN_STATISTICS_MASKS, height, width, &got, &err) !=
            WN_OK ||
        wn_stack_statistics(stack, y, target, contrast, WN_STATISTICS_MASKS, height, width, &want, &err) != WN_OK) {
        wrong("masks of all foils", err.text);
    } else {
        verdict("mean of the masks of all foils", layer, off(got.mean, want.mean, (int64_t)height * width));
        verdict("variance of the masks of all foils", layer, off(got.variance, want.variance, (int64_t)height * width));
        if (got.empty != want.empty) wrong(layer, "the device counts other masks as empty");
    }
    wn_statistics_finish(&got);
    wn_statistics_finish(&want);
}

static void check_layer(struct lab *lab, int layer, int image, const char *method, const char *model)
{
    struct wn_stack stack;
    struct wn_error err = {0};
    const struct wn_layer *l = wn_graph_layer(lab->graph, layer);
    const float *x = lab->images + image * lab->pixels;
    float *y = malloc((size_t)lab->classes * sizeof *y), *logits = lab_logits(lab, image);
    bool automatic = layer == wn_graph_find_layer(lab->graph, "auto");
    lab->layer = layer;
    if (wn_engine_stack(lab->engine, x, automatic ? WN_LAYER_AUTO : layer, wn_method_find(method), y, &stack, &err) !=
        WN_OK) {
        wrong(l->name, err.text);
    } else if (stack.layer != layer || stack.h != l->height || stack.w != l->width || stack.classes != lab->classes) {
        wrong(l->name, "the stack says another layer or size");
    } else {
        float *want = lab_all_maps(lab, image, method, "logit");
        verdict(method, l->name, off(stack.maps, want, (int64_t)stack.classes * stack.h * stack.w));
        verdict("logits", l->name, off(y, logits, lab->classes));
        if (automatic) {
            if (!stack.forward_mode && must_be_forward(model, method))
                wrong(model, "a backward pass a class where one pass would do");
            check_contrasts(lab, &stack, image, method, l->name);
            check_pairs(lab, &stack);
            if (lab->classes > 1 && lab->classes < 50) check_raw_statistics(lab, &stack, image, y, method, l->name);
            if (lab->classes > 1) check_masks(lab, &stack, y, l->name);
            printf("      %s at %s: %s\n", method, l->name,
                   stack.forward_mode ? "forward mode" : "a backward pass a class");
        }
        free(want);
    }
    wn_stack_finish(&stack);
    free(y);
    free(logits);
}

/* Every layer where that is little work, else the automatic one and the last two. */
static bool worth_asking(const struct lab *lab, int layer)
{
    int n = wn_graph_layers(lab->graph);
    return layer == wn_graph_find_layer(lab->graph, "auto") || lab->pixels < 3 * 64 * 64 ||
           (layer >= n - 2 && lab->classes < 50);
}

/* ---- several images at once ---- */

enum { BATCH = 5, TOGETHER = 4 };

/* Pictures that differ from each other, however few the lab has. */
static float *make_batch(const struct lab *lab, const float **images)
{
    float *all = malloc(BATCH * (size_t)lab->pixels * sizeof *all);
    for (int i = 0; i < BATCH; i++) {
        float *image = all + i * lab->pixels;
        for (int64_t j = 0; j < lab->pixels; j++)
            image[j] = lab->images[i % lab->n_images * lab->pixels + j] * (1 - 0.15f * (float)i);
        images[i] = image;
    }
    return all;
}

/* A stack, or what came of it, is that of its image alone. */
static void check_same(struct lab *lab, const struct wn_stack *got, const float *logits, const struct wn_error *why,
                       const float *image, int layer, const char *method)
{
    /* plans differ in what they make of infinities */
    if (lab_on_a_card(lab) && !isfinite(lab_most(image, lab->pixels))) return;
    struct wn_stack want;
    struct wn_error err = {0};
    float *y = malloc((size_t)lab->classes * sizeof *y);
    const char *name = wn_graph_layer(lab->graph, layer)->name;
    if (wn_engine_stack(lab->engine, image, layer, wn_method_find(method), y, &want, &err) != WN_OK) {
        if (why->code != err.code || got->maps) wrong(name, "an image of a batch does not fail as it does alone");
    } else if (why->code != WN_OK) {
        wrong(name, why->text);
    } else if (got->h != want.h || got->w != want.w || got->layer != want.layer ||
               got->forward_mode != want.forward_mode) {
        wrong(name, "a stack of a batch says another layer, size or way");
    } else {
        const double part = lab_on_a_card(lab) ? 1 : 2; /* 1e-5 */
        verdict("maps of an image of a batch", name,
                off(got->maps, want.maps, (int64_t)want.classes * want.h * want.w) / part);
        verdict("logits of an image of a batch", name, off(logits, y, lab->classes) / part);
    }
    wn_stack_finish(&want);
    free(y);
}

static void check_batch(struct lab *lab, struct wn_engine *many, const float *const *images, int n, int layer,
                        const char *method, const char *model)
{
    struct wn_stack stacks[BATCH] = {0};
    struct wn_error errors[BATCH], err = {0};
    float *y = malloc(BATCH * (size_t)lab->classes * sizeof *y);
    bool automatic = layer == wn_graph_find_layer(lab->graph, "auto");
    if (wn_engine_stacks(many, images, n, layer, wn_method_find(method), y, stacks, errors, &err) != WN_OK)
        wrong(method, err.text);
    for (int i = 0; i < n && err.code == WN_OK; i++)
        check_same(lab, &stacks[i], y + i * lab->classes, &errors[i], images[i], layer, method);
    for (int i = 0; i < n && err.code == WN_OK && automatic && must_be_forward(model, method); i++)
        if (errors[i].code == WN_OK &&
            (stacks[i].made != stacks[i / TOGETHER * TOGETHER].made || stacks[i].place != i % TOGETHER))
            wrong(model, "images that could go in one run do not");
    for (int i = 0; i < n; i++) wn_stack_finish(&stacks[i]);
    free(y);
}

/* Odd numbers of images, more than go together, and one between the others that is no picture. */
static void check_batches(struct lab *lab, const char *model, bool automatic)
{
    static const char *const methods[] = {"gradcam", "la"};
    struct wn_engine *many;
    struct wn_error err = {0};
    const float *images[BATCH];
    float *all = make_batch(lab, images);
    /* as the lab's own */
    const struct wn_engine_options options = {
        .backend = lab->backend, .device.precision = WN_PRECISION_F32, .max_images = TOGETHER};
    if (wn_engine_create(lab->graph, &options, &many, &err) != WN_OK) {
        wrong("batches", err.text);
        free(all);
        return;
    }
    const int at = wn_graph_find_layer(lab->graph, "auto");
    for (int layer = 0; layer < wn_graph_layers(lab->graph); layer++)
        for (int m = 0; m < (layer == at ? 2 : !automatic && worth_asking(lab, layer)); m++)
            for (int n = BATCH; n > 0; n -= layer == at ? 2 : BATCH)
                check_batch(lab, many, images, n, layer, methods[m], model);
    all[2 * lab->pixels] = INFINITY; /* activations may take NaN for 0, and in a few networks even this */
    for (int m = 0; m < 2; m++)
        for (int n = 3; n <= BATCH; n += 2) check_batch(lab, many, images, n, at, methods[m], model);
    wn_engine_destroy(many);
    free(all);
}

static void refusals(struct lab *lab)
{
    struct wn_stack s;
    struct wn_error err = {0}, err2 = {0}, err3 = {0};
    float *y = malloc((size_t)lab->classes * sizeof *y);
    if (wn_engine_stack(lab->engine, lab->images, WN_LAYER_AUTO, wn_method_find("layercam"), y, &s, &err) !=
            WN_UNSUPPORTED ||
        !strstr(err.text, "layercam"))
        wrong("layercam", "a method whose maps do not add up must be refused by name");
    if (wn_engine_stack(lab->engine, lab->images, WN_LAYER_AUTO, wn_method_find("gradient"), y, &s, &err2) !=
        WN_UNSUPPORTED)
        wrong("gradient", "a method on the input must be refused");
    if (wn_engine_stack(lab->engine, lab->images, 100000, wn_method_find("gradcam"), y, &s, &err3) != WN_NO_SUCH_LAYER)
        wrong("layer", "a layer that is not there must be refused");
    free(y);
}

int main(int argc, char **argv)
{
    struct lab lab;
    const bool only_batches = argc == 5 && strcmp(argv[4], "batches") == 0;
    if (argc != 4 && !only_batches) {
        fprintf(stderr, "usage: stack_test BACKEND MODEL.onnx INPUT [batches]\n");
        return 2;
    }
    if (!wn_backend_find(argv[1])) {
        printf("skipped: this build has no backend '%s'\n", argv[1]);
        return 77;
    }
    if (!lab_open(&lab, argv[1], argv[2], argv[3])) return 1;
    if (lab_on_a_card(&lab)) bound = lab_of_plans;
    for (int image = 0; image < lab.n_images && !only_batches; image++)
        for (int layer = 0; layer < wn_graph_layers(lab.graph); layer++) {
            if (!worth_asking(&lab, layer)) continue;
            const struct wn_layer *l = wn_graph_layer(lab.graph, layer);
            lab.layer = layer;
            lab.h = (int)l->height, lab.w = (int)l->width, lab.channels = (int)l->channels;
            check_layer(&lab, layer, image, "gradcam", argv[2]);
            if (image == 0) check_layer(&lab, layer, image, "la", argv[2]);
            if (image == 0 && lab.classes < 50) check_layer(&lab, layer, image, "xgradcam", argv[2]);
        }
    check_batches(&lab, argv[2], only_batches);
    refusals(&lab);
    lab_close(&lab);
    printf("%d held, %d did not\n", passed, failed);
    return failed || passed == 0;
}
