/* Seeds made on the device between two stages: questions go there through what was reserved at open, and one launch
 * turns the logits that lie there into the input that the next stage starts from. What does not fit is left to the
 * caller. Knows no contrast by name. */
#include "exe.h"

#include <string.h>

#include "kernels.h"
#include "ranges.h"

enum {
    ROWS = 256,        /* of one launch */
    CLASSES = 1 << 14, /* in all sets of the rows together */
    SETS_AT = ROWS * (int)sizeof(struct wn_cuda_seed),
    IN = SETS_AT + CLASSES * (int)sizeof(int),
    FOUND = ROWS * (int)sizeof(int) /* each of: target, foil, score */
};

static bool fits(const struct wn_cuda_exe *exe, int logits, int seed, const struct wn_seed_row *rows, int n)
{
    const struct wn_shape *y = &exe->values[logits].shape, *v = &exe->values[seed].shape;
    int64_t classes = 0;
    if (!exe->ports[logits].pinned || !exe->ports[seed].pinned || y->rank != 2 || v->rank != 2 ||
        y->dim[1] != v->dim[1])
        return false;
    for (int i = 0; i < n; i++) {
        if (rows[i].image < 0 || rows[i].image >= y->dim[0]) return false;
        classes += rows[i].n_targets + rows[i].n_foils;
    }
    return n <= ROWS && n <= v->dim[0] && classes <= CLASSES;
}

/* Returns the bytes to send. */
static size_t pack(const struct wn_seed_row *rows, int n, char *to)
{
    struct wn_cuda_seed *seeds = (struct wn_cuda_seed *)(void *)to;
    int *sets = (int *)(void *)(to + SETS_AT), at = 0;
    for (int i = 0; i < n; i++) {
        const struct wn_seed_row *r = &rows[i];
        seeds[i] = (struct wn_cuda_seed){.form = r->form,
                                         .image = r->image,
                                         .target = r->target,
                                         .sets = at,
                                         .n_targets = r->n_targets,
                                         .n_foils = r->n_foils,
                                         .value = r->value};
        if (r->n_targets) memcpy(sets + at, r->targets, (size_t)r->n_targets * sizeof *sets);
        at += r->n_targets;
        if (r->n_foils) memcpy(sets + at, r->foils, (size_t)r->n_foils * sizeof *sets);
        at += r->n_foils;
    }
    return SETS_AT + (size_t)at * sizeof *sets;
}

static enum wn_code launch(struct wn_cuda_exe *exe, int logits, int seed, int n, struct wn_error *err)
{
    char *at = exe->be->seeding.device, *found = at + IN;
    const struct wn_cuda_seeds d = {.logits = exe->ports[logits].landing,
                                    .classes = (int)exe->values[logits].shape.dim[1],
                                    .rows = n,
                                    .question = (void *)at,
                                    .sets = (void *)(at + SETS_AT),
                                    .seed = exe->ports[seed].landing,
                                    .target = (void *)found,
                                    .foil = (void *)(found + FOUND),
                                    .score = (void *)(found + 2 * FOUND)};
    if (!wn_cuda_launch_seeds(&d, exe->stream))
        return wn_fail(err, WN_UNSUPPORTED, "the classes are too many to make seeds on the device");
    return wn_cuda_launched("seeds", err);
}

static enum wn_code run(struct wn_cuda_exe *exe, int logits, int seed, const struct wn_seed_row *rows, int n,
                        struct wn_error *err)
{
    const struct wn_cuda_staging *s = &exe->be->seeding;
    enum wn_code code = wn_cuda_staging_begin(s, err);
    if (code != WN_OK) return code;
    const size_t bytes = pack(rows, n, s->pinned);
    code = wn_cuda_run_port(exe, &exe->ports[logits], err);
    if (code == WN_OK) code = wn_cuda_staging_send(s, exe->stream, bytes, err);
    if (code == WN_OK) code = launch(exe, logits, seed, n, err);
    if (code == WN_OK) code = wn_cuda_staging_end(s, exe->stream, err);
    if (code == WN_OK) code = wn_cuda_run_port(exe, &exe->ports[seed], err);
    if (code == WN_OK && !exe->ahead)
        code = wn_cuda_port_ahead(exe, &exe->ports[logits], (size_t)wn_shape_count(&exe->values[logits].shape), err);
    return code;
}

enum wn_code wn_cuda_seed(struct wn_exe *base, int logits, int seed, const struct wn_seed_row *rows, int n,
                          struct wn_error *err)
{
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    if (!fits(exe, logits, seed, rows, n))
        return wn_fail(err, WN_UNSUPPORTED, "these questions are more than the device makes seeds for at once");
    enum wn_code code = wn_cuda_device_use(exe->be, err);
    if (code != WN_OK) return code;
    wn_cuda_range_begin("seed");
    code = run(exe, logits, seed, rows, n, err);
    wn_cuda_range_end();
    return code;
}

enum wn_code wn_cuda_seeding_open(struct wn_cuda_backend *be, struct wn_error *err)
{
    return wn_cuda_staging_open(be, &be->seeding, "the questions of a batch", IN, 3 * FOUND, err);
}
