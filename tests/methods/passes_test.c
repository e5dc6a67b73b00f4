/* Contrasts of two passes of relevance against the difference of the passes, on networks whose biases give more to the
 * logits than their pixels do.
 *
 *     passes_test BACKEND FOLDER     FOLDER holds the networks of make_goldens.py */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

enum { MOST_CLASSES = 16 };

/* Ten more for every class: each logit is above 0, and what is handed down to the pixels stays what it was. */
static struct bench open_biased(const char *network)
{
    struct wn_graph *g = small_load(network);
    const int k = wn_graph_classes(g);
    bool found = false;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct wn_node *n = &g->nodes[i];
        if (n->out[0] != g->logits || strcmp(n->op, "Gemm") != 0 || n->n_in != 3) continue;
        for (int s = 0; s < k; s++) g->constants[n->in[2]]->f[s] += 10;
        found = true;
    }
    assert_true(found && k <= MOST_CLASSES);
    return (struct bench){g, small_engine(g, 1, 1, NULL)};
}

struct halves {
    double *first, *second, total[2];
    int n;
};

/* What starts at the target, and what starts at the others: `starts` over the logits, of every class's map, whose
 * start is its logit. */
static struct halves halves_of(const struct wn_answer *all, int k, int t, const double *starts, const float *y)
{
    struct halves h = {.n = all[0].h * all[0].w};
    h.first = calloc((size_t)h.n * 2, sizeof *h.first);
    h.second = h.first + h.n;
    for (int i = 0; i < h.n; i++) {
        for (int s = 0; s < k; s++) (s == t ? h.first : h.second)[i] += starts[s] / y[s] * all[s].map[i];
        h.total[0] += h.first[i];
        h.total[1] += h.second[i];
    }
    return h;
}

static void assert_difference(const struct wn_answer *got, const struct halves *h, double keep, double take)
{
    double unit = 0;
    for (int i = 0; i < h->n; i++) unit = fmax(unit, fabs(keep * h->first[i]) + fabs(take * h->second[i]));
    for (int i = 0; i < h->n; i++) {
        const double want = keep * h->first[i] - take * h->second[i];
        if (!(fabs(got->map[i] - want) <= 1e-3 * unit))
            fail_msg("%g where the passes differ by %g: their totals are %g and %g", (double)got->map[i], want,
                     h->total[0], h->total[1]);
    }
}

static void check_target(struct bench *b, int t, const struct wn_answer *all, const float *y, int turned[2])
{
    const int k = wn_graph_classes(b->graph);
    double starts[MOST_CLASSES];
    float p[MOST_CLASSES];
    wn_softmax(y, k, p);
    for (int softmax = 0; softmax < 2; softmax++) {
        for (int s = 0; s < k; s++)
            starts[s] = !softmax ? fabs((double)y[s]) : (double)p[t] * (s == t ? 1 - (double)p[t] : (double)p[s]);
        struct halves h = halves_of(all, k, t, starts, y);
        struct wn_answer got = one(b, question(0, "lrp-zplus", softmax ? "sglrp" : "clrp", t));
        const double first = fabs(h.total[0]), second = fabs(h.total[1]);
        assert_difference(&got, &h, softmax ? 1 : 1 / first, (softmax ? first : 1) / second);
        for (int i = 0; i < 2; i++) turned[i] += h.total[i] < 0;
        wn_answer_finish(&got);
        free(h.first);
    }
}

static void a_pass_keeps_its_direction_where_biases_make_its_total_negative(void **state)
{
    (void)state;
    int turned[2] = {0};
    for (int n = 0; n < 2; n++) {
        struct bench b = open_biased(n ? "residual" : "vgg_head");
        const int k = wn_graph_classes(b.graph);
        const float *images[1] = {pictures[0]};
        float y[MOST_CLASSES];
        struct wn_answer all[MOST_CLASSES];
        for (int s = 0; s < k; s++) all[s] = one(&b, question(0, "lrp-zplus", "logit", s));
        struct wn_batch batch = {.n_images = 1, .images = images};
        assert_int_equal(wn_engine_explain(b.engine, &batch, y, NULL, NULL, NULL), WN_OK);
        for (int t = 0; t < k; t++) check_target(&b, t, all, y, turned);
        for (int s = 0; s < k; s++) wn_answer_finish(&all[s]);
        close_bench(&b);
    }
    assert_true(turned[0] > 1 && turned[1] > 1);
}

int main(int argc, char **argv)
{
    int status = small_begin(argc, argv);
    if (status) return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_keeps_its_direction_where_biases_make_its_total_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
