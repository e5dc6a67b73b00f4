/* On a card: heatmaps drawn by it are, byte for byte, those that the processor draws. Skipped, 77, where there is
 * none.
 *
 *     draw_test [COUNT] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <media/render.h>
#include <whynot/backend.h>

enum { MANY = 200, SIDE = 14, SKIP = 77 };

static const int views[] = {1, 7, 31, 33, 224, 300};

static struct wn_heatmap heatmap_of(int i, float *map)
{
    const int side = 1 + i % SIDE, width = views[i % 6], height = width - width / 4;
    const struct wn_view part = {width, height, width / 3.0, height / 5.0, width, height - height / 7.0};
    for (int k = 0; k < side * side; k++) map[k] = (float)rand() / (float)RAND_MAX * (i % 3 ? 2 : 1) - (i % 3 ? 1 : 0);
    const struct wn_heatmap h = {.map = map,
                                 .h = side,
                                 .w = side,
                                 .view = i / 6 % 2 ? part : wn_view_whole(width, height), /* a crop, too */
                                 .how = {.normalize = (enum wn_normalize)(i % 4),
                                         .relu = i % 5 == 0,
                                         .align_corners = i % 7 < 3,
                                         .percentile = i % 8 == 3 ? 99 : 0,
                                         .range = {-0.5f, 0.75f}},
                                 .index = malloc((size_t)width * (size_t)height)};
    return h;
}

static bool is_the_processors(const struct wn_heatmap *h)
{
    const size_t n = (size_t)h->view.w * (size_t)h->view.h;
    struct wn_rendered want = {0};
    uint8_t *index = malloc(n);
    const bool same = h->done && wn_render_map(h->map, h->h, h->w, &h->view, &h->how, index, &want, NULL) == WN_OK &&
                      memcmp(h->index, index, n) == 0 && h->drawn.peak_x == want.peak_x &&
                      h->drawn.peak_y == want.peak_y && h->drawn.box_x == want.box_x && h->drawn.box_w == want.box_w &&
                      h->drawn.box_y == want.box_y && h->drawn.box_h == want.box_h &&
                      h->drawn.range.lo == want.range.lo && h->drawn.range.hi == want.range.hi;
    free(index);
    return same;
}

int main(int argc, char **argv)
{
    const int many = argc > 1 && atoi(argv[1]) > 0 && atoi(argv[1]) < MANY ? atoi(argv[1]) : MANY;
    static float maps[MANY][SIDE * SIDE];
    static struct wn_heatmap all[MANY];
    struct wn_heatmap *pointers[MANY];
    struct wn_backend *be;
    struct wn_error err = {0};
    int wrong = 0;
    if (wn_backend_open("cuda", NULL, &be, &err) != WN_OK) return printf("skipped: %s\n", err.text), SKIP;
    for (int i = 0; i < many; i++) all[i] = heatmap_of(i, maps[i]), pointers[i] = &all[i];
    const enum wn_code code = be->impl->draw(be, pointers, many, &err);
    if (code != WN_OK) printf("%s\n", err.text);
    for (int i = 0; i < many; i++) {
        if (!is_the_processors(&all[i])) printf("heatmap %d is not the processor's\n", i), wrong++;
        free(all[i].index);
    }
    wn_backend_close(be);
    printf("%d of %d heatmaps are the processor's\n", many - wrong, many);
    return code != WN_OK || wrong;
}
