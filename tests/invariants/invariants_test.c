/* What must hold of every contrast and method on any network, whatever its weights:
 *
 *     invariants_test BACKEND MODEL.onnx INPUT
 *
 * INPUT: a .golden or a .npy. An invariant that the network's shape rules out is printed as "not for this network". */
#include "lab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed, passed;
static int image; /* under test */

static void verdict(const char *what, double error, double bound)
{
    bool ok = error <= bound;
    printf("%s %-70s %.2g (bound %.0g)\n", ok ? "ok   " : "WRONG", what, error, bound);
    *(ok ? &passed : &failed) += 1;
}

/* max|a - scale*b| / unit */
static double off(const float *a, const float *b, double scale, int64_t n, double unit)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(a[i] - scale * b[i]);
        if (!(d <= most)) most = d;
    }
    return unit > 0 ? most / unit : most;
}

static int area(const struct lab *lab)
{
    return lab->h * lab->w;
}

static void probabilities(const float *y, int k, double *p)
{
    double top = y[wn_argmax(y, k)], sum = 0;
    for (int i = 0; i < k; i++) sum += p[i] = exp(y[i] - top);
    for (int i = 0; i < k; i++) p[i] /= sum;
}

/* 1. One backward pass with a seed is the weighted sum of one pass a class. */
static void linearity(struct lab *lab, const char *method, const float *all, const float *y)
{
    int top[2], n = lab_area(lab, method), foil;
    wn_top(y, lab->classes, 2, top);
    for (int c = 0; wn_contrast_at(c); c++) {
        const struct wn_contrast *row = wn_contrast_at(c);
        if (row->flags & (WN_CONTRAST_RELEVANCE | WN_CONTRAST_VALUE)) continue; /* not for every method, not for every network */
        int foils = row->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET) ? 1 : 0;
        struct wn_contrast_in in = {y, lab->classes, top[0], top, 1, &top[1], foils, 0, false};
        float *v = malloc((size_t)lab->classes * sizeof *v), *sum = calloc((size_t)n, sizeof *sum);
        double unit = 0;
        wn_contrast_seed(row, &in, v, &foil, NULL);
        for (int i = 0; i < n; i++) {
            double x = 0, size = 0;
            for (int s = 0; s < lab->classes; s++) {
                x += (double)v[s] * all[s * n + i];
                size += fabs((double)v[s] * all[s * n + i]);
            }
            sum[i] = (float)x;
            if (size > unit) unit = size;
        }
        float *m = lab_map(lab, image, method, row->name, top[0], &top[1], foils);
        char what[96];
        snprintf(what, sizeof what, "1  %s, %s: one pass = weighted sum of all classes' maps", method, row->name);
        verdict(what, off(m, sum, 1, n, unit), 1e-5);
        free(m);
        free(v);
        free(sum);
    }
}

/* Contrasts of two passes against what their papers say of the starts, made of every class's relevance: M_s starts as y_s. */
static void passes_of_relevance(struct lab *lab, const float *all, const float *y, int t)
{
    int n = lab_area(lab, "lrp-zplus"), k = lab->classes;
    double *p = malloc((size_t)k * sizeof *p), sum[2][2] = {{0}};
    float *part = calloc((size_t)n * 4, sizeof *part), *want = malloc((size_t)n * sizeof *want); /* clrp and sglrp, target and others */
    probabilities(y, k, p);
    for (int i = 0; i < n; i++) {
        double x[4] = {0};
        for (int s = 0; s < k; s++) {
            double m = all[s * n + i] / y[s];
            x[s == t ? 0 : 1] += fabs(y[s]) * m;
            x[s == t ? 2 : 3] += (s == t ? p[t] * (1 - p[t]) : p[t] * p[s]) * m;
        }
        for (int j = 0; j < 4; j++) sum[j / 2][j % 2] += part[j * n + i] = (float)x[j];
    }
    for (int row = 0; row < 2; row++) {
        const char *name = row ? "sglrp" : "clrp";
        float *got = lab_map(lab, image, "lrp-zplus", name, t, NULL, 0);
        double keep = row ? 1 : 1 / sum[0][0], take = row ? sum[1][0] / sum[1][1] : 1 / sum[0][1], unit = 0;
        for (int i = 0; i < n; i++) {
            want[i] = (float)(keep * part[2 * row * n + i] - take * part[(2 * row + 1) * n + i]);
            unit = fmax(unit, fabs(keep * part[2 * row * n + i]) + fabs(take * part[(2 * row + 1) * n + i]));
        }
        verdict(row ? "   SGLRP is the difference of its two passes" : "   CLRP is the difference of its two passes", off(got, want, 1, n, unit), 1e-4);
        free(got);
    }
    free(p), free(part), free(want);
}

/* 16. */
static void regression_is_scaled_gradcam(struct lab *lab, const float *y, int t)
{
    unsigned flags;
    float q = y[t] + 0.75f, *cam = lab_map(lab, image, "gradcam", "logit", t, NULL, 0), *map = lab_value_map(lab, image, "gradcam", t, q, &flags);
    float *other = lab_value_map(lab, image, "gradcam", t, y[t] - (q - y[t]), &flags), *same = lab_value_map(lab, image, "gradcam", t, y[t], &flags);
    double unit = lab_most(map, area(lab));
    verdict("16 the map of Q is 2(P-Q) times Grad-CAM's", off(map, cam, 2 * ((double)y[t] - q), area(lab), unit), 1e-5);
    verdict("16 the maps of P+d and P-d are negatives", off(map, other, -1, area(lab), unit), 1e-6);
    verdict("16 the map of P itself is zero, and says so", lab_most(same, area(lab)) + !(flags & WN_ANSWER_FLAT), 0);
    free(cam), free(map), free(other), free(same);
}

/* Input-space methods have maps as large as the picture: all classes of them only where that is little. */
static void linearity_at_the_input(struct lab *lab, const float *y)
{
    const char *const methods[] = {"gradient", "ixg", "lrp", "lrp-zplus", "lrp-alpha-beta", "lrp-composite", "deeplift"};
    if ((int64_t)lab->classes * lab->pixels > 3 * 1000 * 1000) return;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!lab_can(lab, methods[i])) continue;
        float *all = lab_all_maps(lab, image, methods[i], "logit");
        linearity(lab, methods[i], all, y);
        if (strcmp(methods[i], "lrp-zplus") == 0) passes_of_relevance(lab, all, y, wn_argmax(y, lab->classes));
        free(all);
    }
}

/* 13. On a ReLU network relevance with a vanishing epsilon is the input times the gradient. At 1e-6 single pixels of a deep network still
 * feel it, where a sum inside comes close to 0; the maps as a whole do not. */
static void relevance_is_input_times_gradient(struct lab *lab, int t)
{
    double diff = 0, size = 0;
    for (int i = 0; i < lab->graph->n_nodes; i++) {
        if (strcmp(lab->graph->nodes[i].op, "Clip") != 0) continue;
        printf("      13 not for this network: relevance passes a full ReLU6, the gradient does not\n");
        return;
    }
    if (!lab_can(lab, "lrp")) return;
    float *a = lab_map(lab, image, "lrp", "weighted", t, NULL, 0), *b = lab_map(lab, image, "ixg", "weighted", t, NULL, 0);
    for (int i = 0, n = lab_area(lab, "ixg"); i < n; i++) {
        diff += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    verdict("13 LRP with eps 1e-6 = input x gradient, in the mean square", sqrt(diff / size), 1e-2);
    free(a), free(b);
}

/* 14. DeepLIFT's contributions sum to what the picture changes of the score, beside a picture of zeros. */
static void contributions_sum_to_the_change(struct lab *lab, const float *y, int t)
{
    double sum = 0, change = 0, size = 0;
    if (!lab_can(lab, "deeplift")) return;
    float *map = lab_map(lab, image, "deeplift", "logit", t, NULL, 0), *zeros = calloc((size_t)lab->pixels, sizeof *zeros), *images = lab->images;
    lab->images = zeros;
    float *y0 = lab_logits(lab, 0);
    float *nothing = lab_map(lab, 0, "deeplift", "weighted", t, NULL, 0);
    lab->images = images;
    change = (double)y[t] - y0[t];
    for (int i = 0, n = lab_area(lab, "deeplift"); i < n; i++) {
        sum += map[i];
        size += fabs(map[i]);
    }
    verdict("14 DeepLIFT sums to y(x) - y(0), of the sum of sizes", fabs(sum - change) / size, 1e-5);
    verdict("14 DeepLIFT, of the logits' size", fabs(sum - change) / lab_most(y, lab->classes), 1e-4);
    verdict("14 DeepLIFT of the baseline itself is zero", lab_most(nothing, lab_area(lab, "deeplift")), 0);
    free(map), free(zeros), free(y0), free(nothing);
}

static double scalar_of(const float *y, int k, int t, int kind)
{
    double others = 0;
    for (int i = 0; i < k; i++)
        if (i != t) others += exp((double)y[i] - y[t]);
    return kind == 0 ? y[t] : kind == 1 ? 1 / (1 + others) : -log(others);
}

/* 14. Integrated Gradients sum to what their scalar gains from zeros to the picture, whichever scalar it is. A network with ReLUs has kinks
 * along the path, so the nodes are many, and only small networks are walked. */
static void paths_sum_to_what_is_gained(struct lab *lab, const float *y, int t)
{
    static const char *const words[] = {"frozen", "probability", "log-odds"};
    float *zeros = calloc((size_t)lab->pixels, sizeof *zeros), *images = lab->images, *logits = malloc((size_t)lab->classes * sizeof *logits);
    const float *at[1] = {images + (size_t)image * (size_t)lab->pixels};
    lab->images = zeros;
    float *y0 = lab_logits(lab, 0);
    lab->images = images;
    for (int i = 0; i < 3 && lab->pixels <= 3 * 64 * 64 && lab->classes > 1; i++) {
        struct wn_question q = {.layer = WN_LAYER_AUTO, .method = wn_method_find("ig"), .contrast = wn_contrast_find(i ? "weighted" : "logit"), .target = t};
        struct wn_answer a;
        char what[64];
        double sum = 0, gain = scalar_of(y, lab->classes, t, i) - scalar_of(y0, lab->classes, t, i);
        wn_setting_set(&q.settings, WN_SETTING_STEPS, "256", NULL);
        wn_setting_set(&q.settings, WN_SETTING_PATH_TARGET, words[i], NULL);
        snprintf(what, sizeof what, "14 ig sums to the gain of its scalar: %s", words[i]);
        wn_engine_explain(lab->engine, &(struct wn_batch){1, at, 1, &q, NULL, NULL}, logits, &a, NULL, NULL);
        for (int k = 0; a.map && k < a.h * a.w; k++) sum += a.map[k];
        verdict(what, a.map ? fabs(sum - gain) / fmax(fabs(gain), 0.01) : 1, 1e-2);
        wn_answer_finish(&a);
    }
    free(zeros), free(logits), free(y0);
}

/* With maps that are sums over cells of a_k g_k, however they spread them. */
static void channel_methods_sum_alike(struct lab *lab, int t)
{
    int n = area(lab);
    double sum[2] = {0, 0}, size = 0;
    float *la = lab_map(lab, image, "la", "weighted", t, NULL, 0), *x = lab_map(lab, image, "xgradcam", "weighted", t, NULL, 0);
    for (int i = 0; i < n; i++) {
        sum[0] += la[i];
        sum[1] += x[i];
        size += fabs(la[i]) + fabs(x[i]);
    }
    verdict("   XGrad-CAM sums like the linear approximation", fabs(sum[0] - sum[1]) / size, 1e-4);
    free(la), free(x);
}

/* 2. The gradient of p_t through a softmax, made by the program, against the seed form. */
static void probability_by_autograd(struct lab *lab, int t, double p_t)
{
    struct lab_gradient g;
    int n = area(lab);
    float *seed = calloc((size_t)lab->classes, sizeof *seed), *cam = calloc((size_t)n, sizeof *cam);
    seed[t] = 1;
    lab_gradient(lab, image, lab->graph->layer_values[lab->layer], seed, LAB_SOFTMAX, LAB_FOLD, &g);
    for (int64_t k = 0; k < g.channels; k++) {
        double w = 0;
        for (int64_t i = 0; i < g.area; i++) w += g.gradient[k * g.area + i];
        for (int64_t i = 0; i < g.area; i++) cam[i] += (float)(w / (double)g.area * g.activation[k * g.area + i]);
    }
    float *weighted = lab_map(lab, image, "gradcam", "weighted", t, NULL, 0);
    float *probability = lab_map(lab, image, "gradcam", "probability", t, NULL, 0);
    double factor = p_t * (1 - p_t), unit = factor * lab_most(weighted, n);
    verdict("2  gradient of softmax = p(1-p) weighted", off(cam, weighted, factor, n, unit), 1e-5);
    verdict("2  probability contrast = p(1-p) weighted", off(probability, weighted, factor, n, unit), 1e-5);
    free(seed);
    free(cam);
    free(weighted);
    free(probability);
    lab_gradient_free(&g);
}

/* 3. */
static void cross_entropy_is_minus_weighted(struct lab *lab, int q, double p_q)
{
    float *ce = lab_map(lab, image, "gradcam", "cross-entropy", WN_TARGET_PREDICTED, &q, 1);
    float *weighted = lab_map(lab, image, "gradcam", "weighted", q, NULL, 0);
    float *own = lab_map(lab, image, "gradcam", "logit", q, NULL, 0);
    /* In f32 a contrast of two nearly equal maps is exact to their size, not to its own. */
    double factor = -(1 - p_q), size = fmax(lab_most(weighted, area(lab)), lab_most(own, area(lab)));
    verdict("3  cross-entropy(Q) = -(1-p_Q) weighted(Q)", off(ce, weighted, factor, area(lab), -factor * size), 1e-5);
    free(ce), free(own);
    free(weighted);
}

/* 4. */
static void top_two_are_opposite(struct lab *lab, const int *top)
{
    float *a = lab_map(lab, image, "gradcam", "max", top[0], NULL, 0), *b = lab_map(lab, image, "gradcam", "max", top[1], NULL, 0);
    verdict("4  max(first) = -max(second), bit for bit", off(a, b, -1, area(lab), 0), 0);
    free(a);
    free(b);
}

/* 5. */
static void probability_maps_cancel(struct lab *lab, const float *all)
{
    int n = area(lab);
    double *sum = calloc((size_t)n, sizeof *sum), most = 0;
    float *maps = lab_all_maps(lab, image, "gradcam", "probability");
    for (int t = 0; t < lab->classes; t++)
        for (int i = 0; i < n; i++) sum[i] += maps[t * n + i];
    free(maps);
    for (int i = 0; i < n; i++)
        if (fabs(sum[i]) > most) most = fabs(sum[i]);
    verdict("5  sum over classes of p(1-p) weighted = 0", most / lab_most(all, (int64_t)lab->classes * n), 1e-6);
    free(sum);
}

/* 6. */
static void mean_is_centred_logit(struct lab *lab, const float *all, int t)
{
    int n = area(lab), k = lab->classes;
    float *want = calloc((size_t)n, sizeof *want), *m = lab_map(lab, image, "gradcam", "mean", t, NULL, 0);
    for (int i = 0; i < n; i++) {
        double mean = 0;
        for (int s = 0; s < k; s++) mean += all[s * n + i];
        want[i] = (float)((double)k / (k - 1) * (all[t * n + i] - mean / k));
    }
    verdict("6  mean(t) = K/(K-1) (M_t - average of all)", off(m, want, 1, n, lab_most(want, n)), 1e-5);
    free(want);
    free(m);
}

/* 9, and 8's Grad-CAM: the pooled short cuts against the gradient written out. */
static void short_cut_is_the_long_way(struct lab *lab, int t)
{
    struct lab_gradient g;
    int n = area(lab);
    float *seed = calloc((size_t)lab->classes, sizeof *seed), *cam = calloc((size_t)n, sizeof *cam), *la = calloc((size_t)n, sizeof *la);
    seed[t] = 1;
    lab_gradient(lab, image, lab->graph->layer_values[lab->layer], seed, LAB_LOGITS, LAB_FOLD, &g);
    for (int64_t i = 0; i < g.area; i++) {
        double c = 0, l = 0;
        for (int64_t k = 0; k < g.channels; k++) {
            double w = 0;
            for (int64_t j = 0; j < g.area; j++) w += g.gradient[k * g.area + j];
            c += w / (double)g.area * g.activation[k * g.area + i];
            l += (double)g.gradient[k * g.area + i] * g.activation[k * g.area + i];
        }
        cam[i] = (float)c;
        la[i] = (float)l;
    }
    float *fast = lab_map(lab, image, "gradcam", "logit", t, NULL, 0), *linear = lab_map(lab, image, "la", "logit", t, NULL, 0);
    verdict("9  pooled gradient = mean of the whole gradient", off(fast, cam, 1, n, lab_most(cam, n)), 5e-6);
    verdict("9  linear approximation = activation x gradient", off(linear, la, 1, n, lab_most(la, n)), 5e-6);
    free(seed), free(cam), free(la), free(fast), free(linear);
    lab_gradient_free(&g);
}

static bool ends_in_average_pool(const struct lab *lab)
{
    bool pooled = false;
    for (int i = 0; i < lab->graph->n_nodes; i++) {
        const struct wn_node *n = &lab->graph->nodes[i];
        if (strcmp(n->op, "GlobalAveragePool") == 0 && n->in[0] == lab->graph->layer_values[lab->layer]) pooled = true;
    }
    return pooled;
}

/* 8. With a global average pool and one linear layer, Grad-CAM is CAM over hw and LA, and it sums to v.(y - b). */
static void cam_closed_form(struct lab *lab, const float *y, int t)
{
    float *w, *b;
    int features, n = area(lab);
    bool transposed;
    if (!ends_in_average_pool(lab) || !lab_last_linear(lab, &w, &b, &features, &transposed) || features != lab->channels) {
        printf("      8  not for this network: no global average pool with one linear layer\n");
        return;
    }
    struct lab_gradient g;
    float *seed = calloc((size_t)lab->classes, sizeof *seed), *cam = calloc((size_t)n, sizeof *cam);
    lab_gradient(lab, image, lab->graph->layer_values[lab->layer], seed, LAB_LOGITS, LAB_FOLD, &g);
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < features; k++)
            sum += (double)w[transposed ? t * features + k : k * lab->classes + t] * g.activation[k * n + i];
        cam[i] = (float)(sum / n);
    }
    float *fast = lab_map(lab, image, "gradcam", "logit", t, NULL, 0), *la = lab_map(lab, image, "la", "logit", t, NULL, 0);
    double total = 0, want = y[t] - (b ? b[t] : 0), size = 0;
    for (int i = 0; i < n; i++) {
        total += fast[i];
        size += fabs(fast[i]);
    }
    verdict("8  Grad-CAM = CAM/hw", off(fast, cam, 1, n, lab_most(cam, n)), 1e-5);
    verdict("8  linear approximation = CAM/hw", off(la, cam, 1, n, lab_most(cam, n)), 1e-5);
    verdict("8  the map sums to y_t - b_t", fabs(total - want) / size, 1e-5);
    free(seed), free(cam), free(fast), free(la);
    lab_gradient_free(&g);
}

/* 12. */
static void subsets_are_what_they_contain(struct lab *lab, const int *top)
{
    int n = area(lab), count = 0, *others = malloc((size_t)lab->classes * sizeof *others);
    for (int i = 0; i < lab->classes; i++)
        if (i != top[0]) others[count++] = i;
    float *a = lab_map(lab, image, "gradcam", "subset", top[0], others, count);
    float *b = lab_map(lab, image, "gradcam", "weighted", top[0], NULL, 0);
    verdict("12 subset(all others) = weighted", off(a, b, 1, n, lab_most(b, n)), 1e-5);
    free(a), free(b);
    a = lab_map(lab, image, "gradcam", "subset", top[0], &top[1], 1);
    b = lab_map(lab, image, "gradcam", "pair", top[0], &top[1], 1);
    verdict("12 subset of one foil = pair, bit for bit", off(a, b, 1, n, 0), 0);
    free(a), free(b), free(others);
}

/* 15. A batch-norm folded into its convolution changes nothing, and Grad-CAM on the raw convolution is the folded sum. */
static void folding_changes_nothing(struct lab *lab)
{
    struct lab_gradient folded, plain;
    float *seed = calloc((size_t)lab->classes, sizeof *seed);
    int layer = lab->graph->layer_values[lab->layer];
    seed[0] = 1;
    lab_gradient(lab, image, layer, seed, LAB_LOGITS, LAB_FOLD, &folded);
    lab_gradient(lab, image, layer, seed, LAB_LOGITS, LAB_KEEP_ALL, &plain);
    verdict("15 folding keeps the logits", off(folded.logits, plain.logits, 1, lab->classes, lab_most(plain.logits, lab->classes)), 1e-5);
    free(seed);
    lab_gradient_free(&folded);
    lab_gradient_free(&plain);
}

static const struct wn_node *last_batch_norm_of_a_convolution(const struct lab *lab, const struct wn_node **conv)
{
    const struct wn_graph *g = lab->graph;
    const struct wn_node *found = NULL;
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->nodes[i].op, "BatchNormalization") != 0) continue;
        for (int k = 0; k < i; k++)
            if (strcmp(g->nodes[k].op, "Conv") == 0 && g->nodes[k].out[0] == g->nodes[i].in[0]) {
                found = &g->nodes[i];
                *conv = &g->nodes[k];
            }
    }
    return found;
}

static float epsilon_of(const struct wn_node *n)
{
    for (int i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, "epsilon") == 0) return n->attrs[i].f;
    return 1e-5f;
}

/* The layer's own word for the convolution in front of it, explained by the engine. */
static void raw_map_of_the_engine(struct lab *lab, const struct wn_node *bn, const char *method, int t, const float *want, int64_t n)
{
    int was = lab->layer;
    char what[96];
    for (int i = 0; i < lab->graph->n_layers; i++)
        if (lab->graph->layer_values[i] == bn->out[0]) lab->layer = lab->graph->layers[i].raw_convolution;
    float *map = lab_map(lab, image, method, "logit", t, NULL, 0);
    snprintf(what, sizeof what, "15 %s of the variant raw-conv = the sum over z - b'", method);
    verdict(what, off(map, want, 1, n, lab_most(want, n)), 1e-5);
    lab->layer = was;
    free(map);
}

static void raw_variant_of_the_engine(struct lab *lab, const struct wn_node *bn, const struct wn_node *conv, int t, const float *want, int64_t n)
{
    bool named = false;
    for (int i = 0; i < lab->graph->n_layers; i++) {
        const struct wn_layer *layer = &lab->graph->layers[i];
        if (layer->raw_convolution >= 0 && layer->raw_convolution != i)
            named = named || lab->graph->layer_values[layer->raw_convolution] == conv->out[0];
    }
    verdict("15 the layer knows its raw convolution", !named, 0);
    raw_map_of_the_engine(lab, bn, "gradcam", t, want, n);
}

static void raw_convolution_cam(struct lab *lab, int t)
{
    const struct wn_node *conv, *bn = last_batch_norm_of_a_convolution(lab, &conv);
    if (!bn) {
        printf("      15 not for this network: no batch-norm behind a convolution\n");
        return;
    }
    struct lab_gradient raw, z;
    float *seed = calloc((size_t)lab->classes, sizeof *seed);
    seed[t] = 1;
    lab_gradient(lab, image, conv->out[0], seed, LAB_LOGITS, LAB_FOLD, &raw);
    lab_gradient(lab, image, bn->out[0], seed, LAB_LOGITS, LAB_FOLD, &z);
    struct wn_tensor *const *c = lab->graph->constants;
    const float *gamma = c[bn->in[1]]->f, *beta = c[bn->in[2]]->f, *mean = c[bn->in[3]]->f, *var = c[bn->in[4]]->f;
    float *a = calloc((size_t)raw.area, sizeof *a), *b = calloc((size_t)raw.area, sizeof *b);
    for (int64_t k = 0; k < raw.channels; k++) {
        double wr = 0, wz = 0, s = gamma[k] / sqrt((double)var[k] + epsilon_of(bn)), shift = beta[k] - s * mean[k];
        for (int64_t i = 0; i < raw.area; i++) {
            wr += raw.gradient[k * raw.area + i];
            wz += z.gradient[k * raw.area + i];
        }
        for (int64_t i = 0; i < raw.area; i++) {
            a[i] += (float)(wr / (double)raw.area * raw.activation[k * raw.area + i]);
            b[i] += (float)(wz / (double)raw.area * (z.activation[k * raw.area + i] - shift));
        }
    }
    verdict("15 Grad-CAM on the raw convolution = sum mean(g_z)(z - b')", off(a, b, 1, raw.area, lab_most(b, raw.area)), 1e-5);
    raw_variant_of_the_engine(lab, bn, conv, t, b, raw.area);
    memset(b, 0, (size_t)raw.area * sizeof *b);
    for (int64_t k = 0; k < raw.channels; k++) {
        double s = gamma[k] / sqrt((double)var[k] + epsilon_of(bn)), shift = beta[k] - s * mean[k];
        for (int64_t i = 0; i < raw.area; i++) b[i] += (float)(z.gradient[k * raw.area + i] * (z.activation[k * raw.area + i] - shift));
    }
    raw_map_of_the_engine(lab, bn, "la", t, b, raw.area);
    free(seed), free(a), free(b);
    lab_gradient_free(&raw);
    lab_gradient_free(&z);
}

/* 24. The same question about the same image gives the same bytes in any batch, in any company. */
static void batches_do_not_matter(struct lab *lab)
{
    enum { MANY = 7 };
    struct wn_question q[MANY];
    struct wn_answer a[MANY];
    struct wn_error err = {0};
    const float *images[2] = {lab->images, lab->images + (lab->n_images > 1 ? lab->pixels : 0)};
    float *y = malloc((size_t)(2 * lab->classes) * sizeof *y);
    double worst = 0;
    for (int i = 0; i < MANY; i++)
        q[i] = (struct wn_question){.image = i % 2, .layer = lab->layer, .method = wn_method_at(i % 2), .target = i % lab->classes,
                                    .contrast = wn_contrast_find(i % 3 ? "weighted" : "logit")};
    struct wn_batch batch = {2, images, MANY, q, NULL, NULL};
    if (wn_engine_explain(lab->engine, &batch, y, a, NULL, &err) != WN_OK) worst = INFINITY;
    for (int i = 0; i < MANY && worst == 0; i++) {
        float *alone = lab_map(lab, lab->n_images > 1 ? i % 2 : 0, q[i].method->name, q[i].contrast->name, q[i].target, NULL, 0);
        worst = off(a[i].map, alone, 1, area(lab), 0);
        free(alone);
    }
    for (int i = 0; i < MANY; i++) wn_answer_finish(&a[i]);
    verdict("24 a batch = its questions asked alone, bit for bit", worst, 0);
    free(y);
}

/* 11. Logits scaled up: the cross-entropy of the runner-up becomes P minus the runner-up. */
static void scaled_cross_entropy_is_pair(struct lab *lab, const int *top)
{
    float *w, *b;
    int features, n = area(lab);
    bool transposed;
    if (!lab_last_linear(lab, &w, &b, &features, &transposed)) {
        printf("      7, 11 not for this network: it does not end in a linear layer\n");
        return;
    }
    float *y = lab_logits(lab, image);
    /* So far that the others are out of reach in floating point: the issue is the limit, not one factor. */
    float factor = fmaxf(16, 40 / (y[top[0]] - y[top[1]]));
    for (int64_t i = 0; i < (int64_t)features * lab->classes; i++) w[i] *= factor;
    for (int i = 0; b && i < lab->classes; i++) b[i] *= factor;
    if (lab_reopen(lab)) {
        float *ce = lab_map(lab, image, "gradcam", "cross-entropy", top[0], &top[1], 1);
        float *pair = lab_map(lab, image, "gradcam", "pair", top[0], &top[1], 1);
        verdict("11 logits scaled up: cross-entropy(second) = M_P - M_second", off(ce, pair, 1, n, lab_most(pair, n)), 1e-4);
        free(ce), free(pair);
    }
    for (int64_t i = 0; i < (int64_t)features * lab->classes; i++) w[i] /= factor;
    for (int i = 0; b && i < lab->classes; i++) b[i] /= factor;
    free(y);
    lab_reopen(lab);
}

/* 7. One vector added to every class's weights is invisible to every contrast, and visible to the plain logit. */
static void common_direction_is_invisible(struct lab *lab, const int *top)
{
    float *w, *b, *before[32], unit[32];
    int features, n = area(lab), rows = 0;
    bool transposed;
    if (!lab_last_linear(lab, &w, &b, &features, &transposed)) return;
    for (; rows < 32 && wn_contrast_at(rows); rows++) {
        before[rows] = NULL;
        if (wn_contrast_at(rows)->flags & (WN_CONTRAST_RELEVANCE | WN_CONTRAST_VALUE)) continue;
        int foils = wn_contrast_at(rows)->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET) ? 1 : 0;
        before[rows] = lab_map(lab, image, "gradcam", wn_contrast_at(rows)->name, top[0], &top[1], foils);
        unit[rows] = (float)lab_most(before[rows], n);
    }
    double size = lab_most(w, (int64_t)features * lab->classes);
    unsigned state = 12345;
    for (int f = 0; f < features; f++) {
        state = state * 1664525u + 1013904223u;
        float d = (float)(size * ((double)(state >> 8) / (1 << 23) - 1));
        for (int s = 0; s < lab->classes; s++) w[transposed ? s * features + f : f * lab->classes + s] += d;
    }
    for (int s = 0; b && s < lab->classes; s++) b[s] += 0.5f;
    if (!lab_reopen(lab)) return;
    for (int c = 0; c < rows; c++) {
        const struct wn_contrast *row = wn_contrast_at(c);
        if (!before[c]) continue;
        int foils = row->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET) ? 1 : 0;
        float *after = lab_map(lab, image, "gradcam", row->name, top[0], &top[1], foils);
        double moved = off(after, before[c], 1, n, unit[c]);
        char what[96];
        bool plain = strcmp(row->name, "logit") == 0 || row->flags & WN_CONTRAST_UNBALANCED;
        snprintf(what, sizeof what, "7  a common direction in the weights %s %s", plain ? "changes" : "does not change", row->name);
        if (plain) verdict(what, moved > 1e-2 ? 0 : 1, 0);
        else verdict(what, moved, 1e-4);
        free(after);
        free(before[c]);
    }
}

static void run(struct lab *lab)
{
    float *y = lab_logits(lab, image);
    double *p = malloc((size_t)lab->classes * sizeof *p);
    int top[2], moderate = 0;
    wn_top(y, lab->classes, 2, top);
    probabilities(y, lab->classes, p);
    for (int i = 0; i < lab->classes; i++)
        if (fabs(p[i] - 0.4) < fabs(p[moderate] - 0.4)) moderate = i;
    float *all = lab_all_maps(lab, image, "gradcam", "logit"), *la = lab_all_maps(lab, image, "la", "logit");
    linearity(lab, "gradcam", all, y);
    linearity(lab, "la", la, y);
    probability_maps_cancel(lab, all);
    mean_is_centred_logit(lab, all, top[0]);
    free(all), free(la);
    linearity_at_the_input(lab, y);
    contributions_sum_to_the_change(lab, y, top[0]);
    paths_sum_to_what_is_gained(lab, y, top[0]);
    regression_is_scaled_gradcam(lab, y, top[0]);
    relevance_is_input_times_gradient(lab, top[0]);
    channel_methods_sum_alike(lab, top[0]);
    probability_by_autograd(lab, moderate, p[moderate]);
    cross_entropy_is_minus_weighted(lab, top[1], p[top[1]]);
    top_two_are_opposite(lab, top);
    short_cut_is_the_long_way(lab, top[0]);
    cam_closed_form(lab, y, top[0]);
    subsets_are_what_they_contain(lab, top);
    folding_changes_nothing(lab);
    raw_convolution_cam(lab, top[0]);
    batches_do_not_matter(lab);
    scaled_cross_entropy_is_pair(lab, top);
    common_direction_is_invisible(lab, top); /* last: the weights stay changed */
    free(y), free(p);
}

int main(int argc, char **argv)
{
    struct lab lab;
    if (argc != 4) {
        fprintf(stderr, "usage: invariants_test BACKEND MODEL.onnx INPUT\n");
        return 2;
    }
    if (!wn_backend_find(argv[1])) {
        printf("skipped: this build has no backend '%s'\n", argv[1]);
        return 77;
    }
    if (!lab_open(&lab, argv[1], argv[2], argv[3])) return 1;
    printf("%s on %s: %d classes, layer %s %dx%dx%d\n", argv[2], argv[1], lab.classes,
           wn_graph_layer(lab.graph, lab.layer)->name, lab.channels, lab.h, lab.w);
    run(&lab);
    lab_close(&lab);
    printf("%d held, %d did not\n", passed, failed);
    return failed != 0;
}
