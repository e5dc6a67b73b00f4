/* The functions of unary.def in single precision, as types that a kernel is made for. Device code only. */
#ifndef WN_CUDA_UNARY_H
#define WN_CUDA_UNARY_H

#include "../unary_f32.h"
#include "number.h"

#define WN_MAX fmaxf
#define WN_MIN fminf

namespace {

struct wn_none {
    __device__ float forward(float x, float, float) const
    {
        return x;
    }
};
enum { FROM_X, FROM_Y };
#define X(id, name, from, fwd, bwd)                                                                                    \
    struct wn_##id {                                                                                                   \
        static constexpr bool from_output = from == FROM_Y;                                                            \
        __device__ float forward(float x, float a, float b) const                                                      \
        {                                                                                                              \
            (void)a, (void)b;                                                                                          \
            return fwd;                                                                                                \
        }                                                                                                              \
        __device__ float backward(float z, float g, float a, float b) const                                            \
        {                                                                                                              \
            (void)z, (void)a, (void)b;                                                                                 \
            return bwd;                                                                                                \
        }                                                                                                              \
    };
#include <whynot/unary.def>
#undef X

} // namespace

#endif
