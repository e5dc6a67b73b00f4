/* Invariants of methods: what maps sum to, and that every short cut is the long way. */
#include "invariants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 13. On a ReLU network relevance with a vanishing epsilon is the input times the gradient. At 1e-6 single pixels of a
 * deep network still feel it, where a sum inside comes close to 0; the maps as a whole do not. */
void relevance_is_input_times_gradient(struct lab *lab, int t)
{
    double diff = 0, size = 0;
    for (int i = 0; i < lab->graph->n_nodes; i++) {
        if (strcmp(lab->graph->nodes[i].op, "Clip") != 0) continue;
        printf("      13 not for this network: relevance passes a full ReLU6, the gradient does not\n");
        return;
    }
    if (!lab_can(lab, "lrp")) return;
    float *a = lab_map(lab, tested, "lrp", "weighted", t, NULL, 0),
          *b = lab_map(lab, tested, "ixg", "weighted", t, NULL, 0);
    for (int i = 0, n = lab_area(lab, "ixg"); i < n; i++) {
        diff += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    verdict("13 LRP with eps 1e-6 = input x gradient, in the mean square", sqrt(diff / size), 1e-2);
    free(a), free(b);
}

/* 14. DeepLIFT's contributions sum to what the picture changes of the score, beside a picture of zeros. */
void contributions_sum_to_the_change(struct lab *lab, const float *y, int t)
{
    double sum = 0, change = 0, size = 0;
    if (!lab_can(lab, "deeplift")) return;
    float *map = lab_map(lab, tested, "deeplift", "logit", t, NULL, 0),
          *zeros = calloc((size_t)lab->pixels, sizeof *zeros), *images = lab->images;
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

/* 14. Integrated Gradients sum to what their scalar gains from zeros to the picture, whichever scalar it is. A network
 * with ReLUs has kinks along the path, so the nodes are many, and only small networks are walked. */
void paths_sum_to_what_is_gained(struct lab *lab, const float *y, int t)
{
    static const char *const words[] = {"frozen", "probability", "log-odds"};
    float *zeros = calloc((size_t)lab->pixels, sizeof *zeros), *images = lab->images,
          *logits = malloc((size_t)lab->classes * sizeof *logits);
    const float *at[1] = {images + (size_t)tested * (size_t)lab->pixels};
    lab->images = zeros;
    float *y0 = lab_logits(lab, 0);
    lab->images = images;
    for (int i = 0; i < 3 && lab->pixels <= 3 * 64 * 64 && lab->classes > 1; i++) {
        struct wn_question q = {.layer = WN_LAYER_AUTO,
                                .method = wn_method_find("ig"),
                                .contrast = wn_contrast_find(i ? "weighted" : "logit"),
                                .target = t};
        struct wn_answer a;
        char what[64];
        double sum = 0, gain = scalar_of(y, lab->classes, t, i) - scalar_of(y0, lab->classes, t, i);
        wn_setting_set(&q.settings, WN_SETTING_STEPS, "256", NULL);
        wn_setting_set(&q.settings, WN_SETTING_PATH_TARGET, words[i], NULL);
        snprintf(what, sizeof what, "14 ig sums to the gain of its scalar: %s", words[i]);
        wn_engine_explain(lab->engine, &(struct wn_batch){1, at, 1, &q, NULL, NULL, NULL}, logits, &a, NULL, NULL);
        for (int k = 0; a.map && k < a.h * a.w; k++) sum += a.map[k];
        verdict(what, a.map ? fabs(sum - gain) / fmax(fabs(gain), 0.01) : 1, 1e-2);
        wn_answer_finish(&a);
    }
    free(zeros), free(logits), free(y0);
}

/* With maps that are sums over cells of a_k g_k, however they spread them. */
void channel_methods_sum_alike(struct lab *lab, int t)
{
    int n = area(lab);
    double sum[2] = {0, 0}, size = 0;
    float *la = lab_map(lab, tested, "la", "weighted", t, NULL, 0),
          *x = lab_map(lab, tested, "xgradcam", "weighted", t, NULL, 0);
    for (int i = 0; i < n; i++) {
        sum[0] += la[i];
        sum[1] += x[i];
        size += fabs(la[i]) + fabs(x[i]);
    }
    verdict("   XGrad-CAM sums like the linear approximation", fabs(sum[0] - sum[1]) / size, 1e-4);
    free(la), free(x);
}

/* 9, and 8's Grad-CAM: the pooled short cuts against the gradient written out. */
void short_cut_is_the_long_way(struct lab *lab, int t)
{
    struct lab_gradient g;
    int n = area(lab);
    float *seed = calloc((size_t)lab->classes, sizeof *seed), *cam = calloc((size_t)n, sizeof *cam),
          *la = calloc((size_t)n, sizeof *la);
    seed[t] = 1;
    lab_gradient(lab, tested, lab->graph->layer_values[lab->layer], seed, LAB_LOGITS, LAB_FOLD, &g);
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
    float *fast = lab_map(lab, tested, "gradcam", "logit", t, NULL, 0),
          *linear = lab_map(lab, tested, "la", "logit", t, NULL, 0);
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

/* Of whatever seed a contrast makes, not only of one class's. */
static void maps_sum_to_the_logits_less_their_biases(struct lab *lab, const float *y, const float *b)
{
    int top[2], foil;
    float *v = malloc((size_t)lab->classes * sizeof *v);
    wn_top(y, lab->classes, 2, top);
    for (int c = 0; wn_contrast_at(c); c++) {
        const struct wn_contrast *row = wn_contrast_at(c);
        if (row->flags & (WN_CONTRAST_RELEVANCE | WN_CONTRAST_VALUE)) continue;
        int foils = row->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET) ? 1 : 0;
        struct wn_contrast_in in = {y, lab->classes, top[0], top, 1, &top[1], foils, 0, false};
        double total = 0, want = 0, size = 0;
        wn_contrast_seed(row, &in, v, &foil, NULL);
        float *map = lab_map(lab, tested, "gradcam", row->name, top[0], &top[1], foils);
        for (int i = 0; i < area(lab); i++) total += map[i];
        for (int s = 0; s < lab->classes; s++) {
            double term = v[s] * ((double)y[s] - (b ? b[s] : 0));
            want += term;
            size += fabs(term);
        }
        char what[96];
        snprintf(what, sizeof what, "8  the map of %s sums to v.(y - b)", row->name);
        verdict(what, fabs(total - want) / size, 1e-5);
        free(map);
    }
    free(v);
}

/* 8. With a global average pool and one linear layer, Grad-CAM is CAM over hw and LA, and it sums to v.(y - b). */
void cam_closed_form(struct lab *lab, const float *y, int t)
{
    float *w, *b;
    int features, n = area(lab);
    bool transposed;
    if (!ends_in_average_pool(lab) || !lab_last_linear(lab, &w, &b, &features, &transposed) ||
        features != lab->channels) {
        printf("      8  not for this network: no global average pool with one linear layer\n");
        return;
    }
    struct lab_gradient g;
    float *seed = calloc((size_t)lab->classes, sizeof *seed), *cam = calloc((size_t)n, sizeof *cam);
    lab_gradient(lab, tested, lab->graph->layer_values[lab->layer], seed, LAB_LOGITS, LAB_FOLD, &g);
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < features; k++)
            sum += (double)w[transposed ? t * features + k : k * lab->classes + t] * g.activation[k * n + i];
        cam[i] = (float)(sum / n);
    }
    float *fast = lab_map(lab, tested, "gradcam", "logit", t, NULL, 0),
          *la = lab_map(lab, tested, "la", "logit", t, NULL, 0);
    double total = 0, want = y[t] - (b ? b[t] : 0), size = 0;
    for (int i = 0; i < n; i++) {
        total += fast[i];
        size += fabs(fast[i]);
    }
    verdict("8  Grad-CAM = CAM/hw", off(fast, cam, 1, n, lab_most(cam, n)), 1e-5);
    verdict("8  linear approximation = CAM/hw", off(la, cam, 1, n, lab_most(cam, n)), 1e-5);
    verdict("8  the map sums to y_t - b_t", fabs(total - want) / size, 1e-5);
    maps_sum_to_the_logits_less_their_biases(lab, y, b);
    free(seed), free(cam), free(fast), free(la);
    lab_gradient_free(&g);
}

/* 15. A batch-norm folded into its convolution changes nothing; Grad-CAM on the raw convolution is the folded sum. */
void folding_changes_nothing(struct lab *lab)
{
    struct lab_gradient folded, plain;
    float *seed = calloc((size_t)lab->classes, sizeof *seed);
    int layer = lab->graph->layer_values[lab->layer];
    seed[0] = 1;
    lab_gradient(lab, tested, layer, seed, LAB_LOGITS, LAB_FOLD, &folded);
    lab_gradient(lab, tested, layer, seed, LAB_LOGITS, LAB_KEEP_ALL, &plain);
    verdict("15 folding keeps the logits",
            off(folded.logits, plain.logits, 1, lab->classes, lab_most(plain.logits, lab->classes)), 1e-5);
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
static void raw_map_of_the_engine(struct lab *lab, const struct wn_node *bn, const char *method, int t,
                                  const float *want, int64_t n)
{
    int was = lab->layer;
    char what[96];
    for (int i = 0; i < lab->graph->n_layers; i++)
        if (lab->graph->layer_values[i] == bn->out[0]) lab->layer = lab->graph->layers[i].raw_convolution;
    float *map = lab_map(lab, tested, method, "logit", t, NULL, 0);
    snprintf(what, sizeof what, "15 %s of the variant raw-conv = the sum over z - b'", method);
    verdict(what, off(map, want, 1, n, lab_most(want, n)), 1e-5);
    lab->layer = was;
    free(map);
}

static void raw_variant_of_the_engine(struct lab *lab, const struct wn_node *bn, const struct wn_node *conv, int t,
                                      const float *want, int64_t n)
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

void raw_convolution_cam(struct lab *lab, int t)
{
    const struct wn_node *conv, *bn = last_batch_norm_of_a_convolution(lab, &conv);
    if (!bn) {
        printf("      15 not for this network: no batch-norm behind a convolution\n");
        return;
    }
    struct lab_gradient raw, z;
    float *seed = calloc((size_t)lab->classes, sizeof *seed);
    seed[t] = 1;
    lab_gradient(lab, tested, conv->out[0], seed, LAB_LOGITS, LAB_FOLD, &raw);
    lab_gradient(lab, tested, bn->out[0], seed, LAB_LOGITS, LAB_FOLD, &z);
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
    verdict("15 Grad-CAM on the raw convolution = sum mean(g_z)(z - b')", off(a, b, 1, raw.area, lab_most(b, raw.area)),
            1e-5);
    raw_variant_of_the_engine(lab, bn, conv, t, b, raw.area);
    memset(b, 0, (size_t)raw.area * sizeof *b);
    for (int64_t k = 0; k < raw.channels; k++) {
        double s = gamma[k] / sqrt((double)var[k] + epsilon_of(bn)), shift = beta[k] - s * mean[k];
        for (int64_t i = 0; i < raw.area; i++)
            b[i] += (float)(z.gradient[k * raw.area + i] * (z.activation[k * raw.area + i] - shift));
    }
    raw_map_of_the_engine(lab, bn, "la", t, b, raw.area);
    free(seed), free(a), free(b);
    lab_gradient_free(&raw);
    lab_gradient_free(&z);
}

/* 24. The same question about the same image gives the same bytes in any batch, in any company; on a card the same
 * numbers, for a run of two images has other plans than one of a single image. */
void batches_do_not_matter(struct lab *lab)
{
    enum { MANY = 7 };
    struct wn_question q[MANY];
    struct wn_answer a[MANY];
    struct wn_error err = {0};
    const float *images[2] = {lab->images, lab->images + (lab->n_images > 1 ? lab->pixels : 0)};
    float *y = malloc((size_t)(2 * lab->classes) * sizeof *y);
    double worst = 0;
    for (int i = 0; i < MANY; i++)
        q[i] = (struct wn_question){.image = i % 2,
                                    .layer = lab->layer,
                                    .method = wn_method_at(i % 2),
                                    .target = i % lab->classes,
                                    .contrast = wn_contrast_find(i % 3 ? "weighted" : "logit")};
    struct wn_batch batch = {2, images, MANY, q, NULL, NULL, NULL};
    if (wn_engine_explain(lab->engine, &batch, y, a, NULL, &err) != WN_OK) worst = INFINITY;
    for (int i = 0; i < MANY && isfinite(worst); i++) {
        float *alone =
            lab_map(lab, lab->n_images > 1 ? i % 2 : 0, q[i].method->name, q[i].contrast->name, q[i].target, NULL, 0);
        const double apart = off(a[i].map, alone, 1, area(lab), lab_on_a_card(lab) ? lab_most(alone, area(lab)) : 0);
        if (!(apart <= worst)) worst = apart;
        free(alone);
    }
    for (int i = 0; i < MANY; i++) wn_answer_finish(&a[i]);
    if (lab_on_a_card(lab))
        verdict("24 a batch = its questions asked alone", worst, lab_of_plans);
    else
        verdict("24 a batch = its questions asked alone, bit for bit", worst, 0);
    free(y);
}
