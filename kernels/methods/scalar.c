/* What a question is about, as a number for any picture; knows logits, and nothing of pictures. */
#include "scalar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double log_sum(const float *y, const signed char *sides, int n, int side)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        if (sides[i] == side && y[i] > most) most = y[i];
    for (int i = 0; i < n; i++)
        if (sides[i] == side) sum += exp(y[i] - most);
    return most + log(sum);
}

double wn_scalar_at(const struct wn_scalar *s, const float *logits, float *seed)
{
    int n = s->classes > 1 ? s->classes : 2, shift = n - s->classes; /* one output: the logits 0 and y */
    const float two[2] = {0, logits[0]}, *y = shift ? two : logits;
    double sum = 0;
    if (s->kind == WN_PATH_FROZEN) {
        for (int i = 0; i < s->classes; i++) sum += (double)s->seed[i] * logits[i];
        if (seed) memcpy(seed, s->seed, (size_t)s->classes * sizeof *seed);
        return sum;
    }
    double mine = log_sum(y, s->sides, n, 1), theirs = log_sum(y, s->sides, n, -1), odds = mine - theirs;
    double e = exp(-fabs(odds)), scale = s->kind == WN_PATH_PROBABILITY ? e / ((1 + e) * (1 + e)) : 1; /* p (1 - p) */
    for (int i = shift; i < n && seed; i++)
        seed[i - shift] =
            s->sides[i] ? (float)(scale * s->sides[i] * exp(y[i] - (s->sides[i] > 0 ? mine : theirs))) : 0;
    return s->kind == WN_PATH_PROBABILITY ? 1 / (1 + exp(-odds)) : odds;
}

enum wn_code wn_scalar_choose(const struct wn_run *r, struct wn_scalar *s, struct wn_error *err)
{
    const struct wn_contrast *c = r->question->contrast;
    s->kind = (enum wn_path_target)wn_setting(&r->question->settings, WN_SETTING_PATH_TARGET);
    s->classes = r->classes;
    s->seed = r->seed;
    if (s->kind == WN_PATH_AUTO)
        s->kind = c->odds == WN_ODDS_NONE   ? WN_PATH_FROZEN
                  : c->explains_probability ? WN_PATH_PROBABILITY
                                            : WN_PATH_LOG_ODDS;
    if (s->kind == WN_PATH_FROZEN) return WN_OK;
    if (c->odds == WN_ODDS_NONE)
        return wn_fail(
            err, WN_BAD_REQUEST,
            "contrast '%s' is not the gradient of the odds of classes against others, so there is no probability "
            "and no log-odds for path_target; take 'frozen'",
            c->name);
    s->sides = malloc((size_t)r->classes + 1);
    return s->sides && wn_run_sides(r, s->sides) ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for a question");
}

void wn_scalar_finish(struct wn_scalar *s)
{
    free(s->sides);
}

const char *wn_scalar_name(const struct wn_scalar *s)
{
    static const char *const names[] = {"", "v.y", "probability", "log-odds"};
    return names[s->kind];
}
