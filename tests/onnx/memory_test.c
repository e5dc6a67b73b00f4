/* The n-th allocation fails, for every n, once alone and once with all that follow: loading must say so, free
 * everything and work again. The linker puts the wrappers below in front of the allocator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "nets.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
int __real_posix_memalign(void **p, size_t align, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
int __wrap_posix_memalign(void **p, size_t align, size_t size);
char *__wrap_strdup(const char *s);

static long counter, fail_at; /* fail_at 0: never */
static bool fail_on;          /* all that follow fail too */

static bool fails(void)
{
    counter++;
    return fail_at && (counter == fail_at || (fail_on && counter > fail_at));
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

int __wrap_posix_memalign(void **p, size_t align, size_t size)
{
    return fails() ? ENOMEM : __real_posix_memalign(p, align, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

static enum wn_code parse(const struct wire *model, struct wn_error *err)
{
    struct wn_graph *g = NULL;
    counter = 0;
    enum wn_code code = wn_graph_parse(model->data, model->n, NULL, &g, err);
    fail_at = 0;
    if (code == WN_OK) wn_graph_destroy(g);
    return code;
}

static void torture(const struct net *net, bool on)
{
    struct wire model = net->make();
    long n = 0;
    enum wn_code code = WN_NO_MEMORY;
    while (code == WN_NO_MEMORY) {
        struct wn_error err = {0};
        fail_at = ++n;
        fail_on = on;
        code = parse(&model, &err);
        if (code != WN_OK && code != WN_NO_MEMORY) fail_msg("%s, allocation %ld: %s", net->name, n, err.text);
    }
    assert_true(n > 20);      /* that many were seen to fail */
    assert_true(n > counter); /* and success came only when none was left */
    wire_free(&model);
}

static void loading_survives_one_failed_allocation_wherever_it_is(void **state)
{
    (void)state;
    for (int i = 0; i < n_nets; i++) torture(&nets[i], false);
}

static void loading_survives_memory_that_stays_gone(void **state)
{
    (void)state;
    for (int i = 0; i < n_nets; i++) torture(&nets[i], true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_survives_one_failed_allocation_wherever_it_is),
        cmocka_unit_test(loading_survives_memory_that_stays_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
