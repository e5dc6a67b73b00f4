/* GET / and /page/{file}: the files of clients/web out of the binary. Knows their bytes, and nothing of what they
 * do. */
#include "etag.h"
#include "page_files.h"
#include "server.h"

#include <assert.h>
#include <nettle/base16.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

/* Nothing from elsewhere, nothing inline but the one style sheet (by its hash), no frame around it, no text that
 * becomes code. */
#define POLICY                                                                                                         \
    "default-src 'none'; script-src 'self'; style-src 'sha256-%s'; img-src 'self' blob: data:; connect-src 'self'; "   \
    "base-uri 'none'; "                                                                                                \
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

static char policy[sizeof POLICY + BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE)];

static void make_policy(void)
{
    struct base16_decode_ctx hex;
    uint8_t hash[SHA256_DIGEST_SIZE];
    char text[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1] = "";
    size_t n = sizeof hash;
    base16_decode_init(&hex);
    bool good = base16_decode_update(&hex, &n, hash, 2 * sizeof hash, wn_page_style_sha256) && n == sizeof hash;
    assert(good);
    if (good) base64_encode_raw(text, sizeof hash, hash);
    snprintf(policy, sizeof policy, POLICY, text);
}

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"}, {".svg", "image/svg+xml"}};
    const char *end = strrchr(name, '.');
    for (size_t i = 0; end && i < sizeof types / sizeof *types; i++)
        if (strcmp(end, types[i][0]) == 0) return types[i][1];
    return "application/octet-stream";
}

static const struct wn_page_file *find(const char *name)
{
    for (int i = 0; i < wn_page_files_n; i++)
        if (strcmp(wn_page_files[i].name, name) == 0) return &wn_page_files[i];
    return NULL;
}

/* Whether a list of words ("gzip, br;q=0.5") has this one, and not with a quality of 0. */
static bool lists(const char *list, const char *word)
{
    for (const char *end; list && *list; list = *end ? end + 1 : end) {
        list += strspn(list, " \t");
        end = list + strcspn(list, ",");
        size_t n = strcspn(list, ",; \t");
        const char *q = memmem(list, (size_t)(end - list), "q=", 2);
        if (n == strlen(word) && strncasecmp(list, word, n) == 0) return !q || strtod(q + 2, NULL) > 0;
    }
    return false;
}

static void add_plain(struct wn_text *out, const struct wn_page_file *file)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)file->gzip, .avail_in = (uInt)file->gzip_size};
    out->failed |= wn_buffer_reserve(&out->bytes, file->plain_size, NULL) != WN_OK;
    if (out->failed) return;
    z.next_out = out->bytes.data;
    z.avail_out = (uInt)file->plain_size;
    out->failed = inflateInit2(&z, 16 + MAX_WBITS) != Z_OK;
    if (out->failed) return;
    out->failed = inflate(&z, Z_FINISH) != Z_STREAM_END;
    inflateEnd(&z);
    if (!out->failed) out->bytes.size = file->plain_size;
}

static bool send_file(struct wn_request *r, const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct wn_page_file *file = find(name);
    if (!file) {
        wn_problem_set(&r->problem, NULL, WN_NOT_FOUND, "the page has no such file");
        return true;
    }
    pthread_once(&once, make_policy);
    r->reply.type = type_of(name);
    r->reply.etag = file->etag;
    r->reply.policy = policy;
    if (wn_etag_listed(wn_request_header(r, "If-None-Match"), file->etag)) {
        r->reply.status = 304;
    } else if (lists(wn_request_header(r, "Accept-Encoding"), "gzip")) {
        r->reply.encoding = "gzip";
        wn_text_add(&r->reply.body, (const char *)file->gzip, file->gzip_size);
    } else {
        add_plain(&r->reply.body, file);
    }
    return true;
}

bool wn_route_page(struct wn_request *r)
{
    return send_file(r, "index.html");
}

bool wn_route_page_file(struct wn_request *r)
{
    return send_file(r, r->model);
}
