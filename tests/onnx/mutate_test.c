/* Five hundred damaged copies of good models: bits flipped, ends cut off, lengths changed. Each must be refused or
 * loaded, quickly, and never crash; run under the sanitizers this is the corpus of the ONNX reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "graph.h"
#include "nets.h"

static int n_cases, n_loaded;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The bytes lie in an allocation of exactly their size, so that a sanitizer sees the first one read past the end. */
static void try_bytes(const uint8_t *data, size_t n)
{
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    uint8_t *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    if (n) memcpy(exact, data, n);
    double start = seconds();
    enum wn_code code = wn_graph_parse(exact, n, NULL, &g, &err);
    assert_true(seconds() - start < 2);
    free(exact);
    n_cases++;
    if (code == WN_OK) {
        n_loaded++;
        assert_true(wn_graph_classes(g) > 0);
        wn_graph_destroy(g);
        return;
    }
    assert_true(code == WN_BAD_MODEL || code == WN_UNSUPPORTED);
    assert_true(*err.text);
    for (const char *c = err.text; *c; c++) assert_true(*c >= 0x20 && *c < 0x7f);
}

static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static void flip_bits(const struct wire *model, int cases)
{
    uint8_t *copy = malloc(model->n);
    assert_non_null(copy);
    for (int i = 0; i < cases; i++) {
        memcpy(copy, model->data, model->n);
        for (int k = 0; k <= i % 4; k++) {
            uint64_t r = next_random();
            copy[(r >> 8) % model->n] ^= (uint8_t)(1 << (r & 7));
        }
        try_bytes(copy, model->n);
    }
    free(copy);
}

static void cut_off(const struct wire *model)
{
    for (size_t i = 0; i < 64; i++) try_bytes(model->data, model->n * i / 64);
}

/* Offsets of length bytes: those of one byte that open a message or a string, found by walking the outer levels. */
static size_t find_lengths(const struct wire *model, size_t *at, size_t most)
{
    size_t n = 0;
    for (size_t i = 1; i < model->n && n < most; i++) {
        uint8_t tag = model->data[i - 1], length = model->data[i];
        if ((tag & 7) == 2 && tag >> 3 && length < 0x80 && i + 1 + length <= model->n) at[n++] = i;
    }
    return n;
}

static void change_lengths(const struct wire *model, int cases)
{
    enum { MOST = 4096 };
    static size_t at[MOST];
    size_t n = find_lengths(model, at, MOST);
    uint8_t *copy = malloc(model->n);
    assert_non_null(copy);
    assert_true(n > 20);
    for (int i = 0; i < cases; i++) {
        static const uint8_t changes[] = {1, 0xff, 0x7f, 0x80};
        memcpy(copy, model->data, model->n);
        uint8_t *length = &copy[at[next_random() % n]];
        if (i % 4 < 2)
            *length = (uint8_t)(*length + changes[i % 4]);
        else
            *length = changes[i % 4];
        try_bytes(copy, model->n);
    }
    free(copy);
}

static void damaged_models_are_refused_or_loaded_and_never_crash(void **state)
{
    (void)state;
    static const int chosen[] = {0, 2, 4};
    seed = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
        struct wire model = nets[chosen[i]].make();
        cut_off(&model);
        flip_bits(&model, 60);
        change_lengths(&model, 45);
        wire_free(&model);
    }
    assert_true(n_cases >= 500);
    assert_true(n_loaded > 0 && n_loaded < n_cases);
    print_message("%d cases, %d of them still a network\n", n_cases, n_loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_models_are_refused_or_loaded_and_never_crash)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
