/* Labeling configurations, good and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <labelconfig.h>

static struct wn_pool pool;

static int empty_pool(void **state)
{
    (void)state;
    wn_pool_finish(&pool);
    return 0;
}

static struct wn_label_config read_good(const char *xml)
{
    struct wn_label_config c;
    struct wn_error err = {0};
    if (wn_label_config_read(xml, strlen(xml), &pool, &c, &err) != WN_OK) fail_msg("%s: %s", xml, err.text);
    return c;
}

static void tags_are_found_wherever_they_stand(void **state)
{
    (void)state;
    struct wn_label_config c =
        read_good("<?xml version=\"1.0\"?>\n<!-- <Choices name='no'> --><View style='a>b'><Header "
                  "value=\"x\"/>\n<View><Image name=\"pic\" value=\"$photo\" zoom='true' /></View>"
                  "<Choices name='label' toName=\"pic\"><Choice value='stop &amp; go'/><View><Choice "
                  "value=\"&#x53;&#116;op\" alias=\"s\"></Choice></View></Choices>"
                  "<Choices name='other' toName='pic'><Choice value='not this'/></Choices><Style><![CDATA[ <Label "
                  "value='x'/> ]]></Style>"
                  "<BrushLabels name=\"b\" toName=\"pic\"><Label value=\"one\"/><Choice value='no'/><Label "
                  "value='\xc3\xa4 \xe2\x82\xac'/></BrushLabels></View>\n");
    assert_string_equal(c.image, "pic");
    assert_string_equal(c.key, "photo");
    assert_string_equal(c.choices.name, "label");
    assert_int_equal(c.choices.n, 2);
    assert_string_equal(c.choices.labels[0].value, "stop & go");
    assert_string_equal(c.choices.labels[1].value, "Stop");
    assert_string_equal(wn_label_word(&c.choices.labels[1]), "s");
    assert_string_equal(c.regions.name, "b");
    assert_int_equal(c.regions.n, 2);
    assert_string_equal(c.regions.labels[1].value, "\xc3\xa4 \xe2\x82\xac");
    assert_false(c.polygons);
}

static void the_first_of_brush_and_polygons_counts(void **state)
{
    (void)state;
    const char *brush = "<BrushLabels name='b' toName='i'><Label value='1'/></BrushLabels>",
               *polygons = "<PolygonLabels name='p' toName='i'><Label value='2'/></PolygonLabels>";
    char xml[400];
    snprintf(xml, sizeof xml, "<View>%s%s</View>", polygons, brush);
    assert_true(read_good(xml).polygons);
    snprintf(xml, sizeof xml, "<View>%s%s</View>", brush, polygons);
    assert_false(read_good(xml).polygons);
    assert_int_equal(read_good(xml).regions.n, 1);
}

static void the_picture_is_that_of_the_choices(void **state)
{
    (void)state;
    struct wn_label_config c = read_good(
        "<View><Image name='a' value='$x'/><Image name='b' value='$y'/><Choices name='c' toName='b'/></View>");
    assert_string_equal(c.key, "y");
    assert_null(read_good("<View><Image name='a' value='http://x'/></View>").key);
    assert_null(read_good("<View><Image name='a' value='$'/></View>").key);
    assert_null(read_good("").key);
    assert_null(read_good("<View></View>").choices.name);
    assert_null(read_good("<View><Choices><Choice value='a'/></Choices></View>").choices.name);
}

static void what_is_no_xml_is_refused_with_its_place(void **state)
{
    /* clang-format off */
    static const char *const bad[] = {
        "<", "<View", "<View>", "</View>", "<View></view>", "<View></View", "<View></View></View>", "<View><A></View></A>", "<View a></View>", "<View a=></View>",
        "<View a=b></View>", "<View a='b></View>", "<View a='b'c='d'></View>", "<View a='<'></View>", "<View a='1' a='2'/>", "<View/ >", "<1/>", "< View/>", "<!-- x",
        "<![CDATA[ x", "<? x", "<!DOCTYPE x [<!ENTITY a 'aaa'>]><View/>", "<!ENTITY x 'y'>", "<Image name='&x;' value='$a'/>", "<Image name='&#0;' value='$a'/>",
        "<Image name='&#xd800;' value='$a'/>", "<Image name='&#x110000;' value='$a'/>", "<Image name='&#99999999999;' value='$a'/>", "<Image name='&amp' value='$a'/>",
        "<Image name='&#;' value='$a'/>", "<Image name='&#x;' value='$a'/>", "<Image name='&#-1;' value='$a'/>", "<Image name='&#x 1;' value='$a'/>", "<Image name='&;' value='$a'/>"};
    /* clang-format on */
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wn_label_config c;
        struct wn_error err = {0};
        size_t n = strlen(bad[i]);
        char *copy = malloc(n); /* without a zero behind it, so that a read behind the end is seen */
        assert_non_null(copy);
        memcpy(copy, bad[i], n);
        if (wn_label_config_read(copy, n, &pool, &c, &err) != WN_BAD_REQUEST) fail_msg("taken: %s", bad[i]);
        assert_non_null(strstr(err.text, "byte "));
        free(copy);
    }
}

/* Every beginning of a good text is bad or good, and nothing worse. */
static void cut_texts_do_no_harm(void **state)
{
    static const char good[] = "<View><!-- a --><Image name=\"i\" value=\"$i\"/><Choices name='c' toName='i'><Choice "
                               "value='&lt;&#65;' alias='b'/></Choices></View>";
    (void)state;
    for (size_t n = 0; n < sizeof good; n++)
        for (int change = 0; change < 3; change++) {
            struct wn_label_config c;
            struct wn_error err = {0};
            char *copy = malloc(n + 1);
            assert_non_null(copy);
            memcpy(copy, good, n);
            if (n && change) copy[n / 2] = change == 1 ? '<' : '\'';
            wn_label_config_read(copy, n, &pool, &c, &err);
            free(copy);
        }
}

static char *repeat(const char *head, const char *middle, int n, const char *tail)
{
    char *out = malloc(strlen(head) + strlen(middle) * (size_t)n + strlen(tail) + 1), *at = out;
    assert_non_null(out);
    at = stpcpy(at, head);
    for (int i = 0; i < n; i++) at = stpcpy(at, middle);
    stpcpy(at, tail);
    return out;
}

static void what_is_too_much_is_refused(void **state)
{
    char *texts[] = {repeat("", "<a>", 65, ""),
                     repeat("<a>", "<b/>", 16400, "</a>"),
                     repeat("<a", " b='", 1, "'/>"),
                     repeat("<a>", "               ", 20000, "</a>"),
                     repeat("<Choices name='c'>", "<Choice value='x'/>", 4097, "</Choices>"),
                     repeat("<Image value='$a' name='", "x", 1025, "'/>")};
    char many[65 * 8 + 16] = "<a";
    (void)state;
    for (int i = 0; i < 65; i++) snprintf(many + strlen(many), sizeof many - strlen(many), " a%d='1'", i);
    free(texts[2]);
    texts[2] = repeat(many, "/>", 1, "");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct wn_label_config c;
        struct wn_error err = {0};
        if (wn_label_config_read(texts[i], strlen(texts[i]), &pool, &c, &err) != WN_BAD_REQUEST)
            fail_msg("text %zu was taken", i);
        free(texts[i]);
    }
    char *most = repeat("<View><Choices name='c' toName='i'>", "<Choice value='a long enough label'/>", 4096,
                        "</Choices></View>");
    assert_int_equal(read_good(most).choices.n, 4096);
    free(most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(tags_are_found_wherever_they_stand, empty_pool),
                                       cmocka_unit_test_teardown(the_first_of_brush_and_polygons_counts, empty_pool),
                                       cmocka_unit_test_teardown(the_picture_is_that_of_the_choices, empty_pool),
                                       cmocka_unit_test_teardown(what_is_no_xml_is_refused_with_its_place, empty_pool),
                                       cmocka_unit_test_teardown(cut_texts_do_no_harm, empty_pool),
                                       cmocka_unit_test_teardown(what_is_too_much_is_refused, empty_pool)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
