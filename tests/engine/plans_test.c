/* What an engine keeps compiled stays within its bytes, and what it let go answers again.
 *
 *     plans_test BACKEND FOLDER     FOLDER holds the networks of make_goldens.py */
#include "small.h"

#include "engine.h"

#include <stdlib.h>
#include <string.h>

static int kept(const struct wn_engine *e)
{
    int n = 0;
    for (int i = 0; i < MAX_PLANS; i++) n += e->plans[i] != NULL;
    return n;
}

static struct wn_answer ask(struct wn_engine *e, struct wn_graph *g, int layer)
{
    const float *image = pictures[0];
    float *logits = calloc((size_t)wn_graph_classes(g), sizeof *logits);
    struct wn_question q = question(0, "la", "logit", 2);
    struct wn_answer a = {0};
    struct wn_error err = {0};
    q.layer = layer;
    assert_non_null(logits);
    assert_int_equal(
        wn_engine_explain(e, &(struct wn_batch){1, &image, 1, &q, NULL, NULL, NULL}, logits, &a, NULL, &err), WN_OK);
    assert_int_equal(a.error.code, WN_OK);
    free(logits);
    return a;
}

static void plans_that_are_too_large_together_go_and_answer_again(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *all = small_engine(g, 1, 1, NULL), *few = small_engine(g, 1, 1, NULL);
    const int n = wn_graph_layers(g);
    assert_true(n > MIN_PLANS);
    few->plan_bytes = 1;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < n; i++) {
            struct wn_answer a = ask(all, g, i), b = ask(few, g, i);
            assert_memory_equal(a.map, b.map, (size_t)(a.h * a.w) * sizeof(float));
            wn_answer_finish(&a);
            wn_answer_finish(&b);
            assert_true(kept(few) <= MIN_PLANS);
        }
    assert_int_equal(kept(few), MIN_PLANS);
    assert_true(kept(all) >= (n < MAX_PLANS ? n : MAX_PLANS));
    wn_engine_destroy(all);
    wn_engine_destroy(few);
    wn_graph_destroy(g);
}

/* Any load of the common layer, on a card: 32 images and 128 rows. */
static void sizes_of_runs_are_so_few_that_all_of_them_stay(void **state)
{
    (void)state;
    int64_t seen[64][2];
    int n = 0;
    for (int images = 1; images <= 32; images++)
        for (int questions = 0; questions <= 128; questions++) {
            const int64_t size = wn_engine_bucket(images, 32), rows = wn_engine_rows(questions, size, 128);
            assert_true(size >= images && rows >= questions && rows <= 128);
            assert_true(questions <= size ? rows == size : rows < 4 * questions); /* a question a picture wastes none */
            int i = 0;
            while (i < n && (seen[i][0] != size || seen[i][1] != rows)) i++;
            if (i < n) continue;
            seen[n][0] = size, seen[n++][1] = rows;
            assert_true(n < 64);
        }
    assert_true(n < MAX_PLANS);
    assert_int_equal(wn_engine_rows(7, 4, 2), 2);
}

static int kept_after(struct wn_engine *e, struct wn_graph *g, int n_images, int n_questions)
{
    const float *images[IMAGES];
    struct wn_question q[8];
    struct wn_answer a[8] = {0};
    struct wn_error err = {0};
    float *logits = calloc((size_t)(IMAGES * wn_graph_classes(g)), sizeof *logits);
    assert_non_null(logits);
    for (int i = 0; i < n_images; i++) images[i] = pictures[i];
    for (int i = 0; i < n_questions; i++) q[i] = question(i % n_images, "gradcam", "logit", 1);
    if (wn_engine_explain(e, &(struct wn_batch){n_images, images, n_questions, q, NULL, NULL, NULL}, logits, a, NULL,
                          &err) != WN_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < n_questions; i++) wn_answer_finish(&a[i]);
    free(logits);
    return kept(e);
}

/* What a model is warmed up with serves what comes: as many questions as pictures, fewer, or none. */
static void pictures_with_a_question_each_run_what_pictures_without_ran(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 4, 16, NULL);
    assert_int_equal(kept_after(e, g, 3, 3), 2); /* one came with the engine */
    assert_int_equal(kept_after(e, g, 4, 0), 2);
    assert_int_equal(kept_after(e, g, 3, 1), 2);
    assert_int_equal(kept_after(e, g, 4, 4), 2);
    assert_int_equal(kept_after(e, g, 4, 5), 3); /* 16 rows */
    assert_int_equal(kept_after(e, g, 1, 1), 3);
    struct wn_plan *plan;
    assert_int_equal(wn_engine_forward_plan(e, 3, &plan, NULL), WN_OK);
    assert_int_equal(kept(e), 3);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

static void what_fits_stays(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 1, 1, NULL);
    struct wn_backend_traits t = {0};
    for (int i = 0; i < wn_graph_layers(g); i++) {
        struct wn_answer a = ask(e, g, i);
        wn_answer_finish(&a);
        e->backend->impl->traits(e->backend, &t);
        if (i == MIN_PLANS + 1) e->plan_bytes = t.device_bytes - t.shared_bytes;
        if (i > MIN_PLANS + 1) assert_true(t.device_bytes - t.shared_bytes <= e->plan_bytes || kept(e) == MIN_PLANS);
    }
    assert_true(kept(e) > MIN_PLANS);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

/* ---- every class at once ---- */

static int stacks_kept(const struct wn_engine *e)
{
    int n = 0;
    for (int i = 0; i < MAX_STACK_PLANS; i++) n += e->stacks[i] != NULL;
    return n;
}

static struct wn_stack_plan *stack_plan(const struct wn_engine *e, int images)
{
    for (int i = 0; i < MAX_STACK_PLANS; i++)
        if (e->stacks[i] && e->stacks[i]->images == images) return e->stacks[i];
    return NULL;
}

/* Maps of the first n pictures; places[i]: as which of its run picture i went. */
static void stack(struct wn_engine *e, struct wn_graph *g, const char *method, int n, int *places)
{
    const float *images[IMAGES];
    struct wn_stack stacks[IMAGES] = {0};
    struct wn_error errors[IMAGES], err = {0};
    float *logits = calloc((size_t)(IMAGES * wn_graph_classes(g)), sizeof *logits);
    for (int i = 0; i < n; i++) images[i] = pictures[i];
    if (wn_engine_stacks(e, images, n, WN_LAYER_AUTO, wn_method_find(method), logits, stacks, errors, &err) != WN_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < n; i++) {
        assert_int_equal(errors[i].code, WN_OK);
        places[i] = stacks[i].place;
        wn_stack_finish(&stacks[i]);
    }
    free(logits);
}

static void images_go_in_runs_of_powers_of_two(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 4, 4, NULL);
    int place[IMAGES];
    stack(e, g, "gradcam", 3, place);
    assert_memory_equal(place, ((int[]){0, 1, 2}), 3 * sizeof *place);
    assert_non_null(stack_plan(e, 4));
    assert_int_equal(stacks_kept(e), 1);
    stack(e, g, "gradcam", 5, place);
    assert_memory_equal(place, ((int[]){0, 1, 2, 3, 0}), sizeof place);
    assert_non_null(stack_plan(e, 1));
    assert_int_equal(stacks_kept(e), 2);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

static void what_was_refused_for_many_images_is_not_tried_again(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 4, 4, NULL);
    int place[IMAGES];
    stack(e, g, "gradcam", 2, place);
    stack_plan(e, 2)->refused = 4;
    stack(e, g, "gradcam", 5, place);
    assert_memory_equal(place, ((int[]){0, 1, 0, 1, 0}), sizeof place);
    assert_null(stack_plan(e, 4));
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

static void backward_passes_have_one_plan_for_any_number_of_images(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("vgg_head");
    struct wn_engine *e = small_engine(g, 4, 4, NULL);
    int place[IMAGES];
    for (int n = 1; n <= IMAGES; n++) {
        stack(e, g, "la", n, place);
        for (int i = 0; i < n; i++) assert_int_equal(place[i], 0);
        assert_int_equal(stacks_kept(e), 1);
        assert_int_equal(stack_plan(e, 1)->refused, n > 1 ? 2 : 0);
    }
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

static void plans_of_stacks_share_the_bytes_and_the_last_one_stays(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *all = small_engine(g, 4, 4, NULL), *few = small_engine(g, 4, 4, NULL);
    int place[IMAGES];
    few->plan_bytes = 1;
    for (int round = 0; round < 2; round++)
        for (int n = 1; n <= IMAGES; n++) {
            stack(all, g, "gradcam", n, place);
            stack(few, g, "gradcam", n, place);
            assert_int_equal(stacks_kept(few), 1);
            assert_non_null(stack_plan(few, n == 5 ? 1 : n == 3 ? 4 : n));
            struct wn_answer a = ask(few, g, n % wn_graph_layers(g));
            wn_answer_finish(&a);
        }
    assert_int_equal(stacks_kept(all), 3);
    wn_engine_destroy(all);
    wn_engine_destroy(few);
    wn_graph_destroy(g);
}

/* The second call writes where the first one did, except where a map has another size or there is none. */
static void memory_of_an_earlier_call_is_used_again(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 4, 4, NULL);
    const size_t k = (size_t)wn_graph_classes(g);
    const float *images[] = {pictures[0], pictures[1], pictures[2]},
                *swapped[] = {pictures[1], pictures[0], pictures[2]};
    float *logits = calloc(3 * k, sizeof *logits), *maps[3], *first;
    struct wn_stack stacks[3] = {0};
    struct wn_error errors[3], err = {0};
    const struct wn_method *m = wn_method_find("gradcam");
    assert_int_equal(wn_engine_stacks(e, images, 3, WN_LAYER_AUTO, m, logits, stacks, errors, &err), WN_OK);
    const size_t bytes = k * (size_t)(stacks[0].h * stacks[0].w) * sizeof *first;
    first = malloc(bytes);
    memcpy(first, stacks[0].maps, bytes);
    wn_stack_finish(&stacks[2]);
    for (int i = 0; i < 3; i++) maps[i] = stacks[i].maps;
    assert_int_equal(wn_engine_stacks(e, swapped, 3, WN_LAYER_AUTO, m, logits, stacks, errors, &err), WN_OK);
    assert_ptr_equal(stacks[0].maps, maps[0]);
    assert_ptr_equal(stacks[1].maps, maps[1]);
    assert_non_null(stacks[2].maps);
    assert_memory_equal(stacks[1].maps, first, bytes);
    wn_stack_finish(&stacks[0]); /* and now one that is too small */
    stacks[0].h = stacks[0].w = 1;
    stacks[0].maps = malloc(k * sizeof *first);
    assert_int_equal(wn_engine_stacks(e, images, 3, WN_LAYER_AUTO, m, logits, stacks, errors, &err), WN_OK);
    assert_memory_equal(stacks[0].maps, first, bytes);
    assert_int_equal(wn_engine_stacks(e, images, 3, 100000, m, logits, stacks, errors, &err), WN_NO_SUCH_LAYER);
    for (int i = 0; i < 3; i++) {
        assert_null(stacks[i].maps);
        wn_stack_finish(&stacks[i]);
    }
    free(first);
    free(logits);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

int main(int argc, char **argv)
{
    int status = small_begin(argc, argv);
    if (status) return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_that_are_too_large_together_go_and_answer_again),
        cmocka_unit_test(what_fits_stays),
        cmocka_unit_test(sizes_of_runs_are_so_few_that_all_of_them_stay),
        cmocka_unit_test(pictures_with_a_question_each_run_what_pictures_without_ran),
        cmocka_unit_test(images_go_in_runs_of_powers_of_two),
        cmocka_unit_test(what_was_refused_for_many_images_is_not_tried_again),
        cmocka_unit_test(backward_passes_have_one_plan_for_any_number_of_images),
        cmocka_unit_test(plans_of_stacks_share_the_bytes_and_the_last_one_stays),
        cmocka_unit_test(memory_of_an_earlier_call_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
