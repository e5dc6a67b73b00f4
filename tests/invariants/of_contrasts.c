/* Invariants of contrasts: what one map has to do with another, whatever the method. */
#include "invariants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void probabilities(const float *y, int k, double *p)
{
    double top = y[wn_argmax(y, k)], sum = 0;
    for (int i = 0; i < k; i++) sum += p[i] = exp(y[i] - top);
    for (int i = 0; i < k; i++) p[i] /= sum;
}

/* 1. One backward pass with a seed is the weighted sum of one pass a class. */
void linearity(struct lab *lab, const char *method, const float *all, const float *y)
{
    int top[2], n = lab_area(lab, method), foil;
    wn_top(y, lab->classes, 2, top);
    for (int c = 0; wn_contrast_at(c); c++) {
        const struct wn_contrast *row = wn_contrast_at(c);
        /* not for every method, not for every network */
        if (row->flags & (WN_CONTRAST_RELEVANCE | WN_CONTRAST_VALUE)) continue;
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
        float *m = lab_map(lab, tested, method, row->name, top[0], &top[1], foils);
        char what[96];
        snprintf(what, sizeof what, "1  %s, %s: one pass = weighted sum of all classes' maps", method, row->name);
        verdict(what, off(m, sum, 1, n, unit), 1e-5);
        free(m);
        free(v);
        free(sum);
    }
}

/* Contrasts of two passes against what their papers say of the starts, made of every class's relevance: M_s starts
 * as y_s. */
static void passes_of_relevance(struct lab *lab, const float *all, const float *y, int t)
{
    int n = lab_area(lab, "lrp-zplus"), k = lab->classes;
    double *p = malloc((size_t)k * sizeof *p), sum[2][2] = {{0}};
    /* clrp and sglrp, target and others */
    float *part = calloc((size_t)n * 4, sizeof *part), *want = malloc((size_t)n * sizeof *want);
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
        float *got = lab_map(lab, tested, "lrp-zplus", name, t, NULL, 0);
        const double first = fabs(sum[row][0]), second = fabs(sum[row][1]);
        double keep = row ? 1 : 1 / first, take = (row ? first : 1) / second, unit = 0;
        for (int i = 0; i < n; i++) {
            want[i] = (float)(keep * part[2 * row * n + i] - take * part[(2 * row + 1) * n + i]);
            unit = fmax(unit, fabs(keep * part[2 * row * n + i]) + fabs(take * part[(2 * row + 1) * n + i]));
        }
        verdict(row ? "   SGLRP is the difference of its two passes" : "   CLRP is the difference of its two passes",
                off(got, want, 1, n, unit), 1e-4);
        free(got);
    }
    free(p), free(part), free(want);
}

/* Input-space methods have maps as large as the picture: all classes of them only where that is little. */
void linearity_at_the_input(struct lab *lab, const float *y)
{
    const char *const methods[] = {"gradient",       "ixg",           "lrp",     "lrp-zplus",
                                   "lrp-alpha-beta", "lrp-composite", "deeplift"};
    if ((int64_t)lab->classes * lab->pixels > 3 * 1000 * 1000) return;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!lab_can(lab, methods[i])) continue;
        float *all = lab_all_maps(lab, tested, methods[i], "logit");
        linearity(lab, methods[i], all, y);
        if (strcmp(methods[i], "lrp-zplus") == 0) passes_of_relevance(lab, all, y, wn_argmax(y, lab->classes));
        free(all);
    }
}

/* 16. */
void regression_is_scaled_gradcam(struct lab *lab, const float *y, int t)
{
    unsigned flags;
    float q = y[t] + 0.75f, *cam = lab_map(lab, tested, "gradcam", "logit", t, NULL, 0),
          *map = lab_value_map(lab, tested, "gradcam", t, q, &flags);
    float *other = lab_value_map(lab, tested, "gradcam", t, y[t] - (q - y[t]), &flags),
          *same = lab_value_map(lab, tested, "gradcam", t, y[t], &flags);
    double unit = lab_most(map, area(lab));
    verdict("16 the map of Q is 2(P-Q) times Grad-CAM's", off(map, cam, 2 * ((double)y[t] - q), area(lab), unit), 1e-5);
    verdict("16 the maps of P+d and P-d are negatives", off(map, other, -1, area(lab), unit), 1e-6);
    verdict("16 the map of P itself is zero, and says so", lab_most(same, area(lab)) + !(flags & WN_ANSWER_FLAT), 0);
    free(cam), free(map), free(other), free(same);
}

/* 2. The gradient of p_t through a softmax, made by the program, against the seed form. */
void probability_by_autograd(struct lab *lab, int t, double p_t)
{
    struct lab_gradient g;
    int n = area(lab);
    float *seed = calloc((size_t)lab->classes, sizeof *seed), *cam = calloc((size_t)n, sizeof *cam);
    seed[t] = 1;
    lab_gradient(lab, tested, lab->graph->layer_values[lab->layer], seed, LAB_SOFTMAX, LAB_FOLD, &g);
    for (int64_t k = 0; k < g.channels; k++) {
        double w = 0;
        for (int64_t i = 0; i < g.area; i++) w += g.gradient[k * g.area + i];
        for (int64_t i = 0; i < g.area; i++) cam[i] += (float)(w / (double)g.area * g.activation[k * g.area + i]);
    }
    float *weighted = lab_map(lab, tested, "gradcam", "weighted", t, NULL, 0);
    float *probability = lab_map(lab, tested, "gradcam", "probability", t, NULL, 0);
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
void cross_entropy_is_minus_weighted(struct lab *lab, int q, double p_q)
{
    float *ce = lab_map(lab, tested, "gradcam", "cross-entropy", WN_TARGET_PREDICTED, &q, 1);
    float *weighted = lab_map(lab, tested, "gradcam", "weighted", q, NULL, 0);
    float *own = lab_map(lab, tested, "gradcam", "logit", q, NULL, 0);
    /* In f32 a contrast of two nearly equal maps is exact to their size, not to its own. */
    double factor = -(1 - p_q), size = fmax(lab_most(weighted, area(lab)), lab_most(own, area(lab)));
    verdict("3  cross-entropy(Q) = -(1-p_Q) weighted(Q)", off(ce, weighted, factor, area(lab), -factor * size), 1e-5);
    free(ce), free(own);
    free(weighted);
}

/* 4. */
void top_two_are_opposite(struct lab *lab, const int *top)
{
    float *a = lab_map(lab, tested, "gradcam", "max", top[0], NULL, 0),
          *b = lab_map(lab, tested, "gradcam", "max", top[1], NULL, 0);
    verdict("4  max(first) = -max(second), bit for bit", off(a, b, -1, area(lab), 0), 0);
    free(a);
    free(b);
}

/* 5. */
void probability_maps_cancel(struct lab *lab, const float *all)
{
    int n = area(lab);
    double *sum = calloc((size_t)n, sizeof *sum), most = 0;
    float *maps = lab_all_maps(lab, tested, "gradcam", "probability");
    for (int t = 0; t < lab->classes; t++)
        for (int i = 0; i < n; i++) sum[i] += maps[t * n + i];
    free(maps);
    for (int i = 0; i < n; i++)
        if (fabs(sum[i]) > most) most = fabs(sum[i]);
    verdict("5  sum over classes of p(1-p) weighted = 0", most / lab_most(all, (int64_t)lab->classes * n), 1e-6);
    free(sum);
}

/* 6. */
void mean_is_centred_logit(struct lab *lab, const float *all, int t)
{
    int n = area(lab), k = lab->classes;
    float *want = calloc((size_t)n, sizeof *want), *m = lab_map(lab, tested, "gradcam", "mean", t, NULL, 0);
    for (int i = 0; i < n; i++) {
        double mean = 0;
        for (int s = 0; s < k; s++) mean += all[s * n + i];
        want[i] = (float)((double)k / (k - 1) * (all[t * n + i] - mean / k));
    }
    verdict("6  mean(t) = K/(K-1) (M_t - average of all)", off(m, want, 1, n, lab_most(want, n)), 1e-5);
    free(want);
    free(m);
}

/* 12. */
void subsets_are_what_they_contain(struct lab *lab, const int *top)
{
    int n = area(lab), count = 0, *others = malloc((size_t)lab->classes * sizeof *others);
    for (int i = 0; i < lab->classes; i++)
        if (i != top[0]) others[count++] = i;
    float *a = lab_map(lab, tested, "gradcam", "subset", top[0], others, count);
    float *b = lab_map(lab, tested, "gradcam", "weighted", top[0], NULL, 0);
    verdict("12 subset(all others) = weighted", off(a, b, 1, n, lab_most(b, n)), 1e-5);
    free(a), free(b);
    a = lab_map(lab, tested, "gradcam", "subset", top[0], &top[1], 1);
    b = lab_map(lab, tested, "gradcam", "pair", top[0], &top[1], 1);
    verdict("12 subset of one foil = pair, bit for bit", off(a, b, 1, n, 0), 0);
    free(a), free(b), free(others);
}

/* 11. Logits scaled up: the cross-entropy of the runner-up becomes P minus the runner-up. */
void scaled_cross_entropy_is_pair(struct lab *lab, const int *top)
{
    float *w, *b;
    int features, n = area(lab);
    bool transposed;
    if (!lab_last_linear(lab, &w, &b, &features, &transposed)) {
        printf("      7, 11 not for this network: it does not end in a linear layer\n");
        return;
    }
    float *y = lab_logits(lab, tested);
    /* So far that the others are out of reach in floating point: the issue is the limit, not one factor. */
    float factor = fmaxf(16, 40 / (y[top[0]] - y[top[1]]));
    for (int64_t i = 0; i < (int64_t)features * lab->classes; i++) w[i] *= factor;
    for (int i = 0; b && i < lab->classes; i++) b[i] *= factor;
    if (lab_reopen(lab)) {
        float *ce = lab_map(lab, tested, "gradcam", "cross-entropy", top[0], &top[1], 1);
        float *pair = lab_map(lab, tested, "gradcam", "pair", top[0], &top[1], 1);
        verdict("11 logits scaled up: cross-entropy(second) = M_P - M_second", off(ce, pair, 1, n, lab_most(pair, n)),
                1e-4);
        free(ce), free(pair);
    }
    for (int64_t i = 0; i < (int64_t)features * lab->classes; i++) w[i] /= factor;
    for (int i = 0; b && i < lab->classes; i++) b[i] /= factor;
    free(y);
    lab_reopen(lab);
}

/* The method that a contrast's map is looked at with; NULL where this network has none. */
static const char *method_for(struct lab *lab, const struct wn_contrast *row)
{
    if (!(row->flags & WN_CONTRAST_RELEVANCE)) return "gradcam";
    return lab_can(lab, "lrp-zplus") ? "lrp-zplus" : NULL;
}

/* 7. One vector added to every class's weights is invisible to every contrast but those that say otherwise: the plain
 * logit, and what starts relevance. */
void common_direction_is_invisible(struct lab *lab, const int *top)
{
    float *w, *b, *before[32], unit[32];
    int features, rows = 0;
    bool transposed;
    if (!lab_last_linear(lab, &w, &b, &features, &transposed)) return;
    for (; rows < 32 && wn_contrast_at(rows); rows++) {
        const struct wn_contrast *row = wn_contrast_at(rows);
        const char *method = method_for(lab, row);
        before[rows] = NULL;
        if (!method || row->flags & WN_CONTRAST_VALUE) continue;
        int foils = row->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET) ? 1 : 0;
        before[rows] = lab_map(lab, tested, method, row->name, top[0], &top[1], foils);
        unit[rows] = (float)lab_most(before[rows], lab_area(lab, method));
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
        const char *method = method_for(lab, row);
        float *after = lab_map(lab, tested, method, row->name, top[0], &top[1], foils);
        double moved = off(after, before[c], 1, lab_area(lab, method), unit[c]);
        char what[96];
        bool plain = row->flags & WN_CONTRAST_UNBALANCED;
        snprintf(what, sizeof what, "7  a common direction in the weights %s %s", plain ? "changes" : "does not change",
                 row->name);
        if (plain)
            verdict(what, moved > 1e-2 ? 0 : 1, 0);
        else
            verdict(what, moved, 1e-4);
        free(after);
        free(before[c]);
    }
}
