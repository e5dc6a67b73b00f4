/* The one EXIF tag that changes a picture, its orientation; refuses to read any other. */
#include <media/decode.h>

#include <string.h>

struct tiff {
    const uint8_t *data;
    size_t size;
    int big_endian;
};

/* Reads outside the block give 0, which no caller takes for a value. */
static uint32_t get(const struct tiff *t, size_t at, int bytes)
{
    uint32_t v = 0;
    if (at > t->size || t->size - at < (size_t)bytes) return 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | t->data[at + (size_t)(t->big_endian ? i : bytes - 1 - i)];
    return v;
}

int wn_exif_orientation(const uint8_t *tiff, size_t size)
{
    enum { ORIENTATION = 0x0112, SHORT = 3, LONG = 4, ENTRY = 12 };
    if (size < 8 || (memcmp(tiff, "II", 2) != 0 && memcmp(tiff, "MM", 2) != 0)) return 1;
    struct tiff t = {tiff, size, tiff[0] == 'M'};
    if (get(&t, 2, 2) != 42) return 1;
    size_t directory = get(&t, 4, 4);
    uint32_t entries = get(&t, directory, 2); /* at most 65535: the loop is short whatever the file says */
    for (uint32_t i = 0; i < entries; i++) {
        size_t at = directory + 2 + (size_t)i * ENTRY;
        if (at > size || size - at < ENTRY) return 1;
        if (get(&t, at, 2) != ORIENTATION) continue;
        uint32_t type = get(&t, at + 2, 2);
        uint32_t value = type == SHORT ? get(&t, at + 8, 2) : type == LONG ? get(&t, at + 8, 4) : 0;
        return get(&t, at + 4, 4) == 1 && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int wn_exif_orientation_of_jpeg(const uint8_t *data, size_t size)
{
    enum { APP1 = 0xE1, START_OF_SCAN = 0xDA, END = 0xD9 };
    for (size_t at = 2; size >= 4 && at <= size - 4 && data[at] == 0xFF;) {
        uint8_t marker = data[at + 1];
        if (marker == 0xFF) { /* fill bytes may stand before a marker */
            at++;
            continue;
        }
        if (marker == START_OF_SCAN || marker == END || marker == 0) break;
        size_t length = (size_t)data[at + 2] << 8 | data[at + 3];
        if (length < 2 || length > size - at - 2) break;
        if (marker == APP1 && length >= 8 && !memcmp(data + at + 4, "Exif\0\0", 6))
            return wn_exif_orientation(data + at + 10, length - 8);
        at += 2 + length;
    }
    return 1;
}

int wn_exif_orientation_of_png(const uint8_t *data, size_t size)
{
    enum { SIGNATURE = 8, AROUND = 12 };
    struct tiff t = {data, size, 1};
    for (size_t at = SIGNATURE; at <= size && size - at >= AROUND;) {
        size_t length = get(&t, at, 4);
        if (length > size - at - AROUND) break;
        if (!memcmp(data + at + 4, "eXIf", 4)) return wn_exif_orientation(data + at + 8, length);
        at += AROUND + length;
    }
    return 1;
}
