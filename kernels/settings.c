/* The settings of methods: their table, their values, and which method takes which. Knows no engine. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whynot/explain.h>

static const struct wn_setting_row rows[] = {
#define X(id, name, kind, lo, hi, standard, choices, words)                                                            \
    {#name, WN_SETTING_##kind, lo, hi, standard, choices, words},
#include <whynot/method_options.def>
#undef X
};

const struct wn_setting_row *wn_setting_at(int i)
{
    return i >= 0 && i < WN_SETTINGS ? &rows[i] : NULL;
}

int wn_setting_find(const char *name)
{
    for (int i = 0; i < WN_SETTINGS; i++)
        if (strcmp(rows[i].name, name) == 0) return i;
    return -1;
}

/* The number of the word among those divided by spaces, or -1. */
static int choice(const char *choices, const char *word)
{
    size_t n = strlen(word);
    for (int i = 0; n && *choices; i++) {
        size_t length = strcspn(choices, " ");
        if (length == n && strncmp(choices, word, n) == 0) return i;
        choices += length + (choices[length] == ' ');
    }
    return -1;
}

static int method(const char *name)
{
    for (int i = 0; wn_method_at(i); i++)
        if (strcmp(wn_method_at(i)->name, name) == 0) return i;
    return -1;
}

static enum wn_code read(const struct wn_setting_row *row, const char *text, double *out, struct wn_error *err)
{
    char *end;
    if (row->kind == WN_SETTING_CHOICE) {
        *out = choice(row->choices, text);
        return *out >= 0 ? WN_OK : wn_fail(err, WN_BAD_REQUEST, "%s must be one of: %s", row->name, row->choices);
    }
    if (row->kind == WN_SETTING_METHOD) {
        *out = method(text);
        return *out >= 0
                   ? WN_OK
                   : wn_fail(err, WN_BAD_REQUEST, "%s must be the name of a method; /v1/methods lists them", row->name);
    }
    bool digits = text[0] && !text[strspn(text, "0123456789+-.eE")];
    *out = digits ? strtod(text, &end) : 0;
    bool whole = row->kind == WN_SETTING_WHOLE;
    if (digits && !*end && *out >= row->lo && *out <= row->hi && (!whole || *out == floor(*out))) return WN_OK;
    return wn_fail(err, WN_BAD_REQUEST, "%s must be a %snumber from %.10g to %.10g", row->name, whole ? "whole " : "",
                   row->lo, row->hi);
}

enum wn_code wn_setting_set(struct wn_settings *s, enum wn_setting which, const char *text, struct wn_error *err)
{
    enum wn_code code = read(&rows[which], text, &s->value[which], err);
    if (code == WN_OK) s->given |= 1u << which;
    return code;
}

double wn_setting(const struct wn_settings *s, enum wn_setting which)
{
    double v = 0;
    if (s->given & 1u << which) return s->value[which];
    read(&rows[which], rows[which].standard, &v, NULL);
    return v;
}

static const struct wn_method *base_of(const struct wn_method *m, const struct wn_settings *s)
{
    return m->settings & 1u << WN_SETTING_BASE_METHOD ? wn_method_at((int)wn_setting(s, WN_SETTING_BASE_METHOD)) : NULL;
}

unsigned wn_method_flags(const struct wn_method *m, const struct wn_settings *s)
{
    const unsigned about = WN_METHOD_INPUT | WN_METHOD_RELEVANCE | WN_METHOD_CLASSLESS | WN_METHOD_AREAS;
    const struct wn_method *base = base_of(m, s);
    return base ? (m->flags & ~about) | (base->flags & about) : m->flags;
}

enum wn_code wn_method_check(const struct wn_method *m, const struct wn_settings *s, struct wn_error *err)
{
    const struct wn_method *base = base_of(m, s);
    unsigned taken = m->settings | (base ? base->settings : 0);
    if (base && base->settings & 1u << WN_SETTING_BASE_METHOD)
        return wn_fail(err, WN_BAD_REQUEST, "method '%s' cannot average the maps of '%s', which are averages already",
                       m->name, base->name);
    for (int i = 0; i < WN_SETTINGS; i++)
        if (s->given & 1u << i && !(taken & 1u << i))
            return wn_fail(err, WN_BAD_REQUEST, "method '%s' takes no %s", m->name, rows[i].name);
    return WN_OK;
}

int64_t wn_question_passes(const struct wn_question *q)
{
    const int64_t one_run = 2;
    int64_t layers = q->n_layers > 1 ? q->n_layers : 1, maps = q->contrast && q->contrast->less ? 2 : 1;
    return layers * maps * (q->method->passes ? q->method->passes(&q->settings) : one_run);
}
