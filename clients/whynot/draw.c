/* `whynot draw`: pictures side by side in the terminal. */
#include "pictures.h"
#include "screen.h"

#include <media/image.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_PICTURES 8

static enum wn_code load(const char *path, struct wn_image *out, struct wn_error *err)
{
    struct wn_buffer file = {0};
    enum wn_code code = cli_read_file(path, &file, err);
    if (code == WN_OK) code = wn_image_decode(file.data, file.size, &wn_image_limits_default, 0, out, err);
    wn_buffer_finish(&file);
    return code;
}

static enum cli_exit run(const struct cli *c)
{
    struct wn_image images[MOST_PICTURES] = {0};
    struct wn_terminal_panel panels[MOST_PICTURES];
    struct wn_buffer text = {0};
    struct wn_error err = {0};
    enum cli_screen screen;
    int n = c->n_operands;
    if (n < 1 || n > MOST_PICTURES) return cli_fail(CLI_USAGE, "name 1 to %d PNG or JPEG files", MOST_PICTURES);
    if (!cli_screen_choose(cli_get(c, "as", "auto"), &screen))
        return cli_fail(CLI_USAGE, "--as takes one of: " CLI_SCREENS);
    if (screen == CLI_SCREEN_NONE)
        return cli_fail(CLI_USAGE, "this is no terminal with colours; --as blocks draws nevertheless");
    for (int i = 0; i < n && err.code == WN_OK; i++) {
        load(c->operands[i], &images[i], &err);
        panels[i] = (struct wn_terminal_panel){images[i].rgb, images[i].width, images[i].height};
    }
    if (err.code == WN_OK) cli_screen_draw(screen, panels, n, &text, &err);
    if (err.code == WN_OK) fwrite(text.data, 1, text.size, stdout);
    wn_buffer_finish(&text);
    for (int i = 0; i < n; i++) wn_image_finish(&images[i]);
    return err.code == WN_OK ? CLI_OK : cli_fail(CLI_FAILED, "%s", err.text);
}

static const struct cli_option options[] = {
    {"as", 0, "HOW", "auto", "How to draw: half blocks, or the graphics of terminals that have them.", CLI_SCREENS},
    CLI_OPTIONS_END};

const struct cli_command cli_draw = {
    .name = "draw",
    .operands = "PICTURE...",
    .summary = "Show pictures side by side in the terminal.",
    .example = "  whynot draw bird.jpg bird.jpg.contrast.overlay.png",
    .options = options,
    .run = run,
};
