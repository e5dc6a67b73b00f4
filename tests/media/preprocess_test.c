/* Geometry, numbers and hashes of preprocessing, against values worked by hand and (with WHYNOT_ASSETS) real networks'
 * inputs. */
#include <media/preprocess.h>
#include <media/resize.h>
#include <media/resize_rows.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct wn_preprocess *profile(const char *name)
{
    const struct wn_preprocess_profile *p = wn_preprocess_profile_find(name);
    assert_non_null(p);
    return &p->preprocess;
}

static struct wn_image image_of(int w, int h)
{
    struct wn_image image = {
        .width = w, .height = h, .full_width = w, .full_height = h, .reduction = 1, .orientation = 1};
    image.rgb = malloc((size_t)w * (size_t)h * 3);
    for (int i = 0; i < w * h * 3; i++) image.rgb[i] = (uint8_t)rand();
    return image;
}

static void geometry_is_that_of_torchvision(void **state)
{
    (void)state;
    const struct wn_preprocess signs = {.resize = WN_RESIZE_SQUASH,
                                        .resize_w = 44,
                                        .resize_h = 44,
                                        .crop_w = 32,
                                        .crop_h = 32,
                                        .antialias = true,
                                        .scale = 1,
                                        .std = {1, 1, 1}};
    const struct {
        const struct wn_preprocess *p;
        int w, h;
        struct wn_geometry want;
    } cases[] = {
        {profile("center-crop"), 500, 375, {500, 375, 341, 256, 58, 16, 224, 224}}, /* 58.5 to even */
        {profile("center-crop"), 375, 500, {375, 500, 256, 341, 16, 58, 224, 224}},
        {profile("center-crop"), 670, 500, {670, 500, 343, 256, 60, 16, 224, 224}}, /* 59.5 to even */
        {profile("center-crop"), 8192, 1, {8192, 1, 2097152, 256, 1048464, 16, 224, 224}},
        {profile("squash"), 500, 375, {500, 375, 224, 224, 0, 0, 224, 224}},
        {profile("short-448"), 500, 375, {500, 375, 597, 448, 0, 0, 597, 448}},
        {profile("iqa-patch"), 33, 7, {33, 7, 33, 7, 0, 0, 33, 7}},
        {&signs, 61, 60, {61, 60, 44, 44, 6, 6, 32, 32}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wn_geometry got;
        assert_int_equal(wn_preprocess_geometry(cases[i].p, cases[i].w, cases[i].h, &got, NULL), WN_OK);
        assert_memory_equal(&got, &cases[i].want, sizeof got);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct wn_preprocess p = *profile("iqa-patch");
    struct wn_geometry geo;
    p.crop_w = p.crop_h = 32;
    assert_int_equal(wn_preprocess_geometry(&p, 32, 32, &geo, NULL), WN_OK);
    assert_int_equal(wn_preprocess_geometry(&p, 31, 32, &geo, NULL), WN_BAD_REQUEST);
    assert_int_equal(wn_preprocess_geometry(profile("short-448"), 8192, 2, &geo, NULL), WN_TOO_LARGE);
}

static void channel_order_scale_mean_and_std_are_applied(void **state)
{
    (void)state;
    uint8_t pixel[3] = {10, 20, 40};
    struct wn_image image = {1, 1, 1, 1, 1, 1, WN_FORMAT_PNG, pixel, 0, 0};
    struct wn_preprocess p = {.resize = WN_RESIZE_NONE, .scale = 0.5f, .mean = {1, 2, 3}, .std = {2, 4, 8}};
    struct wn_geometry geo;
    float out[3];
    assert_int_equal(wn_preprocess_geometry(&p, 1, 1, &geo, NULL), WN_OK);
    assert_int_equal(wn_preprocess_apply(&p, &image, &geo, out, NULL), WN_OK);
    assert_memory_equal(out, ((float[]){(5.f - 1) / 2, (10.f - 2) / 4, (20.f - 3) / 8}), sizeof out);
    p.order = WN_CHANNELS_BGR; /* mean and std stay in the network's order */
    assert_int_equal(wn_preprocess_apply(&p, &image, &geo, out, NULL), WN_OK);
    assert_memory_equal(out, ((float[]){(20.f - 1) / 2, (10.f - 2) / 4, (5.f - 3) / 8}), sizeof out);
    p.order = WN_CHANNELS_GRAY; /* 0.299*10 + 0.587*20 + 0.114*40 = 19.29 -> 19 */
    assert_int_equal(wn_preprocess_channels(&p), 1);
    assert_int_equal(wn_preprocess_apply(&p, &image, &geo, out, NULL), WN_OK);
    assert_true(out[0] == (9.5f - 1) / 2);
}

static void gray_is_pillows_luma(void **state)
{
    (void)state;
    static const struct {
        uint8_t rgb[3], gray;
    } cases[] = {
        {{255, 0, 0}, 76}, {{0, 255, 0}, 150}, {{0, 0, 255}, 29}, {{255, 255, 255}, 255}, {{200, 100, 50}, 124}};
    const struct wn_preprocess p = {.resize = WN_RESIZE_NONE, .order = WN_CHANNELS_GRAY, .scale = 1, .std = {1, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t pixel[3] = {cases[i].rgb[0], cases[i].rgb[1], cases[i].rgb[2]};
        struct wn_image image = {1, 1, 1, 1, 1, 1, WN_FORMAT_PNG, pixel, 0, 0};
        struct wn_geometry geo;
        float out;
        assert_int_equal(wn_preprocess_geometry(&p, 1, 1, &geo, NULL), WN_OK);
        assert_int_equal(wn_preprocess_apply(&p, &image, &geo, &out, NULL), WN_OK);
        assert_int_equal((int)out, cases[i].gray);
    }
}

static void without_antialias_pixels_are_interpolated_at_half_pixel_centres(void **state)
{
    (void)state;
    uint8_t pixels[6] = {0, 0, 0, 200, 200, 200};
    struct wn_image image = {2, 1, 2, 1, 1, 1, WN_FORMAT_PNG, pixels, 0, 0};
    struct wn_preprocess p = {.resize = WN_RESIZE_SQUASH, .resize_w = 4, .resize_h = 2, .scale = 1, .std = {1, 1, 1}};
    static const float want[4] = {0, 50, 150, 200};
    struct wn_geometry geo;
    float out[24];
    assert_int_equal(wn_preprocess_geometry(&p, 2, 1, &geo, NULL), WN_OK);
    assert_int_equal(wn_preprocess_apply(&p, &image, &geo, out, NULL), WN_OK);
    for (int i = 0; i < 24; i++) assert_true(out[i] == want[i % 4]);
}

static void what_people_see_is_what_the_network_sees(void **state)
{
    (void)state;
    const struct wn_preprocess *p = profile("center-crop");
    struct wn_image image = image_of(301, 257);
    struct wn_geometry geo;
    static uint8_t rgb[224 * 224 * 3];
    static float input[3 * 224 * 224];
    assert_int_equal(wn_preprocess_geometry(p, 301, 257, &geo, NULL), WN_OK);
    assert_int_equal(wn_preprocess_picture(&image, &geo, rgb, NULL), WN_OK);
    assert_int_equal(wn_preprocess_apply(p, &image, &geo, input, NULL), WN_OK);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 224 * 224; i++)
            assert_int_equal(lroundf((input[c * 224 * 224 + i] * p->std[c] + p->mean[c]) * 255), rgb[3 * i + c]);
    wn_image_finish(&image);
}

static void cropping_while_resizing_equals_cropping_after(void **state)
{
    (void)state;
    enum { W = 151, H = 97, DW = 80, DH = 61, X = 13, Y = 7, CW = 33, CH = 41 };
    struct wn_image image = image_of(W, H);
    static uint8_t whole[DW * DH * 3], part[CW * CH * 3];
    struct wn_resize r = {.src_w = W, .src_h = H, .channels = 3, .dst_w = DW, .dst_h = DH, .w = DW, .h = DH};
    assert_int_equal(wn_resize_antialias(&r, image.rgb, whole, NULL), WN_OK);
    r.x = X;
    r.y = Y;
    r.w = CW;
    r.h = CH;
    assert_int_equal(wn_resize_antialias(&r, image.rgb, part, NULL), WN_OK);
    for (int y = 0; y < CH; y++) assert_memory_equal(part + y * CW * 3, whole + ((y + Y) * DW + X) * 3, CW * 3);
    wn_image_finish(&image);
}

/* Random weights of the right sum, also such as no resize makes. */
static void fill_axis(struct wn_axis *a, int src)
{
    for (int i = 0; i < a->n; i++) {
        int left = 1 << WN_WEIGHT_BITS;
        a->count[i] = 1 + rand() % a->width;
        a->first[i] = rand() % (src - a->count[i] + 1);
        for (int k = 0; k < a->count[i]; k++) {
            int share = k == a->count[i] - 1 ? left : rand() % (left + 1);
            a->weight[i * a->width + k] = share;
            left -= share;
        }
    }
}

static void every_instruction_set_computes_the_same_bytes(void **state)
{
    (void)state;
    const struct wn_resize_rows *fast = wn_resize_rows_avx2(), *plain = &wn_resize_rows_plain;
    if (!fast) skip();
    enum { N = 37, SRC = 50, ROWS = 11 };
    static uint8_t src[ROWS * SRC * 3], a[ROWS * N * 3], b[ROWS * N * 3];
    for (int round = 0; round < 200; round++) {
        int first[N], count[N];
        int32_t weight[N * 20] = {0};
        struct wn_axis axis = {N, 1 + round % 20, first, count, weight};
        fill_axis(&axis, SRC);
        for (size_t i = 0; i < sizeof src; i++) src[i] = (uint8_t)(round % 3 ? rand() : 255);
        assert_true(plain->horizontal_3(&axis, src, SRC * 3, ROWS, a) &&
                    fast->horizontal_3(&axis, src, SRC * 3, ROWS, b));
        assert_memory_equal(a, b, sizeof a);
        assert_true(plain->horizontal_1(&axis, src, SRC, ROWS, a) && fast->horizontal_1(&axis, src, SRC, ROWS, b));
        assert_memory_equal(a, b, ROWS * N);
        size_t n = (size_t)(1 + round % 100);
        int rows = count[0] < ROWS ? count[0] : ROWS;
        plain->vertical(weight, rows, src, SRC * 3, n, a);
        fast->vertical(weight, rows, src, SRC * 3, n, b);
        assert_memory_equal(a, b, n);
    }
}

static void profiles_that_cannot_work_are_refused(void **state)
{
    (void)state;
    for (int i = 0; wn_preprocess_profile_at(i); i++)
        assert_int_equal(wn_preprocess_check(&wn_preprocess_profile_at(i)->preprocess, NULL), WN_OK);
    struct wn_preprocess bad[8];
    for (int i = 0; i < 8; i++) bad[i] = *profile("center-crop");
    bad[0].resize_w = 0;
    bad[1].resize_w = 8193;
    bad[2].crop_w = 257;
    bad[3].std[1] = 0;
    bad[4].mean[2] = NAN;
    bad[5].scale = INFINITY;
    bad[6].crop_h = -1;
    bad[7].std[0] = 1e-45f;
    for (int i = 0; i < 8; i++)
        if (wn_preprocess_check(&bad[i], NULL) != WN_BAD_REQUEST) fail_msg("bad profile %d was accepted", i);
}

static void hash_tells_profiles_apart_and_stays(void **state)
{
    (void)state;
    struct wn_preprocess p[9];
    char hex[9][65];
    for (int i = 0; i < 9; i++) p[i] = *profile("center-crop");
    p[1].resize_w = 255;
    p[2].crop_h = 223;
    p[3].antialias = false;
    p[4].order = WN_CHANNELS_BGR;
    p[5].scale = nextafterf(p[5].scale, 1);
    p[6].std[2] = 0.226f;
    p[7].resize = WN_RESIZE_SQUASH;
    p[8].resize_h = 77; /* not read for the short side */
    for (int i = 0; i < 9; i++) wn_preprocess_hash(&p[i], hex[i]);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < i; j++) assert_string_not_equal(hex[i], hex[j]);
    assert_string_equal(hex[8], hex[0]);
    assert_string_equal(
        hex[0], "87b68b7f961f77d35898809def95b6da87e2bbe9fc3967288311fa3b6ec99cc5"); /* answers quote it: it must not
                                                                                        change by accident */
}

static void read_floats(const char *path, float *out, size_t skip_floats, size_t n)
{
    unsigned char head[10];
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("cannot open %s", path);
    assert_int_equal(fread(head, 1, 10, f), 10);
    fseek(f, 10 + head[8] + 256 * head[9] + (long)(skip_floats * sizeof *out), SEEK_SET);
    assert_int_equal(fread(out, sizeof *out, n, f), n);
    fclose(f);
}

static double worst_difference(const struct wn_preprocess *p, const char *picture, const char *golden, int index)
{
    enum { MOST = 3 * 227 * 227 };
    static unsigned char bytes[1 << 20];
    static float got[MOST], want[MOST];
    struct wn_image image;
    struct wn_geometry geo;
    FILE *f = fopen(picture, "rb");
    if (!f) fail_msg("cannot open %s", picture);
    size_t size = fread(bytes, 1, sizeof bytes, f), n = (size_t)(3 * p->crop_w * p->crop_h);
    fclose(f);
    assert_int_equal(wn_image_decode(bytes, size, &wn_image_limits_default, wn_preprocess_hint(p), &image, NULL),
                     WN_OK);
    assert_int_equal(wn_preprocess_geometry(p, image.full_width, image.full_height, &geo, NULL), WN_OK);
    assert_int_equal(wn_preprocess_apply(p, &image, &geo, got, NULL), WN_OK);
    wn_image_finish(&image);
    read_floats(golden, want, (size_t)index * n, n);
    double worst = 0;
    for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
    return worst;
}

static void inputs_of_real_networks_are_those_of_their_training_code(void **state)
{
    (void)state;
    const char *assets = getenv("WHYNOT_ASSETS");
    if (!assets) skip();
    static const char *const pictures[] = {"n01443537_goldfish.JPEG", "n01514859_hen.JPEG"};
    const struct wn_preprocess squeezenet = {.resize = WN_RESIZE_SHORT_SIDE,
                                             .resize_w = 256,
                                             .crop_w = 227,
                                             .crop_h = 227,
                                             .antialias = true,
                                             .order = WN_CHANNELS_BGR,
                                             .scale = 1,
                                             .mean = {104, 117, 123},
                                             .std = {1, 1, 1}};
    for (int i = 0; i < 2; i++) {
        char picture[512], golden[512];
        snprintf(picture, sizeof picture, "%s/images/%s", assets, pictures[i]);
        snprintf(golden, sizeof golden, "%s/golden/resnet18_input_first2.npy", assets);
        assert_true(worst_difference(profile("center-crop"), picture, golden, i) <= 1e-6);
        snprintf(golden, sizeof golden, "%s/golden/squeezenet10_input_first2.npy", assets);
        assert_true(worst_difference(&squeezenet, picture, golden, i) <= 1e-5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(geometry_is_that_of_torchvision),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(channel_order_scale_mean_and_std_are_applied),
        cmocka_unit_test(gray_is_pillows_luma),
        cmocka_unit_test(without_antialias_pixels_are_interpolated_at_half_pixel_centres),
        cmocka_unit_test(what_people_see_is_what_the_network_sees),
        cmocka_unit_test(cropping_while_resizing_equals_cropping_after),
        cmocka_unit_test(every_instruction_set_computes_the_same_bytes),
        cmocka_unit_test(profiles_that_cannot_work_are_refused),
        cmocka_unit_test(hash_tells_profiles_apart_and_stays),
        cmocka_unit_test(inputs_of_real_networks_are_those_of_their_training_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
