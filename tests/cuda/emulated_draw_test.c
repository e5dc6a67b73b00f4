/* Maps drawn by the kernels are, byte for byte, maps drawn by the processor: odd shapes, every normalisation, many
 * in one launch. On the emulation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <media/render.h>
#include <whynot/backend.h>
#include <whynot/pixels.h>

#include "emulation_control.h"
#include "exe.h"
#include "guarded.h"
#include "kernels.h"

enum { PARTS = 5 };
struct one {
    struct guarded part[PARTS]; /* map, taps, values, index, out */
    struct wn_cuda_drawing drawing;
};

static void one_init(struct one *o, const float *map, int h, int w, const struct wn_view *view,
                     const struct wn_render *how)
{
    int x0, y0, x1, y1;
    wn_view_covered(view, &x0, &y0, &x1, &y1);
    const int wide = x1 - x0, high = y1 - y0;
    const size_t cells = (size_t)h * (size_t)w, pixels = WN_CUDA_DRAW_PAD(wide * high);
    o->part[0] = guarded(cells * sizeof *map);
    o->part[1] = guarded((size_t)(wide + high) * sizeof(struct wn_between));
    o->part[2] = guarded(pixels * sizeof(float));
    o->part[3] = guarded(pixels);
    o->part[4] = guarded(sizeof(struct wn_cuda_drawn));
    memcpy(o->part[0].data, map, cells * sizeof *map);
    o->drawing = (struct wn_cuda_drawing){(const float *)(void *)o->part[0].data,
                                          h,
                                          w,
                                          *view,
                                          x0,
                                          y0,
                                          wide,
                                          high,
                                          *how,
                                          (struct wn_between *)(void *)o->part[1].data,
                                          (float *)(void *)o->part[2].data,
                                          o->part[3].data,
                                          (struct wn_cuda_drawn *)(void *)o->part[4].data};
}

static void one_finish(struct one *o)
{
    for (int i = 0; i < PARTS; i++) {
        check_guard(&o->part[i]);
        free(o->part[i].data);
    }
}

static void launch(const struct one *ones, int n)
{
    struct wn_cuda_drawing *all = malloc((size_t)n * sizeof *all);
    int most = 1;
    for (int i = 0; i < n; i++) {
        const int pixels = ones[i].drawing.cover_w * ones[i].drawing.cover_h;
        all[i] = ones[i].drawing;
        most = pixels > most ? pixels : most;
    }
    wn_cuda_launch_draw(all, n, most, NULL);
    free(all);
}

static void compare(const struct one *o, const float *map)
{
    const struct wn_cuda_drawing *d = &o->drawing;
    const size_t n = (size_t)d->view.w * (size_t)d->view.h;
    struct wn_rendered want;
    const struct wn_rendered *got = &d->out->drawn;
    struct wn_error err = {0};
    uint8_t *index = malloc(n);
    const enum wn_code code = wn_render_map(map, d->h, d->w, &d->view, &d->how, index, &want, &err);
    if (code != WN_OK) {
        assert_int_equal(code, WN_BAD_NUMBERS);
        assert_int_not_equal(d->out->fault, WN_CUDA_DRAW_FINE);
        free(index);
        return;
    }
    assert_int_equal(d->out->fault, WN_CUDA_DRAW_FINE);
    for (int i = 0; i < d->cover_w * d->cover_h; i++) {
        const int at = index[(d->y + i / d->cover_w) * d->view.w + d->x + i % d->cover_w];
        if (at != d->index[i])
            fail_msg("%d x %d to %d x %d, normalize %d: index %d is %d, not %d", d->w, d->h, d->view.w, d->view.h,
                     (int)d->how.normalize, i, d->index[i], at);
    }
    assert_memory_equal(&got->range, &want.range, sizeof want.range);
    assert_int_equal(got->flat, want.flat);
    assert_int_equal(got->peak_x, want.peak_x), assert_int_equal(got->peak_y, want.peak_y);
    assert_int_equal(got->box_x, want.box_x), assert_int_equal(got->box_y, want.box_y);
    assert_int_equal(got->box_w, want.box_w), assert_int_equal(got->box_h, want.box_h);
    free(index);
}

static float uniform(void)
{
    return (float)rand() / (float)RAND_MAX * 2 - 1;
}

static void fill(float *map, int n, int kind)
{
    for (int i = 0; i < n; i++) {
        map[i] = uniform() * powf(10, (float)(rand() % 5 - 2));
        if (kind == 1) map[i] = -fabsf(map[i]);
        if (kind == 2) map[i] = rand() % 9 ? 0 : map[i]; /* mostly zeros: the percentile is 0 */
        if (kind == 3) map[i] = -0.f;
        if (kind == 4) map[i] = 3.25f;
    }
}

/* Every shape of map to every view, with a mode of its own, all in one launch for each order of the threads. */
static void drawn_bytes_are_the_processors_for_odd_shapes(void **state)
{
    (void)state;
    static const int maps[][2] = {{1, 1}, {7, 7}, {13, 13}, {31, 33}, {1, 40}, {33, 31}};
    static const struct wn_view views[] = {{1, 1, 0, 0, 1, 1},           {31, 33, 0, 0, 31, 33},
                                           {33, 31, 4.5, -3, 21.25, 40}, {5, 3, 1.2, 1, 1.3, 2},
                                           {224, 7, 0, 0, 224, 7},       {130, 129, 10, 20, 120, 110}};
    enum { MAPS = sizeof maps / sizeof *maps, VIEWS = sizeof views / sizeof *views, ALL = MAPS * VIEWS };
    static struct one ones[ALL];
    static float values[ALL][33 * 33];
    for (wn_emulated_order = 0; wn_emulated_order < 3; wn_emulated_order++) {
        for (int i = 0; i < ALL; i++) {
            const int h = maps[i % MAPS][0], w = maps[i % MAPS][1], turn = i + 7 * wn_emulated_order;
            const struct wn_render how = {.normalize = (enum wn_normalize)(turn % 4),
                                          .relu = turn % 3 == 0,
                                          .align_corners = turn % 5 < 2,
                                          .percentile = turn % 8 == 3 ? 95 : 0,
                                          .range = {-0.5f, 0.75f}};
            fill(values[i], h * w, turn % 7);
            one_init(&ones[i], values[i], h, w, &views[i / MAPS], &how);
        }
        launch(ones, ALL);
        for (int i = 0; i < ALL; i++) compare(&ones[i], values[i]), one_finish(&ones[i]);
    }
}

/* What a network of today answers: 7 x 7 and 13 x 13 to its input, signed and not. */
static void drawn_bytes_are_the_processors_at_the_size_of_an_input(void **state)
{
    (void)state;
    const struct wn_view view = wn_view_whole(224, 224);
    static const struct wn_render hows[] = {{.normalize = WN_NORMALIZE_SYMMETRIC},
                                            {.normalize = WN_NORMALIZE_MINMAX, .relu = true},
                                            {.normalize = WN_NORMALIZE_SYMMETRIC, .percentile = 99}};
    struct one ones[3];
    float values[3][13 * 13];
    for (int i = 0; i < 3; i++) {
        const int side = i == 1 ? 13 : 7;
        fill(values[i], side * side, 0);
        one_init(&ones[i], values[i], side, side, &view, &hows[i]);
    }
    launch(ones, 3);
    for (int i = 0; i < 3; i++) compare(&ones[i], values[i]), one_finish(&ones[i]);
}

static void numbers_that_cannot_be_drawn_are_told_apart(void **state)
{
    (void)state;
    static const float bad[3][4] = {{0, NAN, 1, 2}, {INFINITY, 0, 0, 0}, {-3e38f, 3e38f, 0, 1}};
    const struct wn_view view = wn_view_whole(9, 9);
    const struct wn_render how = {.normalize = WN_NORMALIZE_MINMAX};
    for (int i = 0; i < 3; i++) {
        struct one o;
        one_init(&o, bad[i], 2, 2, &view, &how);
        launch(&o, 1);
        assert_int_equal(o.drawing.out->fault, i < 2 ? WN_CUDA_DRAW_NOT_FINITE : WN_CUDA_DRAW_TOO_WIDE);
        for (int k = 0; k < 81; k++) assert_int_equal(o.drawing.index[k], MARK);
        compare(&o, bad[i]);
        one_finish(&o);
    }
}

/* ---- through the backend ---- */

/* Every third covers a part of its view. */
static struct wn_heatmap heatmap_of(const float *map, int side, int view)
{
    const int width = view, height = view - view / 3;
    const struct wn_view part = {width, height, width / 3, height / 4.0, width - width / 5.0, height};
    const struct wn_heatmap h = {.map = map,
                                 .h = side,
                                 .w = side,
                                 .view = view % 3 == 0 ? part : wn_view_whole(width, height),
                                 .how = {.normalize = side % 2 ? WN_NORMALIZE_SYMMETRIC : WN_NORMALIZE_MINMAX,
                                         .percentile = side % 4 == 1 ? 99 : 0},
                                 .index = malloc((size_t)width * (size_t)height)};
    return h;
}

static void check_heatmap(const struct wn_heatmap *h)
{
    const size_t n = (size_t)h->view.w * (size_t)h->view.h;
    uint8_t *index = malloc(n);
    struct wn_rendered want;
    assert_int_equal(wn_render_map(h->map, h->h, h->w, &h->view, &h->how, index, &want, NULL), WN_OK);
    assert_memory_equal(h->index, index, n);
    assert_int_equal(h->drawn.peak_x, want.peak_x), assert_int_equal(h->drawn.box_w, want.box_w);
    assert_memory_equal(&h->drawn.range, &want.range, sizeof want.range);
    free(index);
}

/* More than one launch takes, in pixels and in number; some that do not fit, and one that cannot be drawn. */
static void a_batch_of_any_sizes_is_drawn_but_for_what_does_not_fit(void **state)
{
    (void)state;
    enum { MANY = 90, TOO_LARGE = 3, TOO_WIDE = 5, BROKEN = 7, TOO_LONG = 11, LARGE = 85 };
    static struct wn_heatmap all[MANY];
    static float maps[MANY][49], wide[200 * 200], broken[1] = {NAN};
    struct wn_heatmap *pointers[MANY];
    struct wn_backend *be;
    struct wn_error err = {0};
    wn_emulated_order = 0;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, &err), WN_OK);
    fill(wide, 200 * 200, 0);
    for (int i = 0; i < MANY; i++) {
        fill(maps[i], 49, 0);
        all[i] = i == TOO_LARGE  ? heatmap_of(maps[i], 7, 500)
                 : i == TOO_WIDE ? heatmap_of(wide, 200, 20)
                 : i == BROKEN   ? heatmap_of(broken, 1, 20)
                                 : heatmap_of(maps[i], 1 + i % 7, i >= LARGE ? 256 : 1 + i % 20);
        if (i == TOO_LONG) all[i].view = wn_view_whole(40000, 1);
        pointers[i] = &all[i];
    }
    const long before = wn_emulated_launches;
    assert_int_equal(be->impl->draw(be, pointers, MANY, &err), WN_OK);
    assert_true(wn_emulated_launches - before >= 3 * 4);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(all[i].done, i != TOO_LARGE && i != TOO_WIDE && i != BROKEN && i != TOO_LONG);
        if (all[i].done) check_heatmap(&all[i]);
        free(all[i].index);
    }
    wn_backend_close(be);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_bytes_are_the_processors_for_odd_shapes),
        cmocka_unit_test(drawn_bytes_are_the_processors_at_the_size_of_an_input),
        cmocka_unit_test(numbers_that_cannot_be_drawn_are_told_apart),
        cmocka_unit_test(a_batch_of_any_sizes_is_drawn_but_for_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
