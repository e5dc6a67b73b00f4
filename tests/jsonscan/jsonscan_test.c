/* Pictures that are cut out of a JSON body: which slice is whose, and how many there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jsonscan.h>
#include <media/buffer.h>

#define MOST 4096

struct read {
    struct wn_buffer body;
    struct wn_pool pool;
    json_t *root;
    struct wn_slice *slices;
    int n;
    struct wn_error err;
};

static enum wn_code read_pictures(struct read *r, int pictures)
{
    char text[32];
    *r = (struct read){0};
    wn_buffer_append(&r->body, "[", 1, NULL);
    for (int i = 0; i < pictures; i++)
        wn_buffer_append(&r->body, text, (size_t)sprintf(text, "%s{\"b64\":\"%d\"}", i ? "," : "", i), NULL);
    assert_int_equal(wn_buffer_append(&r->body, "]", 1, NULL), WN_OK);
    return wn_json_read((char *)r->body.data, r->body.size, NULL, &r->pool, &r->root, &r->slices, &r->n, &r->err);
}

static void finish(struct read *r)
{
    json_decref(r->root);
    wn_pool_finish(&r->pool);
    wn_buffer_finish(&r->body);
}

static void each_picture_of_a_long_list_is_found_by_its_number(void **state)
{
    struct read r;
    char text[16];
    (void)state;
    assert_int_equal(read_pictures(&r, MOST), WN_OK);
    assert_int_equal(r.n, MOST);
    for (int i = 0; i < MOST; i++) {
        int at = (int)json_integer_value(json_object_get(json_array_get(r.root, (size_t)i), "b64"));
        assert_int_equal(at, i);
        assert_int_equal(r.slices[at].size, sprintf(text, "%d", i));
        assert_memory_equal(r.slices[at].data, text, r.slices[at].size);
        assert_true(r.slices[at].base64);
    }
    finish(&r);
}

static void one_picture_too_many_is_refused(void **state)
{
    struct read r;
    (void)state;
    assert_int_equal(read_pictures(&r, MOST + 1), WN_BAD_REQUEST);
    assert_non_null(strstr(r.err.text, "too many pictures"));
    finish(&r);
}

/* A body without pictures is most of them: it must not pay for the 4096 that there might be. */
static void a_body_without_pictures_takes_no_memory_for_them(void **state)
{
    struct read r;
    (void)state;
    assert_int_equal(read_pictures(&r, 0), WN_OK);
    assert_int_equal(r.n, 0);
    assert_null(r.pool.blocks);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_picture_of_a_long_list_is_found_by_its_number),
        cmocka_unit_test(one_picture_too_many_is_refused),
        cmocka_unit_test(a_body_without_pictures_takes_no_memory_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
