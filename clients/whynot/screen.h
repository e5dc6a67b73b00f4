/* Pictures in a terminal, as well as that terminal can. */
#ifndef WN_CLI_SCREEN_H
#define WN_CLI_SCREEN_H

#include "cli.h"

#include <media/terminal.h>

#define CLI_SCREENS "auto never blocks sixel kitty"

enum cli_screen { CLI_SCREEN_NONE, CLI_SCREEN_BLOCKS, CLI_SCREEN_SIXEL, CLI_SCREEN_KITTY };

/* wish: one of CLI_SCREENS. auto: nothing where standard output is no terminal or colours are not wanted; kitty's or
 * sixel graphics where the terminal is known for them or says so; else blocks. False: not one of them. */
bool cli_screen_choose(const char *wish, enum cli_screen *out);
/* Columns that n pictures side by side are worth, at most those of the terminal. */
int cli_screen_columns(int n);
/* Appends the panels side by side, and a line break. */
enum wn_code cli_screen_draw(enum cli_screen screen, const struct wn_terminal_panel *panels, int n,
                             struct wn_buffer *out, struct wn_error *err);
/* The same as sixel graphics (sixel.c). */
enum wn_code cli_sixel_draw(const uint8_t *rgb, int w, int h, struct wn_buffer *out, struct wn_error *err);

#endif
