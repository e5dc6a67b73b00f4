/* The resize loops in plain C, for every machine; knows nothing of pictures. */
#include <media/resize_rows.h>

enum { HALF = WN_WEIGHT_HALF, BLOCK = 32 };

static bool horizontal_3(const struct wn_axis *a, const uint8_t *src, size_t src_stride, int rows, uint8_t *dst)
{
    for (int y = 0; y < rows; y++, src += src_stride)
        for (int i = 0; i < a->n; i++, dst += 3) {
            const uint8_t *p = src + 3 * (ptrdiff_t)a->first[i];
            const int32_t *w = a->weight + (ptrdiff_t)i * a->width;
            int32_t red = HALF, green = HALF, blue = HALF;
            for (int k = 0; k < a->count[i]; k++, p += 3) {
                red += p[0] * w[k];
                green += p[1] * w[k];
                blue += p[2] * w[k];
            }
            dst[0] = wn_weighted_byte(red);
            dst[1] = wn_weighted_byte(green);
            dst[2] = wn_weighted_byte(blue);
        }
    return true;
}

static bool horizontal_1(const struct wn_axis *a, const uint8_t *src, size_t src_stride, int rows, uint8_t *dst)
{
    for (int y = 0; y < rows; y++, src += src_stride)
        for (int i = 0; i < a->n; i++) {
            const uint8_t *p = src + a->first[i];
            const int32_t *w = a->weight + (ptrdiff_t)i * a->width;
            int32_t sum = HALF;
            for (int k = 0; k < a->count[i]; k++) sum += p[k] * w[k];
            *dst++ = wn_weighted_byte(sum);
        }
    return true;
}

/* In blocks whose sums stay in registers. */
static void vertical(const int32_t *weight, int count, const uint8_t *src, size_t stride, size_t n, uint8_t *dst)
{
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        int32_t sum[BLOCK];
        const size_t size = n - begin < BLOCK ? n - begin : BLOCK;
        for (size_t i = 0; i < BLOCK; i++) sum[i] = HALF;
        for (int k = 0; k < count; k++) {
            const uint8_t *row = src + (size_t)k * stride + begin;
            const int32_t w = weight[k];
            for (size_t i = 0; i < size; i++) sum[i] += row[i] * w;
        }
        for (size_t i = 0; i < size; i++) dst[begin + i] = wn_weighted_byte(sum[i]);
    }
}

const struct wn_resize_rows wn_resize_rows_plain = {horizontal_3, horizontal_1, vertical};
