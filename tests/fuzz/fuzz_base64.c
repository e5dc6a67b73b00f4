/* libFuzzer: any bytes as base64. Whatever is taken is what the encoder writes for the same bytes: one spelling
 * each. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <media/base64.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wn_buffer bytes = {0}, again = {0};
    if (wn_base64_decode((const char *)data, size, &bytes, NULL) == WN_OK) {
        if (wn_base64_encode(bytes.data, bytes.size, &again, NULL) != WN_OK) abort();
        if (again.size != size || memcmp(again.data, data, size) != 0) abort();
    }
    wn_buffer_finish(&bytes);
    wn_buffer_finish(&again);
    return 0;
}
