/* Reads the pictures that tests of decoding share. */
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct wn_buffer read_golden(const char *name)
{
    struct wn_buffer b = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/%s", GOLDEN_DIR, name);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("cannot open %s", path);
    assert_int_equal(wn_buffer_reserve(&b, 65536, NULL), WN_OK);
    b.size = fread(b.data, 1, 65536, f);
    fclose(f);
    return b;
}
