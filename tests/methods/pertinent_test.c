/* What suffices: areas of a picture, and the pertinent positive made of them.
 *
 *     pertinent_test BACKEND FOLDER     FOLDER holds the networks of make_goldens.py */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "superpixels.h"

enum { WIDE = 48, HIGH = 36, WANTED = 20, PLANE = SIDE * SIDE };

/* ---- areas ---- */

/* A slanted edge between two colours, with noise on both. */
static void draw(float *planes, float noise)
{
    unsigned seed = 7;
    for (int i = 0; i < WIDE * HIGH; i++) {
        const bool upper = 2 * (i / WIDE) < i % WIDE;
        for (int c = 0; c < 3; c++) {
            seed = seed * 1664525u + 1013904223u;
            planes[c * WIDE * HIGH + i] = (upper == (c == 0) ? 0.8f : 0.2f) + (float)(seed >> 8) / (1 << 24) * noise;
        }
    }
}

/* How many pixels hang together with the first of that number. */
static int reach(const int *of, int number, int w, int h)
{
    int *list = calloc((size_t)(w * h), sizeof *list), n = 0, first = 0;
    bool *seen = calloc((size_t)(w * h), sizeof *seen);
    while (of[first] != number) first++;
    seen[list[n++] = first] = true;
    for (int i = 0; i < n; i++) {
        const int x = list[i] % w, y = list[i] / w, step[4][2] = {{x - 1, y}, {x + 1, y}, {x, y - 1}, {x, y + 1}};
        for (int k = 0; k < 4; k++) {
            const int at = step[k][1] * w + step[k][0];
            if (step[k][0] < 0 || step[k][0] >= w || step[k][1] < 0 || step[k][1] >= h || seen[at] || of[at] != number)
                continue;
            seen[list[n++] = at] = true;
        }
    }
    free(list);
    free(seen);
    return n;
}

static void areas_hang_together_are_of_one_colour_and_of_about_the_size_wanted(void **state)
{
    (void)state;
    static float planes[3 * WIDE * HIGH];
    static int of[WIDE * HIGH], again[WIDE * HIGH];
    int n, m, size[4 * WANTED] = {0}, bright[4 * WANTED] = {0};
    draw(planes, 0.05f);
    assert_int_equal(wn_superpixels(planes, 3, HIGH, WIDE, WANTED, of, &n, NULL), WN_OK);
    assert_in_range(n, WANTED / 2, 2 * WANTED);
    for (int i = 0; i < WIDE * HIGH; i++) {
        assert_in_range(of[i], 0, n - 1);
        size[of[i]]++;
        bright[of[i]] += planes[i] > 0.5f;
    }
    for (int i = 0; i < n; i++) {
        assert_int_equal(reach(of, i, WIDE, HIGH), size[i]);
        assert_true(size[i] >= WIDE * HIGH / (4 * WANTED));
        assert_true(bright[i] == 0 || bright[i] == size[i]);
    }
    assert_int_equal(wn_superpixels(planes, 3, HIGH, WIDE, WANTED, again, &m, NULL), WN_OK);
    assert_int_equal(m, n);
    assert_memory_equal(again, of, sizeof of);
}

static void no_crumbs_are_left_of_a_noisy_picture(void **state)
{
    (void)state;
    static float planes[3 * WIDE * HIGH];
    static int of[WIDE * HIGH];
    int n, size[WIDE * HIGH] = {0};
    draw(planes, 0.2f);
    assert_int_equal(wn_superpixels(planes, 3, HIGH, WIDE, WANTED, of, &n, NULL), WN_OK);
    for (int i = 0; i < WIDE * HIGH; i++) size[of[i]]++;
    for (int i = 1; i < n; i++) { /* the first has nobody to go to */
        assert_true(size[i] >= WIDE * HIGH / (4 * WANTED));
        assert_int_equal(reach(of, i, WIDE, HIGH), size[i]);
    }
}

static void a_plain_picture_is_a_grid_and_any_number_of_colours_and_areas_can_be_had(void **state)
{
    (void)state;
    static float planes[4 * WIDE * HIGH];
    static int of[WIDE * HIGH];
    int n;
    assert_int_equal(wn_superpixels(planes, 1, HIGH, WIDE, 12, of, &n, NULL), WN_OK);
    assert_int_equal(n, 12); /* steps of 12: 4 by 3 */
    for (int i = 0; i < WIDE * HIGH; i++) assert_int_equal(of[i], i / WIDE / 12 * 4 + i % WIDE / 12);
    assert_int_equal(wn_superpixels(planes, 4, HIGH, WIDE, 1, of, &n, NULL), WN_OK);
    assert_int_equal(n, 1);
    for (int wanted = 2; wanted < 4; wanted++) { /* either is rounded to one */
        assert_int_equal(wn_superpixels(planes, 3, HIGH, WIDE, wanted, of, &n, NULL), WN_OK);
        assert_int_equal(n, 2);
        assert_int_equal(wn_superpixels(planes, 3, WIDE, HIGH, wanted, of, &n, NULL), WN_OK);
        assert_int_equal(n, 2);
    }
    assert_int_equal(wn_superpixels(planes, 3, 1, 1, 2, of, &n, NULL), WN_OK);
    assert_int_equal(n, 1);
    assert_int_equal(wn_superpixels(planes, 3, HIGH, WIDE, 100000, of, &n, NULL), WN_OK);
    assert_int_equal(n, WIDE * HIGH); /* every pixel is one */
    planes[5] = NAN;
    assert_int_equal(wn_superpixels(planes, 3, HIGH, WIDE, 12, of, &n, NULL), WN_OK);
}

/* ---- the pertinent positive ---- */

static struct wn_question about(int image, const char *contrast)
{
    struct wn_question q = question(image, "pertinent-positive", contrast, WN_TARGET_PREDICTED);
    set(&q, WN_SETTING_SUPERPIXELS, "20");
    set(&q, WN_SETTING_ITERATIONS, "15");
    set(&q, WN_SETTING_ROUNDS, "4");
    set(&q, WN_SETTING_KAPPA, "0.1"); /* these networks are not sure of anything */
    return q;
}

/* The logits of a picture of which only what the map shows is left. */
static void logits_of(struct bench *b, const float *picture, const float *map, float *y)
{
    float x[PIXELS];
    const float *images[1] = {x};
    struct wn_batch batch = {.n_images = 1, .images = images};
    struct wn_error err = {0};
    for (int i = 0; i < PIXELS; i++) x[i] = picture[i] * (map ? map[i % PLANE] : 1);
    assert_int_equal(wn_engine_explain(b->engine, &batch, y, NULL, NULL, &err), WN_OK);
}

static int strongest_but(const float *y, int classes, int but)
{
    int best = -1;
    for (int i = 0; i < classes; i++)
        if (i != but && (best < 0 || y[i] > y[best])) best = i;
    return best;
}

static void what_suffices_keeps_the_answer_when_all_else_is_painted_over(void **state)
{
    (void)state;
    const char *const networks[] = {"residual", "vgg_head", "max_pool"}, *const contrasts[] = {"logit", "weighted",
                                                                                               "probability", "max",
                                                                                               "pair"};
    int smaller = 0, all = 0;
    for (int k = 0; k < 3; k++) {
        struct bench b = open_bench(networks[k], 1);
        const int classes = wn_graph_classes(b.graph);
        for (int i = 0; i < IMAGES * 5; i++) {
            float whole[16], left[16];
            int on = 0;
            struct wn_answer a = one(&b, about(i % IMAGES, contrasts[i / IMAGES]));
            assert_true(a.h == SIDE && a.w == SIDE);
            for (int j = 0; j < PLANE; j++) {
                assert_true(a.map[j] == 0 || a.map[j] == 1);
                on += a.map[j] == 1;
            }
            logits_of(&b, pictures[i % IMAGES], NULL, whole);
            logits_of(&b, pictures[i % IMAGES], a.map, left);
            /* max and pair: the runner-up alone */
            const int p = strongest_but(whole, classes, -1), pair = i / IMAGES >= 3;
            assert_true(left[p] > left[pair ? strongest_but(whole, classes, p) : strongest_but(left, classes, p)]);
            assert_true(on > 0);
            smaller += on < PLANE / 2;
            all++;
            wn_answer_finish(&a);
        }
        close_bench(&b);
    }
    assert_true(2 * smaller > all); /* and is less than half of the picture, mostly */
}

/* ---- the same search, written from the formula: the gradient is that of the library's question "pair" at any
 * picture ---- */

struct oracle {
    struct bench *b;
    const float *picture;
    int n, of[PLANE], p, q;
    double size[PLANE], slope[PLANE], best[PLANE], least, kappa, beta;
};

static double margin_at(struct oracle *o, const double *m, double *slope)
{
    float x[PIXELS], y[16], g[PIXELS];
    struct wn_question pair = question(0, "gradient", "pair", o->p);
    struct wn_error err = {0};
    pair.foils = &o->q;
    pair.n_foils = 1;
    for (int i = 0; i < PIXELS; i++) x[i] = (float)(m[o->of[i % PLANE]] * o->picture[i]);
    assert_int_equal(wn_engine_gradient(o->b->engine, x, &pair, y, g, &err), WN_OK);
    for (int i = 0; slope && i < o->n; i++) slope[i] = 0;
    for (int i = 0; slope && i < PIXELS; i++) slope[o->of[i % PLANE]] += (double)o->picture[i] * g[i];
    return (double)y[o->p] - y[o->q];
}

static bool search_with(struct oracle *o, double c, int steps)
{
    double m[PLANE], s[PLANE], g[PLANE];
    bool late = false;
    for (int i = 0; i < o->n; i++) m[i] = s[i] = 1;
    for (int k = 0; k < steps; k++) {
        double size = 0;
        const bool loss = margin_at(o, s, g) < o->kappa;
        for (int i = 0; i < o->n; i++) {
            const double z = s[i] + (loss ? 0.01 * sqrt(1 - (double)k / steps) * c * g[i] : 0),
                         next = z <= o->beta      ? 0
                                : z - o->beta > 1 ? 1
                                                  : z - o->beta;
            s[i] = next + (next - m[i]) * (k + 1) / (k + 4);
            m[i] = next;
            size += o->size[i] * (next * next + o->beta * next);
        }
        if (margin_at(o, m, NULL) < o->kappa) continue;
        late |= 2 * (k + 1) > steps;
        if (size < o->least) {
            o->least = size;
            memcpy(o->best, m, sizeof m);
        }
    }
    return late;
}

static void choose(struct oracle *o, double *on)
{
    memset(on, 0, PLANE * sizeof *on);
    do {
        int next = -1;
        for (int i = 0; i < o->n; i++)
            if (!on[i] && (next < 0 || o->best[i] > o->best[next] ||
                           (o->best[i] == o->best[next] && o->slope[i] > o->slope[next])))
                next = i;
        if (next < 0) return;
        on[next] = 1;
    } while (margin_at(o, on, NULL) <= 0);
}

/* Each that can be left out is, in the opposite order of what choose() did. */
static void prune_once(struct oracle *o, double *on)
{
    double tried[PLANE];
    for (int i = 0; i < o->n; i++) tried[i] = !on[i];
    for (;;) {
        int last = -1;
        double left = 0;
        for (int i = 0; i < o->n; i++) {
            left += on[i];
            if (!tried[i] && (last < 0 || o->best[i] < o->best[last] ||
                              (o->best[i] == o->best[last] && o->slope[i] < o->slope[last])))
                last = i;
        }
        if (last < 0 || left == 1) return;
        tried[last] = 1;
        on[last] = 0;
        on[last] = margin_at(o, on, NULL) <= 0;
    }
}

/* Until none can. */
static void prune(struct oracle *o, double *on)
{
    double before = 0, after = -1;
    while (before != after) {
        before = after = 0;
        for (int i = 0; i < o->n; i++) before += on[i];
        prune_once(o, on);
        for (int i = 0; i < o->n; i++) after += on[i];
    }
}

static bool none_can_be_spared(struct oracle *o, const double *on)
{
    double less[PLANE], left = 0;
    memcpy(less, on, sizeof less);
    for (int i = 0; i < o->n; i++) left += on[i];
    for (int i = 0; i < o->n && left > 1; i++) {
        less[i] = 0;
        if (on[i] && margin_at(o, less, NULL) > 0) return false;
        less[i] = on[i];
    }
    return true;
}

static void begin(struct oracle *o, const struct wn_answer *a, int areas)
{
    float x[PIXELS], lo = INFINITY, hi = -INFINITY;
    double ones[PLANE];
    for (int i = 0; i < PIXELS; i++) lo = fminf(lo, o->picture[i]), hi = fmaxf(hi, o->picture[i]);
    for (int i = 0; i < PIXELS; i++) x[i] = (o->picture[i] - lo) / (hi - lo);
    assert_int_equal(wn_superpixels(x, 3, SIDE, SIDE, areas, o->of, &o->n, NULL), WN_OK);
    o->p = a->target;
    o->q = a->foil;
    o->least = INFINITY;
    for (int i = 0; i < PLANE; i++) o->size[o->of[i]]++, ones[i] = 1;
    const double whole = margin_at(o, ones, o->slope);
    if (whole < o->kappa) o->kappa = whole / 2;
}

/* The class that the picture needs most of itself to beat: the one that an empty picture speaks for. */
static int rival_of(struct bench *b, const float *picture)
{
    float y[16], nothing[PLANE] = {0};
    logits_of(b, picture, nothing, y);
    return strongest_but(y, wn_graph_classes(b->graph), -1);
}

static void the_search_is_that_of_the_formula(void **state)
{
    (void)state;
    const char *const networks[] = {"residual", "vgg_head", "max_pool", "average_pool"};
    int several = 0;
    for (int k = 0; k < 8 * IMAGES; k++) {
        struct bench b = open_bench(networks[k % 4], 1);
        struct wn_question q = about(k / 8, "pair");
        const bool sure = k / 4 % 2; /* as sure as no part of the picture makes the network */
        int rival = rival_of(&b, pictures[k / 8]), areas = 0;
        set(&q, WN_SETTING_SUPERPIXELS, k % 8 < 4 ? "80" : "30");
        set(&q, WN_SETTING_ITERATIONS, "40");
        set(&q, WN_SETTING_ROUNDS, "9");
        set(&q, WN_SETTING_KAPPA, sure ? "1000" : "0.05");
        q.foils = &rival;
        q.n_foils = 1;
        struct wn_answer a;
        ask(&b, &q, 1, &a);
        if (a.error.code == WN_OK) { /* else the picture says what an empty one says */
            struct oracle o = {.b = &b, .picture = pictures[k / 8], .kappa = sure ? 1000 : 0.05, .beta = 0.05};
            double c = 1, low = 0, high = 1e10, on[PLANE];
            begin(&o, &a, k % 8 < 4 ? 80 : 30);
            for (int round = 0; round < 9; round++) {
                if (search_with(&o, c, 40))
                    high = c;
                else
                    low = c;
                c = high < 1e9 ? (low + high) / 2 : c * 10;
            }
            choose(&o, on);
            prune(&o, on);
            for (int i = 0; i < o.n; i++) areas += on[i] > 0;
            for (int i = 0; i < PLANE; i++) assert_true(a.map[i] == (float)on[o.of[i]]);
            assert_true(margin_at(&o, on, NULL) > 0);
            assert_true(none_can_be_spared(&o, on));
            several += areas > 1;
        }
        wn_answer_finish(&a);
        close_bench(&b);
    }
    assert_true(several >= 5);
}

static bool needs_all_its_areas(struct bench *b, int image, int rival, const char *areas)
{
    struct wn_question q = about(image, "pair");
    struct oracle o = {.b = b, .picture = pictures[image]};
    double on[PLANE];
    set(&q, WN_SETTING_SUPERPIXELS, areas);
    set(&q, WN_SETTING_ITERATIONS, "2");
    set(&q, WN_SETTING_ROUNDS, "1");
    q.foils = &rival;
    q.n_foils = 1;
    struct wn_answer a = one(b, q);
    begin(&o, &a, atoi(areas));
    for (int i = 0; i < PLANE; i++) on[o.of[i]] = (double)a.map[i];
    wn_answer_finish(&a);
    return margin_at(&o, on, NULL) > 0 && none_can_be_spared(&o, on);
}

/* A hasty search puts areas in a poor order: many are switched on, and some can go only once others have gone. */
static void what_is_left_cannot_do_without_any_of_its_areas(void **state)
{
    (void)state;
    float kept[IMAGES][PIXELS];
    memcpy(kept, pictures, sizeof kept);
    for (int k = 0; k < 8; k++) {
        struct bench b = open_bench(k % 2 ? "vgg_head" : "max_pool", 1);
        const int classes = wn_graph_classes(b.graph);
        for (int i = 0; i < IMAGES * PIXELS; i++)
            pictures[i / PIXELS][i % PIXELS] = kept[i / PIXELS][i % PIXELS] * 0.19f * powf(1.9f, (float)(k / 2));
        for (int i = 0; i < IMAGES * classes; i++) {
            float y[16];
            logits_of(&b, pictures[i / classes], NULL, y);
            if (strongest_but(y, classes, -1) == i % classes) continue;
            assert_true(needs_all_its_areas(&b, i / classes, i % classes, "60"));
            assert_true(needs_all_its_areas(&b, i / classes, i % classes, "200"));
        }
        close_bench(&b);
    }
    memcpy(pictures, kept, sizeof kept);
}

static void a_run_with_room_for_many_gives_the_same_areas(void **state)
{
    (void)state;
    struct bench narrow = open_bench("residual", 1), wide = open_bench("residual", 8);
    for (int i = 0; i < IMAGES; i++) {
        struct wn_answer a = one(&narrow, about(i, "weighted")), b = one(&wide, about(i, "weighted"));
        assert_true(off(&b, &a, 1) == 0);
        wn_answer_finish(&a);
        wn_answer_finish(&b);
    }
    close_bench(&narrow);
    close_bench(&wide);
}

/* ---- what cannot be asked ---- */

static void nothing_suffices_for_a_class_that_is_not_ahead(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    float y[16];
    logits_of(&b, pictures[0], NULL, y);
    struct wn_question q = about(0, "logit");
    q.target = strongest_but(y, wn_graph_classes(b.graph), strongest_but(y, wn_graph_classes(b.graph), -1));
    struct wn_answer a = one(&b, q);
    for (int i = 0; i < PLANE; i++) assert_true(a.map[i] == 0);
    assert_true(a.flags & WN_ANSWER_EMPTY);
    assert_true(a.shortfall.known);
    assert_true(a.shortfall.margin == (double)y[q.target] - y[strongest_but(y, wn_graph_classes(b.graph), -1)]);
    wn_answer_finish(&a);
    q.target = WN_TARGET_PREDICTED;
    a = one(&b, q);
    assert_false(a.shortfall.known || a.flags & WN_ANSWER_EMPTY);
    wn_answer_finish(&a);
    close_bench(&b);
}

static bool after_ten(void *ctx, int number)
{
    (void)number;
    return ++*(int *)ctx > 10;
}

static void it_ends_when_nobody_waits(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_question q = about(0, "weighted");
    struct wn_answer a;
    struct wn_error err = {0};
    const float *images[1] = {pictures[0]};
    float y[16];
    int polls = 0;
    struct wn_batch batch = {
        .n_images = 1, .images = images, .n_questions = 1, .questions = &q, .given_up = after_ten, .ctx = &polls};
    assert_int_equal(wn_engine_explain(b.engine, &batch, y, &a, NULL, &err), WN_OK);
    assert_int_equal(a.error.code, WN_DEADLINE);
    assert_int_equal(polls, 11);
    close_bench(&b);
}

int main(int argc, char **argv)
{
    int status = small_begin(argc, argv);
    if (status) return status;
    /* so that they say more than the networks' biases */
    for (int i = 0; i < IMAGES * PIXELS; i++) pictures[i / PIXELS][i % PIXELS] *= 6;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(areas_hang_together_are_of_one_colour_and_of_about_the_size_wanted),
        cmocka_unit_test(no_crumbs_are_left_of_a_noisy_picture),
        cmocka_unit_test(a_plain_picture_is_a_grid_and_any_number_of_colours_and_areas_can_be_had),
        cmocka_unit_test(what_suffices_keeps_the_answer_when_all_else_is_painted_over),
        cmocka_unit_test(the_search_is_that_of_the_formula),
        cmocka_unit_test(what_is_left_cannot_do_without_any_of_its_areas),
        cmocka_unit_test(a_run_with_room_for_many_gives_the_same_areas),
        cmocka_unit_test(nothing_suffices_for_a_class_that_is_not_ahead),
        cmocka_unit_test(it_ends_when_nobody_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
