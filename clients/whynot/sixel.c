/* Sixel graphics: six rows a band, one pass a colour. Colours are the 6x7x6 cells of a fixed cube, ordered dither
 * between them. */
#include "screen.h"

#include <stdlib.h>
#include <string.h>

enum { RED = 6, GREEN = 7, BLUE = 6, COLOURS = RED * GREEN * BLUE, BAND = 6 };

/* Threshold of the 4x4 Bayer matrix at (x, y), -0.5..0.5. */
static double threshold(int x, int y)
{
    static const unsigned char bayer[4][4] = {{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};
    return (bayer[y & 3][x & 3] + 0.5) / 16 - 0.5;
}

static int level(int v, int levels, double shift)
{
    int l = (int)(v / 255.0 * (levels - 1) + shift + 0.5);
    return l < 0 ? 0 : l >= levels ? levels - 1 : l;
}

static int colour_of(const uint8_t *rgb, int x, int y)
{
    double shift = threshold(x, y);
    return (level(rgb[0], RED, shift) * GREEN + level(rgb[1], GREEN, shift)) * BLUE + level(rgb[2], BLUE, shift);
}

static enum wn_code put_palette(struct wn_buffer *out, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int i = 0; i < COLOURS && code == WN_OK; i++)
        code = wn_buffer_printf(out, err, "#%d;2;%d;%d;%d", i, i / (GREEN * BLUE) * 100 / (RED - 1),
                                i / BLUE % GREEN * 100 / (GREEN - 1), i % BLUE * 100 / (BLUE - 1));
    return code;
}

/* n times the sixel with these bits; runs of four or more are shorter counted. */
static enum wn_code put_run(struct wn_buffer *out, int bits, int n, struct wn_error *err)
{
    const char sixel = (char)('?' + bits);
    if (n > 3) return wn_buffer_printf(out, err, "!%d%c", n, sixel);
    const char run[3] = {sixel, sixel, sixel};
    return n ? wn_buffer_append(out, run, (size_t)n, err) : WN_OK;
}

/* index: BAND*w colours of this band, rows of it that exist. */
static enum wn_code put_colour(const unsigned char *index, int w, int rows, int colour, struct wn_buffer *out,
                               struct wn_error *err)
{
    int bits = 0, n = 0;
    enum wn_code code = wn_buffer_printf(out, err, "#%d", colour);
    for (int x = 0; x < w && code == WN_OK; x++) {
        int now = 0;
        for (int r = 0; r < rows; r++) now |= (index[r * w + x] == colour) << r;
        if (now != bits) code = put_run(out, bits, n, err), n = 0;
        bits = now;
        n++;
    }
    if (code == WN_OK && bits) code = put_run(out, bits, n, err);
    return code == WN_OK ? wn_buffer_append(out, "$", 1, err) : code;
}

static enum wn_code put_band(const uint8_t *rgb, int w, int y, int rows, unsigned char *index, struct wn_buffer *out,
                             struct wn_error *err)
{
    bool used[COLOURS] = {0};
    enum wn_code code = WN_OK;
    for (int r = 0; r < rows; r++)
        for (int x = 0; x < w; x++) {
            int c = colour_of(rgb + ((size_t)(y + r) * (size_t)w + (size_t)x) * 3, x, y + r);
            index[r * w + x] = (unsigned char)c;
            used[c] = true;
        }
    for (int c = 0; c < COLOURS && code == WN_OK; c++)
        if (used[c]) code = put_colour(index, w, rows, c, out, err);
    return code == WN_OK ? wn_buffer_append(out, "-", 1, err) : code;
}

enum wn_code cli_sixel_draw(const uint8_t *rgb, int w, int h, struct wn_buffer *out, struct wn_error *err)
{
    unsigned char *index = malloc((size_t)w * BAND);
    enum wn_code code = index ? wn_buffer_printf(out, err, "\x1bP0;1q\"1;1;%d;%d", w, h)
                              : wn_fail(err, WN_NO_MEMORY, "no memory to draw in the terminal");
    if (code == WN_OK) code = put_palette(out, err);
    for (int y = 0; y < h && code == WN_OK; y += BAND)
        code = put_band(rgb, w, y, h - y < BAND ? h - y : BAND, index, out, err);
    free(index);
    return code == WN_OK ? wn_buffer_append(out, "\x1b\\", 2, err) : code;
}
