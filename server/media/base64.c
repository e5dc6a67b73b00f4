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

static size_t first_bad(const unsigned char *text, size_t n)
{
    size_t i = 0;
    while (i < n && six_bits(text[i]) < 0x80) i++;
    return i;
}

static enum wn_code refuse(const unsigned char *text, size_t size, size_t at, struct wn_error *err)
{
    static const char *const schemes[] = {"data:", "http:", "https:", "file:", "ftp:", "s3:", "gs:"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (size >= strlen(schemes[i]) && !memcmp(text, schemes[i], strlen(schemes[i])))
            return wn_fail(err, WN_UNREADABLE_IMAGE, "URLs are not accepted; send the picture itself in base64.");
    const char *what = "is not of the base64 alphabet (A-Z a-z 0-9 + /)";
    if (at < size && strchr(" \t\r\n\v\f", text[at]) && text[at]) what = "is white space; send base64 in one piece";
    if (at < size && (text[at] == '-' || text[at] == '_')) what = "is of the URL alphabet; use + and /";
    if (at < size && text[at] == '=') what = "is padding in the wrong place";
    return wn_fail(err, WN_UNREADABLE_IMAGE, "Base64: the character at position %zu %s.", at, what);
}

enum wn_code wn_base64_decode(const char *text, size_t size, struct wn_buffer *out, struct wn_error *err)
{
    const unsigned char *in = (const unsigned char *)text;
    if (!size) return wn_fail(err, WN_UNREADABLE_IMAGE, "Base64: the text is empty.");
    size_t pad = in[size - 1] != '=' ? 0 : size > 1 && in[size - 2] == '=' ? 2 : 1;
    size_t bad = first_bad(in, size - pad);
    if (bad < size - pad) return refuse(in, size, bad, err);
    if (size % 4)
        return wn_fail(err, WN_UNREADABLE_IMAGE, "Base64: %zu characters, but a whole text has a multiple of 4 (padded with =).", size);
    enum wn_code code = wn_buffer_reserve(out, BASE64_DECODE_LENGTH(size), err);
    if (code != WN_OK) return code;
    struct base64_decode_ctx ctx;
    size_t length = BASE64_DECODE_LENGTH(size);
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &length, out->data + out->size, size, text) || !base64_decode_final(&ctx))
        return wn_fail(err, WN_UNREADABLE_IMAGE, "Base64: the last character has bits that belong to no byte.");
    out->size += length;
    return WN_OK;
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
