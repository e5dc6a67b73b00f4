/* Places in one arena: values that are alive at different times share bytes. Pure planning, no device is asked.
 *
 * Inputs, values that the host reads and values that a later stage uses keep a place of their own, because stages
 * may be run again without the ones before them. Everything else lives from the step that makes it to its last
 * reader. */
#include "exe.h"

#include <stdlib.h>

enum { ALIGNMENT = 256 };

struct block {
    int64_t at, bytes;
    int first, last; /* steps; [-1, INT32_MAX] for what stays */
    int home;
};

static int64_t padded(size_t bytes)
{
    return (int64_t)((bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

static void use(const struct wn_cuda_exe *exe, struct block *blocks, int value, int step)
{
    const struct wn_program *p = exe->prog;
    const int home = exe->home[value];
    if (home < 0 || wn_program_value(p, home)->kind == WN_VALUE_CONST) return;
    struct block *b = &blocks[home];
    const int maker = wn_program_value(p, home)->step;
    if (maker < 0 || wn_cuda_stage_of(p, maker) != wn_cuda_stage_of(p, step)) b->first = -1, b->last = INT32_MAX;
    if (step > b->last) b->last = step;
}

/* What is never made is read through by those who would have read it. */
static void use_through(const struct wn_cuda_exe *exe, struct block *blocks, int value, int step)
{
    const struct wn_value *v = wn_program_value(exe->prog, value);
    use(exe, blocks, value, step);
    if (exe->home[value] >= 0 || v->kind != WN_VALUE_STEP || v->step < 0) return;
    const struct wn_step *s = wn_program_step(exe->prog, v->step);
    for (int k = 0; k < s->n_in; k++)
        if (s->in[k] != WN_NONE) use_through(exe, blocks, s->in[k], step);
}

static void find_lives(const struct wn_cuda_exe *exe, struct block *blocks)
{
    const struct wn_program *p = exe->prog;
    for (int v = 0; v < wn_program_values(p); v++) {
        const struct wn_value *value = wn_program_value(p, v);
        const bool stays = value->kind == WN_VALUE_INPUT;
        blocks[v] = (struct block){-1, padded(wn_cuda_tensor_bytes(&exe->values[v])), stays ? -1 : value->step,
                                   stays ? INT32_MAX : value->step, v};
        if (value->kind == WN_VALUE_CONST || exe->home[v] != v) blocks[v].bytes = 0;
    }
    for (int v = 0; v < wn_program_values(p); v++)
        if (wn_program_value(p, v)->readable && exe->home[v] >= 0)
            blocks[exe->home[v]].first = -1, blocks[exe->home[v]].last = INT32_MAX;
    for (int i = 0; i < wn_program_steps(p); i++) {
        const struct wn_step *s = wn_program_step(p, i);
        for (int k = 0; k < s->n_in; k++)
            if (s->in[k] != WN_NONE) use_through(exe, blocks, s->in[k], i);
    }
}

/* Largest first; equal ones in the order of the program, so that a program always gets the same arena. */
static int by_size(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->home < y->home ? -1 : x->home > y->home;
}

static bool meet(const struct block *a, const struct block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static int by_offset(const void *a, const void *b)
{
    const struct block *x = *(const struct block *const *)a, *y = *(const struct block *const *)b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The lowest gap between the placed blocks that are alive at the same time. near: room for n pointers. */
static int64_t lowest_gap(const struct block *blocks, int n, const struct block *b, const struct block **near)
{
    int n_near = 0;
    int64_t at = 0;
    for (int i = 0; i < n; i++)
        if (meet(&blocks[i], b)) near[n_near++] = &blocks[i];
    qsort(near, (size_t)n_near, sizeof *near, by_offset);
    for (int i = 0; i < n_near; i++) {
        if (near[i]->at >= at + b->bytes) break;
        if (near[i]->at + near[i]->bytes > at) at = near[i]->at + near[i]->bytes;
    }
    return at;
}

enum wn_code wn_cuda_place(const struct wn_cuda_exe *exe, int64_t *offsets, size_t *bytes, struct wn_error *err)
{
    const int n = wn_program_values(exe->prog);
    struct block *blocks = calloc((size_t)n + 1, sizeof *blocks);
    const struct block **near = calloc((size_t)n + 1, sizeof *near);
    enum wn_code code = WN_OK;
    int64_t end = 0;
    if (!blocks || !near) {
        code = wn_fail(err, WN_NO_MEMORY, "no memory to place the values of a program");
        goto free_blocks;
    }
    find_lives(exe, blocks);
    for (int v = 0; v < n; v++) offsets[v] = -1;
    qsort(blocks, (size_t)n, sizeof *blocks, by_size);
    for (int i = 0; i < n && blocks[i].bytes; i++) {
        blocks[i].at = lowest_gap(blocks, i, &blocks[i], near);
        offsets[blocks[i].home] = blocks[i].at;
        if (blocks[i].at + blocks[i].bytes > end) end = blocks[i].at + blocks[i].bytes;
    }
    *bytes = (size_t)end;
free_blocks:
    free(blocks);
    free(near);
    return code;
}
