/* Parts of a picture replaced as a map says: enlarging the map, which pixels to hide, and what stands in their
 * place. Pictures are preprocessed C*H*W floats, so the value 0 is the mean colour of the network's training. */
#ifndef WHYNOT_MASKING_H
#define WHYNOT_MASKING_H

#include <stdbool.h>
#include <stddef.h>

#include <whynot/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bilinear, (h,w) to (height,width), all at least 1; out: height*width floats, the caller's. align_corners false:
 * pixel areas meet, src = (dst + 0.5) n/N - 0.5 clamped at the ends; true: corner centres meet (Wang & Wang 2022),
 * src = dst (n-1)/(N-1). Errors: WN_NO_MEMORY. */
WN_API enum wn_code wn_enlarge(const float *map, int h, int w, bool align_corners, int height, int width, float *out,
                               struct wn_error *err);

/* ---- blurs ---- */

#define WN_BLUR_SIGMA 15.0 /* the middle of the range from which Wang & Wang (2022) draw one */
#define WN_BLUR_RADIUS 50

/* taps: 2*radius + 1 floats, the caller's; exp(-d^2 / 2 sigma^2), summing to 1. */
WN_API void wn_gaussian_taps(double sigma, int radius, float *taps);
/* 11 taps of Petsiuk et al. 2018 (RISE): nearly a box, used with zeros beyond the border. */
WN_API extern const float wn_rise_taps[11];

enum wn_border { WN_BORDER_MIRROR, WN_BORDER_ZERO }; /* mirror: without repeating the edge pixel */
/* Separable blur of every plane; out: planes*h*w floats, not x. Errors: WN_BAD_REQUEST where a side is not longer
 * than the radius and the border is a mirror, WN_NO_MEMORY. */
WN_API enum wn_code wn_blur(const float *x, int planes, int h, int w, const float *taps, int radius,
                            enum wn_border border, float *out, struct wn_error *err);

/* ---- what stands in place of hidden pixels ---- */

#define WN_FILLS(X)                                                                                                    \
    X(BLUR, "blur", "the picture itself, blurred with sigma 15")                                                       \
    X(ZERO, "zero", "the mean colour of the training, 0 in normalised units")                                          \
    X(MEAN, "mean", "the mean colour of this picture")                                                                 \
    X(BLACK, "black", "black")
enum wn_fill {
#define X(id, name, words) WN_FILL_##id,
    WN_FILLS(X)
#undef X
};
WN_API const char *wn_fill_name(int i); /* NULL past the end */
WN_API const char *wn_fill_words(int i);

/* How it is made, of whatever picture of one size. */
enum wn_cover_kind { WN_COVER_BLUR, WN_COVER_COLOUR, WN_COVER_MEAN };
struct wn_cover {
    enum wn_cover_kind kind;
    float taps[2 * WN_BLUR_RADIUS + 1]; /* blur */
    int radius;                         /* 0 for other kinds */
    enum wn_border border;
    const float *colour; /* colour: C floats, the caller's; NULL: 0 */
};
/* black: C floats, what black is in normalised units; read for WN_FILL_BLACK alone, NULL: it fails with
 * WN_BAD_REQUEST. The blur's radius is smaller than WN_BLUR_RADIUS for pictures that are no larger than that. */
WN_API enum wn_code wn_cover_of(enum wn_fill fill, int h, int w, const float *black, struct wn_cover *out,
                                struct wn_error *err);
/* out: C*H*W floats, not x. Errors: WN_NO_MEMORY, those of wn_blur. */
WN_API enum wn_code wn_cover_make(const struct wn_cover *cover, const float *x, int c, int h, int w, float *out,
                                  struct wn_error *err);
/* Both. *radius (may be NULL): of the blur that was made, 0 for other fills. */
WN_API enum wn_code wn_fill_make(enum wn_fill fill, const float *x, int c, int h, int w, const float *black, float *out,
                                 int *radius, struct wn_error *err);

/* ---- which pixels to hide ---- */

enum wn_keep { WN_KEEP_POSITIVE, WN_KEEP_NEGATIVE };

/* Keeping what is positive hides the pixels below 0, keeping what is negative those above 0; zeros stay in both.
 * hidden: n, the caller's. Returns how many are hidden. */
WN_API size_t wn_mask_sign(const float *map, size_t n, enum wn_keep keep, bool *hidden);
/* Pixels in the order in which wn_mask_extreme hides them; order: n, the caller's. Errors: WN_NO_MEMORY. */
WN_API enum wn_code wn_mask_order(const float *map, size_t n, enum wn_keep keep, int *order, struct wn_error *err);
/* Hides `count` pixels (at most n), the most extreme of the side that is not kept, whatever their sign: the first or
 * the last ones in ascending order, in which equal ones stay as they lie. With one count for several maps all hide
 * the same area (Wang & Wang 2022, supplement). Errors: WN_NO_MEMORY. */
WN_API enum wn_code wn_mask_extreme(const float *map, size_t n, enum wn_keep keep, size_t count, bool *hidden,
                                    struct wn_error *err);
/* out = hidden ? fill : x, in all planes; out may be x or fill. n: pixels of a plane. */
WN_API void wn_mask_apply(const float *x, const float *fill, const bool *hidden, int planes, size_t n, float *out);

#ifdef __cplusplus
}
#endif
#endif
