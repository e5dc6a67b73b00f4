/* How many questions a slot becomes is known before any logit is: the engine's batch is laid out by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <models.h>
#include <questions.h>

enum { CLASSES = 1500, MOST = WN_MOST_CLASSES };

struct stand {
    struct wn_model *model;
    struct wn_job job;
    struct wn_item item;
    struct wn_slot slot;
    struct wn_question questions[2 * MOST];
    enum wn_map_kind kinds[2 * MOST];
    int targets[MOST], foils[MOST];
    float logits[CLASSES];
};

static int setup(void **state)
{
    struct stand *s = calloc(1, sizeof *s);
    if (!s || !(s->model = calloc(1, sizeof *s->model))) return -1;
    s->model->classes = CLASSES;
    s->job = (struct wn_job){.slots = &s->slot, .n_slots = 1};
    s->item = (struct wn_item){
        .job = &s->job, .model = s->model, .questions = s->questions, .kinds = s->kinds, .most_questions = 2 * MOST};
    s->slot = (struct wn_slot){.model = s->model, .item = &s->item, .targets = s->targets, .foils = s->foils};
    s->slot.ask.maps = WN_MAPS_CONTRAST;
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stand *s = *state;
    free(s->model);
    free(s);
    return 0;
}

/* The questions where the targets are the network's last choices (first: its first ones). */
static int planned(struct stand *s, bool first)
{
    for (int k = 0; k < CLASSES; k++) s->logits[k] = (float)(first ? -k : k);
    s->item.n_questions = 0;
    s->slot.n_foils = 0;
    wn_item_plan(&s->item, s->logits);
    for (int i = 0; i < s->slot.n_foils; i++)
        for (int k = 0; k < s->slot.n_targets; k++) assert_int_not_equal(s->slot.foils[i], s->slot.targets[k]);
    return s->item.n_questions;
}

static void as_many_rivals_as_were_asked_for_wherever_the_targets_stand(void **state)
{
    struct stand *s = *state;
    const int wanted[] = {1, 3, MOST - 1, MOST}, targets[] = {0, 1};
    s->slot.contrast = wn_contrast_find("pair");
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < 4; i++) {
            s->slot.nearest = wanted[i], s->slot.n_targets = targets[t];
            assert_int_equal(planned(s, true), wanted[i]);
            assert_int_equal(planned(s, false), wanted[i]);
        }
}

static void many_targets_leave_as_many_rivals(void **state)
{
    struct stand *s = *state;
    const int targets[] = {2, 400};
    s->slot.contrast = wn_contrast_find("subset");
    s->slot.nearest = MOST;
    for (int k = 0; k < MOST; k++) s->targets[k] = k;
    for (int t = 0; t < 2; t++)
        for (int first = 0; first < 2; first++) {
            s->slot.n_targets = targets[t];
            assert_int_equal(planned(s, first), 1);
            assert_int_equal(s->slot.n_foils, MOST);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_rivals_as_were_asked_for_wherever_the_targets_stand, setup, teardown),
        cmocka_unit_test_setup_teardown(many_targets_leave_as_many_rivals, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
