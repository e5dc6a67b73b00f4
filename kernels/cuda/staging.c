/* Pinned memory with a device twin, on whatever stream it is used, and outputs that are sent home before they are
 * asked for. Knows no kernel and no value. */
#include <string.h>

#include <cuda_runtime_api.h>

#include "check.h"
#include "exe.h"

enum wn_code wn_cuda_staging_open(struct wn_cuda_backend *be, struct wn_cuda_staging *s, const char *what,
                                  size_t pinned, size_t scratch, struct wn_error *err)
{
    void *device = NULL, *host = NULL;
    enum wn_code code = wn_cuda_alloc(be, pinned + scratch, what, &device, err);
    if (code != WN_OK) return code;
    s->device = device, s->bytes = pinned + scratch;
    code = wn_cuda_pinned(pinned, &host, err);
    if (code != WN_OK) return code;
    s->pinned = host, s->twin = pinned;
    return WN_CALL(runtime, cudaEventCreateWithFlags((cudaEvent_t *)&s->busy, cudaEventDisableTiming), err);
}

void wn_cuda_staging_close(struct wn_cuda_backend *be, struct wn_cuda_staging *s)
{
    if (s->busy) cudaEventDestroy((cudaEvent_t)s->busy);
    if (s->pinned) cudaFreeHost(s->pinned);
    wn_cuda_free(be, s->device, s->bytes);
    *s = (struct wn_cuda_staging){0};
}

enum wn_code wn_cuda_staging_begin(const struct wn_cuda_staging *s, struct wn_error *err)
{
    return WN_CALL(runtime, cudaEventSynchronize((cudaEvent_t)s->busy), err);
}

enum wn_code wn_cuda_staging_send(const struct wn_cuda_staging *s, struct CUstream_st *stream, size_t bytes,
                                  struct wn_error *err)
{
    return WN_CALL(runtime, cudaMemcpyAsync(s->device, s->pinned, bytes, cudaMemcpyHostToDevice, stream), err);
}

enum wn_code wn_cuda_staging_fetch(const struct wn_cuda_staging *s, struct CUstream_st *stream, size_t from,
                                   size_t bytes, struct wn_error *err)
{
    enum wn_code code = WN_CALL(
        runtime, cudaMemcpyAsync(s->pinned + from, s->device + from, bytes, cudaMemcpyDeviceToHost, stream), err);
    return code == WN_OK ? WN_CALL(runtime, cudaStreamSynchronize(stream), err) : code;
}

enum wn_code wn_cuda_staging_end(const struct wn_cuda_staging *s, struct CUstream_st *stream, struct wn_error *err)
{
    return WN_CALL(runtime, cudaEventRecord((cudaEvent_t)s->busy, stream), err);
}

enum wn_code wn_cuda_port_begin(const struct wn_cuda_port *port, struct wn_error *err)
{
    return WN_CALL(runtime, cudaEventSynchronize((cudaEvent_t)port->busy), err);
}

enum wn_code wn_cuda_port_part(struct wn_cuda_exe *exe, const struct wn_cuda_port *port, const float *src, size_t at,
                               size_t count, struct wn_error *err)
{
    const size_t bytes = count * sizeof *src;
    memcpy(port->pinned + at, src, bytes);
    return WN_CALL(runtime,
                   cudaMemcpyAsync(port->landing + at, port->pinned + at, bytes, cudaMemcpyHostToDevice, exe->stream),
                   err);
}

enum wn_code wn_cuda_port_end(struct wn_cuda_exe *exe, const struct wn_cuda_port *port, struct wn_error *err)
{
    return WN_CALL(runtime, cudaEventRecord((cudaEvent_t)port->busy, exe->stream), err);
}

enum wn_code wn_cuda_port_ahead(struct wn_cuda_exe *exe, const struct wn_cuda_port *port, size_t count,
                                struct wn_error *err)
{
    const size_t bytes = count * sizeof *port->landing;
    enum wn_code code =
        WN_CALL(runtime, cudaMemcpyAsync(port->pinned, port->landing, bytes, cudaMemcpyDeviceToHost, exe->stream), err);
    if (code == WN_OK) code = wn_cuda_port_end(exe, port, err);
    if (code == WN_OK) exe->ahead = port;
    return code;
}

enum wn_code wn_cuda_port_collect(struct wn_cuda_exe *exe, float *dst, size_t count, struct wn_error *err)
{
    enum wn_code code = WN_CALL(runtime, cudaEventSynchronize((cudaEvent_t)exe->ahead->busy), err);
    if (code == WN_OK) memcpy(dst, exe->ahead->pinned, count * sizeof *dst);
    return code;
}
