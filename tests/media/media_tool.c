/* What the comparison with Pillow drives: reads a picture, does one thing to it, writes the raw result to standard
 * output. */
#include <media/encode.h>
#include <media/preprocess.h>
#include <media/render.h>
#include <media/resize.h>
#include <media/terminal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct wn_buffer read_all(const char *path)
{
    struct wn_buffer b = {0};
    FILE *f = fopen(path, "rb");
    while (f && wn_buffer_reserve(&b, 65536, NULL) == WN_OK) {
        size_t n = fread(b.data + b.size, 1, 65536, f);
        if (!n) break;
        b.size += n;
    }
    if (f) fclose(f);
    return b;
}

static void put(const void *data, size_t size)
{
    if (fwrite(data, 1, size, stdout) != size) exit(3);
}

static void put_size(int w, int h)
{
    int size[2] = {w, h};
    put(size, sizeof size);
}

/* resize W H FILE */
static enum wn_code resize(const struct wn_image *image, int w, int h, struct wn_error *err)
{
    struct wn_resize r = {
        .src_w = image->width, .src_h = image->height, .channels = 3, .dst_w = w, .dst_h = h, .w = w, .h = h};
    uint8_t *out = malloc((size_t)w * (size_t)h * 3);
    enum wn_code code = wn_resize_antialias(&r, image->rgb, out, err);
    put_size(w, h);
    put(out, (size_t)w * (size_t)h * 3);
    free(out);
    return code;
}

/* preprocess PROFILE HINTED FILE */
static enum wn_code preprocess(const struct wn_preprocess *p, const struct wn_image *image, struct wn_error *err)
{
    struct wn_geometry geo;
    enum wn_code code = wn_preprocess_geometry(p, image->full_width, image->full_height, &geo, err);
    if (code != WN_OK) return code;
    size_t n = (size_t)wn_preprocess_channels(p) * (size_t)geo.crop_w * (size_t)geo.crop_h;
    float *out = malloc(n * sizeof *out);
    code = wn_preprocess_apply(p, image, &geo, out, err);
    put_size(geo.crop_w, geo.crop_h);
    put(out, n * sizeof *out);
    free(out);
    return code;
}

static void save(const char *prefix, const char *suffix, const struct wn_buffer *b)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", prefix, suffix);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(b->data, 1, b->size, f) != b->size || fclose(f)) exit(3);
}

/* draw PREFIX COLORMAP NORMALIZE H W MAP(float32 file) PROFILE FILE: PREFIX_map.png, _overlay.png, _overlay.jpg, and
 * the terminal. */
static enum wn_code draw(char **argv, struct wn_image *image, struct wn_error *err)
{
    const struct wn_colormap *colors = wn_colormap_find(argv[3]);
    struct wn_render r = {.normalize = WN_NORMALIZE_SYMMETRIC};
    struct wn_buffer map = read_all(argv[7]), out = {0};
    struct wn_geometry geo;
    struct wn_rendered drawn;
    if (!colors || !wn_normalize_find(argv[4], &r.normalize))
        return wn_fail(err, WN_BAD_REQUEST, "No such colour map or normalisation.");
    r.relu = r.normalize == WN_NORMALIZE_MINMAX;
    enum wn_code code = wn_preprocess_geometry(&wn_preprocess_profile_find(argv[8])->preprocess, image->full_width,
                                               image->full_height, &geo, err);
    if (code != WN_OK) return code;
    struct wn_view view = wn_view_picture(&geo);
    uint8_t *index = malloc((size_t)view.w * (size_t)view.h), *heat = malloc((size_t)view.w * (size_t)view.h * 3);
    code = wn_render_map((const float *)(const void *)map.data, atoi(argv[5]), atoi(argv[6]), &view, &r, index, &drawn,
                         err);
    if (code != WN_OK) return code;
    fprintf(stderr, "range %g %g peak %d %d box %d %d %d %d flat %d\n", (double)drawn.range.lo, (double)drawn.range.hi,
            drawn.peak_x, drawn.peak_y, drawn.box_x, drawn.box_y, drawn.box_w, drawn.box_h, drawn.flat);
    wn_png_write_indexed(index, view.w, view.h, colors, &out, err);
    save(argv[2], "_map.png", &out);
    for (size_t i = 0; i < (size_t)view.w * (size_t)view.h; i++)
        memcpy(heat + 3 * i, wn_colormap_palette(colors)[index[i]], 3);
    struct wn_terminal_panel panels[2] = {{image->rgb, view.w, view.h}, {heat, view.w, view.h}};
    out.size = 0;
    wn_terminal_draw(panels, 2, 80, WN_TERMINAL_TRUE, &out, err);
    put(out.data, out.size);
    int x0, y0, x1, y1;
    wn_view_covered(&view, &x0, &y0, &x1, &y1);
    wn_overlay(image->rgb, view.w, index, colors, 0.5f, x0, y0, x1, y1);
    out.size = 0;
    wn_png_write_rgb(image->rgb, view.w, view.h, &out, err);
    save(argv[2], "_overlay.png", &out);
    out.size = 0;
    code = wn_jpeg_write_rgb(image->rgb, view.w, view.h, 85, &out, err);
    save(argv[2], "_overlay.jpg", &out);
    free(index);
    free(heat);
    wn_buffer_finish(&map);
    wn_buffer_finish(&out);
    return code;
}

static enum wn_code run(int argc, char **argv, struct wn_error *err)
{
    struct wn_buffer file = read_all(argv[argc - 1]);
    struct wn_image image = {0};
    const struct wn_preprocess_profile *profile =
        argc == 5 && !strcmp(argv[1], "preprocess") ? wn_preprocess_profile_find(argv[2]) : NULL;
    int hint = profile && atoi(argv[3]) ? wn_preprocess_hint(&profile->preprocess) : 0;
    enum wn_code code = wn_image_decode(file.data, file.size, &wn_image_limits_default, hint, &image, err);
    if (code == WN_OK && profile)
        code = preprocess(&profile->preprocess, &image, err);
    else if (code == WN_OK && !strcmp(argv[1], "resize") && argc == 5)
        code = resize(&image, atoi(argv[2]), atoi(argv[3]), err);
    else if (code == WN_OK && !strcmp(argv[1], "draw") && argc == 10)
        code = draw(argv, &image, err);
    else if (code == WN_OK) {
        put_size(image.width, image.height);
        put(image.rgb, (size_t)image.width * (size_t)image.height * 3);
    }
    wn_image_finish(&image);
    wn_buffer_finish(&file);
    return code;
}

int main(int argc, char **argv)
{
    struct wn_error err = {0};
    if (argc < 3) return 2;
    if (run(argc, argv, &err) == WN_OK) return 0;
    fprintf(stderr, "%s: %s\n", wn_code_name(err.code), err.text);
    return 1;
}
