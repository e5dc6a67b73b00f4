/* What the loops share: one function compiled for several processors, and bf16. */
#ifndef WN_ONEDNN_LOOPS_INNER_H
#define WN_ONEDNN_LOOPS_INNER_H

#include <string.h>

/* The loader picks the variant; sanitizers run before it can. A build may say WN_CLONES itself: to count branches,
 * one variant is enough. */
#if defined(WN_CLONES)
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&             \
    !defined(__SANITIZE_THREAD__)
#define WN_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WN_CLONES
#endif

static inline float wn_bf16_up(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return y;
}

/* Of a number that is one. */
static inline uint16_t wn_bf16_high(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static inline uint16_t wn_bf16_down(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

/* Element i of f32s or bf16s; inlined, `bf16` known. */
static inline float wn_dnn_element(const void *x, int64_t i, bool bf16)
{
    return bf16 ? wn_bf16_up(((const uint16_t *)x)[i]) : ((const float *)x)[i];
}

#endif
