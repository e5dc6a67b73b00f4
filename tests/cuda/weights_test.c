/* The table of weights: one copy on a device however many backends use it, freed with the last of them, whatever
 * fails and whoever comes at the same time. Over the fake runtime alone, so that it runs under the thread sanitizer
 * as well. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exe.h"
#include "fake_runtime.h"

enum { N = 6, BACKENDS = 4 };

static float numbers[N][24];
static struct wn_weight weights[N];

/* Nothing is captured here, and no row of the table of backends asked. */
const struct wn_backend_impl wn_backend_ref;
enum wn_code wn_cuda_run_jobs(struct wn_cuda_exe *exe, const struct wn_cuda_stage *stage, struct wn_error *err)
{
    (void)exe, (void)stage, (void)err;
    return WN_INTERNAL;
}

static int prepare(void **state)
{
    (void)state;
    static const int64_t shape[] = {2, 3, 2, 2};
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 24; k++) numbers[i][k] = (float)(100 * i + k);
        weights[i] = (struct wn_weight){wn_shape_of(4, shape), numbers[i], "w"};
    }
    fake_runtime.devices = 2, fake_runtime.fail_at = 0;
    return 0;
}

static struct wn_cuda_backend open_on(int device)
{
    struct wn_cuda_backend be = {0};
    struct wn_error err = {0};
    if (wn_cuda_device_open(&be, &(struct wn_backend_options){.device = device}, &err) != WN_OK)
        fail_msg("%s", err.text);
    return be;
}

static void shut(struct wn_cuda_backend *be)
{
    assert_int_equal(be->n_weights, 0);
    assert_int_equal(be->weight_bytes, 0);
    assert_int_equal(be->bytes, 0);
    wn_cuda_device_use(be, NULL);
    wn_cuda_device_close(be);
    free(be->weights);
}

static struct wn_cuda_weight *take(struct wn_cuda_backend *be, int i, enum wn_cuda_type type, bool channels_last)
{
    struct wn_cuda_weight *w;
    struct wn_error err = {0};
    const struct wn_cuda_tensor t = wn_cuda_tensor_of(&weights[i].shape, type, channels_last);
    wn_cuda_device_use(be, NULL);
    if (wn_cuda_weight_take(be, &weights[i], &t, &w, &err) != WN_OK) fail_msg("%s", err.text);
    return w;
}

static struct wn_cuda_weight *take_padded(struct wn_cuda_backend *be, int i, enum wn_cuda_type type, int64_t pitch)
{
    struct wn_cuda_weight *w;
    struct wn_error err = {0};
    const struct wn_cuda_tensor t = wn_cuda_tensor_padded(&weights[i].shape, type, pitch);
    wn_cuda_device_use(be, NULL);
    if (wn_cuda_weight_take(be, &weights[i], &t, &w, &err) != WN_OK) fail_msg("%s", err.text);
    return w;
}

static void give(struct wn_cuda_backend *be, struct wn_cuda_weight *w)
{
    wn_cuda_device_use(be, NULL);
    wn_cuda_weight_give(be, w);
}

static const float *data(const struct wn_cuda_weight *w)
{
    return wn_cuda_weight_tensor(w)->data;
}

static void backends_of_a_device_hold_one_copy_and_the_last_frees_it(void **state)
{
    (void)state;
    struct wn_cuda_backend a = open_on(0), b = open_on(0);
    const long before = fake_runtime.held_bytes;
    struct wn_cuda_weight *of_a = take(&a, 1, WN_CUDA_F32, false), *again = take(&a, 1, WN_CUDA_F32, false),
                          *of_b = take(&b, 1, WN_CUDA_F32, false);
    assert_ptr_equal(data(of_a), data(of_b));
    assert_ptr_equal(of_a, again);
    assert_int_equal(fake_runtime.held_bytes - before, sizeof numbers[0]);
    assert_int_equal(a.weight_bytes, sizeof numbers[0]);
    assert_int_equal(b.weight_bytes, sizeof numbers[0]);
    give(&a, of_a);
    give(&a, again);
    assert_int_equal(fake_runtime.held_bytes - before, sizeof numbers[0]);
    assert_memory_equal(data(of_b), numbers[1], sizeof numbers[1]);
    give(&b, of_b);
    assert_int_equal(fake_runtime.held_bytes, before);
    shut(&a), shut(&b);
}

static void another_type_layout_or_device_is_another_copy(void **state)
{
    (void)state;
    struct wn_cuda_backend a = open_on(0), b = open_on(1);
    struct wn_cuda_weight *w[] = {take(&a, 2, WN_CUDA_F32, false), take(&a, 2, WN_CUDA_F32, true),
                                  take(&a, 2, WN_CUDA_BF16, false), take(&b, 2, WN_CUDA_F32, false)};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++) assert_ptr_not_equal(data(w[i]), data(w[k]));
    assert_memory_equal(data(w[3]), numbers[2], sizeof numbers[2]);
    for (int i = 0; i < 4; i++) give(i == 3 ? &b : &a, w[i]);
    shut(&a), shut(&b);
}

/* (2,3,2,2) at 4 and at 8 channels a pixel: what is not the weight's is zero, and nobody who wants another pitch
 * gets this copy. */
static void a_padded_copy_has_zeros_behind_its_channels_and_is_a_copy_of_its_own(void **state)
{
    (void)state;
    struct wn_cuda_backend be = open_on(0);
    struct wn_cuda_weight *dense = take(&be, 4, WN_CUDA_F32, true);
    for (int64_t pitch = 4; pitch <= 8; pitch += 4) {
        struct wn_cuda_weight *w = take_padded(&be, 4, WN_CUDA_F32, pitch),
                              *again = take_padded(&be, 4, WN_CUDA_F32, pitch);
        assert_ptr_equal(w, again);
        assert_ptr_not_equal(data(w), data(dense));
        assert_int_equal(wn_cuda_tensor_bytes(wn_cuda_weight_tensor(w)), 8 * pitch * (int64_t)sizeof(float));
        for (int p = 0; p < 8; p++)
            for (int c = 0; c < pitch; c++)
                assert_true(data(w)[p * pitch + c] == (c < 3 ? numbers[4][p / 4 * 12 + c * 4 + p % 4] : 0));
        give(&be, w), give(&be, again);
    }
    struct wn_cuda_weight *four = take_padded(&be, 4, WN_CUDA_BF16, 4), *eight = take_padded(&be, 4, WN_CUDA_BF16, 8);
    assert_ptr_not_equal(data(four), data(eight));
    give(&be, four), give(&be, eight), give(&be, dense);
    shut(&be);
}

/* Every call of the runtime in which the first upload could fail. */
static void a_fault_in_one_upload_leaves_the_other_backend_whole(void **state)
{
    (void)state;
    struct wn_cuda_backend a = open_on(0), b = open_on(0);
    struct wn_cuda_weight *kept = take(&b, 0, WN_CUDA_F32, false), *w;
    const long before = fake_runtime.held_blocks;
    const struct wn_cuda_tensor plain = wn_cuda_tensor_of(&weights[3].shape, WN_CUDA_F32, false);
    int failures = 0;
    for (long n = 1; n <= 3; n++) { /* memory, copy, wait */
        struct wn_error err = {0};
        wn_cuda_device_use(&a, NULL);
        fake_runtime.calls = 0, fake_runtime.fail_at = n, fake_runtime.fail_with = n == 1 ? 2 : 1;
        failures += wn_cuda_weight_take(&a, &weights[3], &plain, &w, &err) == (n == 1 ? WN_NO_MEMORY : WN_DEVICE);
        fake_runtime.fail_at = 0;
        assert_int_equal(fake_runtime.held_blocks, before);
        assert_int_equal(a.n_weights, 0);
        struct wn_cuda_weight *anew = take(&b, 3, WN_CUDA_F32, false);
        assert_memory_equal(data(anew), numbers[3], sizeof numbers[3]);
        give(&b, anew);
    }
    assert_int_equal(failures, 3);
    assert_memory_equal(data(kept), numbers[0], sizeof numbers[0]);
    give(&b, kept);
    shut(&a), shut(&b);
}

/* ---- at the same time ---- */

static void *open_and_close(void *arg)
{
    struct wn_cuda_backend be = open_on(*(const int *)arg);
    intptr_t wrong = 0;
    for (int round = 0; round < 200; round++) {
        struct wn_cuda_weight *w[N];
        for (int i = 0; i < N; i++) w[i] = take(&be, (i + round) % N, WN_CUDA_F32, false);
        for (int i = 0; i < N; i++) wrong += memcmp(data(w[i]), numbers[(i + round) % N], sizeof numbers[0]) != 0;
        for (int i = 0; i < N; i++) give(&be, w[i]);
    }
    shut(&be);
    return (void *)wrong;
}

static void threads_that_open_and_close_at_once_see_whole_copies(void **state)
{
    (void)state;
    static const int device[BACKENDS] = {0, 1, 0, 1};
    pthread_t thread[BACKENDS];
    const long before = fake_runtime.held_blocks;
    for (int i = 0; i < BACKENDS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, open_and_close, (void *)&device[i]), 0);
    for (int i = 0; i < BACKENDS; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(fake_runtime.held_blocks, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backends_of_a_device_hold_one_copy_and_the_last_frees_it),
        cmocka_unit_test(another_type_layout_or_device_is_another_copy),
        cmocka_unit_test(a_padded_copy_has_zeros_behind_its_channels_and_is_a_copy_of_its_own),
        cmocka_unit_test(a_fault_in_one_upload_leaves_the_other_backend_whole),
        cmocka_unit_test(threads_that_open_and_close_at_once_see_whole_copies),
    };
    return cmocka_run_group_tests(tests, prepare, NULL) ? 1 : 0;
}
