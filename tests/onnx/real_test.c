/* The real networks beside the project, where WHYNOT_ASSETS says that they are: each must load, with the automatic
 * layer that is known for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph.h"

static const char *assets;

static const struct {
    const char *file, *op;
    int64_t channels, height, width;
    int classes;
} networks[] = {
    {"resnet18", "Relu", 512, 7, 7, 1000},         {"resnet50", "Relu", 2048, 7, 7, 1000},
    {"squeezenet10", "Concat", 512, 13, 13, 1000}, {"mobilenetv2_inat_birds", "Clip", 1280, 7, 7, 965},
    {"cifar_resnet20", "Relu", 64, 8, 8, 10},      {"cifar_resnet20_slicepad", "Relu", 64, 8, 8, 10},
    {"gtsrb_cnn", "LeakyRelu", 250, 4, 4, 43},     {"mnist_cem", "Relu", 64, 8, 8, 10},
    {"cnniqa_nr", "Conv", 50, 26, 26, 1},
};

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/models/%s.onnx", assets, name);
    return path;
}

static void real_networks_have_the_layer_and_the_classes_that_are_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        struct wn_error err = {0};
        struct wn_graph *g = NULL;
        if (wn_graph_load(path_of(networks[i].file), NULL, &g, &err) != WN_OK)
            fail_msg("%s: %s", networks[i].file, err.text);
        const struct wn_layer *l = wn_graph_layer(g, wn_graph_find_layer(g, "auto"));
        if (!l) fail_msg("%s: no layer", networks[i].file);
        print_message("%-24s %d classes, %d layers, auto %s (%s) %ldx%ldx%ld\n", networks[i].file, wn_graph_classes(g),
                      wn_graph_layers(g), l->name, l->op, (long)l->channels, (long)l->height, (long)l->width);
        assert_string_equal(l->op, networks[i].op);
        assert_int_equal(l->channels, networks[i].channels);
        assert_int_equal(l->height, networks[i].height);
        assert_int_equal(l->width, networks[i].width);
        assert_int_equal(wn_graph_classes(g), networks[i].classes);
        wn_graph_destroy(g);
    }
}

static void a_full_reference_network_is_refused_by_its_second_input(void **state)
{
    (void)state;
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    assert_int_equal(wn_graph_load(path_of("deepqa_fr"), NULL, &g, &err), WN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "'distorted'"));
}

int main(void)
{
    assets = getenv("WHYNOT_ASSETS");
    if (!assets || access(path_of("resnet18"), R_OK) != 0) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_networks_have_the_layer_and_the_classes_that_are_known),
        cmocka_unit_test(a_full_reference_network_is_refused_by_its_second_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
