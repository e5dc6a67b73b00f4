/* The store of derived weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "graph.h"
#include "nets.h"

static int calls;

static void counting(float *dst, const void *arg)
{
    calls++;
    for (int i = 0; i < 6; i++) dst[i] = (float)i + *(const float *)arg;
}

static struct wn_graph *any_graph(void)
{
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wire model = nets[0].make();
    struct wn_graph *g = NULL;
    assert_int_equal(wn_graph_read(model.data, model.n, &limits, &g, NULL), WN_OK);
    wire_free(&model);
    return g;
}

static void a_weight_is_made_once_and_keeps_its_address(void **state)
{
    (void)state;
    const struct wn_shape shape = {2, {2, 3}};
    struct wn_graph *g = any_graph();
    const float base = 10;
    calls = 0;
    const struct wn_weight *first = wn_graph_weight(g, "k0", &shape, counting, &base, NULL);
    for (int i = 1; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_non_null(wn_graph_weight(g, key, &shape, counting, &base, NULL));
    }
    assert_ptr_equal(wn_graph_weight(g, "k0", &shape, counting, &base, NULL), first);
    assert_int_equal(calls, 200);
    assert_true(first->data[5] == 15 && first->shape.dim[1] == 3);
    assert_string_equal(first->name, "k0");
    wn_graph_destroy(g);
}

static void a_constant_can_be_a_weight_without_a_copy(void **state)
{
    (void)state;
    const struct wn_shape shape = {1, {3}};
    static const float data[] = {1, 2, 3};
    struct wn_graph *g = any_graph();
    const struct wn_weight *w = wn_graph_weight(g, "c", &shape, NULL, data, NULL);
    assert_ptr_equal(w->data, data);
    wn_graph_destroy(g);
}

/* A model may name a value like a derived weight; it must not get that weight's bytes under another shape. */
static void one_name_never_means_two_shapes(void **state)
{
    (void)state;
    const struct wn_shape shape = {2, {2, 3}}, other = {2, {3, 2}};
    struct wn_graph *g = any_graph();
    struct wn_error err = {0};
    const float base = 0;
    assert_non_null(wn_graph_weight(g, "k", &shape, counting, &base, NULL));
    assert_null(wn_graph_weight(g, "k", &other, counting, &base, &err));
    assert_int_equal(err.code, WN_BAD_MODEL);
    wn_graph_destroy(g);
}

static void a_weight_that_has_no_size_is_refused(void **state)
{
    (void)state;
    const struct wn_shape shapes[] = {{2, {INT64_C(1) << 40, INT64_C(1) << 40}}, {1, {-1}}, {1, {INT64_MAX / 2}}};
    struct wn_graph *g = any_graph();
    for (int i = 0; i < 3; i++) {
        struct wn_error err = {0};
        assert_null(wn_graph_weight(g, "huge", &shapes[i], counting, NULL, &err));
        assert_int_equal(err.code, WN_NO_MEMORY);
    }
    wn_graph_destroy(g);
}

/* Slow enough that an unguarded store would let a second thread in. */
static void dawdling(float *dst, const void *arg)
{
    usleep(200);
    counting(dst, arg);
}

static void *ask(void *g)
{
    const struct wn_shape shape = {1, {6}};
    const float base = 0;
    uintptr_t sum = 0;
    for (int i = 0; i < 2000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i % 50);
        sum += (uintptr_t)wn_graph_weight(g, key, &shape, dawdling, &base, NULL);
    }
    return (void *)sum;
}

static void threads_that_ask_at_once_get_the_same_weights(void **state)
{
    (void)state;
    struct wn_graph *g = any_graph();
    pthread_t threads[4];
    void *sums[4];
    calls = 0;
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask, g), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], &sums[i]);
    for (int i = 1; i < 4; i++) assert_ptr_equal(sums[i], sums[0]);
    assert_int_equal(calls, 50);
    wn_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_is_made_once_and_keeps_its_address),
        cmocka_unit_test(a_constant_can_be_a_weight_without_a_copy),
        cmocka_unit_test(one_name_never_means_two_shapes),
        cmocka_unit_test(a_weight_that_has_no_size_is_refused),
        cmocka_unit_test(threads_that_ask_at_once_get_the_same_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
