/* The memory of a program's values: one arena, in which those that are never alive together share bytes and whose end
 * is the scratch of one step. In test builds, where it is asked for (switches.h), each value and each scratch is a
 * block of its own instead. Also the tables beside them. */
#include "exe.h"

#include <stdlib.h>

#include "switches.h"

/* ---- blocks of an executable's own ---- */

enum wn_code wn_cuda_own(struct wn_cuda_exe *exe, size_t bytes, void **out, struct wn_error *err)
{
    if (!wn_cuda_grow(&exe->tables, exe->n_tables, &exe->cap_tables, sizeof *exe->tables))
        return wn_fail(err, WN_NO_MEMORY, "no memory for the tables of a program");
    enum wn_code code = wn_cuda_alloc(exe->be, bytes, "a table of a program", out, err);
    if (code == WN_OK) exe->tables[exe->n_tables++] = (struct wn_cuda_table){*out, bytes};
    return code;
}

enum wn_code wn_cuda_zeros(struct wn_cuda_exe *exe, size_t bytes, void **out, struct wn_error *err)
{
    enum wn_code code = wn_cuda_own(exe, bytes, out, err);
    return code == WN_OK ? wn_cuda_clear(exe, *out, bytes, err) : code;
}

enum wn_code wn_cuda_table(struct wn_cuda_exe *exe, const void *src, size_t bytes, void **out, struct wn_error *err)
{
    enum wn_code code = wn_cuda_own(exe, bytes, out, err);
    return code == WN_OK ? wn_cuda_upload(exe->be, *out, src, bytes, err) : code;
}

/* ---- scratch ---- */

/* Values start on 256 bytes; so do the parts of the scratch. */
static size_t scratch_size(const struct wn_cuda_tensor *like, enum wn_cuda_type type)
{
    return ((size_t)wn_shape_count(&like->shape) * wn_cuda_type_size(type) + 255) / 256 * 256;
}

enum wn_code wn_cuda_scratch(struct wn_cuda_exe *exe, const struct wn_cuda_tensor *like, enum wn_cuda_type type,
                             struct wn_cuda_tensor *out, struct wn_error *err)
{
    *out = wn_cuda_tensor_of(&like->shape, type, like->channels_last);
    if (wn_cuda_apart()) return wn_cuda_own(exe, wn_cuda_tensor_bytes(out), &out->data, err);
    out->data = exe->arena + exe->scratch_at + exe->scratch_used;
    exe->scratch_used += scratch_size(like, type);
    return WN_OK;
}

/* What a step will ask for. */
static size_t step_scratch(const struct wn_cuda_exe *exe, int step)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const bool conv = s->prim == WN_PRIM_CONV || s->prim == WN_PRIM_CONV_BWD;
    size_t bytes = 0;
    if (!conv && s->prim != WN_PRIM_MATMUL) return 0;
    const enum wn_cuda_type type = wn_cuda_step_type(exe, step);
    for (int k = 0; k < 2; k++)
        if (wn_program_value(exe->prog, s->in[k])->kind != WN_VALUE_CONST && exe->values[s->in[k]].type != type)
            bytes += scratch_size(&exe->values[s->in[k]], type);
    if (conv && exe->values[s->out[0]].type != type) bytes += scratch_size(&exe->values[s->out[0]], type);
    return bytes;
}

/* ---- values ---- */

static enum wn_code reserve_together(struct wn_cuda_exe *exe, struct wn_error *err)
{
    const int n = wn_program_values(exe->prog);
    void *arena = NULL;
    int64_t *offsets = calloc((size_t)n + 1, sizeof *offsets);
    if (!offsets) return wn_fail(err, WN_NO_MEMORY, "no memory to place the values of a program");
    enum wn_code code = wn_cuda_place(exe, offsets, &exe->scratch_at, err);
    if (code != WN_OK) goto free_offsets;
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const size_t scratch = step_scratch(exe, i);
        if (scratch > exe->scratch_bytes) exe->scratch_bytes = scratch;
    }
    const size_t bytes = exe->scratch_at + exe->scratch_bytes;
    code = wn_cuda_alloc(exe->be, bytes, "the values of a program", &arena, err);
    if (code != WN_OK) goto free_offsets;
    exe->arena = arena, exe->arena_bytes = bytes;
    code = wn_cuda_clear(exe, arena, bytes, err);
    for (int v = 0; v < n; v++)
        if (exe->home[v] >= 0 && offsets[exe->home[v]] >= 0) exe->values[v].data = exe->arena + offsets[exe->home[v]];
free_offsets:
    free(offsets);
    return code;
}

/* Only what has to be zero is: an input, because the first run reads it before anybody has written it, and every run
 * what pads it. All else is written before it is read, or it is a fault. */
static enum wn_code reserve_apart(struct wn_cuda_exe *exe, struct wn_error *err)
{
    const int n = wn_program_values(exe->prog);
    enum wn_code code = WN_OK;
    for (int v = 0; v < n && code == WN_OK; v++) {
        const enum wn_value_kind kind = wn_program_value(exe->prog, v)->kind;
        struct wn_cuda_tensor *t = &exe->values[v];
        const size_t bytes = wn_cuda_tensor_bytes(t);
        if (kind == WN_VALUE_CONST || exe->home[v] != v || !bytes) continue;
        code =
            kind == WN_VALUE_INPUT ? wn_cuda_zeros(exe, bytes, &t->data, err) : wn_cuda_own(exe, bytes, &t->data, err);
    }
    for (int v = 0; v < n; v++)
        if (exe->home[v] >= 0) exe->values[v].data = exe->values[exe->home[v]].data;
    return code;
}

enum wn_code wn_cuda_reserve(struct wn_cuda_exe *exe, struct wn_error *err)
{
    return wn_cuda_apart() ? reserve_apart(exe, err) : reserve_together(exe, err);
}
