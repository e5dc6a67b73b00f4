/* The queue with a made-up backend that gains from batches: sizes, patience, turns, bounds; and nobody is forgotten. */
#include <queue.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct wn_model gains, other, plain; /* plain: a processor, where a batch gains nothing */
static struct wn_queue q;
static _Atomic int woken;
static const struct wn_gathering at_once = {0, 256};

static void wake(void *waiter)
{
    (void)waiter;
    woken++;
}

static struct wn_job *make_job(struct wn_model *m, int n, int key, enum wn_priority priority, int64_t timeout_ms)
{
    static _Atomic uint64_t pictures; /* no two alike: these have no pixels to compare */
    struct wn_job *job = wn_job_create();
    job->items = wn_pool_array(&job->pool, (size_t)n, sizeof *job->items);
    job->n_items = n;
    job->key = key;
    job->priority = priority;
    job->deadline_ns = wn_now_ns() + timeout_ms * 1000000;
    job->wake = wake;
    for (int i = 0; i < n; i++) job->items[i] = (struct wn_item){.job = job, .model = m, .picture = ++pictures};
    return job;
}

static struct wn_job *push(struct wn_model *m, int n, int key, enum wn_priority priority)
{
    struct wn_job *job = make_job(m, n, key, priority, 60000);
    struct wn_error err = {0};
    assert_int_equal(wn_queue_push(&q, job, NULL, NULL, &err), WN_OK);
    return job;
}

/* Everybody's hold is let go: nobody reads answers here. */
static void push_away(struct wn_model *m, int n, int key, enum wn_priority priority)
{
    /* the queue holds it as long as it waits */
    for (int i = 0; i < n; i++) wn_queue_release(&q, push(m, 1, key, priority));
}

static int begin(void **state)
{
    struct wn_error err = {0};
    (void)state;
    memset(&gains, 0, sizeof gains);
    memset(&other, 0, sizeof other);
    memset(&plain, 0, sizeof plain);
    gains.most_images = 8;
    gains.preferred = 8;
    memcpy(gains.run_us, (int64_t[]){1000, 1100, 1200, 1400}, 4 * sizeof(int64_t));
    plain.most_images = 8;
    plain.preferred = 1;
    memcpy(plain.run_us, (int64_t[]){1000, 2000, 4000, 8000}, 4 * sizeof(int64_t));
    other.most_images = other.preferred = 1;
    woken = 0;
    return wn_queue_init(&q, 64, 0, &err) != WN_OK;
}

static int end(void **state)
{
    struct wn_item *items[256];
    int n;
    (void)state;
    wn_queue_close(&q);
    while ((n = wn_queue_take(&q, &at_once, items))) wn_queue_done(&q, items, n);
    wn_queue_finish(&q);
    return 0;
}

static int take(int64_t patience_us, struct wn_item **items)
{
    const struct wn_gathering how = {patience_us, 256};
    return wn_queue_take(&q, &how, items);
}

static void runs_have_the_size_that_costs_least_a_picture(void **state)
{
    struct wn_item *items[256];
    (void)state;
    push_away(&gains, 21, 0, WN_PRIORITY_NORMAL);
    for (int wanted = 8, left = 21; left; left -= wanted) {
        wanted = left < 8 ? left : 8;
        assert_int_equal(take(0, items), wanted);
        assert_int_equal(wn_queue_running(&q), wanted);
        assert_int_equal(wn_queue_depth(&q), left - wanted);
        wn_queue_done(&q, items, wanted);
        assert_int_equal(wn_queue_running(&q), 0);
    }
    push_away(&plain, 8, 0, WN_PRIORITY_NORMAL);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(take(0, items), 1);
        wn_queue_done(&q, items, 1);
    }
    /* five would run as long as eight */
    memcpy(gains.run_us, (int64_t[]){1000, 1100, 1200, 3000}, 4 * sizeof(int64_t));
    assert_int_equal(wn_model_run_size(&gains, 5), 4);
    assert_int_equal(wn_model_run_size(&gains, 8), 4);
}

static void *push_six_later(void *unused)
{
    (void)unused;
    usleep(30000);
    push_away(&gains, 6, 0, WN_PRIORITY_NORMAL);
    return NULL;
}

static void the_first_picture_waits_no_longer_than_it_was_said(void **state)
{
    struct wn_item *items[256];
    pthread_t later;
    (void)state;
    push_away(&gains, 2, 0, WN_PRIORITY_NORMAL);
    int64_t start = wn_now_ns();
    assert_int_equal(take(60000, items), 2);
    int64_t waited_us = (wn_now_ns() - start) / 1000;
    assert_in_range(waited_us, 55000, 3000000); /* a busy machine */
    wn_queue_done(&q, items, 2);
    push_away(&gains, 8, 0, WN_PRIORITY_NORMAL); /* nothing to wait for */
    start = wn_now_ns();
    assert_int_equal(take(5000000, items), 8);
    assert_in_range((wn_now_ns() - start) / 1000, 0, 4000000);
    wn_queue_done(&q, items, 8);
    push_away(&gains, 2, 0, WN_PRIORITY_NORMAL); /* six more make it full */
    pthread_create(&later, NULL, push_six_later, NULL);
    start = wn_now_ns();
    assert_int_equal(take(5000000, items), 8);
    assert_in_range((wn_now_ns() - start) / 1000, 20000, 4500000);
    wn_queue_done(&q, items, 8);
    pthread_join(later, NULL);
    push_away(&gains, 1, 0, WN_PRIORITY_NORMAL); /* one that waits does not hold up another model */
    push_away(&other, 1, 0, WN_PRIORITY_NORMAL);
    assert_int_equal(take(2000000, items), 1);
    assert_ptr_equal(items[0]->model, &other);
    wn_queue_done(&q, items, 1);
}

static void high_goes_first_and_low_is_not_starved(void **state)
{
    struct wn_item *items[256];
    int first_low = -1, low = 0;
    (void)state;
    push_away(&other, 20, 0, WN_PRIORITY_LOW);
    push_away(&other, 40, 0, WN_PRIORITY_HIGH);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(take(0, items), 1);
        bool is_low = items[0]->job->priority == WN_PRIORITY_LOW;
        if (is_low && first_low < 0) first_low = i;
        low += is_low;
        wn_queue_done(&q, items, 1);
    }
    assert_int_equal(first_low, 7);
    assert_int_equal(low, 5);
}

static void keys_take_turns(void **state)
{
    struct wn_item *items[256];
    int seen[4] = {0};
    (void)state;
    push_away(&other, 50, 1, WN_PRIORITY_NORMAL);
    push_away(&other, 3, 2, WN_PRIORITY_NORMAL);
    push_away(&other, 4, 3, WN_PRIORITY_NORMAL);
    for (int i = 0; i < 9; i++) {
        take(0, items);
        seen[items[0]->job->key]++;
        wn_queue_done(&q, items, 1);
    }
    assert_int_equal(seen[1], 3);
    assert_int_equal(seen[2], 3);
    assert_int_equal(seen[3], 3);
}

static void models_take_turns(void **state)
{
    struct wn_item *items[256];
    bool seen = false;
    (void)state;
    push_away(&other, 30, 0, WN_PRIORITY_NORMAL);
    push_away(&plain, 1, 0, WN_PRIORITY_NORMAL);
    for (int i = 0; i < 2; i++) {
        take(0, items);
        seen |= items[0]->model == &plain;
        wn_queue_done(&q, items, 1);
    }
    assert_true(seen);
}

static void a_full_lane_makes_way_for_whoever_has_less(void **state)
{
    struct wn_error err = {0};
    struct wn_job *hog[64], *mine;
    int late = 0, retry;
    (void)state;
    for (int i = 0; i < 64; i++) hog[i] = push(&other, 1, 1, WN_PRIORITY_NORMAL);
    mine = make_job(&other, 1, 1, WN_PRIORITY_NORMAL, 60000);
    assert_int_equal(wn_queue_push(&q, mine, NULL, NULL, &err), WN_QUEUE_FULL);
    assert_int_equal(wn_queue_admits(&q, &other, 1, WN_PRIORITY_NORMAL, NULL, &retry, NULL), WN_QUEUE_FULL);
    assert_int_equal(wn_queue_admits(&q, &plain, 1, WN_PRIORITY_NORMAL, NULL, &retry, NULL), WN_OK);
    wn_queue_release(&q, mine);
    for (int i = 0; i < 32; i++) { /* the light key may fill its half */
        assert_int_equal(wn_queue_admits(&q, &other, 2, WN_PRIORITY_NORMAL, NULL, &retry, NULL), WN_OK);
        push_away(&other, 1, 2, WN_PRIORITY_NORMAL);
    }
    assert_int_equal(wn_queue_admits(&q, &other, 2, WN_PRIORITY_NORMAL, NULL, &retry, NULL), WN_QUEUE_FULL);
    assert_int_equal(wn_queue_depth(&q), 64);
    assert_int_equal(woken, 32);
    for (int i = 0; i < 64; i++) {
        late += hog[i]->late.code == WN_QUEUE_FULL;
        assert_int_equal(hog[i]->late.code == WN_QUEUE_FULL, i >= 32); /* the last come, first gone */
        wn_queue_release(&q, hog[i]);
    }
    assert_int_equal(late, 32);
}

static void nobody_gives_way_for_what_does_not_fit_even_so(void **state)
{
    struct wn_error err = {0};
    struct wn_job *job;
    unsigned seed = 1;
    int refused = 0;
    (void)state;
    push_away(&other, 40, 1, WN_PRIORITY_NORMAL);
    push_away(&other, 24, 2, WN_PRIORITY_NORMAL);
    job = make_job(&other, 30, 3, WN_PRIORITY_NORMAL, 60000); /* ten would go, and there would be 84 */
    assert_int_equal(wn_queue_push(&q, job, NULL, NULL, &err), WN_QUEUE_FULL);
    assert_int_equal(woken, 0);
    wn_queue_release(&q, job);
    wn_queue_release(&q, push(&other, 21, 3, WN_PRIORITY_NORMAL)); /* 22 each do not fit, these do */
    assert_int_equal(wn_queue_depth(&q), 64);
    for (int i = 0; i < 2000; i++) {
        const int before = woken;
        job = make_job(&other, 1 + rand_r(&seed) % 40, rand_r(&seed) % 6, (enum wn_priority)(rand_r(&seed) % 3), 60000);
        if (wn_queue_push(&q, job, NULL, NULL, &err) != WN_OK) {
            refused++;
            assert_int_equal(woken, before);
        }
        assert_in_range(wn_queue_depth(&q), 1, 64);
        wn_queue_release(&q, job);
    }
    assert_in_range(refused, 100, 1999);
}

/* One picture for `first` and n for `rest`. */
static struct wn_job *make_mixed(struct wn_model *first, struct wn_model *rest, int n, int key)
{
    struct wn_job *job = make_job(rest, n + 1, key, WN_PRIORITY_NORMAL, 60000);
    job->items[0].model = first;
    return job;
}

static void a_batch_is_let_in_by_each_of_its_models(void **state)
{
    struct wn_error err = {0};
    struct wn_job *job, *hog;
    int retry = 0;
    (void)state;
    push_away(&other, 40, 1, WN_PRIORITY_NORMAL);
    job = make_mixed(&plain, &other, 40, 1);
    assert_int_equal(wn_queue_push(&q, job, NULL, &retry, &err), WN_QUEUE_FULL);
    assert_non_null(strstr(err.text, "40 pictures wait"));
    assert_int_equal(wn_queue_depth(&q), 40); /* all of it or nothing */
    wn_queue_release(&q, job);
    job = make_mixed(&plain, &other, 24, 1);
    assert_int_equal(wn_queue_push(&q, job, NULL, NULL, &err), WN_OK);
    assert_int_equal(wn_queue_depth(&q), 65);
    wn_queue_release(&q, job);
    /* room is made in the lane where there is none, and what was refused before made nobody give way */
    job = make_mixed(&plain, &other, 1, 2);
    assert_int_equal(wn_queue_push(&q, job, NULL, NULL, &err), WN_OK);
    assert_int_equal(woken, 1); /* the batch of 25 came last */
    assert_int_equal(wn_queue_depth(&q), 42);
    wn_queue_release(&q, job);
    hog = push(&gains, 64, 1, WN_PRIORITY_NORMAL);
    job = make_mixed(&other, &gains, 65, 2);
    assert_int_equal(wn_queue_push(&q, job, NULL, NULL, &err), WN_QUEUE_FULL);
    assert_int_equal(woken, 1);
    wn_queue_release(&q, job);
    wn_queue_release(&q, hog);
}

static void a_batch_waits_for_the_slowest_of_its_models(void **state)
{
    struct wn_place place = {0};
    struct wn_error err = {0};
    struct wn_job *job;
    int retry = 0;
    (void)state;
    q.most_wait_us = 2500000;
    other.image_us = 1000000;
    push_away(&other, 3, 1, WN_PRIORITY_NORMAL);
    job = make_mixed(&plain, &other, 1, 1);
    assert_int_equal(wn_queue_push(&q, job, NULL, &retry, &err), WN_QUEUE_FULL);
    assert_int_equal(retry, 3);
    /* the word that one model gave is not the other's */
    assert_int_equal(wn_queue_admits(&q, &plain, 1, WN_PRIORITY_HIGH, &place, &retry, NULL), WN_OK);
    assert_int_equal(wn_queue_push(&q, job, &place, &retry, &err), WN_QUEUE_FULL);
    assert_int_equal(place.until_ns, 0);
    wn_queue_release(&q, job);
}

static void nobody_is_let_in_to_wait_too_long(void **state)
{
    int retry = 0;
    (void)state;
    q.most_wait_us = 2500000;
    other.image_us = 1000000;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wn_queue_admits(&q, &other, 1, WN_PRIORITY_NORMAL, NULL, &retry, NULL), WN_OK);
        push_away(&other, 1, 1, WN_PRIORITY_NORMAL);
    }
    assert_int_equal(wn_queue_admits(&q, &other, 1, WN_PRIORITY_NORMAL, NULL, &retry, NULL), WN_QUEUE_FULL);
    assert_int_equal(retry, 3);
    /* whose turn would come sooner, because of the key or the priority, is let in */
    assert_int_equal(wn_queue_admits(&q, &other, 2, WN_PRIORITY_NORMAL, NULL, &retry, NULL), WN_OK);
    assert_int_equal(wn_queue_admits(&q, &other, 1, WN_PRIORITY_HIGH, NULL, &retry, NULL), WN_OK);
}

static struct wn_job *push_work(struct wn_model *m, int64_t work, enum wn_priority priority, int64_t timeout_ms)
{
    struct wn_job *job = make_job(m, 1, 0, priority, timeout_ms);
    struct wn_error err = {0};
    job->items[0].work = work;
    assert_int_equal(wn_queue_push(&q, job, NULL, NULL, &err), WN_OK);
    return job;
}

static enum wn_code admits(const struct wn_model *m, int *retry)
{
    return wn_queue_admits(&q, m, 0, WN_PRIORITY_HIGH, NULL, retry, NULL);
}

static void what_runs_and_what_a_question_costs_count_as_waiting(void **state)
{
    struct wn_item *long_one[256], *short_one[256];
    struct wn_job *job;
    int retry = 0;
    (void)state;
    q.most_wait_us = 10000000;
    other.image_us = 10000;
    /* one worker: who comes to any model waits for what it has */
    wn_queue_release(&q, push_work(&other, 2000, WN_PRIORITY_NORMAL, 60000));
    assert_int_equal(admits(&other, &retry), WN_OK); /* comes before it */
    assert_int_equal(take(0, long_one), 1);
    assert_int_equal(admits(&plain, &retry), WN_QUEUE_FULL);
    assert_in_range(retry, 15, 20);
    long_one[0]->taken_ns -= (int64_t)15e9; /* most of it is done */
    assert_int_equal(admits(&plain, &retry), WN_OK);
    long_one[0]->taken_ns -= (int64_t)40e9; /* it takes longer than was thought, and goes on till its deadline */
    assert_int_equal(admits(&plain, &retry), WN_QUEUE_FULL);
    long_one[0]->job->deadline_ns = wn_now_ns() + (int64_t)2e9;
    assert_int_equal(admits(&plain, &retry), WN_OK);
    long_one[0]->job->deadline_ns = wn_now_ns() + (int64_t)60e9;
    wn_queue_done(&q, long_one, 1);
    assert_in_range(other.image_us, 10000, 20000); /* 55 s for 2000 */
    other.image_us = 10000;
    /* and of what waits each costs what it asks for */
    job = push_work(&other, 900, WN_PRIORITY_HIGH, 60000);
    assert_int_equal(admits(&other, &retry), WN_OK);
    wn_queue_release(&q, push_work(&other, 300, WN_PRIORITY_HIGH, 60000));
    assert_int_equal(admits(&other, &retry), WN_QUEUE_FULL);
    assert_int_equal(retry, 12);
    assert_int_equal(take(0, short_one), 1);
    assert_ptr_equal(short_one[0]->job, job);
    assert_true(wn_queue_cancel(&q, job)); /* what was given up teaches nothing, and ends soon */
    assert_int_equal(admits(&other, &retry), WN_OK);
    wn_queue_done(&q, short_one, 1);
    wn_queue_release(&q, job);
    assert_int_equal(other.image_us, 10000);
}

static void long_ones_never_have_all_workers(void **state)
{
    struct wn_item *first[256], *second[256], *third[256];
    struct wn_error err = {0};
    int retry = 0;
    (void)state;
    q.most_wait_us = 10000000;
    other.image_us = plain.image_us = 10000;
    wn_queue_set_workers(&q, 2);
    for (int i = 0; i < 2; i++) wn_queue_release(&q, push_work(&other, 900, WN_PRIORITY_HIGH, 60000));
    assert_int_equal(take(0, first), 1);
    assert_true(first[0]->is_long);
    assert_int_equal(admits(&plain, &retry), WN_OK);
    assert_int_equal(admits(&other, &retry), WN_OK);
    push_away(&other, 1, 0, WN_PRIORITY_LOW); /* of the same model, behind the long one, and less urgent */
    assert_int_equal(take(0, second), 1);
    assert_false(second[0]->is_long);
    assert_int_equal(wn_queue_depth(&q), 1);
    /* a third long one would wait for the first two, and is told so */
    struct wn_job *more = make_job(&other, 1, 0, WN_PRIORITY_HIGH, 60000);
    more->items[0].work = 2000;
    assert_int_equal(wn_queue_push(&q, more, NULL, &retry, &err), WN_QUEUE_FULL);
    assert_in_range(retry, 16, 18);
    wn_queue_release(&q, more);
    wn_queue_done(&q, first, 1);
    assert_int_equal(take(0, third), 1); /* its turn, though the other worker is still busy */
    assert_true(third[0]->is_long);
    wn_queue_done(&q, second, 1);
    wn_queue_done(&q, third, 1);
}

static void a_long_one_runs_alone(void **state)
{
    struct wn_item *items[256];
    (void)state;
    q.most_wait_us = 1000000;
    gains.image_us = 1000;
    wn_queue_release(&q, push_work(&gains, 600, WN_PRIORITY_HIGH, 60000));
    push_away(&gains, 3, 0, WN_PRIORITY_NORMAL);
    assert_int_equal(take(0, items), 1);
    assert_true(items[0]->is_long);
    wn_queue_done(&q, items, 1);
    wn_queue_release(&q, push_work(&gains, 600, WN_PRIORITY_LOW, 60000));
    assert_int_equal(take(0, items), 3);
    wn_queue_done(&q, items, 3);
}

static void *take_one(void *items)
{
    (void)!take(0, items);
    return NULL;
}

static void a_worker_that_sleeps_is_woken_for_the_next_long_one(void **state)
{
    struct wn_item *first[256], *second[256] = {NULL};
    pthread_t sleeper;
    (void)state;
    q.most_wait_us = 10000000;
    other.image_us = 10000;
    wn_queue_set_workers(&q, 2);
    for (int i = 0; i < 2; i++) wn_queue_release(&q, push_work(&other, 900, WN_PRIORITY_HIGH, 60000));
    assert_int_equal(take(0, first), 1);
    pthread_create(&sleeper, NULL, take_one, second);
    usleep(30000);
    assert_int_equal(wn_queue_depth(&q), 1);
    wn_queue_done(&q, first, 1);
    pthread_join(sleeper, NULL); /* or never */
    wn_queue_done(&q, second, 1);
    /* nothing waits for a worker that has left: at the end each takes what there is */
    for (int i = 0; i < 2; i++) wn_queue_release(&q, push_work(&other, 400, WN_PRIORITY_HIGH, 60000));
    wn_queue_close(&q);
    assert_int_equal(take(0, first), 1);
    assert_int_equal(take(0, second), 1);
    wn_queue_done(&q, first, 1);
    wn_queue_done(&q, second, 1);
}

static void a_burst_of_heads_gets_no_more_places_than_there_are(void **state)
{
    struct wn_place burst[4] = {0}, later = {0}, urgent = {0};
    struct wn_error err = {0};
    int retry = 0, let_in = 0;
    (void)state;
    q.most_wait_us = 2500000;
    other.image_us = 1000000;
    for (int i = 0; i < 4; i++)
        let_in += wn_queue_admits(&q, &other, 1, WN_PRIORITY_NORMAL, &burst[i], &retry, NULL) == WN_OK;
    assert_int_equal(let_in, 3); /* as many as if each had been pushed at once */
    assert_int_equal(wn_queue_admits(&q, &plain, 1, WN_PRIORITY_NORMAL, NULL, &retry, NULL), WN_OK);
    /* comes before them */
    assert_int_equal(wn_queue_admits(&q, &other, 2, WN_PRIORITY_HIGH, &urgent, &retry, NULL), WN_OK);
    for (int i = 0; i < 2; i++) { /* whose word was given is let in, one picture a place */
        struct wn_job *job = make_job(&other, 1, 1, WN_PRIORITY_NORMAL, 60000);
        assert_int_equal(wn_queue_push(&q, job, &burst[i], NULL, &err), WN_OK);
        wn_queue_release(&q, job);
        assert_int_equal(burst[i].until_ns, 0);
    }
    wn_queue_leave(&q, &urgent);
    assert_int_equal(wn_queue_admits(&q, &other, 1, WN_PRIORITY_NORMAL, &later, &retry, NULL), WN_QUEUE_FULL);
    wn_queue_leave(&q, &burst[2]); /* its client went away */
    assert_int_equal(wn_queue_admits(&q, &other, 1, WN_PRIORITY_NORMAL, &later, &retry, NULL), WN_OK);
    assert_int_equal(wn_queue_admits(&q, &other, 1, WN_PRIORITY_NORMAL, &burst[0], &retry, NULL), WN_QUEUE_FULL);
    usleep((WN_PLACE_MS + 20) * 1000); /* its body did not come in time */
    assert_int_equal(wn_queue_admits(&q, &other, 1, WN_PRIORITY_NORMAL, &burst[0], &retry, NULL), WN_OK);
    struct wn_job *job = make_job(&other, 1, 1, WN_PRIORITY_NORMAL, 60000);
    assert_int_equal(wn_queue_push(&q, job, &later, NULL, &err), WN_QUEUE_FULL); /* and is judged as anybody */
    wn_queue_release(&q, job);
    wn_queue_leave(&q, &burst[0]);
    wn_queue_leave(&q, &burst[0]);
    assert_null(q.places);
    assert_null(q.last_place);
}

static void what_expired_or_was_given_up_is_never_handed_out(void **state)
{
    struct wn_error err = {0};
    struct wn_item *items[256];
    struct wn_job *late = make_job(&other, 1, 0, WN_PRIORITY_NORMAL, 20),
                  *gone = push(&other, 2, 0, WN_PRIORITY_NORMAL);
    (void)state;
    assert_int_equal(wn_queue_push(&q, late, NULL, NULL, &err), WN_OK);
    struct wn_job *last = push(&other, 1, 0, WN_PRIORITY_NORMAL);
    assert_true(wn_queue_cancel(&q, gone));
    for (int i = 0; i < 500 && woken < 2; i++) usleep(10000);
    assert_int_equal(late->late.code, WN_DEADLINE);
    assert_int_equal(take(0, items), 1);
    assert_ptr_equal(items[0]->job, last);
    wn_queue_done(&q, items, 1);
    assert_int_equal(wn_queue_depth(&q), 0);
    assert_int_equal(woken, 3);
    wn_queue_release(&q, late);
    wn_queue_release(&q, gone);
    wn_queue_release(&q, last);
}

static void what_was_given_up_before_it_came_is_not_taken(void **state)
{
    struct wn_error err = {0};
    struct wn_job *job = make_job(&other, 2, 0, WN_PRIORITY_NORMAL, 60000);
    (void)state;
    assert_true(wn_queue_cancel(&q, job));
    assert_false(wn_queue_cancel(&q, job)); /* it is said once */
    assert_int_equal(wn_queue_push(&q, job, NULL, NULL, &err), WN_TIMEOUT);
    assert_int_equal(wn_queue_depth(&q), 0);
    assert_int_equal(woken, 0);
    wn_queue_release(&q, job);
}

static void *work(void *unused)
{
    struct wn_item *items[256];
    const struct wn_gathering how = {200, 256};
    int n;
    while ((n = wn_queue_take(&q, &how, items))) {
        usleep(50);
        wn_queue_done(&q, items, n);
    }
    return unused;
}

static _Atomic int taken;

/* The waiter's hold ends when it is woken, and not before. */
static void wake_and_let_go(void *waiter)
{
    woken++;
    wn_queue_release(&q, waiter);
}

static void *ask(void *seed)
{
    unsigned s = (unsigned)(size_t)seed;
    struct wn_model *models[] = {&gains, &other, &plain};
    for (int i = 0; i < 1500; i++) {
        struct wn_error err = {0};
        struct wn_job *job = make_job(models[rand_r(&s) % 3], 1 + rand_r(&s) % 3, rand_r(&s) % 4,
                                      (enum wn_priority)(rand_r(&s) % 3), 1 + rand_r(&s) % 20);
        if (rand_r(&s) % 4 == 0) job->items[0].work = 500;
        job->wake = wake_and_let_go;
        job->waiter = job;
        wn_queue_hold(&q, job);
        if (wn_queue_push(&q, job, NULL, NULL, &err) == WN_OK)
            taken++;
        else
            wn_queue_release(&q, job);
        if (rand_r(&s) % 8 == 0) wn_queue_cancel(&q, job);
        wn_queue_release(&q, job);
        if (i % 4 == 0) usleep(rand_r(&s) % 300);
    }
    return NULL;
}

static void in_a_storm_everyone_is_woken_exactly_once(void **state)
{
    pthread_t askers[4], workers[2];
    (void)state;
    taken = 0;
    q.most_wait_us = 3600000000;
    gains.image_us = other.image_us = plain.image_us = 10000000;
    wn_queue_set_workers(&q, 2);
    for (size_t i = 0; i < 4; i++) pthread_create(&askers[i], NULL, ask, (void *)(i + 1));
    for (int i = 0; i < 2; i++) pthread_create(&workers[i], NULL, work, NULL);
    for (int i = 0; i < 4; i++) pthread_join(askers[i], NULL);
    assert_true(wn_queue_drain(&q, wn_now_ns() + (int64_t)20e9));
    wn_queue_close(&q);
    for (int i = 0; i < 2; i++) pthread_join(workers[i], NULL);
    assert_int_equal(wn_queue_depth(&q), 0);
    assert_int_equal(woken, taken);
    assert_true(taken > 300);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(runs_have_the_size_that_costs_least_a_picture),
        T(the_first_picture_waits_no_longer_than_it_was_said),
        T(high_goes_first_and_low_is_not_starved),
        T(keys_take_turns),
        T(models_take_turns),
        T(a_full_lane_makes_way_for_whoever_has_less),
        T(nobody_gives_way_for_what_does_not_fit_even_so),
        T(a_batch_is_let_in_by_each_of_its_models),
        T(a_batch_waits_for_the_slowest_of_its_models),
        T(nobody_is_let_in_to_wait_too_long),
        T(what_runs_and_what_a_question_costs_count_as_waiting),
        T(long_ones_never_have_all_workers),
        T(a_long_one_runs_alone),
        T(a_worker_that_sleeps_is_woken_for_the_next_long_one),
        T(a_burst_of_heads_gets_no_more_places_than_there_are),
        T(what_expired_or_was_given_up_is_never_handed_out),
        T(what_was_given_up_before_it_came_is_not_taken),
        T(in_a_storm_everyone_is_woken_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
