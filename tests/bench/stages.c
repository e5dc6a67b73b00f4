/* What one request costs outside the network, stage by stage: processor time of a thread, microseconds a picture, the
 * median of rounds. Pictures in as files, 224 x 224 out; the map is noise of 7 x 7. Measures, and judges nothing.
 *
 *     build/tests/bench/bench_stages $WHYNOT_ASSETS/images/n*.JPEG */
#include <media/decode.h>
#include <media/encode.h>
#include <media/preprocess.h>
#include <media/render.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 15, MOST = 64, SIDE = 224, MAP = 7 };
enum stage { DECODE, PREPARE, DRAW, WRITE, STAGES };
static const char *const names[STAGES] = {"decoding", "resizing and normalising", "drawing", "palette PNG"};

struct bench {
    struct wn_preprocess profile;
    float input[3 * SIDE * SIDE], map[MAP * MAP];
    uint8_t index[SIDE * SIDE];
    double us[STAGES][ROUNDS];
    size_t bytes; /* of the PNGs of a round */
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static enum wn_code measure(struct bench *b, const struct wn_buffer *file, double us[STAGES], struct wn_error *err)
{
    const struct wn_image_use use = wn_preprocess_use(&b->profile);
    const struct wn_render how = {.normalize = WN_NORMALIZE_SYMMETRIC};
    struct wn_image image = {0};
    struct wn_geometry geo;
    struct wn_buffer png = {0};
    double at[STAGES + 1] = {now_us()};
    enum wn_code code = wn_image_decode_for(&use, file->data, file->size, &wn_image_limits_default, &image, err);
    at[1] = now_us();
    if (code == WN_OK) code = wn_preprocess_geometry(&b->profile, image.full_width, image.full_height, &geo, err);
    if (code == WN_OK) code = wn_preprocess_apply(&b->profile, &image, &geo, b->input, err);
    at[2] = now_us();
    if (code == WN_OK) {
        const struct wn_view view = wn_view_input(&geo);
        code = wn_render_map(b->map, MAP, MAP, &view, &how, b->index, NULL, err);
    }
    at[3] = now_us();
    if (code == WN_OK) code = wn_png_write_indexed(b->index, SIDE, SIDE, wn_colormap_at(0), &png, err);
    at[4] = now_us();
    for (int k = 0; k < STAGES; k++) us[k] += at[k + 1] - at[k];
    b->bytes += png.size;
    wn_buffer_finish(&png);
    wn_image_finish(&image);
    return code;
}

static enum wn_code read_file(const char *path, struct wn_buffer *out, struct wn_error *err)
{
    char chunk[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f) return wn_fail(err, WN_NOT_FOUND, "it cannot be read");
    enum wn_code code = WN_OK;
    while (code == WN_OK && (n = fread(chunk, 1, sizeof chunk, f)) > 0) code = wn_buffer_append(out, chunk, n, err);
    fclose(f);
    return code;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(struct bench *b, int n)
{
    double all = 0;
    for (int k = 0; k < STAGES; k++) {
        qsort(b->us[k], ROUNDS, sizeof b->us[k][0], by_size);
        all += b->us[k][ROUNDS / 2];
        printf("%-26s %7.1f us\n", names[k], b->us[k][ROUNDS / 2]);
    }
    printf("%-26s %7.1f us; %d pictures, PNGs of %zu bytes\n", "together", all, n, b->bytes / (size_t)n);
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct wn_error err = {0};
    struct wn_buffer files[MOST] = {0};
    int n = argc - 1 < MOST ? argc - 1 : MOST, status = 0;
    if (n < 1) return fprintf(stderr, "usage: bench_stages PICTURE...\n"), 2;
    b.profile = wn_preprocess_profile_find("center-crop")->preprocess;
    srand(1);
    for (int i = 0; i < MAP * MAP; i++) b.map[i] = (float)(rand() % 2001 - 1000) / 1000;
    for (int i = 0; i < n && !status; i++)
        if (read_file(argv[i + 1], &files[i], &err) != WN_OK)
            status = 1, fprintf(stderr, "%s: %s\n", argv[i + 1], err.text);
    for (int round = 0; round < ROUNDS && !status; round++) {
        double us[STAGES] = {0};
        b.bytes = 0;
        for (int i = 0; i < n && !status; i++)
            if (measure(&b, &files[i], us, &err) != WN_OK)
                status = 1, fprintf(stderr, "%s: %s\n", argv[i + 1], err.text);
        for (int k = 0; k < STAGES; k++) b.us[k][round] = us[k] / n;
    }
    if (!status) report(&b, n);
    for (int i = 0; i < n; i++) wn_buffer_finish(&files[i]);
    return status;
}
