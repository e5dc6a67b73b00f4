/* Seeds by the kernel are those of the contrasts' own code: every row of the table that is a closed form of the
 * logits, and the second pass of those that have one, over odd numbers of classes, confident networks and ties, many
 * questions in one launch. On the emulation. */
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

/* A row of the table, or the pass that is taken away from it. */
struct form {
    const struct wn_contrast *row;
    bool second;
};
enum { MOST_FORMS = 64, IMAGES = 4, MOST_SET = 4 };

/* Rows without a closed form are made by the host alone. */
static void add_form(struct form *forms, int *n, const struct wn_contrast *c, bool second)
{
    if ((second ? c->less : c)->form) forms[(*n)++] = (struct form){c, second};
}

static int list_forms(struct form *forms)
{
    int n = 0;
    for (int i = 0; wn_contrast_at(i); i++) {
        add_form(forms, &n, wn_contrast_at(i), false);
        if (wn_contrast_at(i)->less) add_form(forms, &n, wn_contrast_at(i), true);
    }
    return n;
}

/* ---- one question on both sides ---- */

struct asked {
    struct wn_contrast contrast;
    struct wn_question question;
    int sets[2 * MOST_SET];
};

/* Question r about these classes: predictions and chosen targets, with and without foils, with sets as large as they
 * may be. */
static void ask(struct asked *a, const struct form *form, int classes, int r)
{
    const struct wn_contrast *c = form->row;
    struct wn_question *q = &a->question;
    const int foil = (r * 7 + 1) % classes, target = r % 3 ? (r * 5) % classes : WN_TARGET_PREDICTED;
    a->contrast = form->second ? *c->less : *c;
    a->contrast.flags &= ~(unsigned)WN_CONTRAST_RELEVANCE; /* whatever method asks: only the seed is looked at */
    *q = (struct wn_question){
        .image = r % IMAGES, .method = wn_method_find("gradcam"), .contrast = &a->contrast, .target = target};
    if (c->flags & WN_CONTRAST_VALUE) q->value = 0.75f, q->has_value = true;
    if (c->flags & WN_CONTRAST_FOIL && (r % 2 || c->flags & WN_CONTRAST_SAME_OK)) {
        a->sets[0] = foil, q->foils = a->sets, q->n_foils = 1;
        if (!(c->flags & WN_CONTRAST_SAME_OK)) q->target = (foil + 1) % classes;
    }
    if (c->flags & WN_CONTRAST_TARGET_SET) {
        const int n = classes >= 2 * MOST_SET ? MOST_SET : 1;
        for (int i = 0; i < 2 * n; i++) a->sets[i] = (r + i * (classes / (2 * n))) % classes;
        q->targets = a->sets, q->n_targets = n;
        if (r % 2 == 0) q->foils = a->sets + n, q->n_foils = n;
    } else if (c->flags & WN_CONTRAST_FOIL_SET && r % 2) {
        a->sets[0] = foil, q->foils = a->sets, q->n_foils = 1;
        q->target = (foil + 1) % classes;
    }
}

/* The row that is made of a question, as it lies on the device: its sets from `at` on. */
static struct wn_cuda_seed seed_of(const struct wn_question *q, int classes, int *sets, int at)
{
    struct wn_seed_row row;
    assert_true(wn_question_row(q, classes, &row));
    for (int i = 0; i < row.n_targets; i++) sets[at + i] = row.targets[i];
    for (int i = 0; i < row.n_foils; i++) sets[at + row.n_targets + i] = row.foils[i];
    return (struct wn_cuda_seed){.form = row.form,
                                 .image = row.image,
                                 .target = row.target,
                                 .sets = at,
                                 .n_targets = row.n_targets,
                                 .n_foils = row.n_foils,
                                 .value = row.value};
}

static void fill_logits(float *y, int classes)
{
    struct rng rng = {11};
    for (int i = 0; i < IMAGES * classes; i++) y[i] = (float)rng_uniform(&rng, -4, 4);
    for (int i = 0; i < classes; i++) y[classes + i] = 2; /* all the same: ties */
    y[2 * classes + classes / 2] = 200;                   /* sure of one class */
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
    enum { EACH = 4, ROWS = MOST_FORMS * EACH };
    struct form forms[MOST_FORMS];
    const int rows = list_forms(forms) * EACH;
    float *y = malloc(IMAGES * (size_t)classes * sizeof *y), *want = malloc((size_t)classes * sizeof *want);
    struct wn_cuda_seed *seeds = malloc(ROWS * sizeof *seeds);
    int *sets = malloc(ROWS * 2 * MOST_SET * sizeof *sets);
    struct asked *asked = calloc(ROWS, sizeof *asked);
    fill_logits(y, classes);
    for (int r = 0; r < rows; r++) {
        ask(&asked[r], &forms[r / EACH], classes, r);
        seeds[r] = seed_of(&asked[r].question, classes, sets, r * 2 * MOST_SET);
    }
    struct wn_cuda_seeds d = {.logits = y, .classes = classes, .rows = rows, .question = seeds, .sets = sets};
    d.seed = malloc(ROWS * (size_t)classes * sizeof *d.seed), d.score = malloc(ROWS * sizeof *d.score);
    d.target = malloc(ROWS * sizeof *d.target), d.foil = malloc(ROWS * sizeof *d.foil);
    assert_true(wn_cuda_launch_seeds(&d, NULL));
    for (int r = 0; r < rows; r++) {
        struct wn_answer a = {.target = -1, .foil = -1};
        const struct form *form = &forms[r / EACH];
        assert_int_equal(wn_question_seed(&asked[r].question, y + asked[r].question.image * classes, classes,
                                          memset(want, 0, (size_t)classes * sizeof *want), &a),
                         WN_OK);
        const double off = off_by(d.seed + r * classes, want, classes);
        if (!(off <= 1e-5))
            fail_msg("'%s'%s, %d classes, row %d: off by %g", form->row->name, form->second ? ", second pass" : "",
                     classes, r, off);
        if (!seeds[r].form.swap) assert_int_equal(d.target[r], a.target);
        /* all others may be one */
        if (a.foil >= 0 && (seeds[r].form.swap || seeds[r].form.against != WN_AGAINST_OTHERS))
            assert_int_equal(d.foil[r], a.foil);
        assert_true(fabs((double)d.score[r] - a.score) <= 1e-4 * (1 + fabs((double)a.score)));
    }
    free(y), free(want), free(seeds), free(sets), free(asked), free(d.seed), free(d.score), free(d.target),
        free(d.foil);
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
        cmocka_unit_test(seeds_are_those_of_the_contrasts),
        cmocka_unit_test(too_many_classes_for_a_block_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
