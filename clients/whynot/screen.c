/* Which graphics a terminal has, and pictures in them; knows no networks. */
#include "screen.h"

#include <media/base64.h>
#include <media/encode.h>
#include <media/resize.h>
#include <poll.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define COLUMNS_OF_ONE 44
#define ANSWER_MS 200
#define SIDE 320 /* of a picture in pixel graphics */
#define GAP 8
#define CHUNK 4096 /* of kitty's protocol */

/* ---- what the terminal can ---- */

static bool begins(const char *name, const char *with)
{
    const char *value = getenv(name);
    return value && strncmp(value, with, strlen(with)) == 0;
}

/* Terminals that speak kitty's protocol, by what they put into the environment; a multiplexer in between does not
 * pass it on. */
static bool has_kitty(void)
{
    if (getenv("TMUX") || begins("TERM", "screen")) return false;
    return getenv("KITTY_WINDOW_ID") || begins("TERM", "xterm-kitty") || begins("TERM", "xterm-ghostty") ||
           begins("TERM_PROGRAM", "WezTerm") || begins("TERM_PROGRAM", "ghostty");
}

/* The answer to "what are you" (ESC [ c) is a list of numbers; 4 among them means sixel. */
static bool says_sixel(const char *answer)
{
    const char *at = strstr(answer, "\x1b[?");
    if (!at) return false;
    for (at += 3; *at >= '0' && *at <= '9'; at += *at == ';') {
        char *end;
        if (strtol(at, &end, 10) == 4) return true;
        at = end;
    }
    return false;
}

static bool has_sixel(void)
{
    char answer[128] = "";
    size_t n = 0;
    struct termios before, raw;
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return false;
    /* asked from the background it would stop us */
    bool good = tcgetpgrp(fd) == getpgrp() && tcgetattr(fd, &before) == 0;
    if (good) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(fd, TCSANOW, &raw);
        struct pollfd ready = {fd, POLLIN, 0};
        good = write(fd, "\x1b[c", 3) == 3;
        while (good && n < sizeof answer - 1 && !strchr(answer, 'c') && poll(&ready, 1, ANSWER_MS) > 0) {
            ssize_t got = read(fd, answer + n, sizeof answer - 1 - n);
            if (got <= 0) break;
            n += (size_t)got;
            answer[n] = 0;
        }
        tcsetattr(fd, TCSANOW, &before);
    }
    close(fd);
    return good && says_sixel(answer);
}

bool cli_screen_choose(const char *wish, enum cli_screen *out)
{
    static const char *const names[] = {"never", "blocks", "sixel", "kitty"};
    for (int i = 0; i < 4; i++)
        if (strcmp(wish, names[i]) == 0) return *out = (enum cli_screen)i, true;
    if (strcmp(wish, "auto") != 0) return false;
    *out = !cli_colors(STDOUT_FILENO) ? CLI_SCREEN_NONE
           : has_kitty()              ? CLI_SCREEN_KITTY
           : has_sixel()              ? CLI_SCREEN_SIXEL
                                      : CLI_SCREEN_BLOCKS;
    return true;
}

int cli_screen_columns(int n)
{
    struct winsize size;
    int most = COLUMNS_OF_ONE * n, columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) columns = size.ws_col;
    return columns < 8 * n ? 8 * n : columns < most ? columns : most;
}

/* ---- pixel graphics: the panels on one white strip ---- */

static int width_at(const struct wn_terminal_panel *p, int h)
{
    int w = (int)((double)p->w / p->h * h);
    return w < 1 ? 1 : w > 4 * SIDE ? 4 * SIDE : w;
}

static enum wn_code paste(uint8_t *strip, int strip_w, int at, const struct wn_terminal_panel *p, int w,
                          struct wn_error *err)
{
    struct wn_resize r = {.src_w = p->w, .src_h = p->h, .channels = 3, .dst_w = w, .dst_h = SIDE, .w = w, .h = SIDE};
    uint8_t *small = malloc((size_t)w * SIDE * 3);
    if (!small) return wn_fail(err, WN_NO_MEMORY, "no memory to draw in the terminal");
    enum wn_code code = wn_resize_antialias(&r, p->rgb, small, err);
    for (int y = 0; y < SIDE && code == WN_OK; y++) /* analyzer: the caller has a strip */
        memcpy(strip + ((size_t)y * (size_t)strip_w + (size_t)at) * 3, small + (size_t)y * (size_t)w * 3,
               (size_t)w * 3);
    free(small);
    return code;
}

/* Kitty's protocol takes a PNG in pieces of base64. */
static enum wn_code draw_kitty(const uint8_t *rgb, int w, int h, struct wn_buffer *out, struct wn_error *err)
{
    struct wn_buffer png = {0}, text = {0};
    enum wn_code code = wn_png_write_rgb(rgb, w, h, &png, err);
    if (code == WN_OK) code = wn_base64_encode(png.data, png.size, &text, err);
    for (size_t at = 0; at < text.size && code == WN_OK; at += CHUNK) {
        size_t n = text.size - at < CHUNK ? text.size - at : CHUNK;
        code = wn_buffer_printf(out, err, "\x1b_G%sm=%d;", at ? "" : "a=T,f=100,", at + n < text.size);
        if (code == WN_OK) code = wn_buffer_append(out, text.data + at, n, err);
        if (code == WN_OK) code = wn_buffer_append(out, "\x1b\\", 2, err);
    }
    wn_buffer_finish(&png);
    wn_buffer_finish(&text);
    return code;
}

static enum wn_code draw_pixels(bool kitty, const struct wn_terminal_panel *panels, int n, struct wn_buffer *out,
                                struct wn_error *err)
{
    int strip_w = (n - 1) * GAP, at = 0;
    for (int i = 0; i < n; i++) strip_w += width_at(&panels[i], SIDE);
    uint8_t *strip = malloc((size_t)strip_w * SIDE * 3);
    enum wn_code code = strip ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory to draw in the terminal");
    if (strip) memset(strip, 255, (size_t)strip_w * SIDE * 3);
    for (int i = 0; i < n && code == WN_OK; i++) {
        code = paste(strip, strip_w, at, &panels[i], width_at(&panels[i], SIDE), err);
        at += width_at(&panels[i], SIDE) + GAP;
    }
    if (code == WN_OK)
        code = kitty ? draw_kitty(strip, strip_w, SIDE, out, err) : cli_sixel_draw(strip, strip_w, SIDE, out, err);
    free(strip);
    return code == WN_OK ? wn_buffer_append(out, "\n", 1, err) : code;
}

enum wn_code cli_screen_draw(enum cli_screen screen, const struct wn_terminal_panel *panels, int n,
                             struct wn_buffer *out, struct wn_error *err)
{
    if (screen == CLI_SCREEN_NONE) return WN_OK;
    if (screen != CLI_SCREEN_BLOCKS) return draw_pixels(screen == CLI_SCREEN_KITTY, panels, n, out, err);
    return wn_terminal_draw(panels, n, cli_screen_columns(n), wn_terminal_colors(getenv("COLORTERM")), out, err);
}
