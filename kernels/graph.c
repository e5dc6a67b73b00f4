/* A graph as its users see it: loading from a file, what it says of itself, and its end; the steps of loading are
 * elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "arena.h"
#include "graph.h"
#include "random.h"

struct wn_graph_limits wn_graph_limits_default(void)
{
    return (struct wn_graph_limits){.file_bytes = INT64_C(1) << 30,
                                    .nodes = 10000,
                                    .tensor_elements = INT64_C(1) << 31,
                                    .value_elements = INT64_C(1) << 28,
                                    .depth = 8};
}

static void hash(const void *data, size_t size, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, size, data);
    sha256_digest(&context, sizeof digest, digest);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = 0;
}

static const struct wn_graph_options *fill_options(const struct wn_graph_options *given, struct wn_graph_limits *limits,
                                                   struct wn_graph_options *filled)
{
    *filled = given ? *given : (struct wn_graph_options){0};
    *limits = filled->limits ? *filled->limits : wn_graph_limits_default();
    filled->limits = limits;
    return filled;
}

static bool has_weights(const struct wn_node *node)
{
    static const char *const ops[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(node->op, ops[i]) == 0) return true;
    return false;
}

static void shuffle(struct wn_random *random, float *x, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = (int64_t)wn_random_below(random, (uint64_t)i + 1);
        float kept = x[i];
        x[i] = x[k];
        x[k] = kept;
    }
}

/* Every constant that a convolution or a product multiplies with. */
static void shuffle_weights(const struct wn_graph *g, uint64_t seed)
{
    struct wn_random random = wn_random_of(seed);
    for (int n = 0; n < g->n_nodes; n++) {
        const struct wn_node *node = &g->nodes[n];
        for (int i = 0; i < node->n_in && i < 2 && has_weights(node); i++) {
            struct wn_tensor *t = node->in[i] >= 0 ? g->constants[node->in[i]] : NULL;
            if (t && t->f) shuffle(&random, t->f, wn_shape_count(&t->shape));
        }
    }
}

enum wn_code wn_graph_parse(const void *data, size_t size, const struct wn_graph_options *options,
                            struct wn_graph **out, struct wn_error *err)
{
    struct wn_graph_limits limits;
    struct wn_graph_options o;
    struct wn_graph *g = NULL;
    fill_options(options, &limits, &o);
    enum wn_code code = wn_graph_read(data, size, &limits, &g, err);
    if (code != WN_OK) return code;
    hash(data, size, g->sha256);
    if (o.shuffle_seed) shuffle_weights(g, o.shuffle_seed);
    if ((code = wn_graph_select(g, &o, err)) != WN_OK) goto destroy_graph;
    if ((code = wn_graph_find_layers(g, err)) != WN_OK) goto destroy_graph;
    *out = g;
    return WN_OK;
destroy_graph:
    wn_graph_destroy(g);
    return code;
}

/* ---- the file ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* O_NONBLOCK: a pipe of that name must not hold the daemon up. */
static int open_model(const char *path, struct wn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        bool scarce = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
        wn_fail(err, scarce ? WN_NO_MEMORY : WN_NOT_FOUND, "the model file '%s' cannot be opened: %s",
                wn_show(base_name(path)).text, strerror(errno));
    }
    return fd;
}

static bool check_file(int fd, const char *path, int64_t most_bytes, size_t *size, struct wn_error *err)
{
    struct stat st;
    const char *name = base_name(path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        wn_fail(err, WN_BAD_MODEL, "the model file '%s' is not a regular file", wn_show(name).text);
        return false;
    }
    if (st.st_size > most_bytes) {
        wn_fail(err, WN_BAD_MODEL, "the model file '%s' has %lld bytes; the limit is %lld", wn_show(name).text,
                (long long)st.st_size, (long long)most_bytes);
        return false;
    }
    *size = (size_t)st.st_size;
    return true;
}

/* Read, not mapped: a file that shrinks meanwhile is then an error and not a bus error. */
static bool read_all(int fd, const char *path, char *data, size_t size, struct wn_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, data + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            wn_fail(err, WN_BAD_MODEL, "the model file '%s' cannot be read to its end: %s",
                    wn_show(base_name(path)).text, n < 0 ? strerror(errno) : "it shrank");
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

enum wn_code wn_graph_load(const char *path, const struct wn_graph_options *options, struct wn_graph **out,
                           struct wn_error *err)
{
    struct wn_error why = {0};
    struct wn_graph_limits limits;
    struct wn_graph_options o;
    size_t size = 0;
    char *data = NULL;
    fill_options(options, &limits, &o);
    int fd = open_model(path, &why);
    if (fd < 0) goto fail;
    if (!check_file(fd, path, limits.file_bytes, &size, &why)) goto close_file;
    if (!(data = malloc(size ? size : 1))) wn_fail(&why, WN_NO_MEMORY, "no memory for a model file of %zu bytes", size);
    if (data && read_all(fd, path, data, size, &why)) wn_graph_parse(data, size, &o, out, &why);
    free(data);
close_file:
    close(fd);
    if (why.code == WN_OK) return WN_OK;
fail:
    return wn_fail(err, why.code, "%s", why.text);
}

void wn_graph_destroy(struct wn_graph *g)
{
    if (!g) return;
    wn_weight_store_finish(&g->store);
    wn_arena_destroy(g->arena);
    free(g);
}

/* ---- what it says of itself ---- */

int64_t wn_graph_channels(const struct wn_graph *g)
{
    return g->input_shape[1];
}

int64_t wn_graph_height(const struct wn_graph *g)
{
    return g->input_shape[2];
}

int64_t wn_graph_width(const struct wn_graph *g)
{
    return g->input_shape[3];
}

int wn_graph_classes(const struct wn_graph *g)
{
    return g->classes;
}

int64_t wn_graph_weight_bytes(const struct wn_graph *g)
{
    return g->weight_bytes;
}

const char *wn_graph_sha256(const struct wn_graph *g)
{
    return g->sha256;
}

int wn_graph_layers(const struct wn_graph *g)
{
    return g->n_layers;
}

const struct wn_layer *wn_graph_layer(const struct wn_graph *g, int layer)
{
    return layer >= 0 && layer < g->n_layers ? &g->layers[layer] : NULL;
}

static const char *maker_name(const struct wn_graph *g, int value)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_out; k++)
            if (g->nodes[i].out[k] == value) return g->nodes[i].name;
    return "";
}

int wn_graph_find_layer(const struct wn_graph *g, const char *name)
{
    if (!name || strcmp(name, "auto") == 0) return g->auto_layer;
    for (int i = 0; i < g->n_layers; i++)
        if (strcmp(g->layers[i].name, name) == 0) return i;
    for (int i = 0; i < g->n_layers; i++)
        if (*name && strcmp(maker_name(g, g->layer_values[i]), name) == 0) return i;
    return -1;
}
