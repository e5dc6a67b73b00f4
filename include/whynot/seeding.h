/* Seeds in closed form: what a contrast is made of, for who makes seeds where the logits lie, on whatever device.
 * Types only; knows no contrast by name and no network. */
#ifndef WHYNOT_SEEDING_H
#define WHYNOT_SEEDING_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum wn_against { WN_AGAINST_NONE, WN_AGAINST_SET, WN_AGAINST_OTHERS, WN_AGAINST_BEST, WN_AGAINST_NEAREST };
enum wn_shares { WN_SHARES_SOFTMAX, WN_SHARES_EVEN, WN_SHARES_WHOLE };
enum wn_seed_factor { WN_SEED_FACTOR_ONE, WN_SEED_FACTOR_ASKED, WN_SEED_FACTOR_BOTH, WN_SEED_FACTOR_VALUE };
enum wn_seed_relevance { WN_SEED_RELEVANCE_NONE, WN_SEED_RELEVANCE_GIVEN, WN_SEED_RELEVANCE_SIZE };

/* The form that all of them share: the classes asked for and those against them each have their shares, times
 * `asked` and `less`, times one factor of the whole: 1; the probability of those asked for; that times the
 * probability of those against; or 2 (y_target - value). */
struct wn_seed_form {
    enum wn_against against; /* no class, the foils, all others, the strongest other, or the three nearest in score */
    bool swap;               /* the two sides change places: the target is the foil */
    enum wn_shares asked_shares, against_shares;
    float asked, less;
    bool bends; /* the shares against are differentiated too: times 1 + y_k - their mean */
    enum wn_seed_factor factor;
    /* what comes out is relevance, as it is or times |y_k|, and is turned into a weight */
    enum wn_seed_relevance relevance;
};

/* One row of seeds: one contrast of one image. Classes are in range; sets are the caller's. */
struct wn_seed_row {
    struct wn_seed_form form; /* `against` as this question means it */
    int image, target;        /* target: a class, or -1 for the prediction; not looked at with n_targets */
    const int *targets, *foils;
    int n_targets, n_foils;
    float value;
};

#ifdef __cplusplus
}
#endif
#endif
