/* The labeling configuration's tags: a scanner for the XML that such configurations are written in, and nothing that
 * XML may be besides. Knows no classes and no tasks. */
#include "labelconfig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MOST_TAGS = 16384,
    MOST_DEPTH = 64,
    MOST_ATTRIBUTES = 64,
    MOST_LABELS = 4096,
    MOST_IMAGES = 16,
    NAME_BYTES = 1024
};

struct text {
    const char *at;
    size_t size;
};

struct attribute {
    struct text name, value;
};

struct scan {
    const char *xml;
    size_t size, at;
    int tags, depth, n_attributes, n_images;
    struct text open[MOST_DEPTH];                 /* names of the tags that are open */
    struct wn_label_tag *owner[MOST_DEPTH];       /* whose labels stand in them; NULL: nobody's */
    struct attribute attributes[MOST_ATTRIBUTES]; /* of the tag at hand */
    struct {
        const char *name, *value;
    } images[MOST_IMAGES];
    struct wn_pool *pool;
    struct wn_label_config *out;
    struct wn_error *err;
};

static enum wn_code wrong(struct scan *s, const char *what)
{
    return wn_fail(s->err, WN_BAD_REQUEST, "labeling configuration, byte %zu: %s", s->at, what);
}

static enum wn_code no_memory(struct scan *s)
{
    return wn_fail(s->err, WN_NO_MEMORY, "no memory for the labeling configuration");
}

/* ---- pieces ---- */

static bool starts(const struct scan *s, const char *word)
{
    size_t n = strlen(word);
    return s->size - s->at >= n && memcmp(s->xml + s->at, word, n) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool skip_space(struct scan *s)
{
    size_t begin = s->at;
    while (s->at < s->size && is_space(s->xml[s->at])) s->at++;
    return s->at > begin;
}

static enum wn_code skip_behind(struct scan *s, const char *end)
{
    const char *found = memmem(s->xml + s->at, s->size - s->at, end, strlen(end));
    if (!found) return wrong(s, "a comment or the like does not end");
    s->at = (size_t)(found - s->xml) + strlen(end);
    return WN_OK;
}

static bool is_name_byte(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || (unsigned char)c >= 0x80;
    return letter || (!first && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
}

static enum wn_code read_name(struct scan *s, struct text *out)
{
    size_t begin = s->at;
    while (s->at < s->size && is_name_byte(s->xml[s->at], s->at == begin)) s->at++;
    *out = (struct text){s->xml + begin, s->at - begin};
    return out->size ? WN_OK : wrong(s, "here a name should stand");
}

static bool is(struct text t, const char *word)
{
    return t.size == strlen(word) && strncasecmp(t.at, word, t.size) == 0;
}

static bool is_same(struct text a, struct text b)
{
    return a.size == b.size && memcmp(a.at, b.at, a.size) == 0;
}

/* ---- values ---- */

/* Appends the character as UTF-8; 0: it is none that XML takes. */
static int put_character(char *out, unsigned long c)
{
    bool control = c < 0x20 && c != '\t' && c != '\n' && c != '\r', surrogate = c >= 0xd800 && c < 0xe000;
    if (control || surrogate || c > 0x10ffff) return 0;
    if (c < 0x80) return out[0] = (char)c, 1;
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

/* "&lt;" and its like, "&#60;", "&#x3c;": t is what stands between & and ;. */
static int put_reference(char *out, struct text t)
{
    static const char *const names[] = {"lt", "gt", "amp", "quot", "apos"};
    char digits[16];
    for (int i = 0; i < 5; i++)
        if (t.size == strlen(names[i]) && memcmp(t.at, names[i], t.size) == 0) return out[0] = "<>&\"'"[i], 1;
    bool hex = t.size > 1 && t.at[1] == 'x';
    size_t skip = hex ? 2 : 1;
    if (t.size <= skip || t.size - skip > 8 || t.at[0] != '#') return 0;
    snprintf(digits, sizeof digits, "%.*s", (int)(t.size - skip), t.at + skip);
    if (digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")]) return 0;
    return put_character(out, strtoul(digits, NULL, hex ? 16 : 10));
}

/* The value with its references resolved; WN_OK and NULL: the tag has no such attribute. */
static enum wn_code get(struct scan *s, const char *name, const char **out)
{
    const struct attribute *a = s->attributes, *end = a + s->n_attributes;
    *out = NULL;
    while (a < end && !is(a->name, name)) a++;
    if (a == end) return WN_OK;
    if (a->value.size > NAME_BYTES) return wrong(s, "a name or label has more than 1024 bytes");
    char *text = wn_pool_alloc(s->pool, a->value.size + 1), *to = text;
    if (!text) return no_memory(s);
    for (const char *from = a->value.at, *last = from + a->value.size; from < last;) {
        if (*from != '&') {
            *to++ = *from++;
            continue;
        }
        const char *semicolon = memchr(from, ';', (size_t)(last - from));
        int n = semicolon ? put_reference(to, (struct text){from + 1, (size_t)(semicolon - from - 1)}) : 0;
        if (!n) return wrong(s, "a reference (&...;) is none that is known here");
        to += n;
        from = semicolon + 1;
    }
    *out = text;
    return WN_OK;
}

/* Behind a tag's name, up to its '>' or '/'. */
static enum wn_code read_attributes(struct scan *s)
{
    for (s->n_attributes = 0;; s->n_attributes++) {
        bool spaced = skip_space(s);
        if (s->at < s->size && (s->xml[s->at] == '>' || s->xml[s->at] == '/')) return WN_OK;
        if (!spaced) return wrong(s, "a tag does not end as it should");
        if (s->n_attributes == MOST_ATTRIBUTES) return wrong(s, "a tag has more than 64 attributes");
        struct attribute *a = &s->attributes[s->n_attributes];
        if (read_name(s, &a->name) != WN_OK) return WN_BAD_REQUEST;
        skip_space(s);
        if (!starts(s, "=")) return wrong(s, "an attribute has no value");
        s->at++;
        skip_space(s);
        char quote = s->at < s->size ? s->xml[s->at] : 0;
        const char *begin = s->xml + s->at + 1,
                   *end = quote == '"' || quote == '\'' ? memchr(begin, quote, s->size - s->at - 1) : NULL;
        if (!end || memchr(begin, '<', (size_t)(end - begin)))
            return wrong(s, "an attribute's value is not in quotes, or has a '<'");
        a->value = (struct text){begin, (size_t)(end - begin)};
        s->at += a->value.size + 2;
        for (int i = 0; i < s->n_attributes; i++)
            if (is_same(s->attributes[i].name, a->name)) return wrong(s, "a tag has the same attribute twice");
    }
}

/* ---- tags ---- */

static enum wn_code add_image(struct scan *s)
{
    const char *name, *value;
    enum wn_code code = get(s, "name", &name);
    if (code == WN_OK) code = get(s, "value", &value);
    if (code != WN_OK || !name || !value || s->n_images == MOST_IMAGES) return code;
    s->images[s->n_images].name = name;
    s->images[s->n_images++].value = value;
    return WN_OK;
}

/* tag: of the first of its kind; further ones are not filled in. */
static enum wn_code add_tag(struct scan *s, struct wn_label_tag *tag, struct wn_label_tag **owner)
{
    if (tag->name) return WN_OK;
    enum wn_code code = get(s, "name", &tag->name);
    if (code == WN_OK) code = get(s, "toName", &tag->to_name);
    if (code == WN_OK && !tag->name) tag->to_name = NULL;
    if (code == WN_OK && tag->name) *owner = tag;
    return code;
}

static enum wn_code add_label(struct scan *s, struct wn_label_tag *tag)
{
    struct wn_label l;
    if (tag->n == MOST_LABELS) return wrong(s, "there are more than 4096 labels");
    enum wn_code code = get(s, "value", &l.value);
    if (code == WN_OK) code = get(s, "alias", &l.alias);
    if (code != WN_OK || !l.value || !l.value[0]) return code;
    if (!tag->labels) tag->labels = wn_pool_array(s->pool, MOST_LABELS, sizeof *tag->labels);
    if (!tag->labels) return no_memory(s);
    tag->labels[tag->n++] = l;
    return WN_OK;
}

/* owner: in: whose labels stand around the tag; out: whose stand in it. */
static enum wn_code take_tag(struct scan *s, struct text name, struct wn_label_tag **owner)
{
    struct wn_label_config *c = s->out;
    bool polygons = is(name, "PolygonLabels");
    if (is(name, "Image")) return add_image(s);
    if (is(name, "Choices")) return *owner = NULL, add_tag(s, &c->choices, owner);
    if ((is(name, "Choice") && *owner == &c->choices) || (is(name, "Label") && *owner == &c->regions))
        return add_label(s, *owner);
    if (!polygons && !is(name, "BrushLabels")) return WN_OK;
    if (!c->regions.name) c->polygons = polygons;
    *owner = NULL;
    return add_tag(s, &c->regions, owner);
}

static enum wn_code open_tag(struct scan *s)
{
    struct text name;
    struct wn_label_tag *owner = s->depth ? s->owner[s->depth - 1] : NULL;
    if (++s->tags > MOST_TAGS) return wrong(s, "there are more than 16384 tags");
    enum wn_code code = read_name(s, &name);
    if (code == WN_OK) code = read_attributes(s);
    if (code == WN_OK) code = take_tag(s, name, &owner);
    if (code != WN_OK) return code;
    bool empty = starts(s, "/>");
    if (!empty && !starts(s, ">")) return wrong(s, "a tag does not end as it should");
    s->at += empty ? 2 : 1;
    if (empty) return WN_OK;
    if (s->depth == MOST_DEPTH) return wrong(s, "tags are nested more than 64 deep");
    s->open[s->depth] = name;
    s->owner[s->depth++] = owner;
    return WN_OK;
}

static enum wn_code close_tag(struct scan *s)
{
    struct text name;
    if (read_name(s, &name) != WN_OK) return WN_BAD_REQUEST;
    skip_space(s);
    if (!starts(s, ">") || !s->depth || !is_same(s->open[s->depth - 1], name))
        return wrong(s, "the end of a tag that is not open");
    s->depth--;
    s->at++;
    return WN_OK;
}

/* At a '<'. */
static enum wn_code take(struct scan *s)
{
    if (starts(s, "<!--")) return skip_behind(s, "-->");
    if (starts(s, "<![CDATA[")) return skip_behind(s, "]]>");
    if (starts(s, "<?")) return skip_behind(s, "?>");
    if (starts(s, "<!")) return wrong(s, "document types are not read");
    bool closes = starts(s, "</");
    s->at += closes ? 2 : 1;
    return closes ? close_tag(s) : open_tag(s);
}

/* The picture that the choices are about, else that of the regions, else the first. */
static void choose_image(struct scan *s)
{
    const char *wanted[] = {s->out->choices.to_name, s->out->regions.to_name};
    int chosen = -1;
    for (int k = 0; k < 2 && chosen < 0; k++)
        for (int i = 0; i < s->n_images && wanted[k] && chosen < 0; i++)
            if (strcmp(s->images[i].name, wanted[k]) == 0) chosen = i;
    if (chosen < 0 && s->n_images) chosen = 0;
    if (chosen < 0 || s->images[chosen].value[0] != '$' || !s->images[chosen].value[1]) return;
    s->out->image = s->images[chosen].name;
    s->out->key = s->images[chosen].value + 1;
}

const char *wn_label_word(const struct wn_label *l)
{
    return l->alias && l->alias[0] ? l->alias : l->value;
}

enum wn_code wn_label_config_read(const char *xml, size_t size, struct wn_pool *pool, struct wn_label_config *out,
                                  struct wn_error *err)
{
    struct scan *s = wn_pool_alloc(pool, sizeof *s);
    *out = (struct wn_label_config){0};
    if (!s) return wn_fail(err, WN_NO_MEMORY, "no memory for the labeling configuration");
    *s = (struct scan){.xml = xml, .size = size, .pool = pool, .out = out, .err = err};
    if (size > WN_LABEL_CONFIG_BYTES)
        return wn_fail(err, WN_BAD_REQUEST, "the labeling configuration has more than %d bytes", WN_LABEL_CONFIG_BYTES);
    while (s->at < s->size) {
        const char *next = memchr(xml + s->at, '<', size - s->at);
        if (!next) break;
        s->at = (size_t)(next - xml);
        enum wn_code code = take(s);
        if (code != WN_OK) return code;
    }
    if (s->depth) return wrong(s, "a tag is not ended");
    choose_image(s);
    return WN_OK;
}
