/* Seeds by the kernel are those of the contrasts' own code: every row of the table that is a closed form of the logits, and the second pass of
 * those that have one, over odd numbers of classes, confident networks and ties, many questions in one launch. On the emulation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/whynot.h>

#include "emulation_control.h"
#include "kernels.h"
#include "question.h"
#include "rng.h"

#define WHOLE WN_CUDA_SHARES_WHOLE
#define EVEN WN_CUDA_SHARES_EVEN
#define SOFT WN_CUDA_SHARES_SOFTMAX

static const struct form {
    const char *contrast;
    bool second; /* the pass that is taken away */
    struct wn_cuda_seed seed;
} forms[] = {
    {"logit", false, {.asked_shares = WHOLE, .asked = 1}},
    {"weighted", false, {.against = WN_CUDA_AGAINST_OTHERS, .asked_shares = WHOLE, .asked = 1, .against_shares = SOFT, .less = -1}},
    {"pair", false, {.against = WN_CUDA_AGAINST_SET, .asked_shares = WHOLE, .asked = 1, .against_shares = WHOLE, .less = -1}},
    {"max", false, {.against = WN_CUDA_AGAINST_BEST, .asked_shares = WHOLE, .asked = 1, .against_shares = WHOLE, .less = -1}},
    {"mean", false, {.against = WN_CUDA_AGAINST_OTHERS, .asked_shares = WHOLE, .asked = 1, .against_shares = EVEN, .less = -1}},
    {"probability", false,
     {.against = WN_CUDA_AGAINST_OTHERS, .asked_shares = WHOLE, .asked = 1, .against_shares = SOFT, .less = -1, .factor = WN_CUDA_FACTOR_BOTH}},
    {"cross-entropy", false,
     {.against = WN_CUDA_AGAINST_OTHERS, .swap = true, .asked_shares = SOFT, .asked = 1, .against_shares = WHOLE, .less = -1, .factor = WN_CUDA_FACTOR_ASKED}},
    {"subset", false, {.against = WN_CUDA_AGAINST_SET, .asked_shares = SOFT, .asked = 1, .against_shares = SOFT, .less = -1}},
    {"finer", false, {.against = WN_CUDA_AGAINST_NEAREST, .asked_shares = WHOLE, .asked = 1, .against_shares = SOFT, .less = -1}},
    {"finer-lib", false, {.against = WN_CUDA_AGAINST_NEAREST, .asked_shares = WHOLE, .asked = 1, .against_shares = SOFT, .less = -1, .bends = true}},
    {"finer-mean", false, {.against = WN_CUDA_AGAINST_NEAREST, .asked_shares = WHOLE, .asked = 1, .against_shares = EVEN, .less = -0.6f}},
    {"clrp", false, {.asked_shares = WHOLE, .asked = 1, .relevance = WN_CUDA_RELEVANCE_SIZE}},
    {"clrp", true, {.against = WN_CUDA_AGAINST_OTHERS, .against_shares = WHOLE, .less = 1, .relevance = WN_CUDA_RELEVANCE_SIZE}},
    {"sglrp", false,
     {.against = WN_CUDA_AGAINST_OTHERS, .asked_shares = WHOLE, .asked = 1, .factor = WN_CUDA_FACTOR_BOTH, .relevance = WN_CUDA_RELEVANCE_GIVEN}},
    {"sglrp", true,
     {.against = WN_CUDA_AGAINST_OTHERS, .against_shares = SOFT, .less = 1, .factor = WN_CUDA_FACTOR_BOTH, .relevance = WN_CUDA_RELEVANCE_GIVEN}},
    {"regression", false, {.asked_shares = WHOLE, .asked = 1, .factor = WN_CUDA_FACTOR_VALUE, .value = 0.75f}},
};
enum { FORMS = sizeof forms / sizeof *forms, IMAGES = 4, MOST_SET = 4 };

static void every_contrast_has_its_form(void **state)
{
    (void)state;
    for (int i = 0; wn_contrast_at(i); i++) {
        bool found = false, second = !wn_contrast_at(i)->less;
        for (int k = 0; k < FORMS; k++)
            if (strcmp(forms[k].contrast, wn_contrast_at(i)->name) == 0) found |= !forms[k].second, second |= forms[k].second;
        if (!found || !second) fail_msg("contrast '%s' has no closed form here", wn_contrast_at(i)->name);
    }
}

/* ---- one question on both sides ---- */

struct asked {
    struct wn_contrast contrast;
    struct wn_question question;
    int sets[2 * MOST_SET];
};

/* Question r about these classes: predictions and chosen targets, with sets as large as they may be. */
static void ask(struct asked *a, const struct form *form, int classes, int r, struct wn_cuda_seed *seed, int at)
{
    const struct wn_contrast *c = wn_contrast_find(form->contrast);
    const int foil = (r * 7 + 1) % classes;
    a->contrast = form->second ? *c->less : *c;
    a->contrast.flags &= ~(unsigned)WN_CONTRAST_RELEVANCE; /* whatever method asks: only the seed is looked at */
    a->question = (struct wn_question){.image = r % IMAGES, .method = wn_method_find("gradcam"), .contrast = &a->contrast, .target = r % 3 ? (r * 5) % classes : WN_TARGET_PREDICTED};
    *seed = form->seed;
    seed->image = r % IMAGES, seed->target = a->question.target, seed->sets = at;
    if (c->flags & WN_CONTRAST_VALUE) a->question.value = form->seed.value, a->question.has_value = true;
    if (c->flags & WN_CONTRAST_FOIL && !form->seed.swap) {
        a->question.target = seed->target = (foil + 1) % classes;
        a->sets[0] = foil, a->question.foils = a->sets, a->question.n_foils = seed->n_foils = 1;
    } else if (form->seed.swap) { /* the foil is the one class that this form is told */
        a->sets[0] = foil, a->question.foils = a->sets, a->question.n_foils = 1;
        seed->target = foil;
    } else if (c->flags & WN_CONTRAST_TARGET_SET) {
        const int n = classes >= 2 * MOST_SET ? MOST_SET : 1;
        for (int i = 0; i < 2 * n; i++) a->sets[i] = (r + i * (classes / (2 * n))) % classes;
        a->question.targets = a->sets, a->question.n_targets = seed->n_targets = n;
        a->question.foils = a->sets + n, a->question.n_foils = seed->n_foils = n;
        if (r % 2) a->question.n_foils = seed->n_foils = 0, a->question.foils = NULL, seed->against = WN_CUDA_AGAINST_OTHERS;
    }
}

static void fill_logits(float *y, int classes)
{
    struct rng rng = {11};
    for (int i = 0; i < IMAGES * classes; i++) y[i] = (float)rng_uniform(&rng, -4, 4);
    for (int i = 0; i < classes; i++) y[classes + i] = 2;              /* all the same: ties */
    y[2 * classes + classes / 2] = 200;                                /* sure of one class */
    for (int i = 0; i < classes; i++) y[3 * classes + i] = (float)(i % 2 ? 1e-3 : -1e-3);
}

static double off_by(const float *got, const float *want, int n)
{
    double most = 1e-30, worst = 0;
    for (int i = 0; i < n; i++) {
        if (!isfinite(got[i])) return INFINITY;
        most = fmax(most, fabs((double)want[i]));
        worst = fmax(worst, fabs((double)got[i] - want[i]));
    }
    return worst / most;
}

static void judge(int classes)
{
    enum { EACH = 3, ROWS = FORMS * EACH };
    float *y = malloc(IMAGES * (size_t)classes * sizeof *y), *want = malloc((size_t)classes * sizeof *want);
    struct wn_cuda_seed *seeds = malloc(ROWS * sizeof *seeds);
    int *sets = malloc(ROWS * 2 * MOST_SET * sizeof *sets);
    struct asked *asked = malloc(ROWS * sizeof *asked);
    fill_logits(y, classes);
    for (int r = 0; r < ROWS; r++) {
        memset(asked[r].sets, 0, sizeof asked[r].sets);
        ask(&asked[r], &forms[r / EACH], classes, r, &seeds[r], r * 2 * MOST_SET);
        memcpy(sets + r * 2 * MOST_SET, asked[r].sets, sizeof asked[r].sets);
    }
    struct wn_cuda_seeds d = {.logits = y, .classes = classes, .rows = ROWS, .question = seeds, .sets = sets};
    d.seed = malloc(ROWS * (size_t)classes * sizeof *d.seed), d.score = malloc(ROWS * sizeof *d.score);
    d.target = malloc(ROWS * sizeof *d.target), d.foil = malloc(ROWS * sizeof *d.foil);
    assert_true(wn_cuda_launch_seeds(&d, NULL));
    for (int r = 0; r < ROWS; r++) {
        struct wn_answer a = {.target = -1, .foil = -1};
        const struct form *form = &forms[r / EACH];
        assert_int_equal(wn_question_seed(&asked[r].question, y + asked[r].question.image * classes, classes, memset(want, 0, (size_t)classes * sizeof *want), &a), WN_OK);
        const double off = off_by(d.seed + r * classes, want, classes);
        if (!(off <= 1e-5)) fail_msg("'%s'%s, %d classes, row %d: off by %g", form->contrast, form->second ? ", second pass" : "", classes, r, off);
        if (!form->seed.swap) assert_int_equal(d.target[r], a.target);
        if (seeds[r].swap || seeds[r].against != WN_CUDA_AGAINST_OTHERS) assert_int_equal(d.foil[r], a.foil); /* all others may be one */
        assert_true(fabs((double)d.score[r] - a.score) <= 1e-4 * (1 + fabs((double)a.score)));
    }
    free(y), free(want), free(seeds), free(sets), free(asked), free(d.seed), free(d.score), free(d.target), free(d.foil);
}

static void seeds_are_those_of_the_contrasts(void **state)
{
    (void)state;
    for (wn_emulated_order = 0; wn_emulated_order < 3; wn_emulated_order++) {
        judge(2), judge(3), judge(33);
    }
    wn_emulated_order = 2;
    judge(31);
    judge(1000);
}

static void too_many_classes_for_a_block_are_refused(void **state)
{
    (void)state;
    const struct wn_cuda_seeds d = {.classes = WN_CUDA_SHARED_BYTES, .rows = 1};
    assert_false(wn_cuda_launch_seeds(&d, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_contrast_has_its_form),
        cmocka_unit_test(seeds_are_those_of_the_contrasts),
        cmocka_unit_test(too_many_classes_for_a_block_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
