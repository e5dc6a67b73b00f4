/* What the tests of the backend's calls of cuDNN and cuBLASLt share: a network that makes all of them, computed by a
 * new backend each time, and a folder where choices are kept. For one source of a program. */
#ifndef WN_TESTS_CALLS_H
#define WN_TESTS_CALLS_H

#include "judging.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exe.h"
#include "fake_vendor.h"

/* two ways forward, one back, and one with a derivative; and one product */
enum { CLASSES = 5, PLANS = 4, PRODUCTS = 1, KEPT = PLANS + PRODUCTS };

/* Convolutions of two shapes, one of them fused with all that there is, its gradient, one with a derivative behind
 * it, and a product with bias and activation. */
static inline void network(struct subject *s)
{
    const struct wn_window win = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    subject_init(s, 1, false);
    const int x = input(s, SHAPE(2, 4, 5, 6)), w = weight(s, SHAPE(4, 4, 3, 3)), bias = weight(s, SHAPE(4));
    int y = wn_relu(s->p, wn_conv(s->p, x, w, bias, &win, 1));
    y = wn_relu(s->p, wn_add(s->p, wn_conv(s->p, y, w, bias, &win, 1), x));
    const int pooled =
        wn_reshape(s->p, wn_reduce(s->p, WN_REDUCE_MEAN, y, 1u << 2 | 1u << 3), &(struct wn_shape){2, {2, 4}});
    subject_output(s, wn_relu(s->p, wn_matmul(s->p, pooled, false, weight(s, SHAPE(4, CLASSES)), false,
                                              weight(s, SHAPE(CLASSES)))));
    subject_output(s, wn_conv_bwd(s->p, y, w, WN_NONE, &win, 1, &(struct wn_shape){4, {2, 4, 5, 6}}));
    subject_output(s,
                   wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, wn_conv(s->p, y, w, WN_NONE, &win, 1), x), y, 0, 0));
    if (wn_program_optimize(s->p, NULL) != WN_OK) fail();
}

static struct wn_backend_traits seen; /* of the backend that computed last */

static inline enum wn_code compute_with(const struct wn_backend_options *options, struct subject *s, float *out,
                                        struct wn_error *err)
{
    struct wn_backend *be = NULL;
    struct wn_exe *exe = NULL;
    enum wn_code code = wn_backend_open("cuda", options, &be, err);
    if (code != WN_OK) return code;
    code = be->impl->compile(be, s->p, &exe, err);
    if (code != WN_OK) goto close;
    for (int i = 0; code == WN_OK && i < s->n_inputs; i++)
        code = be->impl->write(exe, s->inputs[i].value, s->inputs[i].data, err);
    if (code == WN_OK) code = be->impl->run(exe, 0, err);
    for (int i = 0; code == WN_OK && i < s->n_outputs; i++)
        code = be->impl->read(exe, s->outputs[i], out + i * 1024, err);
    be->impl->traits(be, &seen);
    be->impl->release(exe);
close:
    wn_backend_close(be);
    return code;
}

static inline enum wn_code compute(struct subject *s, float *out, struct wn_error *err)
{
    return compute_with(NULL, s, out, err);
}

enum { OUTPUTS = 3, FLOATS = OUTPUTS * 1024 };
static float first[FLOATS], again[FLOATS];

/* As another precision computes them: they are as large as 60. call: which one failed. */
static inline void must_be_close(const float *a, const float *b, long call)
{
    for (int i = 0; i < FLOATS; i++)
        if (!(fabsf(a[i] - b[i]) < 0.2f))
            fail_msg("call %ld: number %d is %g and not %g", call, i, (double)b[i], (double)a[i]);
}

/* ---- a folder of choices ---- */

/* How many choices of a kind are kept, and the path of one. */
static inline int files_of(const char *folder, const char *ending, char *path, size_t size)
{
    DIR *d = opendir(folder);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        const size_t length = strlen(e->d_name), tail = strlen(ending);
        if (e->d_name[0] == '.' || length < tail || strcmp(e->d_name + length - tail, ending) != 0) continue;
        snprintf(path, size, "%s/%s", folder, e->d_name), n++;
    }
    closedir(d);
    return n;
}

#define FOLDER "/tmp/whynot-plans-XXXXXX"

/* Choices are kept in a new folder of that name, until it is removed. */
static inline void keep_in(char folder[sizeof FOLDER])
{
    memcpy(folder, FOLDER, sizeof FOLDER);
    assert_non_null(mkdtemp(folder));
    setenv("WHYNOT_PLAN_CACHE", folder, 1);
}

static inline void forget_all(const char *folder)
{
    char path[1024];
    while (files_of(folder, "", path, sizeof path)) unlink(path);
}

static inline void keep_no_longer(const char *folder)
{
    forget_all(folder);
    assert_int_equal(rmdir(folder), 0);
    unsetenv("WHYNOT_PLAN_CACHE");
}

#endif
