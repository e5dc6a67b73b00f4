/* What stands behind the CUDA backend on this machine, said line by line with what to do about it; knows no program. */
#include <stdio.h>

#include <cuda_runtime_api.h>

#include "exe.h"
#include "libraries.h"

typedef void say_fn(void *arg, const struct wn_finding *finding);

static void say_version(say_fn *say, void *arg, const char *topic, int version, const char *mending)
{
    char text[32] = "none";
    if (version > 0) snprintf(text, sizeof text, "%d.%d", version / 1000, version % 1000 / 10);
    say(arg, &(struct wn_finding){topic, text, mending});
}

/* cudaMemGetInfo speaks of the current device and makes its context: a device that cannot be used says so here. */
static void say_device(say_fn *say, void *arg, int device)
{
    struct cudaDeviceProp prop;
    size_t idle = 0, total = 0;
    char topic[32], text[256];
    snprintf(topic, sizeof topic, "device %d", device);
    cudaError_t e = cudaGetDeviceProperties(&prop, device);
    if (e == cudaSuccess) e = cudaSetDevice(device);
    if (e == cudaSuccess) e = cudaMemGetInfo(&idle, &total);
    if (e != cudaSuccess) {
        cudaGetLastError();
        say(arg, &(struct wn_finding){topic, cudaGetErrorString(e),
                                      "see `nvidia-smi`: another process may hold it, or it needs a reset"});
        return;
    }
    snprintf(text, sizeof text, "%.80s, compute capability %d.%d, %zu of %zu MiB free", prop.name, prop.major,
             prop.minor, idle >> 20, total >> 20);
    say(arg, &(struct wn_finding){
                 topic, text,
                 prop.major < 8 ? "built for compute capability 8.0 and up: configure with -DWHYNOT_CUDA_ARCHITECTURES"
                 : idle < total / 10 ? "hardly any memory is free: `nvidia-smi` says who holds it"
                                     : NULL});
}

void wn_cuda_diagnose(say_fn *say, void *arg)
{
    int driver = 0, runtime = 0, n = 0;
    cudaRuntimeGetVersion(&runtime);
    cudaDriverGetVersion(&driver);
    say_version(say, arg, "CUDA runtime", runtime, NULL);
    say_version(say, arg, "CUDA version of the driver", driver,
                !driver                          ? "there is no NVIDIA driver: install it, or use a CPU backend"
                : driver / 1000 < runtime / 1000 ? "the driver is older than the runtime: install a newer driver"
                                                 : NULL);
    wn_cuda_libraries_diagnose(say, arg);
    cudaError_t found = cudaGetDeviceCount(&n);
    cudaGetLastError();
    if (found != cudaSuccess || !n)
        say(arg, &(struct wn_finding){
                     "devices", found == cudaSuccess ? "none" : cudaGetErrorString(found),
                     "no GPU answers: check `nvidia-smi`, and in a container that it was started with --gpus all"});
    for (int i = 0; found == cudaSuccess && i < n; i++) say_device(say, arg, i);
}
