/* Pictures as text: upper half blocks whose foreground is the upper pixel and whose background is the lower one. */
#include <media/terminal.h>

#include <stdlib.h>
#include <string.h>

#include <media/resize.h>

enum { MAX_COLUMNS = 1000, MAX_PANELS = 8 };

enum wn_terminal_colors wn_terminal_colors(const char *colorterm)
{
    return colorterm && (!strcmp(colorterm, "truecolor") || !strcmp(colorterm, "24bit")) ? WN_TERMINAL_TRUE
                                                                                         : WN_TERMINAL_256;
}

static int distance(int r, int g, int b, const uint8_t *rgb)
{
    return (r - rgb[0]) * (r - rgb[0]) + (g - rgb[1]) * (g - rgb[1]) + (b - rgb[2]) * (b - rgb[2]);
}

/* The nearer of the best entry of xterm's 6x6x6 cube (0, 95, 135, ... 255) and of its grey ramp (8, 18, ... 238). */
static int nearest_256(const uint8_t *rgb)
{
    int level[3], value[3];
    for (int c = 0; c < 3; c++) {
        level[c] = rgb[c] < 48 ? 0 : rgb[c] < 115 ? 1 : (rgb[c] - 35) / 40;
        value[c] = level[c] ? 55 + 40 * level[c] : 0;
    }
    int gray = ((rgb[0] + rgb[1] + rgb[2]) / 3 - 3) / 10, v = 8 + 10 * (gray < 0    ? gray = 0
                                                                        : gray > 23 ? gray = 23
                                                                                    : gray);
    if (distance(v, v, v, rgb) < distance(value[0], value[1], value[2], rgb)) return 232 + gray;
    return 16 + 36 * level[0] + 6 * level[1] + level[2];
}

static enum wn_code put_color(struct wn_buffer *out, int ground, const uint8_t *rgb, enum wn_terminal_colors colors,
                              struct wn_error *err)
{
    if (colors == WN_TERMINAL_TRUE)
        return wn_buffer_printf(out, err, "\x1b[%d;2;%d;%d;%dm", ground, rgb[0], rgb[1], rgb[2]);
    return wn_buffer_printf(out, err, "\x1b[%d;5;%dm", ground, nearest_256(rgb));
}

/* One text row of one panel; a colour is named only where it changes. */
static enum wn_code put_row(struct wn_buffer *out, const uint8_t *upper, const uint8_t *lower, int w,
                            enum wn_terminal_colors colors, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int x = 0; x < w && code == WN_OK; x++) {
        const uint8_t *u = upper + 3 * (size_t)x, *l = lower + 3 * (size_t)x;
        if (!x || memcmp(u, u - 3, 3) != 0) code = put_color(out, 38, u, colors, err);
        if (code == WN_OK && (!x || memcmp(l, l - 3, 3) != 0)) code = put_color(out, 48, l, colors, err);
        if (code == WN_OK) code = wn_buffer_append(out, "\xe2\x96\x80", 3, err);
    }
    return code == WN_OK ? wn_buffer_append(out, "\x1b[0m", 4, err) : code;
}

/* Equal height for all, so that the widths fill the columns; in pixels, even. */
static int common_height(const struct wn_terminal_panel *panels, int n, int columns)
{
    double aspects = 0;
    for (int i = 0; i < n; i++) aspects += (double)panels[i].w / panels[i].h;
    int h = (int)((columns - (n - 1)) / aspects) & ~1;
    return h < 2 ? 2 : h > 2 * MAX_COLUMNS ? 2 * MAX_COLUMNS : h;
}

static enum wn_code shrink(const struct wn_terminal_panel *p, int w, int h, uint8_t **out, struct wn_error *err)
{
    struct wn_resize r = {.src_w = p->w, .src_h = p->h, .channels = 3, .dst_w = w, .dst_h = h, .w = w, .h = h};
    *out = malloc((size_t)w * (size_t)h * 3);
    if (!*out) return wn_fail(err, WN_NO_MEMORY, "No memory to draw in the terminal.");
    return wn_resize_antialias(&r, p->rgb, *out, err);
}

enum wn_code wn_terminal_draw(const struct wn_terminal_panel *panels, int n, int columns,
                              enum wn_terminal_colors colors, struct wn_buffer *out, struct wn_error *err)
{
    uint8_t *small[MAX_PANELS] = {0};
    int width[MAX_PANELS];
    enum wn_code code = WN_OK;
    if (n < 1 || n > MAX_PANELS || columns < 8 * n || columns > MAX_COLUMNS)
        return wn_fail(err, WN_BAD_REQUEST, "%d pictures cannot be drawn in %d columns.", n, columns);
    const int h = common_height(panels, n, columns), room = (columns - (n - 1)) / n;
    for (int i = 0; i < n && code == WN_OK; i++) {
        int w = (int)((double)panels[i].w / panels[i].h * h);
        width[i] = w < 1 ? 1 : h == 2 && w > room ? room : w; /* a very wide picture is squeezed */
        code = shrink(&panels[i], width[i], h, &small[i], err);
    }
    for (int y = 0; y < h && code == WN_OK; y += 2) {
        for (int i = 0; i < n && code == WN_OK; i++) {
            size_t stride = (size_t)width[i] * 3;
            const uint8_t *upper = small[i] + (size_t)y * stride;
            if (i) code = wn_buffer_append(out, " ", 1, err);
            if (code == WN_OK) code = put_row(out, upper, upper + stride, width[i], colors, err);
        }
        if (code == WN_OK) code = wn_buffer_append(out, "\n", 1, err);
    }
    for (int i = 0; i < n; i++) free(small[i]);
    return code;
}
