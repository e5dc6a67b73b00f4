/* The .npy header and the floats behind it; little-endian machines only, as all of the project. */
#include <media/npy.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are written as they lie in memory");

enum wn_code wn_npy_write(const float *data, const int *shape, int n_dims, struct wn_buffer *out, struct wn_error *err)
{
    char head[256] = "\x93NUMPY\x01";
    char *dict = head + 10;
    size_t room = sizeof head - 10, count = 1, bytes;
    size_t n = (size_t)snprintf(dict, room, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int d = 0; d < n_dims && d < 8; d++) {
        n += (size_t)snprintf(dict + n, room - n, d ? " %d," : "%d,", shape[d]);
        if (shape[d] < 0 || __builtin_mul_overflow(count, (size_t)shape[d], &count))
            return wn_fail(err, WN_INTERNAL, "An array of this shape cannot be written.");
    }
    if (n_dims < 0 || n_dims > 8 || __builtin_mul_overflow(count, sizeof *data, &bytes))
        return wn_fail(err, WN_INTERNAL, "An array of %d dimensions cannot be written.", n_dims);
    if (n_dims > 1) n--; /* one dimension needs its comma, more do not */
    n += (size_t)snprintf(dict + n, room - n, "), }");
    size_t padded = (10 + n + 1 + 63) / 64 * 64 - 10; /* the data begin at a multiple of 64 */
    memset(dict + n, ' ', padded - n - 1);
    dict[padded - 1] = '\n';
    head[7] = 0;
    head[8] = (char)(padded & 255);
    head[9] = (char)(padded >> 8);
    size_t before = out->size;
    enum wn_code code = wn_buffer_append(out, head, 10 + padded, err);
    if (code == WN_OK) code = wn_buffer_append(out, data, bytes, err);
    if (code != WN_OK) out->size = before;
    return code;
}
