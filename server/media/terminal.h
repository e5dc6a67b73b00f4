/* A picture and its heatmap side by side in a terminal: half blocks, two pixels a character. */
#ifndef WN_MEDIA_TERMINAL_H
#define WN_MEDIA_TERMINAL_H

#include <media/buffer.h>
#include <media/colormap.h>

enum wn_terminal_colors { WN_TERMINAL_256, WN_TERMINAL_TRUE };

struct wn_terminal_panel {
    const uint8_t *rgb; /* w*h*3 */
    int w, h;
};
/* True colour where COLORTERM says so ("truecolor", "24bit"), else 256. `colorterm` may be NULL. */
enum wn_terminal_colors wn_terminal_colors(const char *colorterm);
/* Appends UTF-8 text of `columns` columns (at least 8 for each panel), panels of equal height from left to right, one
 * space between. */
enum wn_code wn_terminal_draw(const struct wn_terminal_panel *panels, int n, int columns,
                              enum wn_terminal_colors colors, struct wn_buffer *out, struct wn_error *err);

#endif
