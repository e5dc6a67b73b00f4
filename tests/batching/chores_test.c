/* Chores: the order in which threads work them off, and what is handed in when the threads have ended. */
#include <chores.h>
#include <job.h>

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char order[16];
static sem_t held;

static void hold(void *unused)
{
    (void)unused;
    while (sem_wait(&held) != 0) {
    }
}

static void note(void *letter)
{
    order[strlen(order)] = *(const char *)letter;
}

static void small_ones_overtake_large_ones(void **state)
{
    static struct wn_chores chores;
    struct wn_chore first = {.run = hold}, large = {.run = note, .context = "l"}, small = {.run = note, .context = "s"};
    struct wn_error err = {0};
    (void)state;
    memset(order, 0, sizeof order);
    sem_init(&held, 0, 0);
    assert_int_equal(wn_chores_start(&chores, 1, &err), WN_OK);
    wn_chores_hand(&chores, &first, 0);
    wn_chores_hand(&chores, &large, (int64_t)60e9);
    wn_chores_hand(&chores, &small, 1000);
    assert_in_range(wn_chores_wait_ns(&chores), (int64_t)60e9, (int64_t)61e9);
    sem_post(&held);
    wn_chores_finish(&chores); /* does both first */
    assert_string_equal(order, "sl");
    sem_destroy(&held);
}

/* Else whoever sleeps for it would sleep for ever. */
static void what_comes_after_the_end_is_done_by_who_hands_it_in(void **state)
{
    static struct wn_chores chores;
    struct wn_chore late = {.run = note, .context = "x"};
    struct wn_error err = {0};
    (void)state;
    memset(order, 0, sizeof order);
    assert_int_equal(wn_chores_start(&chores, 2, &err), WN_OK);
    wn_chores_end(&chores);
    wn_chores_hand(&chores, &late, 1000);
    assert_string_equal(order, "x");
    assert_int_equal(wn_chores_wait_ns(&chores), 0);
    wn_chores_finish(&chores);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_ones_overtake_large_ones),
        cmocka_unit_test(what_comes_after_the_end_is_done_by_who_hands_it_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
