/* The resize loops for x86 processors with AVX2; the same integers as the plain ones, so that no picture depends on
 * the machine. */
#include <media/resize_rows.h>

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define WN_AVX2 __attribute__((target("avx2")))

enum { HALF = WN_WEIGHT_HALF, TAPS = 4, LOW_BITS = 8, BEHIND = 16 };

/* Four taps of one position, laid out for pairwise multiplication (a*b + c*d in 32 bits). A weight has 23 bits and a
 * factor has 16, so it is cut into high << 8 | low. Lanes: 0 1 for red, green, blue, nothing; then 2 3 likewise. */
struct quad {
    int16_t high[16], low[16];
};

static void fill_quad(struct quad *q, const int32_t *weight, int taps)
{
    for (int k = 0; k < taps; k++)
        for (int c = 0; c < 3; c++) {
            int lane = k / 2 * 8 + c * 2 + k % 2;
            q->high[lane] = (int16_t)(weight[k] >> LOW_BITS);
            q->low[lane] = (int16_t)(weight[k] & ((1 << LOW_BITS) - 1));
        }
}

static struct quad *make_quads(const struct wn_axis *a, int quads)
{
    struct quad *q = calloc((size_t)a->n * (size_t)quads, sizeof *q);
    for (int i = 0; q && i < a->n; i++)
        for (int k = 0; k < a->count[i]; k += TAPS)
            fill_quad(&q[(size_t)i * (size_t)quads + (size_t)(k / TAPS)], a->weight + (ptrdiff_t)i * a->width + k,
                      a->count[i] - k < TAPS ? a->count[i] - k : TAPS);
    return q;
}

WN_AVX2 static __m256i both_halves(const int16_t *eight)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)eight));
}

/* Two rows at a time, one in each half of the registers; both must have 16 readable bytes behind them. dst_0, dst_1:
 * three bytes a position. */
WN_AVX2 static void rows_3(const struct wn_axis *a, const struct quad *quad, int quads, const uint8_t *row_0,
                           const uint8_t *row_1, uint8_t *dst_0, uint8_t *dst_1)
{
    /* bytes r0 g0 b0 r1 g1 b1 ... to words r0 r1 g0 g1 b0 b1 - -, and r2 r3 ... */
    const __m256i first_two = _mm256_broadcastsi128_si256(
                      _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1)),
                  last_two = _mm256_broadcastsi128_si256(
                      _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    for (int i = 0; i < a->n; i++, dst_0 += 3, dst_1 += 3, quad += quads) {
        const ptrdiff_t begin = 3 * (ptrdiff_t)a->first[i];
        const uint8_t *p = row_0 + begin, *q = row_1 + begin;
        __m256i high = _mm256_setzero_si256(), low = _mm256_set1_epi32(HALF);
        for (int k = 0; k * TAPS < a->count[i]; k++, p += 3 * TAPS, q += 3 * TAPS) {
            const __m256i bytes =
                _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p)),
                                        _mm_loadu_si128((const __m128i *)(const void *)q), 1);
            const __m256i x = _mm256_shuffle_epi8(bytes, first_two), y = _mm256_shuffle_epi8(bytes, last_two);
            high = _mm256_add_epi32(high, _mm256_add_epi32(_mm256_madd_epi16(x, both_halves(quad[k].high)),
                                                           _mm256_madd_epi16(y, both_halves(quad[k].high + 8))));
            low = _mm256_add_epi32(low, _mm256_add_epi32(_mm256_madd_epi16(x, both_halves(quad[k].low)),
                                                         _mm256_madd_epi16(y, both_halves(quad[k].low + 8))));
        }
        __m256i sum = _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, LOW_BITS), low), WN_WEIGHT_BITS);
        sum = _mm256_packs_epi32(sum, sum);
        sum = _mm256_packus_epi16(sum, sum);
        uint32_t pixel_0 = (uint32_t)_mm_cvtsi128_si32(_mm256_castsi256_si128(sum)),
                 pixel_1 = (uint32_t)_mm_cvtsi128_si32(_mm256_extracti128_si256(sum, 1));
        const size_t bytes = i + 1 < a->n ? 4 : 3; /* the fourth is overwritten by the next position */
        memcpy(dst_0, &pixel_0, bytes);
        memcpy(dst_1, &pixel_1, bytes);
    }
}

/* A row as it lies where its last positions may read on into the rows behind it, else a copy in `spare`. */
static const uint8_t *readable(const uint8_t *src, size_t stride, int y, int rows, uint8_t *spare)
{
    const uint8_t *row = src + (size_t)y * stride;
    if ((size_t)(rows - y - 1) * stride >= BEHIND) return row;
    return memcpy(spare, row, stride);
}

static bool horizontal_3(const struct wn_axis *a, const uint8_t *src, size_t src_stride, int rows, uint8_t *dst)
{
    const int quads = (a->width + TAPS - 1) / TAPS;
    const size_t stride = (size_t)a->n * 3;
    struct quad *table = make_quads(a, quads);
    uint8_t *spare = calloc(2, src_stride + BEHIND);
    const bool ok = table && spare;
    for (int y = 0; ok && y < rows; y += 2) {
        const int other = y + 1 < rows ? y + 1 : y; /* an odd last row is made twice */
        rows_3(a, table, quads, readable(src, src_stride, y, rows, spare),
               readable(src, src_stride, other, rows, spare + src_stride + BEHIND), dst + (size_t)y * stride,
               dst + (size_t)other * stride);
    }
    free(spare);
    free(table);
    return ok;
}

static bool horizontal_1(const struct wn_axis *a, const uint8_t *src, size_t src_stride, int rows, uint8_t *dst)
{
    return wn_resize_rows_plain.horizontal_1(a, src, src_stride, rows, dst);
}

WN_AVX2 static __m256i eight_sums(const int32_t *weight, int count, const uint8_t *src, size_t stride)
{
    __m256i sum = _mm256_set1_epi32(HALF);
    for (int k = 0; k < count; k++, src += stride) {
        __m256i pixels = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)src));
        sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(pixels, _mm256_set1_epi32(weight[k])));
    }
    return _mm256_srai_epi32(sum, WN_WEIGHT_BITS);
}

WN_AVX2 static void vertical(const int32_t *weight, int count, const uint8_t *src, size_t stride, size_t n,
                             uint8_t *dst)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i a = eight_sums(weight, count, src + i, stride), b = eight_sums(weight, count, src + i + 8, stride);
        __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8); /* packing works on halves */
        __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(void *)(dst + i), bytes);
    }
    if (i < n) wn_resize_rows_plain.vertical(weight, count, src + i, stride, n - i, dst + i);
}

static const struct wn_resize_rows avx2 = {horizontal_3, horizontal_1, vertical};

const struct wn_resize_rows *wn_resize_rows_avx2(void)
{
    return __builtin_cpu_supports("avx2") ? &avx2 : NULL;
}

#else

const struct wn_resize_rows *wn_resize_rows_avx2(void)
{
    return NULL;
}

#endif
