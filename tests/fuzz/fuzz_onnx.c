/* libFuzzer: any bytes into the ONNX loader, and into its reader of single tensors. Whatever loads must answer for
 * itself like a network. */
#include <stdint.h>
#include <stdlib.h>

#include "graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Tighter than the daemon's, so that the fuzzer looks for bugs and not for what the limits allow. */
static struct wn_graph_limits tight(void)
{
    struct wn_graph_limits limits = wn_graph_limits_default();
    limits.nodes = 500;
    limits.tensor_elements = 1 << 20;
    limits.value_elements = 1 << 22;
    return limits;
}

static void read_tensor(const uint8_t *data, size_t size, const struct wn_graph_limits *limits)
{
    struct wn_error err = {0};
    struct wn_tensor *t = NULL;
    if (wn_tensor_parse(data, size, limits, &t, &err) != WN_OK ? !*err.text || err.code == WN_INTERNAL
                                                               : !t || (t->f && t->i))
        abort();
    wn_tensor_destroy(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wn_graph_limits limits = tight();
    const struct wn_graph_options options = {.limits = &limits};
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    enum wn_code code = wn_graph_parse(data, size, &options, &g, &err);
    if (code != WN_OK) {
        if (!*err.text || err.code != code || code == WN_INTERNAL) abort();
        read_tensor(data, size, &limits);
        return 0;
    }
    int layer = wn_graph_find_layer(g, "auto");
    if (wn_graph_classes(g) < 1 || layer >= wn_graph_layers(g)) abort();
    wn_graph_destroy(g);
    return 0;
}
