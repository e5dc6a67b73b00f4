/* wn_engine_masking on a bundled network, against the pictures masked by hand and asked about one after the other. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"

static int failures;

static void check(bool good, const char *what)
{
    printf("%s %s\n", good ? "ok   " : "WRONG", what);
    failures += !good;
}

/* The relative probability of a against b after hiding what the side that is not kept covers. */
static double by_hand(struct lab *lab, const float *image, const float *map, enum wn_fill fill, bool positive, int a,
                      int b)
{
    int c = (int)wn_graph_channels(lab->graph), h = (int)wn_graph_height(lab->graph),
        w = (int)wn_graph_width(lab->graph), n = h * w;
    float *big = malloc((size_t)n * sizeof *big), *filled = malloc((size_t)(c * n) * sizeof *filled),
          *y = malloc((size_t)lab->classes * sizeof *y);
    float *masked = malloc((size_t)(c * n) * sizeof *masked);
    const struct wn_layer *l = wn_graph_layer(lab->graph, lab->layer);
    const float *images[1] = {masked};
    wn_enlarge(map, (int)l->height, (int)l->width, false, h, w, big, NULL);
    wn_fill_make(fill, image, c, h, w, NULL, filled, NULL, NULL);
    for (int i = 0; i < c * n; i++) masked[i] = (positive ? big[i % n] < 0 : big[i % n] > 0) ? filled[i] : image[i];
    wn_engine_explain(lab->engine, &(struct wn_batch){1, images, 0, NULL, NULL, NULL, NULL}, y, NULL, NULL, NULL);
    double p = 1 / (1 + exp((double)y[b] - y[a]));
    free(big);
    free(filled);
    free(masked);
    free(y);
    return p;
}

/* Whether hiding what speaks for the side that won turns the decision, by the pictures masked by hand; the map is
 * this test's to free. */
static void check_turns(struct lab *lab, struct wn_masking_in in, float *map, enum wn_positive positive,
                        const char *what)
{
    struct wn_masking got;
    in.map = map;
    in.positive = positive;
    check(wn_engine_masking(lab->engine, lab->graph, &in, &got, NULL) == WN_OK, what);
    const bool reversed = positive == WN_POSITIVE_AGAINST_CLASS;
    double only_for = by_hand(lab, in.image, map, in.fill, !reversed, *in.targets, *in.rivals),
           only_against = by_hand(lab, in.image, map, in.fill, reversed, *in.targets, *in.rivals);
    printf("      p(P|P,Q) %.4f; only what speaks for P %.4f; only what speaks against it %.4f; %s\n", got.before,
           only_for, only_against, got.turns ? "turns" : "stays");
    check(fabs(got.keep_positive - (reversed ? only_against : only_for)) < 1e-9 &&
              fabs(got.keep_negative - (reversed ? only_for : only_against)) < 1e-9,
          "keep_positive and keep_negative go by the map's sign");
    check(only_for >= only_against, "what speaks for P helps P more than what speaks against it");
    check(got.turns == (got.before > 0.5 ? only_against < 0.5 : only_for > 0.5), "turns is of what speaks for P");
    free(map);
}

/* The decision is the same whichever way round a map tells it. */
static void check_sides(struct lab *lab, const struct wn_masking_in *in)
{
    int p = *in->targets, q = *in->rivals;
    unsigned flags;
    for (int fill = 0; fill < WN_FILL_BLACK; fill++) {
        struct wn_masking_in one = *in;
        one.fill = (enum wn_fill)fill;
        check_turns(lab, one, lab_map(lab, 0, "gradcam", "weighted", p, NULL, 0), WN_POSITIVE_FOR_CLASS, "weighted");
        check_turns(lab, one, lab_map(lab, 0, "gradcam", "cross-entropy", p, &p, 1), WN_POSITIVE_AGAINST_CLASS,
                    "cross-entropy of P itself");
        check_turns(lab, one, lab_map(lab, 0, "gradcam", "cross-entropy", p, &q, 1), WN_POSITIVE_AGAINST_RIVAL,
                    "cross-entropy of Q");
        check_turns(lab, one, lab_value_map(lab, 0, "gradcam", p, in->logits[p] - 1, &flags), WN_POSITIVE_FOR_CLASS,
                    "a value below the output");
        check_turns(lab, one, lab_value_map(lab, 0, "gradcam", p, in->logits[p] + 1, &flags), WN_POSITIVE_AGAINST_CLASS,
                    "a value above the output");
    }
}

int main(int argc, char **argv)
{
    struct lab lab;
    struct wn_masking got, swapped;
    struct wn_error err = {0};
    int top[2];
    if (argc != 4 || !lab_open(&lab, argv[1], argv[2], argv[3])) return 2;
    lab.layer = wn_graph_find_layer(lab.graph, "auto");
    float *y = lab_logits(&lab, 0), *map;
    wn_top(y, lab.classes, 2, top);
    map = lab_map(&lab, 0, "gradcam", "pair", top[0], &top[1], 1);
    const struct wn_layer *l = wn_graph_layer(lab.graph, lab.layer);
    struct wn_masking_in in = {.image = lab.images,
                               .logits = y,
                               .map = map,
                               .h = (int)l->height,
                               .w = (int)l->width,
                               .targets = &top[0],
                               .n_targets = 1,
                               .rivals = &top[1],
                               .n_rivals = 1};
    for (int fill = 0; fill < WN_FILL_BLACK; fill++) {
        in.fill = (enum wn_fill)fill;
        check(wn_engine_masking(lab.engine, lab.graph, &in, &got, &err) == WN_OK, wn_fill_name(fill));
        double keep = by_hand(&lab, lab.images, map, in.fill, true, top[0], top[1]),
               hide = by_hand(&lab, lab.images, map, in.fill, false, top[0], top[1]);
        printf("      p(P|P,Q) %.4f; only what speaks for P %.4f (by hand %.4f); that hidden %.4f (by hand %.4f)\n",
               got.before, got.keep_positive, keep, got.keep_negative, hide);
        check(fabs(got.keep_positive - keep) < 1e-9 && fabs(got.keep_negative - hide) < 1e-9,
              "as the pictures masked by hand");
        check(fabs(got.before - 1 / (1 + exp((double)y[top[1]] - y[top[0]]))) < 1e-9, "the picture as it is");
        check(got.turns == (got.keep_negative < 0.5), "turns is what it says");
        check(got.positive > 0 && got.negative > 0 && got.positive + got.negative <= 1, "shares of the pixels");
        struct wn_masking_in other = in;
        other.targets = &top[1];
        other.rivals = &top[0];
        check(wn_engine_masking(lab.engine, lab.graph, &other, &swapped, &err) == WN_OK &&
                  fabs(swapped.keep_positive + got.keep_positive - 1) < 1e-9,
              "the two classes' probabilities add to 1");
    }
    check(got.keep_positive >= got.keep_negative, "what speaks for P helps P more than what speaks against it");
    check_sides(&lab, &in);
    in.n_rivals = 0;
    check(wn_engine_masking(lab.engine, lab.graph, &in, &got, NULL) == WN_BAD_REQUEST, "an empty set is refused");
    in.n_rivals = 1;
    in.rivals = &lab.classes;
    check(wn_engine_masking(lab.engine, lab.graph, &in, &got, NULL) == WN_BAD_REQUEST,
          "a class that is not there is refused");
    free(map);
    free(y);
    lab_close(&lab);
    return failures != 0;
}
