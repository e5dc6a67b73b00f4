/* whynot-draw: PNG and JPEG pictures side by side in a terminal. Knows pictures only, neither networks nor HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <media/image.h>
#include <media/terminal.h>

#define MAX_PICTURES 8
#define MAX_BYTES (64u << 20)

static enum wn_code read_file(const char *path, struct wn_buffer *out, struct wn_error *err)
{
    char chunk[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f) return wn_fail(err, WN_NOT_FOUND, "cannot read '%s'", path);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && out->size < MAX_BYTES)
        if (wn_buffer_append(out, chunk, n, err) != WN_OK) break;
    fclose(f);
    return err->code;
}

static enum wn_code load(const char *path, struct wn_image *out, struct wn_error *err)
{
    struct wn_buffer file = {0};
    enum wn_code code = read_file(path, &file, err);
    if (code == WN_OK) code = wn_image_decode(file.data, file.size, &wn_image_limits_default, 0, out, err);
    wn_buffer_finish(&file);
    return code;
}

/* As wide as the terminal, but no wider than a picture gains from. */
static int columns_of_terminal(int n)
{
    struct winsize size;
    int most = 44 * n, columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) columns = size.ws_col;
    return columns < most ? columns : most;
}

int main(int argc, char **argv)
{
    struct wn_image images[MAX_PICTURES] = {0};
    struct wn_terminal_panel panels[MAX_PICTURES];
    struct wn_buffer text = {0};
    struct wn_error err = {0};
    int n = argc - 1;
    if (n < 1 || n > MAX_PICTURES || argv[1][0] == '-') {
        fprintf(stderr, "usage: whynot-draw PICTURE...   (1 to %d PNG or JPEG files)\n", MAX_PICTURES);
        return 2;
    }
    for (int i = 0; i < n && err.code == WN_OK; i++) {
        load(argv[1 + i], &images[i], &err);
        panels[i] = (struct wn_terminal_panel){images[i].rgb, images[i].width, images[i].height};
    }
    if (err.code == WN_OK)
        wn_terminal_draw(panels, n, columns_of_terminal(n), wn_terminal_colors(getenv("COLORTERM")), &text, &err);
    if (err.code == WN_OK) fwrite(text.data, 1, text.size, stdout);
    else fprintf(stderr, "whynot-draw: %s\n", err.text);
    wn_buffer_finish(&text);
    for (int i = 0; i < n; i++) wn_image_finish(&images[i]);
    return err.code != WN_OK;
}
