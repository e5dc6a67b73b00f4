/* Base64 and hex; refuses to know what the bytes are. */
#include <media/base64.h>

#include <stdint.h>
#include <string.h>

#include <nettle/base64.h>
#include <nettle/sha2.h>

enum wn_code wn_base64_encode(const void *data, size_t size, struct wn_buffer *out, struct wn_error *err)
{
    if (size > SIZE_MAX / 2) return wn_fail(err, WN_NO_MEMORY, "%zu bytes are too many for base64.", size);
    enum wn_code code = wn_buffer_reserve(out, BASE64_ENCODE_RAW_LENGTH(size), err);
    if (code != WN_OK) return code;
    base64_encode_raw((char *)out->data + out->size, size, data);
    out->size += BASE64_ENCODE_RAW_LENGTH(size);
    return WN_OK;
}

/* 6 bits a character; everything that is not in the alphabet has bit 7 set. */
static uint8_t six_bits(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') return (uint8_t)(c - 'A');
    if (c >= 'a' && c <= 'z') return (uint8_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9') return (uint8_t)(c - '0' + 52);
    return c == '+' ? 62 : c == '/' ? 63 : 0x80;
}

static enum wn_code refuse(const unsigned char *text, size_t size, size_t at, struct wn_error *err)
{
    static const char *const schemes[] = {"http:", "https:", "file:", "ftp:", "s3:", "gs:"};
    if (size >= strlen("data:") && !memcmp(text, "data:", strlen("data:")))
        return wn_fail(err, WN_UNREADABLE_IMAGE,
                       "Base64: a data URI is not accepted; send what stands behind its comma, the base64 alone.");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (size >= strlen(schemes[i]) && !memcmp(text, schemes[i], strlen(schemes[i])))
            return wn_fail(err, WN_UNREADABLE_IMAGE, "URLs are not accepted; send the picture itself in base64.");
    const char *what = "is not of the base64 alphabet (A-Z a-z 0-9 + /)";
    if (at < size && strchr(" \t\r\n\v\f", text[at]) && text[at]) what = "is white space; send base64 in one piece";
    if (at < size && (text[at] == '-' || text[at] == '_')) what = "is of the URL alphabet; use + and /";
    if (at < size && text[at] == '=') what = "is padding in the wrong place";
    return wn_fail(err, WN_UNREADABLE_IMAGE, "Base64: the character at position %zu %s.", at, what);
}

/* n whole groups of 4 characters; returns how many were good. */
static size_t decode_groups(const unsigned char *in, size_t n, uint8_t *out)
{
    uint8_t value[256];
    for (int c = 0; c < 256; c++) value[c] = six_bits((unsigned char)c);
    for (size_t i = 0; i < n; i++, in += 4, out += 3) {
        unsigned a = value[in[0]], b = value[in[1]], c = value[in[2]], d = value[in[3]],
                 all = a << 18 | b << 12 | c << 6 | d;
        if ((a | b | c | d) & 0x80) return i;
        out[0] = (uint8_t)(all >> 16);
        out[1] = (uint8_t)(all >> 8);
        out[2] = (uint8_t)all;
    }
    return n;
}

/* The last group, with one or two characters of padding: zero bits take their place, which nothing may have set. */
static enum wn_code decode_last(const unsigned char *group, size_t pad, struct wn_buffer *out, struct wn_error *err)
{
    unsigned char whole[4] = {group[0], group[1], pad == 1 ? group[2] : 'A', 'A'};
    uint8_t bytes[3];
    decode_groups(whole, 1, bytes);
    if (bytes[2] || (pad == 2 && bytes[1]))
        return wn_fail(err, WN_UNREADABLE_IMAGE, "Base64: the last character has bits that belong to no byte.");
    out->data[out->size++] = bytes[0];
    if (pad == 1) out->data[out->size++] = bytes[1];
    return WN_OK;
}

enum wn_code wn_base64_decode(const char *text, size_t size, struct wn_buffer *out, struct wn_error *err)
{
    const unsigned char *in = (const unsigned char *)text;
    if (!size) return wn_fail(err, WN_UNREADABLE_IMAGE, "Base64: the text is empty, and so is the picture.");
    const size_t pad = in[size - 1] != '=' ? 0 : size > 1 && in[size - 2] == '=' ? 2 : 1;
    const size_t groups = (size - pad) / 4, before = out->size;
    enum wn_code code = wn_buffer_reserve(out, size, err);
    if (code != WN_OK) return code;
    size_t bad = 4 * decode_groups(in, groups, out->data + out->size);
    while (bad < size - pad && six_bits(in[bad]) < 0x80) bad++;
    if (bad < size - pad) return refuse(in, size, bad, err);
    if (size % 4)
        return wn_fail(err, WN_UNREADABLE_IMAGE,
                       "Base64: %zu characters, but a whole text has a multiple of 4 (padded with =).", size);
    out->size += 3 * groups;
    if (pad) code = decode_last(in + 4 * groups, pad, out, err);
    if (code != WN_OK) out->size = before;
    return code;
}

void wn_sha256_hex(const void *data, size_t size, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    struct sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&ctx);
    sha256_update(&ctx, size, data);
    sha256_digest(&ctx, sizeof digest, digest);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = 0;
}
