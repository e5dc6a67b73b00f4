/* What an answer's JSON says, in words, on the screen and as files; knows no transport. */
#include "answer_text.h"

#include "files.h"
#include "pictures.h"

#include <ctype.h>
#include <media/base64.h>
#include <media/image.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PANELS 6

static const char *text_at(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

static double number_at(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *label_at(const json_t *object, const char *key)
{
    return text_at(json_object_get(object, key), "label");
}

/* ---- words ---- */

const char *cli_percent(double share, char out[16])
{
    bool all = share > 0.999 && share < 1;
    bool none = share > 0 && share < 0.001;
    if (all || none)
        snprintf(out, 16, "%s", all ? "> 99.9 %" : "< 0.1 %");
    else
        snprintf(out, 16, "%.1f %%", 100 * share);
    return out;
}

static enum wn_code put_prediction(const json_t *answer, const char *name, struct wn_buffer *out, struct wn_error *err)
{
    const json_t *list = json_object_get(answer, "predictions"), *target = json_object_get(answer, "target");
    const json_t *first = json_array_get(list, 0) ? json_array_get(list, 0) : target;
    char share[16];
    return wn_buffer_printf(out, err, "%s: %s %s", name, text_at(first, "label"),
                            cli_percent(number_at(first, "probability"), share));
}

/* "'stop' (97.1 %) or 'yield' (2.0 %)"; of more than three the first three, "and 4 more". */
static enum wn_code put_classes(const json_t *classes, const char *before, struct wn_buffer *out, struct wn_error *err)
{
    const size_t n = json_array_size(classes);
    enum wn_code code = WN_OK;
    char share[16];
    for (size_t i = 0; i < n && i < 3 && code == WN_OK; i++) {
        const json_t *class = json_array_get(classes, i);
        code = wn_buffer_printf(out, err, "%s'%s' (%s)",
                                !i           ? before
                                : i + 1 == n ? " or "
                                             : ", ",
                                text_at(class, "label"), cli_percent(number_at(class, "probability"), share));
    }
    return code == WN_OK && n > 3 ? wn_buffer_printf(out, err, " and %zu more", n - 3) : code;
}

static enum wn_code put_rivals(const json_t *answer, struct wn_buffer *out, struct wn_error *err)
{
    const json_t *target = json_object_get(answer, "target"), *targets = json_object_get(answer, "targets");
    char share[16];
    if (json_object_get(answer, "value"))
        return wn_buffer_printf(out, err, "\n  why does '%s' score %.4g, rather than %.4g?\n", text_at(target, "label"),
                                number_at(target, "logit"), number_at(answer, "value"));
    enum wn_code code = targets ? put_classes(targets, "\n  why ", out, err)
                                : wn_buffer_printf(out, err, "\n  why '%s' (%s)", text_at(target, "label"),
                                                   cli_percent(number_at(target, "probability"), share));
    if (code == WN_OK) code = put_classes(json_object_get(answer, "why_not"), ", rather than ", out, err);
    return code == WN_OK ? wn_buffer_printf(out, err, "?\n") : code;
}

const char *cli_answer_place(const json_t *image, const json_t *box)
{
    static const char *const names[3][3] = {{"the upper left", "the top", "the upper right"},
                                            {"the left", "the middle", "the right"},
                                            {"the lower left", "the bottom", "the lower right"}};
    double w = number_at(image, "width"), h = number_at(image, "height");
    double x = json_number_value(json_array_get(box, 0)) + json_number_value(json_array_get(box, 2)) / 2;
    double y = json_number_value(json_array_get(box, 1)) + json_number_value(json_array_get(box, 3)) / 2;
    int column = w > 0 ? (int)(3 * x / w) : 1, row = h > 0 ? (int)(3 * y / h) : 1;
    return names[row < 0 ? 0 : row > 2 ? 2 : row][column < 0 ? 0 : column > 2 ? 2 : column];
}

/* "stop rather than yield", or "stop or yield" where the map is of several targets. */
static enum wn_code put_subject(const json_t *answer, const json_t *map, struct wn_buffer *out, struct wn_error *err)
{
    const json_t *targets = json_object_get(answer, "targets");
    const char *rival = label_at(map, "rival");
    const bool several = targets && strcmp(text_at(map, "kind"), "contrast") == 0;
    enum wn_code code =
        several ? WN_OK
                : wn_buffer_printf(out, err, "%s%s%s", label_at(map, "class"), *rival ? " rather than " : "", rival);
    for (size_t i = 0; several && i < json_array_size(targets) && code == WN_OK; i++)
        code = wn_buffer_printf(out, err, "%s%s", i ? " or " : "", text_at(json_array_get(targets, i), "label"));
    return code;
}

static enum wn_code put_map(const json_t *answer, const json_t *map, struct wn_buffer *out, struct wn_error *err)
{
    const json_t *box = json_object_get(map, "bbox");
    const char *means = text_at(map, "positive_means"), *kind = text_at(map, "kind");
    const bool varies = strcmp(kind, "variance") == 0, over_all = varies || strcmp(kind, "mean") == 0;
    if (over_all && strcmp(means, "against the rival") == 0) means = "against the rivals";
    if (json_object_get(answer, "targets") && strcmp(kind, "contrast") == 0 && strcmp(means, "for the class") == 0)
        means = "for the classes";
    enum wn_code code =
        wn_buffer_printf(out, err, "  %s%s", over_all ? kind : "", over_all ? " over all rivals of " : "");
    if (code == WN_OK) code = put_subject(answer, map, out, err);
    if (code == WN_OK)
        code = wn_buffer_printf(out, err, " (%s, %s, layer %s): ", text_at(map, "contrast"), text_at(map, "method"),
                                text_at(map, "layer"));
    if (code != WN_OK) return code;
    if (json_is_true(json_object_get(map, "flat")))
        return wn_buffer_printf(out, err, "the map is constant, nothing was told apart here\n");
    if (json_is_true(json_object_get(map, "empty")) || json_number_value(json_array_get(box, 2)) <= 0)
        return varies ? wn_buffer_printf(out, err, "they do not differ\n")
                      : wn_buffer_printf(out, err, "nothing speaks %s\n", means);
    if (varies)
        return wn_buffer_printf(out, err, "they differ most at %s\n",
                                cli_answer_place(json_object_get(answer, "image"), box));
    const double plus = number_at(map, "mass_positive"), minus = number_at(map, "mass_negative");
    const char *place = cli_answer_place(json_object_get(answer, "image"), box);
    if (strcmp(means, "for no class in particular") == 0)
        return wn_buffer_printf(out, err, "the map is strongest at %s\n", place);
    code = wn_buffer_printf(out, err, "the strongest evidence %s is at %s", means, place);
    if (code == WN_OK && minus > 0) /* a map of one sign, which some methods always have, has no other side */
        code = wn_buffer_printf(out, err, "; %.0f %% of all evidence speaks %s", 100 * plus / (plus + minus), means);
    return code == WN_OK ? wn_buffer_printf(out, err, "\n") : code;
}

/* What became of the decision where one side of a map was hidden. */
static enum wn_code put_masking(const json_t *answer, struct wn_buffer *out, struct wn_error *err)
{
    const json_t *one, *all = json_object_get(json_object_get(answer, "evidence"), "masking");
    enum wn_code code = WN_OK;
    size_t i;
    json_array_foreach (all, i, one)
        if (code == WN_OK) code = wn_buffer_printf(out, err, "  %s\n", text_at(one, "words"));
    return code;
}

/* ---- on the screen ---- */

static enum wn_code decode(const void *data, size_t size, bool base64, struct wn_image *out, struct wn_error *err)
{
    struct wn_buffer bytes = {0};
    enum wn_code code = base64 ? wn_base64_decode(data, size, &bytes, err) : WN_OK;
    if (code == WN_OK)
        code = wn_image_decode(base64 ? bytes.data : data, base64 ? bytes.size : size, &wn_image_limits_default, 0, out,
                               err);
    wn_buffer_finish(&bytes);
    return code;
}

/* Only signed maps have two colours that mean something. */
static enum wn_code put_legend(const json_t *map, struct wn_buffer *out, struct wn_error *err)
{
    const char *class = label_at(map, "class"), *rival = label_at(map, "rival");
    if (json_number_value(json_array_get(json_object_get(map, "range"), 0)) >= 0) return WN_OK;
    const bool of_class = strcmp(text_at(map, "positive_means"), "against the class") == 0;
    if (strcmp(text_at(map, "positive_means"), "for no class in particular") == 0) return WN_OK;
    if (of_class || strcmp(text_at(map, "positive_means"), "against the rival") == 0)
        return wn_buffer_printf(out, err, "  left the picture, then its maps: red speaks against '%s', blue for it\n",
                                of_class ? class
                                : *rival ? rival
                                         : "the others");
    if (!*rival)
        return wn_buffer_printf(out, err, "  left the picture, then its maps: red speaks for '%s', blue against it\n",
                                class);
    return wn_buffer_printf(out, err, "  left the picture, then its maps: red speaks for '%s', blue for '%s'\n", class,
                            rival);
}

static enum wn_code put_panels(const json_t *maps, const struct wn_buffer *picture, enum cli_screen screen,
                               struct wn_buffer *out, struct wn_error *err)
{
    struct wn_image images[MOST_PANELS] = {0};
    struct wn_terminal_panel panels[MOST_PANELS];
    int n = 1;
    enum wn_code code = decode(picture->data, picture->size, false, &images[0], err);
    for (size_t i = 0; i < json_array_size(maps) && n < MOST_PANELS && code == WN_OK; i++) {
        const json_t *map = json_array_get(maps, i), *shown = json_object_get(map, "overlay");
        if (!shown) shown = json_object_get(map, "data");
        if (shown) code = decode(json_string_value(shown), json_string_length(shown), true, &images[n++], err);
    }
    for (int i = 0; i < n; i++)
        panels[i] = (struct wn_terminal_panel){images[i].rgb, images[i].width, images[i].height};
    if (code == WN_OK) code = cli_screen_draw(screen, panels, n, out, err);
    for (int i = 0; i < n; i++) wn_image_finish(&images[i]);
    if (code != WN_OK || n == 1) return code;
    return put_legend(json_array_get(maps, 0), out, err);
}

enum wn_code cli_answer_words(const json_t *answer, const char *name, const struct wn_buffer *picture,
                              enum cli_screen screen, struct wn_buffer *out, struct wn_error *err)
{
    const json_t *maps = json_object_get(answer, "maps"), *warning;
    size_t i;
    enum wn_code code = put_prediction(answer, name, out, err);
    if (code == WN_OK) code = put_rivals(answer, out, err);
    if (code == WN_OK && screen != CLI_SCREEN_NONE) code = put_panels(maps, picture, screen, out, err);
    for (i = 0; i < json_array_size(maps) && code == WN_OK; i++)
        code = put_map(answer, json_array_get(maps, i), out, err);
    if (code == WN_OK) code = put_masking(answer, out, err);
    json_array_foreach (json_object_get(answer, "warnings"), i, warning)
        if (code == WN_OK) code = wn_buffer_printf(out, err, "  note: %s\n", json_string_value(warning));
    return code;
}

/* ---- files ---- */

/* A label as part of a file's name. */
static void slug(const char *label, char out[48])
{
    int n = 0;
    for (; *label && n < 40; label++) {
        bool plain = isalnum((unsigned char)*label) || (unsigned char)*label >= 0x80;
        if (plain || (n && out[n - 1] != '-')) out[n++] = plain ? *label : '-';
    }
    while (n && (out[n - 1] == '-' || ((unsigned char)out[n - 1] >= 0x80))) n--;
    out[n] = 0;
}

static enum wn_code put_file(const json_t *map, const char *key, const char *path, json_t *paths, struct wn_error *err)
{
    struct wn_buffer bytes = {0};
    const json_t *data = json_object_get(map, key);
    if (!data) return WN_OK;
    enum wn_code code = wn_base64_decode(json_string_value(data), json_string_length(data), &bytes, err);
    if (code == WN_OK) code = cli_write_whole(path, &bytes, err);
    char *name = cli_picture_name(path); /* JSON has no bytes that are not UTF-8 */
    if (code == WN_OK && (!name || json_array_append_new(paths, json_string(name)) != 0))
        code = wn_fail(err, WN_NO_MEMORY, "no memory for the names of files");
    free(name);
    wn_buffer_finish(&bytes);
    return code;
}

enum wn_code cli_answer_files(const json_t *answer, const char *folder, const char *stem, json_t *paths,
                              struct wn_error *err)
{
    const json_t *maps = json_object_get(answer, "maps"), *map;
    size_t i;
    enum wn_code code = WN_OK;
    json_array_foreach (maps, i, map) {
        char path[4000], number[24] = "", what[48];
        bool twins = json_array_size(json_object_get(answer, "why_not")) > 1;
        slug(twins ? label_at(map, "rival") : "", what);
        if (twins) snprintf(number, sizeof number, "-%zu", i + 1);
        const char *kind = text_at(map, "kind"), *dash = *what ? "-" : "";
        snprintf(path, sizeof path, "%s/%s.%s%s%s%s.heatmap.png", folder, stem, kind, number, dash, what);
        if (code == WN_OK) code = put_file(map, "data", path, paths, err);
        snprintf(path, sizeof path, "%s/%s.%s%s%s%s.overlay.png", folder, stem, kind, number, dash, what);
        if (code == WN_OK) code = put_file(map, "overlay", path, paths, err);
    }
    return code;
}

/* Inside a JSON string a quotation mark is escaped, so these letters are nowhere but where a key begins. */
enum wn_code cli_answer_strip(const struct wn_buffer *body, struct wn_buffer *out, struct wn_error *err)
{
    static const char *const keys[] = {",\"encoding\":\"", ",\"data\":\"", ",\"overlay\":\""};
    const char *at = (const char *)body->data, *end = at + body->size;
    enum wn_code code = WN_OK;
    while (at < end && code == WN_OK) {
        const char *next = end, *key = NULL;
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            const char *found = memmem(at, (size_t)(next - at), keys[k], strlen(keys[k]));
            if (found) next = found, key = keys[k];
        }
        code = wn_buffer_append(out, at, (size_t)(next - at), err);
        if (!key) break;
        const char *close = memchr(next + strlen(key), '"', (size_t)(end - next) - strlen(key));
        at = close ? close + 1 : end;
    }
    return code;
}
