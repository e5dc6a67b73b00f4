/* What must hold of every contrast and method on any network, whatever its weights:
 *
 *     invariants_test BACKEND MODEL.onnx INPUT
 *
 * INPUT: a .golden or a .npy. An invariant that the network's shape rules out is printed as "not for this network". */
#include "invariants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int failed, passed;
int tested;

int image; /* under test */

static double least; /* bound of what is not said of every bit */

void verdict(const char *what, double error, double bound)
{
    if (bound > 0 && bound < least) bound = least;
    bool ok = error <= bound;
    printf("%s %-70s %.2g (bound %.0g)\n", ok ? "ok   " : "WRONG", what, error, bound);
    *(ok ? &passed : &failed) += 1;
}

double off(const float *a, const float *b, double scale, int64_t n, double unit)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(a[i] - scale * b[i]);
        if (!(d <= most)) most = d;
    }
    return unit > 0 ? most / unit : most;
}

int area(const struct lab *lab)
{
    return lab->h * lab->w;
}

static void run(struct lab *lab)
{
    float *y = lab_logits(lab, tested);
    double *p = malloc((size_t)lab->classes * sizeof *p);
    int top[2], moderate = 0;
    wn_top(y, lab->classes, 2, top);
    probabilities(y, lab->classes, p);
    for (int i = 0; i < lab->classes; i++)
        if (fabs(p[i] - 0.4) < fabs(p[moderate] - 0.4)) moderate = i;
    float *all = lab_all_maps(lab, tested, "gradcam", "logit"), *la = lab_all_maps(lab, tested, "la", "logit");
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
    if (lab_on_a_card(&lab)) least = lab_of_plans;
    printf("%s on %s: %d classes, layer %s %dx%dx%d\n", argv[2], argv[1], lab.classes,
           wn_graph_layer(lab.graph, lab.layer)->name, lab.channels, lab.h, lab.w);
    run(&lab);
    lab_close(&lab);
    printf("%d held, %d did not\n", passed, failed);
    return failed != 0;
}
