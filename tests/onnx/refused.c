/* Reads what must be refused; knows no reason for it. */
#include "refused.h"

#include <string.h>
#include <time.h>

/* Model files that mean harm or are broken: each must be refused with the right code and a text fit to be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "graph.h"
#include "wire.h"

struct wire small_graph(void)
{
    struct wire graph = {0};
    wire_graph_input(&graph, "x", 4, DIMS(0, 3, 8, 8));
    wire_graph_output(&graph, "y");
    wire_graph_node(&graph, wire_node("Relu", "r", "x", "y"));
    return graph;
}

struct wire chain_start(void)
{
    struct wire graph = {0};
    wire_graph_input(&graph, "x", 4, DIMS(0, 3, 8, 8));
    wire_graph_output(&graph, "y");
    return graph;
}

static void check_text(const char *text)
{
    assert_true(*text);
    for (const char *c = text; *c; c++) assert_true(*c >= 0x20 && *c < 0x7f);
}

void refused_as(enum wn_code code, struct wire model, const char *about)
{
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    enum wn_code got = wn_graph_read(model.data, model.n, &limits, &g, &err);
    wire_free(&model);
    if (got == WN_OK) wn_graph_destroy(g);
    if (got != code || !strstr(err.text, about))
        fail_msg("wanted %s about '%s', got %s: %s", wn_code_name(code), about, wn_code_name(got), err.text);
    check_text(err.text);
}

void refused(struct wire model, const char *about)
{
    refused_as(WN_BAD_MODEL, model, about);
}

void refused_graph(struct wire graph, const char *about)
{
    refused(wire_model(13, graph), about);
}

void refused_tensor(struct wire tensor, const char *about)
{
    struct wire graph = small_graph();
    wire_graph_initializer(&graph, tensor);
    refused_graph(graph, about);
}

void refused_attribute(struct wire attr, const char *about)
{
    struct wire graph = chain_start(), node = wire_node("Relu", "r", "x", "y");
    wire_add(&node, 5, attr);
    wire_graph_node(&graph, node);
    refused_graph(graph, about);
}

double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
