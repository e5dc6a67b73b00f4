/* Pictures made to hurt: each is refused in time and in little memory, and no damage to a good one does more than make
 * it unreadable. */
#include <media/encode.h>

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <zlib.h>

#include <cmocka.h>

#include "golden.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const double patience = 20; /* sanitizers are slow, and keep what is freed */
static const long more_kib = 1 << 20;
#else
static const double patience = 1;
static const long more_kib = 0;
#endif

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static long peak_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static void append(struct wn_buffer *b, const void *data, size_t size)
{
    assert_int_equal(wn_buffer_append(b, data, size, NULL), WN_OK);
}

static void big_endian(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void append_chunk(struct wn_buffer *b, const char *type, const void *data, size_t size)
{
    uint8_t word[4];
    big_endian(word, (uint32_t)size);
    append(b, word, 4);
    append(b, type, 4);
    append(b, data, size);
    big_endian(word, (uint32_t)crc32(crc32(0, (const Bytef *)type, 4), data, (uInt)size));
    append(b, word, 4);
}

static void append_png_head(struct wn_buffer *b, uint32_t w, uint32_t h, int depth, int type)
{
    uint8_t head[13] = {0};
    big_endian(head, w);
    big_endian(head + 4, h);
    head[8] = (uint8_t)depth;
    head[9] = (uint8_t)type;
    append(b, "\x89PNG\r\n\x1a\n", 8);
    append_chunk(b, "IHDR", head, sizeof head);
}

/* size zero bytes, compressed; with a full flush at the end instead of an end where `open`. */
static struct wn_buffer squeezed_zeros(size_t size, bool open)
{
    struct wn_buffer out = {0};
    uint8_t *zeros = calloc(size, 1);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, open ? -15 : 15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(wn_buffer_reserve(&out, deflateBound(&z, size) + 64, NULL), WN_OK);
    z.next_in = zeros;
    z.avail_in = (uInt)size;
    z.next_out = out.data;
    z.avail_out = (uInt)out.capacity;
    deflate(&z, open ? Z_FULL_FLUSH : Z_FINISH);
    out.size = z.total_out;
    deflateEnd(&z);
    free(zeros);
    return out;
}

/* Decodes, checks the code, the words, the CPU time and the memory, and frees `b`. */
static void expect(struct wn_buffer *b, enum wn_code want, double seconds, long mib, const char *what)
{
    struct wn_image image;
    struct wn_error err = {0};
    long memory = peak_kib();
    double start = cpu_seconds();
    enum wn_code code = wn_image_decode(b->data, b->size, &wn_image_limits_default, 0, &image, &err);
    double took = cpu_seconds() - start;
    long grown = peak_kib() - memory;
    if (code != want) fail_msg("%s: %s (%s), not %s", what, wn_code_name(code), err.text, wn_code_name(want));
    if (took > seconds * patience) fail_msg("%s took %.3f s", what, took);
    if (grown > mib * 1024 + more_kib) fail_msg("%s took %ld MiB", what, grown / 1024);
    wn_image_finish(&image);
    wn_buffer_finish(b);
}

static void large_png_headers_are_refused_at_the_header(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1000000, 1000000}, {20000, 20000},           {8193, 1},      {1, 8193},
                                        {8192, 8192},       {0x7fffffff, 0x7fffffff}, {0xffffffff, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct wn_buffer b = {0};
        append_png_head(&b, sizes[i][0], sizes[i][1], 1, 0);
        append_chunk(&b, "IDAT", "", 0);
        expect(&b, WN_TOO_LARGE, 0.05, 1, "a large PNG header");
    }
    struct wn_buffer b = {0};
    append_png_head(&b, 0, 5, 8, 2);
    expect(&b, WN_UNREADABLE_IMAGE, 0.05, 1, "a PNG without width");
}

static void append_good_pixels(struct wn_buffer *b)
{
    struct wn_buffer rows = squeezed_zeros(8 * 9, false); /* 8 x 8, 8-bit gray, with filter bytes */
    append_chunk(b, "IDAT", rows.data, rows.size);
    append_chunk(b, "IEND", "", 0);
    wn_buffer_finish(&rows);
}

static void compressed_texts_are_never_opened(void **state)
{
    (void)state;
    struct wn_buffer bomb = {0}, zeros = squeezed_zeros(8000000, false);
    append(&bomb, "Comment\0\0", 9);
    append(&bomb, zeros.data, zeros.size);
    static const char *const types[] = {"zTXt", "iCCP", "iTXt"};
    for (int t = 0; t < 3; t++) {
        struct wn_buffer b = {0};
        append_png_head(&b, 8, 8, 8, 0);
        for (int i = 0; i < 1000; i++) append_chunk(&b, types[t], bomb.data, bomb.size);
        append_good_pixels(&b);
        expect(&b, WN_OK, 0.05, 2, types[t]);
    }
    wn_buffer_finish(&zeros);
    wn_buffer_finish(&bomb);
}

static void half_a_million_chunks_cost_nothing(void **state)
{
    (void)state;
    struct wn_buffer b = {0};
    append_png_head(&b, 8, 8, 8, 0);
    for (int i = 0; i < 500000; i++) append_chunk(&b, "abCd", "", 0);
    append_good_pixels(&b);
    expect(&b, WN_OK, 0.1, 2, "500,000 chunks");
}

/* A gray picture of zeros, and behind it 1 GiB of more, in one IDAT or in 1024; libpng itself bounds one chunk by the
 * picture's size. */
static struct wn_buffer surplus_png(int w, int h, bool in_one_chunk)
{
    struct wn_buffer b = {0}, data = {0}, rows = squeezed_zeros((size_t)(w + 1) * (size_t)h, true),
                     more = squeezed_zeros(1 << 20, true);
    append(&data, "\x78\x9c", 2);
    append(&data, rows.data, rows.size);
    append_png_head(&b, (uint32_t)w, (uint32_t)h, 8, 0);
    if (!in_one_chunk) append_chunk(&b, "IDAT", data.data, data.size);
    for (int i = 0; i < 1024; i++) {
        if (in_one_chunk)
            append(&data, more.data, more.size);
        else
            append_chunk(&b, "IDAT", more.data, more.size);
    }
    if (in_one_chunk) append_chunk(&b, "IDAT", data.data, data.size);
    append_chunk(&b, "IEND", "", 0);
    wn_buffer_finish(&data);
    wn_buffer_finish(&rows);
    wn_buffer_finish(&more);
    return b;
}

static void surplus_picture_data_are_refused_unread(void **state)
{
    (void)state;
    struct wn_buffer small = surplus_png(8, 8, true), many = surplus_png(8, 8, false),
                     large = surplus_png(1200, 1000, true);
    expect(&small, WN_UNREADABLE_IMAGE, 0.05, 2, "1 GiB in one IDAT");
    expect(&many, WN_UNREADABLE_IMAGE, 0.15, 2, "1 GiB in a thousand IDATs");
    expect(&large, WN_UNREADABLE_IMAGE, 0.15, 8, "1 GiB in one IDAT behind a larger picture");
}

/* Position of the first marker of the kind at or after `at`; the end where there is none. */
static size_t find_marker(const struct wn_buffer *b, size_t at, uint8_t marker)
{
    while (at + 1 < b->size && !(b->data[at] == 0xff && b->data[at + 1] == marker)) at++;
    return at + 1 < b->size ? at : b->size;
}

static void set_jpeg_size(struct wn_buffer *b, uint8_t frame, unsigned w, unsigned h)
{
    uint8_t *p = b->data + find_marker(b, 0, frame);
    p[5] = (uint8_t)(h >> 8);
    p[6] = (uint8_t)h;
    p[7] = (uint8_t)(w >> 8);
    p[8] = (uint8_t)w;
}

static void large_jpeg_headers_are_refused_at_the_header(void **state)
{
    (void)state;
    struct wn_buffer progressive = read_golden("progressive.jpg"), baseline = read_golden("420.jpg"),
                     empty = read_golden("444.jpg");
    set_jpeg_size(&progressive, 0xc2, 65500, 65500);
    set_jpeg_size(&baseline, 0xc0, 65500, 65500);
    set_jpeg_size(&empty, 0xc0, 100, 0);
    expect(&progressive, WN_TOO_LARGE, 0.05, 1, "a progressive JPEG of 65500 x 65500");
    expect(&baseline, WN_TOO_LARGE, 0.05, 1, "a baseline JPEG of 65500 x 65500");
    expect(&empty, WN_UNREADABLE_IMAGE, 0.05, 1, "a JPEG without height");
}

static void jpeg_that_claims_more_than_it_holds_is_truncated(void **state)
{
    (void)state;
    struct wn_buffer progressive = read_golden("progressive.jpg"), baseline = read_golden("420.jpg");
    set_jpeg_size(&progressive, 0xc2, 4000, 4000);
    set_jpeg_size(&baseline, 0xc0, 4000, 4000);
    expect(&progressive, WN_UNREADABLE_IMAGE, 0.5, 80, "a progressive JPEG that is mostly missing");
    expect(&baseline, WN_UNREADABLE_IMAGE, 0.5, 80, "a baseline JPEG that is mostly missing");
}

/* Frame header and tables of a gray 4096 x 4096 picture, one empty DC scan, then `scans` empty AC scans: runs of 32767
 * blocks without a coefficient, the only code of its table. */
static struct wn_buffer endless_jpeg(int scans)
{
    static const uint8_t head[] = {
        0xff, 0xd8, 0xff, 0xc2, 0, 11, 8, 0x10, 0, 0x10, 0, 1, 1, 0x11, 0,
        /* DC table: code 0 is "no difference"; AC table: code 0 is "run of 2^14 and 14 more bits of blocks" */
        0xff, 0xc4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xe0};
    static const uint8_t dc_scan[] = {0xff, 0xda, 0, 8, 1, 1, 0x00, 0, 0, 0},
                         ac_scan[] = {0xff, 0xda, 0, 8, 1, 1, 0x00, 1, 63, 0};
    enum { BLOCKS = 512 * 512 };
    struct wn_buffer b = {0};
    uint8_t table[67] = {0xff, 0xdb, 0, 67, 0}, *zeros = calloc(BLOCKS / 8, 1), runs[BLOCKS / 16384 * 2 + 8];
    memset(table + 5, 1, 62);
    append(&b, head, 2);
    append(&b, table, sizeof table);
    append(&b, "\1\1", 2);
    append(&b, head + 2, sizeof head - 2);
    append(&b, dc_scan, sizeof dc_scan);
    append(&b, zeros, BLOCKS / 8);
    memset(runs, 0, sizeof runs); /* 15 zero bits: a run of 16384 */
    for (int i = 0; i < scans; i++) {
        append(&b, ac_scan, sizeof ac_scan);
        append(&b, runs, BLOCKS / 16384 * 15 / 8);
    }
    append(&b, "\xff\xd9", 2);
    free(zeros);
    return b;
}

static void jpeg_of_ten_thousand_scans_is_left_at_the_hundred_and_first(void **state)
{
    (void)state;
    struct wn_buffer few = endless_jpeg(99), many = endless_jpeg(10000), just = endless_jpeg(100);
    expect(&few, WN_OK, 1, 130, "a JPEG of 100 scans");
    expect(&just, WN_UNREADABLE_IMAGE, 1, 130, "a JPEG of 101 scans");
    expect(&many, WN_UNREADABLE_IMAGE, 1, 130, "a JPEG of 10,000 scans");
}

static void decode_anyhow(const uint8_t *data, size_t size, const struct wn_image *whole, const char *name)
{
    struct wn_image image;
    struct wn_error err = {0};
    double start = cpu_seconds();
    enum wn_code code = wn_image_decode(data, size, &wn_image_limits_default, 0, &image, &err);
    if (cpu_seconds() - start > 2 * patience) fail_msg("%s took %.3f s", name, cpu_seconds() - start);
    if (code != WN_OK && code != WN_UNREADABLE_IMAGE && code != WN_TOO_LARGE && code != WN_UNSUPPORTED_MEDIA)
        fail_msg("%s: %s: %s", name, wn_code_name(code), err.text);
    if (code != WN_OK && (!err.text[0] || image.rgb)) fail_msg("%s: no words, or pixels left", name);
    for (const char *p = err.text; *p; p++)
        if (!isprint((unsigned char)*p)) fail_msg("%s: the words hold byte %02x", name, (unsigned char)*p);
    if (code == WN_OK && whole && memcmp(image.rgb, whole->rgb, (size_t)whole->width * (size_t)whole->height * 3))
        fail_msg("%s: a truncated picture was taken for a whole one", name);
    wn_image_finish(&image);
}

static const char *const victims[] = {"rgb.png",         "palette4.png", "interlaced.png", "gray_alpha.png",
                                      "rgb16.png",       "turn6.png",    "420.jpg",        "444.jpg",
                                      "progressive.jpg", "cmyk.jpg",     "gray.jpg",       "turn6.jpg"};
enum { VICTIMS = sizeof victims / sizeof *victims };

static void truncated_pictures_are_refused_wherever_they_end(void **state)
{
    (void)state;
    for (int v = 0; v < VICTIMS; v++) {
        struct wn_buffer file = read_golden(victims[v]);
        struct wn_image whole;
        assert_int_equal(wn_image_decode(file.data, file.size, &wn_image_limits_default, 0, &whole, NULL), WN_OK);
        for (size_t i = 0; i < file.size; i++) {
            uint8_t *cut = malloc(i + 1);
            memcpy(cut, file.data, i);
            decode_anyhow(cut, i, &whole, victims[v]);
            free(cut);
        }
        wn_image_finish(&whole);
        wn_buffer_finish(&file);
    }
}

static void flipped_bits_never_do_more_than_spoil_the_picture(void **state)
{
    (void)state;
    srand(20240);
    for (int v = 0; v < VICTIMS; v++) {
        struct wn_buffer file = read_golden(victims[v]);
        for (int i = 0; i < 100; i++) { /* 600 PNG, 600 JPEG */
            uint8_t *bad = malloc(file.size);
            memcpy(bad, file.data, file.size);
            for (int flips = 1 + i % 3; flips > 0; flips--)
                bad[(size_t)rand() % file.size] ^= (uint8_t)(1 << rand() % 8);
            decode_anyhow(bad, file.size, NULL, victims[v]);
            free(bad);
        }
        wn_buffer_finish(&file);
    }
    if (peak_kib() > 256 * 1024 + more_kib) fail_msg("%ld MiB were used at the peak", peak_kib() / 1024);
}

/* Flips alone die at the checksum; with it repaired the damage reaches the decoder. */
static void damaged_png_with_good_checksums_is_survived(void **state)
{
    (void)state;
    srand(4711);
    for (int v = 0; v < 6; v++) {
        struct wn_buffer file = read_golden(victims[v]);
        for (int i = 0; i < 100; i++) {
            uint8_t *bad = malloc(file.size);
            memcpy(bad, file.data, file.size);
            bad[8 + (size_t)rand() % (file.size - 8)] ^= (uint8_t)(1 << rand() % 8);
            for (size_t at = 8; file.size - at >= 12;) {
                size_t length =
                    (size_t)bad[at] << 24 | (size_t)bad[at + 1] << 16 | (size_t)bad[at + 2] << 8 | bad[at + 3];
                if (length > file.size - at - 12) break;
                big_endian(bad + at + 8 + length, (uint32_t)crc32(0, bad + at + 4, (uInt)length + 4));
                at += 12 + length;
            }
            decode_anyhow(bad, file.size, NULL, victims[v]);
            free(bad);
        }
        wn_buffer_finish(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_png_headers_are_refused_at_the_header),
        cmocka_unit_test(compressed_texts_are_never_opened),
        cmocka_unit_test(half_a_million_chunks_cost_nothing),
        cmocka_unit_test(surplus_picture_data_are_refused_unread),
        cmocka_unit_test(large_jpeg_headers_are_refused_at_the_header),
        cmocka_unit_test(jpeg_that_claims_more_than_it_holds_is_truncated),
        cmocka_unit_test(jpeg_of_ten_thousand_scans_is_left_at_the_hundred_and_first),
        cmocka_unit_test(truncated_pictures_are_refused_wherever_they_end),
        cmocka_unit_test(flipped_bits_never_do_more_than_spoil_the_picture),
        cmocka_unit_test(damaged_png_with_good_checksums_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
