/* The inner loops of resize.c: one plain version, and one for each instruction set that is worth it. Nobody else
 * includes it. */
#ifndef WN_MEDIA_RESIZE_ROWS_H
#define WN_MEDIA_RESIZE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <whynot/resample.h>

/* For each position of a window of one axis: the source positions that count, and their weights. */
struct wn_axis {
    int n, width;    /* positions; weights stored for each of them */
    int *first;      /* n */
    int *count;      /* n, at most width */
    int32_t *weight; /* n*width; a position's weights sum to 1 << WN_WEIGHT_BITS but for rounding */
};

struct wn_resize_rows {
    /* rows rows of three-channel pixels, src_stride bytes apart, to dst (rows*a->n*3). False: no memory. */
    bool (*horizontal_3)(const struct wn_axis *a, const uint8_t *src, size_t src_stride, int rows, uint8_t *dst);
    /* The same for one channel. */
    bool (*horizontal_1)(const struct wn_axis *a, const uint8_t *src, size_t src_stride, int rows, uint8_t *dst);
    /* n bytes of one row from count rows that lie stride apart. */
    void (*vertical)(const int32_t *weight, int count, const uint8_t *src, size_t stride, size_t n, uint8_t *dst);
};

extern const struct wn_resize_rows wn_resize_rows_plain;
const struct wn_resize_rows *wn_resize_rows_avx2(void); /* NULL where the processor has none */

#endif
