/* Runs cases in the layout of the ONNX standard's backend tests (model.onnx, test_data_set_N/input_I.pb, output_I.pb)
 * on one backend: pass, fail, or unsupported with the reason, per case.
 *
 *     onnx_conformance [--backend NAME] [--must FILE] [--picture] [--quiet] DIR...
 *
 * DIR is a case or a folder of cases. --picture: the models are networks, a batch of pictures in and logits out, and
 * are read as such, once with batch-norms folded and once with every layer kept. FILE lists cases that have to pass,
 * one a line; `#` starts a comment. Exit 1: a case is wrong, or one that has to pass did not; 2: nothing could be run;
 * 77: the backend finds no device here. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <whynot/backend.h>

#include "fold.h"
#include "graph.h"

enum { MAX_PORTS = 64, PATH_BYTES = 4096 };
static const double tolerance = 1e-5; /* of the largest magnitude that is expected */

enum verdict { PASS, PASS_FOLDED, UNSUPPORTED, FAIL };
static const char *const verdict_names[] = {"pass", "pass (as constants)", "unsupported", "FAIL"};

struct run {
    const char *backend_name;
    struct wn_backend *backend;
    const char *must; /* text of the --must file, or NULL */
    bool quiet, picture;
    int count[4], missed;
};

struct data_set {
    struct wn_tensor *in[MAX_PORTS], *out[MAX_PORTS];
};

/* ---- files ---- */

static void *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    char *data = NULL;
    if (!f) return NULL;
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && (data = malloc((size_t)st.st_size + 1))) {
        *size = fread(data, 1, (size_t)st.st_size, f);
        data[*size] = '\0';
    }
    fclose(f);
    return data;
}

/* A tensor file; *out NULL where there is no such file. */
static bool read_tensor(const char *path, struct wn_tensor **out, struct wn_error *err)
{
    struct wn_graph_limits limits = wn_graph_limits_default();
    size_t size;
    void *data = read_file(path, &size);
    *out = NULL;
    if (!data) return true;
    enum wn_code code = wn_tensor_parse(data, size, &limits, out, err);
    free(data);
    return code == WN_OK;
}

/* Element types that a tensor file can be read in; a bfloat16 one comes as whole numbers and cannot be told from the
 * file. */
static bool readable(int element)
{
    static const int types[] = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i] == element) return true;
    return false;
}

static bool read_set(const char *dir, int set, const struct wn_graph *g, struct data_set *d, struct wn_error *err)
{
    char path[PATH_BYTES];
    bool ok = true;
    memset(d, 0, sizeof *d);
    for (int i = 0; ok && i < g->n_inputs; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d/input_%d.pb", dir, set, i);
        if (!readable(g->inputs[i].element))
            return wn_fail(err, WN_UNSUPPORTED, "element type %d of input %d", g->inputs[i].element, i) == WN_OK;
        ok = read_tensor(path, &d->in[i], err);
        if (ok && !d->in[i]) ok = wn_fail(err, WN_UNSUPPORTED, "input %d is left out", i) == WN_OK;
    }
    for (int i = 0; ok && i < g->n_outputs; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d/output_%d.pb", dir, set, i);
        ok = read_tensor(path, &d->out[i], err);
        if (ok && !d->out[i]) ok = wn_fail(err, WN_UNSUPPORTED, "output %d is left out", i) == WN_OK;
    }
    return ok;
}

static void free_set(struct data_set *d)
{
    for (int i = 0; i < MAX_PORTS; i++) {
        wn_tensor_destroy(d->in[i]);
        wn_tensor_destroy(d->out[i]);
    }
}

/* ---- comparing ---- */

static double number(const struct wn_tensor *t, int64_t i)
{
    return t->f ? (double)t->f[i] : (double)t->i[i];
}

static bool near(double got, double want, double bound)
{
    if (isnan(want) || isinf(want)) return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= bound;
}

/* Shapes, and every element; whole numbers exactly. */
static bool same(const struct wn_tensor *got, const struct wn_tensor *want, int output, struct wn_error *err)
{
    int64_t n = wn_shape_count(&want->shape);
    double most = 0;
    if (!wn_shape_equal(&got->shape, &want->shape))
        return wn_fail(err, WN_INTERNAL, "output %d has another shape", output) == WN_OK;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(number(want, i)) && fabs(number(want, i)) > most) most = fabs(number(want, i));
    double bound = want->i ? 0 : tolerance * most;
    for (int64_t i = 0; i < n; i++)
        if (!near(number(got, i), number(want, i), bound))
            return wn_fail(err, WN_INTERNAL, "output %d, element %lld: %.9g, not %.9g", output, (long long)i,
                           number(got, i), number(want, i)) == WN_OK;
    return true;
}

/* ---- running ---- */

static bool write_inputs(struct wn_exe *exe, const struct wn_graph *g, const struct wn_binding *in,
                         const struct data_set *d, struct wn_error *err)
{
    for (int i = 0; i < g->n_inputs; i++)
        if (in[i].value >= 0 && exe->backend->impl->write(exe, in[i].value, d->in[i]->f, err) != WN_OK) return false;
    return true;
}

static bool read_output(struct wn_exe *exe, const struct wn_program *p, int value, struct wn_tensor **out,
                        struct wn_error *err)
{
    *out = wn_fold_new(WN_F32, &wn_program_value(p, value)->shape);
    if (!*out) return wn_fail(err, WN_NO_MEMORY, "no memory for an output") == WN_OK;
    return exe->backend->impl->read(exe, value, (*out)->f, err) == WN_OK;
}

static bool check_outputs(struct wn_exe *exe, const struct wn_program *p, const struct wn_graph *g,
                          const struct wn_outcome *out, const struct data_set *d, struct wn_error *err)
{
    for (int i = 0; i < g->n_outputs; i++) {
        struct wn_tensor *got = NULL;
        bool ok = out[i].constant ? same(out[i].constant, d->out[i], i, err)
                                  : read_output(exe, p, out[i].value, &got, err) && same(got, d->out[i], i, err);
        wn_folded_destroy(got);
        if (!ok) return false;
    }
    return true;
}

static enum verdict execute(struct wn_backend *be, const struct wn_graph *g, struct wn_program *p,
                            const struct wn_binding *in, const struct wn_outcome *out, const struct data_set *d,
                            struct wn_error *err)
{
    struct wn_exe *exe = NULL;
    bool ok = false;
    if (wn_program_optimize(p, err) != WN_OK) return FAIL;
    enum wn_code code = be->impl->compile(be, p, &exe, err);
    if (code != WN_OK) return code == WN_UNSUPPORTED ? UNSUPPORTED : FAIL;
    if (!write_inputs(exe, g, in, d, err)) goto release;
    for (int s = 0; s < wn_program_stages(p); s++)
        if (be->impl->run(exe, s, err) != WN_OK) goto release;
    ok = check_outputs(exe, p, g, out, d, err);
release:
    be->impl->release(exe);
    return ok ? PASS : FAIL;
}

/* The network as the server lowers it; keep: every layer stays a value of its own. */
static enum verdict attempt_picture(struct wn_backend *be, struct wn_graph *g, const struct data_set *d, bool keep,
                                    struct wn_error *err)
{
    struct wn_forward f;
    struct wn_program *p;
    if (wn_program_create(&p, err) != WN_OK) return FAIL;
    enum wn_code code = wn_graph_lower(g, p, d->in[0]->shape.dim[0], g->layer_values, keep ? g->n_layers : 0, &f, err);
    enum verdict v = code == WN_UNSUPPORTED || code == WN_BAD_MODEL ? UNSUPPORTED : FAIL;
    if (code == WN_OK) {
        struct wn_binding in = {.value = f.input};
        struct wn_outcome out = {.value = wn_program_output(p, f.logits)};
        v = execute(be, g, p, &in, &out, d, err);
        wn_forward_finish(&f);
    }
    wn_program_destroy(p);
    return v;
}

/* Float inputs from `dynamic` on are bound as constants; all others always are. */
static enum verdict attempt(struct wn_backend *be, struct wn_graph *g, const struct data_set *d, int dynamic,
                            struct wn_error *err)
{
    struct wn_binding in[MAX_PORTS] = {0};
    struct wn_outcome out[MAX_PORTS];
    struct wn_program *p;
    bool any = false;
    if (wn_program_create(&p, err) != WN_OK) return FAIL;
    for (int i = 0; i < g->n_inputs; i++) {
        bool constant = i >= dynamic || !d->in[i]->f || wn_shape_count(&d->in[i]->shape) == 0;
        in[i] = (struct wn_binding){.constant = constant ? d->in[i] : NULL, .shape = d->in[i]->shape};
        any = any || !constant;
    }
    enum wn_code code = wn_graph_lower_all(g, p, in, out, err);
    enum verdict v = code == WN_UNSUPPORTED || code == WN_BAD_MODEL ? UNSUPPORTED : FAIL;
    if (code == WN_OK) {
        v = execute(be, g, p, in, out, d, err);
        for (int i = 0; i < g->n_outputs; i++) wn_outcome_finish(&out[i]);
    }
    wn_program_destroy(p);
    return v == PASS && !any && g->n_inputs > 0 ? PASS_FOLDED : v;
}

/* First with every float input given at run time, then all but the first, then none: some operands have to be
 * constants. */
static enum verdict run_set(struct wn_backend *be, struct wn_graph *g, const struct data_set *d, struct wn_error *err)
{
    const int dynamic[] = {MAX_PORTS, 1, 0};
    enum verdict v = UNSUPPORTED;
    struct wn_error why[3] = {0};
    for (int k = 0; k < 3 && v == UNSUPPORTED; k++)
        if ((v = attempt(be, g, d, dynamic[k], &why[k])) == FAIL) *err = why[k];
    if (v == UNSUPPORTED) *err = why[1].code ? why[1] : why[0];
    return v;
}

static enum verdict run_picture(struct wn_backend *be, struct wn_graph *g, const struct data_set *d,
                                struct wn_error *err)
{
    enum verdict v = attempt_picture(be, g, d, false, err);
    return v == PASS ? attempt_picture(be, g, d, true, err) : v;
}

static enum verdict run_case(struct run *r, const char *dir, struct wn_error *err)
{
    char path[PATH_BYTES];
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wn_graph *g;
    enum verdict v = PASS;
    size_t size;
    int sets = 0;
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    void *data = read_file(path, &size);
    if (!data) return wn_fail(err, WN_INTERNAL, "it cannot be read"), FAIL;
    enum wn_code code =
        r->picture ? wn_graph_parse(data, size, NULL, &g, err) : wn_graph_read(data, size, &limits, &g, err);
    free(data);
    if (code != WN_OK) return UNSUPPORTED;
    if (g->n_inputs > MAX_PORTS || g->n_outputs > MAX_PORTS) v = UNSUPPORTED;
    for (; v <= PASS_FOLDED; sets++) {
        struct data_set d;
        snprintf(path, sizeof path, "%s/test_data_set_%d", dir, sets);
        struct stat st;
        if (stat(path, &st) != 0) break;
        v = !read_set(dir, sets, g, &d, err) ? UNSUPPORTED
                                             : (r->picture ? run_picture : run_set)(r->backend, g, &d, err);
        free_set(&d);
    }
    wn_graph_destroy(g);
    return v;
}

/* ---- reporting ---- */

static const char *base_name(const char *dir)
{
    const char *slash = strrchr(dir, '/');
    return slash ? slash + 1 : dir;
}

static bool has_to_pass(const struct run *r, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = r->must; at && (at = strstr(at, name)); at += n)
        if ((at == r->must || at[-1] == '\n') && (at[n] == '\n' || at[n] == '\0' || at[n] == ' ')) return true;
    return false;
}

static void report(struct run *r, const char *dir)
{
    struct wn_error err = {0};
    enum verdict v = run_case(r, dir, &err);
    const char *name = base_name(dir);
    bool missed = v > PASS_FOLDED && has_to_pass(r, name);
    r->count[v]++;
    r->missed += missed;
    if (r->quiet && v != FAIL && !missed) return;
    printf("%-10s %s%s%s%s\n", verdict_names[v], name, missed ? " (has to pass)" : "", v >= UNSUPPORTED ? ": " : "",
           v >= UNSUPPORTED ? err.text : "");
    fflush(stdout);
}

static bool is_case(const char *dir)
{
    char path[PATH_BYTES + 16];
    struct stat st;
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    return stat(path, &st) == 0;
}

/* Every case in a folder, by name. */
static void walk(struct run *r, const char *dir)
{
    struct dirent **rows;
    char path[PATH_BYTES];
    if (is_case(dir)) {
        report(r, dir);
        return;
    }
    int n = scandir(dir, &rows, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, rows[i]->d_name);
        if (rows[i]->d_name[0] != '.' && is_case(path)) report(r, path);
        free(rows[i]);
    }
    if (n >= 0) free(rows);
}

static int summary(const struct run *r)
{
    int total = 0;
    for (int v = 0; v < 4; v++) total += r->count[v];
    printf("%s: %d cases: %d pass, %d pass as constants, %d unsupported, %d wrong", r->backend_name, total,
           r->count[PASS], r->count[PASS_FOLDED], r->count[UNSUPPORTED], r->count[FAIL]);
    if (r->must) printf(", %d missing of those that have to pass", r->missed);
    printf("\n");
    return total == 0 ? 2 : r->count[FAIL] || r->missed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct run r = {.backend_name = "ref"};
    struct wn_backend_options plain = {0};
    struct wn_error err = {0};
    size_t size;
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--quiet") == 0)
            r.quiet = true;
        else if (strcmp(argv[i], "--picture") == 0)
            r.picture = true;
        else if (strcmp(argv[i], "--backend") == 0 && i + 1 < argc)
            r.backend_name = argv[++i];
        else if (strcmp(argv[i], "--must") == 0 && i + 1 < argc)
            r.must = read_file(argv[++i], &size);
        else
            i = argc;
    }
    if (i >= argc)
        return fprintf(stderr, "usage: onnx_conformance [--backend NAME] [--must FILE] [--picture] [--quiet] DIR...\n"),
               2;
    enum wn_code code = wn_backend_open(r.backend_name, &plain, &r.backend, &err);
    if (code != WN_OK) return fprintf(stderr, "%s: %s\n", r.backend_name, err.text), code == WN_DEVICE ? 77 : 2;
    for (; i < argc; i++) walk(&r, argv[i]);
    wn_backend_close(r.backend);
    int status = summary(&r);
    free((void *)r.must);
    return status;
}
