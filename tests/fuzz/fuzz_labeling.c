/* libFuzzer: any bytes as a labeling configuration; where they do not begin as one, as a mask (its width is the
 * first byte) whose outlines are walked and whose brush is written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <labelconfig.h>
#include <media/brush.h>
#include <media/outline.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_config(const char *xml, size_t size)
{
    struct wn_pool pool = {0};
    struct wn_label_config c;
    struct wn_error err = {0};
    if (wn_label_config_read(xml, size, &pool, &c, &err) == WN_OK) {
        if ((c.image != NULL) != (c.key != NULL) || (c.choices.n && !c.choices.name) ||
            (c.regions.n && !c.regions.name))
            abort();
        for (int i = 0; i < c.choices.n; i++)
            if (!*wn_label_word(&c.choices.labels[i])) abort();
    } else if (err.code != WN_BAD_REQUEST || !*err.text) {
        abort();
    }
    wn_pool_finish(&pool);
}

static void draw(const uint8_t *mask, int w, int h)
{
    struct wn_outline list[WN_MOST_OUTLINES];
    struct wn_buffer rle = {0};
    int n;
    if (wn_outlines(mask, h, w, list, &n, NULL) != WN_OK || n < 0 || n > WN_MOST_OUTLINES) abort();
    for (int i = 0; i < n; i++)
        for (int k = 0; k < list[i].n; k++)
            if (!(list[i].points[2 * k] >= 0 && list[i].points[2 * k] <= (float)w && list[i].points[2 * k + 1] >= 0 &&
                  list[i].points[2 * k + 1] <= (float)h))
                abort();
    wn_outlines_finish(list, n);
    if (wn_brush_encode(&(struct wn_brush){mask, w, h, w + 3, 2 * h}, &rle, NULL) != WN_OK) abort();
    wn_buffer_finish(&rle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_mask = size > 1 && data[0] && data[0] < ' ';
    int w = is_mask ? data[0] : 0;
    if (is_mask && size > (size_t)w) draw(data + 1, w, (int)((size - 1) / (size_t)w));
    if (!is_mask) read_config((const char *)data, size);
    return 0;
}
