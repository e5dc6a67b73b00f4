/* The contrast table, the checks that every contrast may rely on, and the sums that several share. */
#include "contrasts/contrast.h"

#include <math.h>

#define X(symbol) extern const struct wn_contrast symbol;
#include "contrasts/contrasts.def"
#undef X

static const struct wn_contrast *const rows[] = {
#define X(symbol) &symbol,
#include "contrasts/contrasts.def"
#undef X
};

const struct wn_contrast *wn_contrast_at(int i)
{
    return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? rows[i] : NULL;
}

const struct wn_contrast *wn_contrast_find(const char *name)
{
    for (int i = 0; wn_contrast_at(i); i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

const char *wn_positive_words(int i)
{
    static const char *const words[] = {
#define X(id, words) words,
        WN_POSITIVES(X)
#undef X
    };
    return i >= 0 && (size_t)i < sizeof words / sizeof *words ? words[i] : NULL;
}

/* ---- checks ---- */

static enum wn_code check_set(const struct wn_contrast_in *in, const int *set, int n, bool *seen, const char *what,
                              struct wn_error *err)
{
    for (int i = 0; i < n; i++) {
        if (set[i] < 0 || set[i] >= in->classes)
            return wn_fail(err, WN_NO_SUCH_CLASS, "%s %d is not a class: the model has classes 0 to %d", what, set[i],
                           in->classes - 1);
        if (seen[set[i]]) return wn_fail(err, WN_BAD_REQUEST, "class %d is named twice; name it once", set[i]);
        seen[set[i]] = true;
    }
    return WN_OK;
}

static enum wn_code check_foils(const struct wn_contrast *c, const struct wn_contrast_in *in, struct wn_error *err)
{
    if (!(c->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET))) {
        if (in->n_foils == 0) return WN_OK;
        return wn_fail(err, WN_BAD_REQUEST, "contrast '%s' takes no foil; leave why_not out or ask for 'pair'",
                       c->name);
    }
    if (in->n_foils < 1) return wn_fail(err, WN_BAD_REQUEST, "contrast '%s' needs a foil", c->name);
    if ((c->flags & WN_CONTRAST_FOIL) && in->n_foils > 1)
        return wn_fail(err, WN_BAD_REQUEST, "contrast '%s' takes one foil, not %d", c->name, in->n_foils);
    return WN_OK;
}

static enum wn_code check_sets(const struct wn_contrast *c, const struct wn_contrast_in *in, struct wn_error *err)
{
    bool *seen = calloc((size_t)in->classes, sizeof *seen);
    if (!seen) return wn_fail(err, WN_NO_MEMORY, "no memory to check a question");
    enum wn_code code = check_set(in, in->targets, in->n_targets, seen, "target", err);
    if ((c->flags & WN_CONTRAST_SAME_OK) && in->n_targets == 1 && code == WN_OK) seen[in->target] = false;
    if (code == WN_OK && !(c->flags & WN_CONTRAST_SAME_OK))
        for (int i = 0; i < in->n_foils && code == WN_OK; i++)
            for (int k = 0; k < in->n_targets; k++)
                if (in->foils[i] == in->targets[k])
                    code = wn_fail(err, WN_BAD_REQUEST,
                                   "class %d is both target and foil; '%s' compares two different classes",
                                   in->foils[i], c->name);
    if (code == WN_OK) code = check_set(in, in->foils, in->n_foils, seen, "foil", err);
    free(seen);
    return code;
}

enum wn_code wn_contrast_seed(const struct wn_contrast *c, const struct wn_contrast_in *in, float *seed, int *foil,
                              struct wn_error *err)
{
    if (in->classes < 2) return wn_fail(err, WN_UNSUPPORTED, "a contrast needs at least two classes");
    for (int i = 0; i < in->classes; i++)
        if (!isfinite(in->logits[i])) return wn_fail(err, WN_BAD_NUMBERS, "logit %d is not finite", i);
    if ((c->flags & WN_CONTRAST_VALUE) && !(in->has_value && isfinite(in->value)))
        return wn_fail(err, WN_BAD_REQUEST, "contrast '%s' needs a value: the number that the output might have been",
                       c->name);
    if (in->has_value && !(c->flags & WN_CONTRAST_VALUE))
        return wn_fail(err, WN_BAD_REQUEST, "contrast '%s' takes no value; 'regression' does", c->name);
    if (in->n_targets > 1 && !(c->flags & WN_CONTRAST_TARGET_SET))
        return wn_fail(err, WN_BAD_REQUEST, "contrast '%s' takes one target, not %d", c->name, in->n_targets);
    enum wn_code code = check_foils(c, in, err);
    if (code == WN_OK) code = check_sets(c, in, err);
    if (code != WN_OK) return code;
    memset(seed, 0, (size_t)in->classes * sizeof *seed);
    *foil = -1;
    return c->seed(in, seed, foil, err);
}

/* ---- shared sums ---- */

/* relevance/y. Where the logit is smaller than the rule's epsilon, the rule takes back what the quotient makes too
 * large; below 1e-9 the weight goes to 0 with the logit. */
float wn_seed_of_relevance(double relevance, float y)
{
    return (float)(relevance * y / ((double)y * y + 1e-18));
}

static double *softmax_except(const struct wn_contrast_in *in, int skip, struct wn_error *err)
{
    double *p = malloc((size_t)in->classes * sizeof *p);
    bool *others = malloc((size_t)in->classes * sizeof *others);
    if (p && others) {
        for (int i = 0; i < in->classes; i++) others[i] = i != skip;
        wn_softmax_over(in->logits, in->classes, others, p);
    } else {
        free(p);
        p = NULL;
        wn_fail(err, WN_NO_MEMORY, "no memory for a seed");
    }
    free(others);
    return p;
}

enum wn_code wn_seed_add_others(const struct wn_contrast_in *in, int skip, double scale, float *seed,
                                struct wn_error *err)
{
    double *alpha = softmax_except(in, skip, err);
    if (!alpha) return WN_NO_MEMORY;
    for (int i = 0; i < in->classes; i++) seed[i] += (float)(scale * alpha[i]);
    free(alpha);
    return WN_OK;
}

enum wn_code wn_others_mass(const struct wn_contrast_in *in, int t, double *p_t, double *others, struct wn_error *err)
{
    double *p = softmax_except(in, -1, err);
    if (!p) return WN_NO_MEMORY;
    *p_t = p[t];
    *others = 0;
    for (int i = 0; i < in->classes; i++)
        if (i != t) *others += p[i];
    free(p);
    return WN_OK;
}

enum wn_code wn_seed_add_set(const struct wn_contrast_in *in, const int *set, int n, double scale, float *seed,
                             struct wn_error *err)
{
    bool *chosen = calloc((size_t)in->classes, sizeof *chosen);
    double *omega = malloc((size_t)in->classes * sizeof *omega);
    enum wn_code code = WN_OK;
    if (chosen && omega) {
        for (int i = 0; i < n; i++) chosen[set[i]] = true;
        wn_softmax_over(in->logits, in->classes, chosen, omega);
        for (int i = 0; i < in->classes; i++) seed[i] += (float)(scale * omega[i]);
    } else {
        code = wn_fail(err, WN_NO_MEMORY, "no memory for a seed");
    }
    free(chosen);
    free(omega);
    return code;
}
