/* The network asked again with one side of a map hidden. Knows engines by their front alone. */
#include <whynot/evidence.h>

#include <math.h>
#include <stdlib.h>

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
    if (in->n_targets < 1 || in->n_rivals < 1) return wn_fail(err, WN_BAD_REQUEST, "masking compares two sets of classes, and one is empty");
    for (int i = 0; i < in->n_targets + in->n_rivals; i++) {
        int c = i < in->n_targets ? in->targets[i] : in->rivals[i - in->n_targets];
        if (c < 0 || c >= classes) return wn_fail(err, WN_BAD_REQUEST, "%d is not a class: the model has classes 0 to %d", c, classes - 1);
    }
    return WN_OK;
}

/* What one masking needs beside the picture: one block of floats and one of flags. */
struct scratch {
    float *enlarged, *fill, *masked[2], *logits; /* H*W, C*H*W, C*H*W each, 2*K */
    bool *hidden;                                /* H*W */
};

static enum wn_code reserve(struct scratch *s, size_t pixels, size_t planes, size_t classes, struct wn_error *err)
{
    size_t image = pixels * planes;
    s->enlarged = malloc((pixels + 3 * image + 2 * classes) * sizeof *s->enlarged);
    s->hidden = malloc(pixels * sizeof *s->hidden);
    if (!s->enlarged || !s->hidden) return wn_fail(err, WN_NO_MEMORY, "no memory for masked pictures");
    s->fill = s->enlarged + pixels;
    s->masked[0] = s->fill + image;
    s->masked[1] = s->masked[0] + image;
    s->logits = s->masked[1] + image;
    return WN_OK;
}

static enum wn_code ask(struct wn_engine *e, const struct wn_masking_in *in, int classes, const struct scratch *s,
                        struct wn_masking *out, struct wn_error *err)
{
    const float *images[2] = {s->masked[0], s->masked[1]};
    struct wn_batch batch = {2, images, 0, NULL, NULL, NULL, NULL};
    enum wn_code code = wn_engine_explain(e, &batch, s->logits, NULL, NULL, err);
    if (code != WN_OK) return code;
    for (int i = 0; i < 2 * classes; i++)
        if (!isfinite(s->logits[i])) return wn_fail(err, WN_BAD_NUMBERS, "the network's logits for a masked picture are not finite");
    double *relative[2] = {&out->keep_positive, &out->keep_negative};
    for (int i = 0; i < 2; i++)
        *relative[i] =
            wn_relative_probability(s->logits + i * classes, classes, in->targets, in->n_targets, in->rivals, in->n_rivals);
    out->before = wn_relative_probability(in->logits, classes, in->targets, in->n_targets, in->rivals, in->n_rivals);
    out->turns = out->before > 0.5 ? out->keep_negative < 0.5 : out->keep_positive > 0.5;
    return WN_OK;
}

enum wn_code wn_engine_masking(struct wn_engine *e, const struct wn_graph *graph, const struct wn_masking_in *in,
                               struct wn_masking *out, struct wn_error *err)
{
    int c = (int)wn_graph_channels(graph), h = (int)wn_graph_height(graph), w = (int)wn_graph_width(graph);
    size_t pixels = (size_t)h * (size_t)w;
    int classes = wn_graph_classes(graph);
    struct scratch s = {0};
    *out = (struct wn_masking){0};
    enum wn_code code = check(graph, in, err);
    if (code == WN_OK) code = reserve(&s, pixels, (size_t)c, (size_t)classes, err);
    if (code == WN_OK) code = wn_enlarge(in->map, in->h, in->w, in->align_corners, h, w, s.enlarged, err);
    if (code == WN_OK) code = wn_fill_make(in->fill, in->image, c, h, w, in->black, s.fill, &out->radius, err);
    if (code == WN_OK) {
        for (int keep = WN_KEEP_POSITIVE; keep <= WN_KEEP_NEGATIVE; keep++) {
            size_t hidden = wn_mask_sign(s.enlarged, pixels, (enum wn_keep)keep, s.hidden);
            *(keep == WN_KEEP_POSITIVE ? &out->negative : &out->positive) = (double)hidden / (double)pixels;
            wn_mask_apply(in->image, s.fill, s.hidden, c, pixels, s.masked[keep]);
        }
        code = ask(e, in, classes, &s, out, err);
    }
    free(s.enlarged);
    free(s.hidden);
    return code;
}
