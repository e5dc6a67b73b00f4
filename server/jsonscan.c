/* The look over a JSON body; knows one key by name, "b64", how pictures in base64 begin, and nothing else of what is
 * asked. */
#include "jsonscan.h"
#include "jsonload.h"

#include <media/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SLICES 4096
#define FIRST_SLICES 8
#define MOST_WORD 512 /* bytes of a number, true, false or null */

struct scan {
    char *body;
    struct wn_json_cuts cuts;
    size_t size, at, copied; /* copied: body[0 .. copied) is in `text` already */
    int depth, tokens;
    struct wn_buffer text; /* the body without its pictures */
    struct wn_slice *slices;
    struct place {
        size_t at, size;
    } * places;         /* places[i]: where in `text` the number of slice i stands */
    int n_slices, room; /* of both lists, which grow in the pool */
    struct wn_pool *pool;
    struct wn_error *err;
};

static enum wn_code wrong(struct scan *s, const char *what)
{
    return wn_fail(s->err, WN_BAD_REQUEST, "JSON, byte %zu: %s", s->at, what);
}

static void skip_space(struct scan *s)
{
    while (s->at < s->size && strchr(" \t\r\n", s->body[s->at]) && s->body[s->at]) s->at++;
}

/* At the opening quote; leaves `at` behind the closing one. */
static enum wn_code skip_string(struct scan *s)
{
    size_t i = s->at + 1;
    while (i < s->size && s->body[i] != '"') i += s->body[i] == '\\' ? 2 : 1;
    if (i >= s->size) return wrong(s, "a string does not end");
    s->at = i + 1;
    return WN_OK;
}

/* "\/" is "/" in JSON and some writers use it in base64; any other escape is left for the decoder to refuse. */
size_t wn_json_undo_slashes(char *s, size_t n)
{
    size_t out = 0;
    if (!memchr(s, '\\', n)) return n;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\' && i + 1 < n && s[i + 1] == '/') i++;
        s[out++] = s[i];
    }
    return out;
}

/* At the opening bracket; leaves `at` behind the closing one. What lies between is for others to check. */
static enum wn_code skip_array(struct scan *s)
{
    for (int depth = 0; s->at < s->size;) {
        char c = s->body[s->at];
        if (c == '"') {
            if (skip_string(s) != WN_OK) return WN_BAD_REQUEST;
            continue;
        }
        depth += (c == '[') - (c == ']');
        s->at++;
        if (!depth) return WN_OK;
    }
    return wrong(s, "an array does not end");
}

/* For one slice more. What the lists leave behind in the pool is less than they are. */
static enum wn_code make_room(struct scan *s)
{
    if (s->n_slices < s->room) return WN_OK;
    if (s->n_slices == MOST_SLICES) return wrong(s, "too many pictures");
    int room = s->room ? 2 * s->room : FIRST_SLICES;
    struct wn_slice *slices = wn_pool_array(s->pool, (size_t)room, sizeof *slices);
    struct place *places = wn_pool_array(s->pool, (size_t)room, sizeof *places);
    if (!slices || !places) return wn_fail(s->err, WN_NO_MEMORY, "no memory for the request");
    if (s->n_slices) {
        memcpy(slices, s->slices, (size_t)s->n_slices * sizeof *slices);
        memcpy(places, s->places, (size_t)s->n_slices * sizeof *places);
    }
    s->slices = slices;
    s->places = places;
    s->room = room;
    return WN_OK;
}

enum cut { CUT_B64, CUT_ARRAY, CUT_PICTURE };

/* At the value of a "b64", at an array that is not read here, or at a picture's string: puts a number in its place. */
static enum wn_code cut(struct scan *s, enum cut kind)
{
    char number[24];
    size_t begin = s->at;
    bool array = kind == CUT_ARRAY;
    if (!array && (s->at >= s->size || s->body[s->at] != '"')) return wrong(s, "\"b64\" must be a string");
    enum wn_code code = make_room(s);
    if (code != WN_OK) return code;
    if ((array ? skip_array(s) : skip_string(s)) != WN_OK) return WN_BAD_REQUEST;
    if (wn_buffer_append(&s->text, s->body + s->copied, begin - s->copied, s->err) != WN_OK) return WN_NO_MEMORY;
    int digits = snprintf(number, sizeof number, kind == CUT_PICTURE ? "\"data:%d\"" : "%d", s->n_slices);
    s->places[s->n_slices] = (struct place){s->text.size, (size_t)digits};
    s->copied = s->at;
    size_t n = s->at - begin - 2;
    if (!array) n = wn_json_undo_slashes(s->body + begin + 1, n);
    s->slices[s->n_slices++] = (struct wn_slice){.data = s->body + begin + 1, .size = n, .base64 = !array};
    return wn_buffer_append(&s->text, number, (size_t)digits, s->err);
}

static bool is_listed(const char *list, const char *name, size_t n)
{
    for (const char *end; list && *list; list = end + strspn(end, " ")) {
        end = list + strcspn(list, " ");
        if ((size_t)(end - list) == n && memcmp(list, name, n) == 0) return true;
    }
    return false;
}

static bool looks_like_a_picture(const char *s, size_t n)
{
    static const char *const beginnings[] = {"data:", "iVBORw0KGgo", "/9j/", "\\/9j\\/"};
    for (int i = 0; i < 4; i++)
        if (n >= strlen(beginnings[i]) && memcmp(s, beginnings[i], strlen(beginnings[i])) == 0) return true;
    return false;
}

static enum wn_code take_string(struct scan *s)
{
    size_t begin = s->at;
    if (skip_string(s) != WN_OK) return WN_BAD_REQUEST;
    size_t end = s->at, n = end - begin - 2;
    const char *name = s->body + begin + 1;
    bool is_b64 = n == 3 && memcmp(name, "b64", 3) == 0, is_array = is_listed(s->cuts.arrays, name, n);
    bool is_picture = s->cuts.pictures && looks_like_a_picture(name, n);
    if (!is_b64 && !is_array && !is_picture) return WN_OK;
    skip_space(s);
    bool is_key = s->at < s->size && s->body[s->at] == ':';
    if (!is_key) {
        s->at = is_picture ? begin : end;
        return is_picture ? cut(s, CUT_PICTURE) : WN_OK; /* or a value that happens to be "b64" */
    }
    if (is_picture) return WN_OK;
    s->at++;
    skip_space(s);
    if (is_array && (s->at >= s->size || s->body[s->at] != '[')) return WN_OK;
    return cut(s, is_array ? CUT_ARRAY : CUT_B64);
}

static enum wn_code take_token(struct scan *s)
{
    char c = s->body[s->at];
    if (++s->tokens > WN_JSON_TOKENS) return wrong(s, "too many values");
    if (c == '"') return take_string(s);
    if (c == '{' || c == '[') s->depth++;
    if (c == '}' || c == ']') s->depth--;
    if (s->depth > WN_JSON_DEPTH) return wrong(s, "nested too deeply");
    const size_t begin = s->at++;
    if (!strchr("{}[]:,", c))
        while (s->at < s->size && s->at - begin <= MOST_WORD && !strchr("{}[]:,\" \t\r\n", s->body[s->at])) s->at++;
    return s->at - begin <= MOST_WORD ? WN_OK : wrong(s, "a number or a word is too long");
}

static enum wn_code scan(struct scan *s)
{
    const char *zero = memchr(s->body, 0, s->size);
    if (zero) s->at = (size_t)(zero - s->body);
    if (zero) return wrong(s, "the text holds a zero byte; JSON is UTF-8 here, without any");
    for (skip_space(s); s->at < s->size; skip_space(s)) {
        enum wn_code code = take_token(s);
        if (code == WN_OK && s->text.size + s->at - s->copied > WN_JSON_TEXT)
            code = wrong(s, "too much text beside the pictures");
        if (code != WN_OK) return code;
    }
    return wn_buffer_append(&s->text, s->body + s->copied, s->size - s->copied, s->err);
}

/* A position in the shortened text as one in the body. */
static size_t original(const struct scan *s, size_t position)
{
    size_t lost = 0;
    for (int i = 0; i < s->n_slices && s->places[i].at < position; i++) {
        size_t in_body = (size_t)(s->slices[i].data - s->body) - 1;
        lost = in_body + s->slices[i].size + 2 - (s->places[i].at + s->places[i].size);
    }
    return position + lost;
}

static enum wn_code build(struct scan *s, json_t **root)
{
    json_error_t why;
    bool starved;
    *root = wn_json_load(s->text.data ? (const char *)s->text.data : "", s->text.size, &why, &starved);
    if (*root) return WN_OK;
    if (starved) return wn_fail(s->err, WN_NO_MEMORY, "no memory for the request");
    size_t at = original(s, why.position < 0 ? 0 : (size_t)why.position);
    return wn_fail(s->err, WN_BAD_REQUEST, "JSON, byte %zu: %.160s", at, wn_json_why(&why));
}

enum wn_code wn_json_read(char *body, size_t size, const struct wn_json_cuts *cuts, struct wn_pool *pool, json_t **root,
                          struct wn_slice **slices, int *n_slices, struct wn_error *err)
{
    struct scan s = {.body = body, .size = size, .pool = pool, .err = err};
    *root = NULL;
    if (cuts) s.cuts = *cuts;
    enum wn_code code = size ? scan(&s) : wn_fail(err, WN_BAD_REQUEST, "the body is empty");
    if (code == WN_OK) code = build(&s, root);
    *slices = s.slices;
    *n_slices = s.n_slices;
    wn_buffer_finish(&s.text);
    return code;
}
