/* On a card: pictures that it prepares are, number for number, those that the processor prepares, whatever else lies
 * in the batch. Skipped, 77, where there is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <media/preprocess.h>
#include <whynot/backend.h>

enum { N = 32, SIDE = 224, COUNT = 3 * SIDE * SIDE, SKIP = 77 };

static struct wn_image image_of(int i)
{
    const int w = SIDE + 37 * (i % 8), h = SIDE + 53 * (i % 5);
    struct wn_image image = {
        .width = w, .height = h, .full_width = w, .full_height = h, .reduction = 1, .orientation = 1};
    image.rgb = malloc((size_t)w * (size_t)h * 3);
    for (int k = 0; k < w * h * 3; k++) image.rgb[k] = (uint8_t)rand();
    return image;
}

/* Every fourth image comes as numbers. */
static int judge(struct wn_backend *be, struct wn_exe *exe, int input, const char *profile, struct wn_error *err)
{
    static float want[N][COUNT], got[N][COUNT];
    static struct wn_picture orders[N];
    const struct wn_preprocess *how = &wn_preprocess_profile_find(profile)->preprocess;
    const float *numbers[N];
    const struct wn_picture *pictures[N];
    struct wn_image images[N];
    int wrong = 0;
    for (int i = 0; i < N; i++) {
        struct wn_geometry geometry;
        images[i] = image_of(i);
        if (wn_preprocess_geometry(how, images[i].width, images[i].height, &geometry, err) != WN_OK) return N;
        if (wn_preprocess_apply(how, &images[i], &geometry, want[i], err) != WN_OK) return N;
        orders[i] = wn_preprocess_picture_of(how, &images[i], &geometry);
        numbers[i] = i % 4 == 3 ? want[i] : NULL;
        pictures[i] = &orders[i];
    }
    if (be->impl->prepare(exe, input, numbers, pictures, N, err) != WN_OK ||
        be->impl->read(exe, input, got[0], err) != WN_OK)
        return N;
    for (int i = 0; i < N; i++) {
        if (memcmp(got[i], want[i], sizeof got[i]) != 0)
            printf("%s: picture %d is not the processor's\n", profile, i), wrong++;
        wn_image_finish(&images[i]);
    }
    return wrong;
}

int main(void)
{
    static const char *const profiles[] = {"center-crop", "squash", "squash-noaa"};
    struct wn_backend *be;
    struct wn_exe *exe = NULL;
    struct wn_program *p = NULL;
    struct wn_error err = {0};
    int wrong = 0;
    if (wn_backend_open("cuda", NULL, &be, &err) != WN_OK) return printf("skipped: %s\n", err.text), SKIP;
    if (wn_program_create(&p, &err) != WN_OK) return 1;
    const int input = wn_program_input(p, wn_shape_of(4, (int64_t[]){N, 3, SIDE, SIDE}), true);
    wn_program_output(p, wn_relu(p, input));
    if (be->impl->compile(be, p, &exe, &err) != WN_OK) return printf("%s\n", err.text), 1;
    for (int i = 0; i < 3; i++) wrong += judge(be, exe, input, profiles[i], &err);
    if (err.code != WN_OK) printf("%s\n", err.text);
    be->impl->release(exe);
    wn_program_destroy(p);
    wn_backend_close(be);
    printf("%d of %d pictures are the processor's\n", 3 * N - wrong, 3 * N);
    return wrong != 0;
}
