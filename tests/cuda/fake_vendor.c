/* Loads the fakes where the backend looks for cuDNN and cuBLASLt; see fake_vendor.h. */
#include "fake_vendor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WN_CUDA_VENDOR_PLAIN
#include "vendor.h"

#include "fake_runtime.h"
#include "tensor.h"

struct wn_cuda_vendor wn_cuda_vendor;
struct fake_vendor fake_vendor;
bool fake_libraries_can = true; /* of the other fake, which this one stands for; not looked at */
int fake_plans;

bool fake_vendor_fails(void)
{
    return ++fake_vendor.calls == fake_vendor.fail_at;
}

static void take_time(void *unused)
{
    (void)unused;
}

void fake_engine_run(struct fake_engine *engine, void *stream, void (*run)(void *arg), void *arg)
{
    engine->ran++;
    for (long i = 0; i < engine->cost; i++) fake_runtime_launch(stream, take_time, take_time, NULL);
    fake_runtime_launch(stream, run, free, arg);
}

enum wn_code wn_cuda_vendor_load(struct wn_error *err)
{
    (void)err;
    fake_dnn_fill();
    fake_blas_fill();
    return WN_OK;
}

double fake_load(const void *data, int type, int64_t i)
{
    if (type == FAKE_F32) return ((const float *)data)[i];
    const uint16_t bits = ((const uint16_t *)data)[i];
    const uint32_t wide = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &wide, sizeof f);
    return type == FAKE_BF16 ? f : fake_half(bits);
}

void fake_store(void *data, int type, int64_t i, double value)
{
    if (type == FAKE_F32)
        ((float *)data)[i] = (float)value;
    else
        ((uint16_t *)data)[i] = wn_cuda_narrow((float)value, type == FAKE_F16 ? WN_CUDA_F16 : WN_CUDA_BF16);
}

double fake_tf32(double value)
{
    int exponent;
    const double part = frexp(value, &exponent);
    return ldexp(nearbyint(ldexp(part, 11)), exponent - 11);
}
