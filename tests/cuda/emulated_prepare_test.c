/* Pictures prepared by the kernels are, number for number, pictures prepared by the processor: odd shapes, every way
 * to resize, parts of pictures, many in one launch. On the emulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <media/preprocess.h>
#include <media/resize.h>
#include <whynot/resample.h>

#include "emulation_control.h"
#include "guarded.h"
#include "kernels.h"

enum { PARTS = 4 };
struct one {
    struct guarded part[PARTS]; /* pixels, lines, weights, out */
    struct wn_cuda_picture picture;
    struct wn_preprocess how;
    struct wn_image image;
    struct wn_geometry geometry;
};

/* width x height: of the decoded picture, which is `reduction` times smaller than the file's. */
static struct wn_image image_of(int width, int height, int reduction, int odd)
{
    struct wn_image image = {.width = width,
                             .height = height,
                             .full_width = width * reduction - odd,
                             .full_height = height * reduction - odd,
                             .reduction = reduction,
                             .orientation = 1};
    image.rgb = malloc((size_t)width * (size_t)height * 3);
    for (int i = 0; i < width * height * 3; i++) image.rgb[i] = (uint8_t)(rand() % 3 ? rand() : rand() % 2 * 255);
    return image;
}

static void describe(struct one *o)
{
    const struct wn_image *image = &o->image;
    const struct wn_preprocess *p = &o->how;
    const struct wn_geometry *g = &o->geometry;
    struct wn_cuda_picture *to = &o->picture;
    *to = (struct wn_cuda_picture){.src_w = (image->full_width + image->reduction - 1) / image->reduction,
                                   .src_h = (image->full_height + image->reduction - 1) / image->reduction,
                                   .part_x = image->x,
                                   .part_y = image->y,
                                   .part_w = image->width,
                                   .part_h = image->height,
                                   .box_w = (double)image->full_width / image->reduction,
                                   .box_h = (double)image->full_height / image->reduction,
                                   .dst_w = g->resized_w,
                                   .dst_h = g->resized_h,
                                   .x = g->crop_x,
                                   .y = g->crop_y,
                                   .w = g->crop_w,
                                   .h = g->crop_h,
                                   .antialias = p->antialias || p->resize == WN_RESIZE_NONE,
                                   .bgr = p->order == WN_CHANNELS_BGR,
                                   .channels = wn_preprocess_channels(p),
                                   .scale = p->scale};
    memcpy(to->mean, p->mean, sizeof to->mean), memcpy(to->std, p->std, sizeof to->std);
    to->width_x = wn_support_width(to->box_w / to->dst_w), to->width_y = wn_support_width(to->box_h / to->dst_h);
}

static void one_init(struct one *o, const struct wn_preprocess *how, struct wn_image image)
{
    struct wn_error err = {0};
    o->how = *how, o->image = image;
    if (wn_preprocess_geometry(how, image.full_width, image.full_height, &o->geometry, &err) != WN_OK)
        fail_msg("%s", err.text);
    describe(o);
    struct wn_cuda_picture *p = &o->picture;
    o->part[0] = guarded((size_t)image.width * (size_t)image.height * 3);
    o->part[1] = guarded((size_t)(p->w + p->h) * sizeof *p->lines);
    o->part[2] = guarded((size_t)(p->w * p->width_x + p->h * p->width_y) * sizeof *p->weights);
    o->part[3] = guarded((size_t)(p->channels * p->h * p->w) * sizeof *p->out);
    memcpy(o->part[0].data, image.rgb, o->part[0].size);
    p->pixels = o->part[0].data, p->lines = (struct wn_cuda_line *)(void *)o->part[1].data;
    p->weights = (int32_t *)(void *)o->part[2].data, p->out = (float *)(void *)o->part[3].data;
}

static void one_finish(struct one *o)
{
    for (int i = 0; i < PARTS; i++) {
        check_guard(&o->part[i]);
        free(o->part[i].data);
    }
    wn_image_finish(&o->image);
}

void wn_image_finish(struct wn_image *image)
{
    free(image->rgb);
}

static void launch(const struct one *ones, int n)
{
    struct wn_cuda_picture *all = malloc((size_t)n * sizeof *all);
    int lines = 1, pixels = 1;
    for (int i = 0; i < n; i++) {
        const struct wn_cuda_picture *p = &ones[i].picture;
        all[i] = *p;
        lines = p->w + p->h > lines ? p->w + p->h : lines;
        pixels = p->w * p->h > pixels ? p->w * p->h : pixels;
    }
    wn_cuda_launch_prepare(all, n, lines, pixels, NULL);
    free(all);
}

static void compare(const struct one *o)
{
    const struct wn_cuda_picture *p = &o->picture;
    const size_t n = (size_t)p->channels * (size_t)p->h * (size_t)p->w;
    float *want = malloc(n * sizeof *want);
    struct wn_error err = {0};
    if (wn_preprocess_apply(&o->how, &o->image, &o->geometry, want, &err) != WN_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++)
        if (memcmp(&want[i], &p->out[i], sizeof *want) != 0)
            fail_msg("%d x %d to %d x %d of %d x %d: number %zu is %.9g, not %.9g", p->src_w, p->src_h, p->w, p->h,
                     p->dst_w, p->dst_h, i, (double)p->out[i], (double)want[i]);
    free(want);
}

#define NUMBERS .scale = 1 / 255.f, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}

/* Every picture by every profile, all in one launch, in each order of the threads. */
static void prepared_numbers_are_the_processors_for_odd_shapes(void **state)
{
    (void)state;
    static const int sizes[][4] = {{1, 1, 1, 0},   {7, 7, 1, 0},  {13, 13, 1, 0}, {31, 33, 1, 0},
                                   {33, 31, 2, 1}, {97, 3, 1, 0}, {50, 67, 8, 5}};
    static const struct wn_preprocess hows[] = {
        {.resize = WN_RESIZE_SQUASH, .resize_w = 31, .resize_h = 33, .antialias = true, NUMBERS},
        {.resize = WN_RESIZE_SQUASH,
         .resize_w = 12,
         .resize_h = 5,
         .antialias = true,
         .order = WN_CHANNELS_BGR,
         NUMBERS},
        {.resize = WN_RESIZE_SHORT_SIDE, .resize_w = 20, .crop_w = 16, .crop_h = 15, .antialias = true, NUMBERS},
        {.resize = WN_RESIZE_SQUASH,
         .resize_w = 28,
         .resize_h = 30,
         .crop_w = 13,
         .crop_h = 13,
         .order = WN_CHANNELS_BGR,
         NUMBERS},
        {.resize = WN_RESIZE_SQUASH,
         .resize_w = 9,
         .resize_h = 40,
         .antialias = true,
         .order = WN_CHANNELS_GRAY,
         NUMBERS},
        {.resize = WN_RESIZE_SHORT_SIDE, .resize_w = 17, .order = WN_CHANNELS_GRAY, NUMBERS},
        {.resize = WN_RESIZE_NONE, NUMBERS},
    };
    enum { SIZES = sizeof sizes / sizeof *sizes, HOWS = sizeof hows / sizeof *hows, ALL = SIZES * HOWS };
    static struct one ones[ALL];
    for (wn_emulated_order = 0; wn_emulated_order < 3; wn_emulated_order++) {
        for (int i = 0; i < ALL; i++) {
            const int *s = sizes[i / HOWS];
            const bool whole = hows[i % HOWS].resize == WN_RESIZE_NONE; /* at its own size nothing was reduced */
            one_init(&ones[i], &hows[i % HOWS], image_of(s[0], s[1], whole ? 1 : s[2], whole ? 0 : s[3]));
        }
        launch(ones, ALL);
        for (int i = 0; i < ALL; i++) compare(&ones[i]), one_finish(&ones[i]);
    }
}

static void prepared_numbers_are_the_processors_at_the_size_of_an_input(void **state)
{
    (void)state;
    static const struct {
        const char *profile;
        int w, h;
    } cases[] = {{"center-crop", 500, 375},
                 {"center-crop", 257, 1031},
                 {"squash", 13, 13},
                 {"squash-noaa", 7, 7},
                 {"squash", 640, 480}};
    enum { CASES = sizeof cases / sizeof *cases };
    struct one ones[CASES];
    for (int i = 0; i < CASES; i++)
        one_init(&ones[i], &wn_preprocess_profile_find(cases[i].profile)->preprocess,
                 image_of(cases[i].w, cases[i].h, 1, 0));
    launch(ones, CASES);
    for (int i = 0; i < CASES; i++) compare(&ones[i]), one_finish(&ones[i]);
}

/* Of which no more was decoded than the window needs: the same numbers, from another place. */
static void a_part_of_a_picture_is_enough(void **state)
{
    (void)state;
    static const struct wn_preprocess hows[] = {
        {.resize = WN_RESIZE_SQUASH,
         .resize_w = 40,
         .resize_h = 40,
         .crop_w = 20,
         .crop_h = 20,
         .antialias = true,
         NUMBERS},
        {.resize = WN_RESIZE_SQUASH, .resize_w = 40, .resize_h = 40, .crop_w = 20, .crop_h = 20, NUMBERS}};
    for (int i = 0; i < 2; i++) {
        const struct wn_image whole = image_of(100, 90, 1, 0);
        struct wn_image part = whole;
        struct one o;
        part.x = 20, part.y = 15, part.width = 61, part.height = 60;
        part.rgb = malloc((size_t)part.width * (size_t)part.height * 3);
        for (int y = 0; y < part.height; y++)
            memcpy(part.rgb + y * part.width * 3, whole.rgb + ((y + part.y) * whole.width + part.x) * 3,
                   (size_t)part.width * 3);
        one_init(&o, &hows[i], part);
        launch(&o, 1);
        compare(&o);
        const uint8_t *rgb = o.image.rgb;
        o.image = whole;
        compare(&o);
        one_finish(&o);
        free((void *)rgb);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepared_numbers_are_the_processors_for_odd_shapes),
        cmocka_unit_test(prepared_numbers_are_the_processors_at_the_size_of_an_input),
        cmocka_unit_test(a_part_of_a_picture_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
