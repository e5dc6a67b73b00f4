/* An HTTP/1 answer, byte by byte as it comes; keeps its status and throws its body away. */
#include "http_bench.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The header's value in the head, or NULL; it ends with a CR or LF. */
static const char *header(const struct http_reply *r, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = strchr(r->head, '\n'); line; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':') continue;
        const char *value = line + n + 1;
        return value + strspn(value, " \t");
    }
    return NULL;
}

static bool says(const char *value, const char *word)
{
    size_t n = value ? strcspn(value, "\r\n") : 0, m = strlen(word);
    for (size_t i = 0; i + m <= n; i++)
        if (strncasecmp(value + i, word, m) == 0) return true;
    return false;
}

/* The head is complete: what follows it? */
static bool end_head(struct http_reply *r)
{
    if (strncmp(r->head, "HTTP/1.", 7) != 0 || strlen(r->head) < 12) return false;
    bool old = r->head[7] == '0';
    r->status = (int)strtol(r->head + 9, NULL, 10);
    if (r->status < 100 || r->status >= HTTP_MOST_STATUS) return false;
    r->head_size = 0;
    if (r->status < 200) { /* an interim answer: the real one follows */
        r->interim |= r->status == 100;
        return r->status != 101;
    }
    const char *connection = header(r, "Connection"), *length = header(r, "Content-Length");
    r->close = says(connection, "close") || (old && !says(connection, "keep-alive"));
    if (r->status == 204 || r->status == 304) {
        r->at = HTTP_OVER;
    } else if (says(header(r, "Transfer-Encoding"), "chunked")) {
        r->at = HTTP_IN_CHUNK_SIZE;
        r->line = 0;
        r->left = 0;
    } else if (length) {
        r->left = strtoull(length, NULL, 10);
        r->at = r->left ? HTTP_IN_LENGTH : HTTP_OVER;
    } else {
        r->at = HTTP_TO_THE_END;
        r->close = true;
    }
    return true;
}

static bool take_head(struct http_reply *r, char c)
{
    if (r->head_size + 1 >= sizeof r->head) return false;
    r->head[r->head_size++] = c;
    r->head[r->head_size] = 0;
    bool over = c == '\n' && r->head_size >= 4 && memcmp(r->head + r->head_size - 4, "\r\n\r\n", 4) == 0;
    return !over || end_head(r);
}

static bool take_chunk_size(struct http_reply *r, char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    if (c == '\n') {
        r->at = r->left ? HTTP_IN_CHUNK : HTTP_IN_TRAILER;
        r->line = 0;
    } else if (r->line >= 0 && at && c != '\r') {
        if (++r->line > 15) return false;
        r->left = r->left * 16 + (uint64_t)(at - digits);
    } else {
        r->line = -1; /* an extension, or the CR */
    }
    return true;
}

static void take_trailer(struct http_reply *r, char c)
{
    if (c == '\n' && r->line == 0) r->at = HTTP_OVER;
    r->line = c == '\n' ? 0 : c == '\r' ? r->line : 1;
}

/* Bytes of a body that is only counted. Returns how many of the n were its own. */
static size_t skip(struct http_reply *r, size_t n)
{
    size_t k = r->left < n ? (size_t)r->left : n;
    r->left -= k;
    if (!r->left) r->at = r->at == HTTP_IN_CHUNK ? HTTP_IN_CHUNK_END : HTTP_OVER;
    return k;
}

static bool take(struct http_reply *r, char c)
{
    switch (r->at) {
    case HTTP_IN_HEAD: return take_head(r, c);
    case HTTP_IN_CHUNK_SIZE: return take_chunk_size(r, c);
    case HTTP_IN_TRAILER: take_trailer(r, c); return true;
    default:
        if (c == '\n') r->at = HTTP_IN_CHUNK_SIZE; /* behind a chunk */
        return true;
    }
}

bool http_reply_feed(struct http_reply *r, const char *data, size_t n)
{
    if (!n) {
        bool whole = r->at == HTTP_TO_THE_END;
        if (whole) r->at = HTTP_OVER;
        return whole;
    }
    for (size_t i = 0; i < n && r->at != HTTP_OVER;) {
        if (r->at == HTTP_TO_THE_END) return true;
        if (r->at == HTTP_IN_LENGTH || r->at == HTTP_IN_CHUNK) {
            i += skip(r, n - i);
            continue;
        }
        if (!take(r, data[i++])) return false;
    }
    return true;
}
