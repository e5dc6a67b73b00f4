/* The network asked again with one side of a map hidden: what that says of two sets of classes. Knows no pixel. */
#include <whynot/evidence.h>

#include <math.h>
#include <stdlib.h>

#include "hidden.h"

/* log sum e^y over a set. */
static double log_sum(const float *y, const int *set, int n)
{
    double top = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        if (y[set[i]] > top) top = y[set[i]];
    for (int i = 0; i < n; i++) sum += exp(y[set[i]] - top);
    return top + log(sum);
}

double wn_relative_probability(const float *logits, int classes, const int *targets, int n_targets, const int *rivals,
                               int n_rivals)
{
    const float two[2] = {0, logits[0]}, *y = classes > 1 ? logits : two;
    double gap = log_sum(y, targets, n_targets) - log_sum(y, rivals, n_rivals);
    return 1 / (1 + exp(-gap)); /* e^-gap may be infinite: then this is 0 */
}

static enum wn_code check(const struct wn_graph *graph, const struct wn_masking_in *in, struct wn_error *err)
{
    int classes = wn_graph_classes(graph) > 1 ? wn_graph_classes(graph) : 2;
    if (in->n_targets < 1 || in->n_rivals < 1)
        return wn_fail(err, WN_BAD_REQUEST, "masking compares two sets of classes, and one is empty");
    for (int i = 0; i < in->n_targets + in->n_rivals; i++) {
        int c = i < in->n_targets ? in->targets[i] : in->rivals[i - in->n_targets];
        if (c < 0 || c >= classes)
            return wn_fail(err, WN_BAD_REQUEST, "%d is not a class: the model has classes 0 to %d", c, classes - 1);
    }
    return WN_OK;
}

/* Room for both masked pictures and their logits; finished by freeing pictures and hidden. */
static enum wn_code reserve(struct wn_hider_room *room, float **logits, size_t pixels, size_t planes, size_t classes,
                            struct wn_error *err)
{
    size_t image = pixels * planes;
    room->pictures = malloc((pixels + 3 * image + 2 * classes) * sizeof *room->pictures);
    room->hidden = malloc(pixels * sizeof *room->hidden);
    if (!room->pictures || !room->hidden) return wn_fail(err, WN_NO_MEMORY, "no memory for masked pictures");
    room->cover = room->pictures + 2 * image;
    room->map = room->cover + image;
    *logits = room->map + pixels;
    return WN_OK;
}

/* logits: of the picture with each side kept. */
static enum wn_code compare(const struct wn_masking_in *in, int classes, const float *logits, struct wn_masking *out,
                            struct wn_error *err)
{
    for (int i = 0; i < 2 * classes; i++)
        if (!isfinite(logits[i]))
            return wn_fail(err, WN_BAD_NUMBERS, "the network's logits for a masked picture are not finite");
    double *relative[2] = {&out->keep_positive, &out->keep_negative};
    for (int i = 0; i < 2; i++)
        *relative[i] = wn_relative_probability(logits + i * classes, classes, in->targets, in->n_targets, in->rivals,
                                               in->n_rivals);
    out->before = wn_relative_probability(in->logits, classes, in->targets, in->n_targets, in->rivals, in->n_rivals);
    /* what speaks against the rivals stands on the targets' side of this comparison */
    const bool reversed = in->positive == WN_POSITIVE_AGAINST_CLASS;
    const double only_for = reversed ? out->keep_negative : out->keep_positive,
                 only_against = reversed ? out->keep_positive : out->keep_negative;
    out->turns = out->before > 0.5 ? only_against < 0.5 : only_for > 0.5;
    return WN_OK;
}

enum wn_code wn_engine_masking(struct wn_engine *e, const struct wn_graph *graph, const struct wn_masking_in *in,
                               struct wn_masking *out, struct wn_error *err)
{
    static const struct wn_hidden rows[2] = {{0, -1, WN_KEEP_POSITIVE}, {0, -1, WN_KEEP_NEGATIVE}};
    int h = (int)wn_graph_height(graph), w = (int)wn_graph_width(graph), classes = wn_graph_classes(graph), hidden[2];
    size_t pixels = (size_t)h * (size_t)w;
    struct wn_hider hider = {.engine = e};
    struct wn_cover cover;
    float *logits = NULL;
    *out = (struct wn_masking){0};
    enum wn_code code = check(graph, in, err);
    if (code == WN_OK) code = wn_cover_of(in->fill, h, w, in->black, &cover, err);
    if (code == WN_OK)
        code = reserve(&hider.room, &logits, pixels, (size_t)wn_graph_channels(graph), (size_t)classes, err);
    if (code == WN_OK) {
        wn_hider_show(&hider, in->image, &cover, false);
        wn_hider_maps(&hider, &in->map, 1, in->h, in->w, in->align_corners);
        code = wn_hider_ask(&hider, rows, 2, logits, hidden, err);
    }
    if (code == WN_OK) {
        out->radius = cover.radius;
        out->negative = (double)hidden[0] / (double)pixels;
        out->positive = (double)hidden[1] / (double)pixels;
        code = compare(in, classes, logits, out, err);
    }
    free(hider.room.pictures);
    free(hider.room.hidden);
    return code;
}
