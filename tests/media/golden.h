/* Files of the folder golden. */
#ifndef WN_TESTS_MEDIA_GOLDEN_H
#define WN_TESTS_MEDIA_GOLDEN_H

#include <media/buffer.h>

struct wn_buffer read_golden(const char *name); /* fails the test where there is none; finished by the caller */

#endif
