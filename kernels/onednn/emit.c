/* What makers call: buffers, conversions and actions of an executable under construction; knows no primitive in
 * particular. */
#include "dnn.h"

#include <stdlib.h>
#include <string.h>

void wn_dnn_fail(struct wn_dnn_exe *e, dnnl_status_t status, const char *what)
{
    if (status == dnnl_success) return;
    if (status == dnnl_out_of_memory)
        wn_fail(&e->err, WN_NO_MEMORY, "no memory for %s", what);
    else if (status == dnnl_unimplemented || status == dnnl_invalid_arguments)
        wn_fail(&e->err, WN_UNSUPPORTED, "oneDNN has no primitive for %s", what);
    else
        wn_fail(&e->err, WN_DEVICE, "oneDNN fails (status %d) at %s", (int)status, what);
}

static bool grow(struct wn_dnn_exe *e, void *array, int n, int *cap, size_t size)
{
    void **slot = array;
    if (n < *cap) return true;
    int more = *cap ? *cap * 2 : 64;
    void *bigger = realloc(*slot, (size_t)more * size);
    if (!bigger) {
        wn_fail(&e->err, WN_NO_MEMORY, "no memory to compile a program");
        return false;
    }
    *slot = bigger;
    *cap = more;
    return true;
}

void *wn_dnn_block(struct wn_dnn_exe *e, size_t bytes)
{
    if (e->err.code || !grow(e, &e->blocks, e->n_blocks, &e->cap_blocks, sizeof *e->blocks)) return NULL;
    void *block = calloc(1, bytes ? bytes : 1);
    if (!block) {
        wn_fail(&e->err, WN_NO_MEMORY, "no memory to compile a program");
        return NULL;
    }
    return e->blocks[e->n_blocks++] = block;
}

/* ---- buffers ---- */

static int add_buffer(struct wn_dnn_exe *e, struct wn_dnn_buffer b)
{
    if (e->err.code || !grow(e, &e->buffers, e->n_buffers, &e->cap_buffers, sizeof *e->buffers)) return WN_DNN_FAILED;
    e->buffers[e->n_buffers] = b;
    return e->n_buffers++;
}

int wn_dnn_buffer(struct wn_dnn_exe *e, size_t bytes)
{
    return add_buffer(
        e, (struct wn_dnn_buffer){
               .bytes = (bytes + 127) / 64 * 64, .first = e->n_actions, .last = e->n_actions, .stage = e->stage});
}

int wn_dnn_pin(struct wn_dnn_exe *e, const void *data)
{
    return add_buffer(e, (struct wn_dnn_buffer){.pinned = (void *)data});
}

bool wn_dnn_is_const(const struct wn_dnn_exe *e, int value)
{
    return wn_program_value(e->prog, value)->kind == WN_VALUE_CONST;
}

bool wn_dnn_is_alias(const struct wn_dnn_exe *e, int value)
{
    return e->values[value].root != value;
}

bool wn_dnn_is_read(const struct wn_dnn_exe *e, int value)
{
    return e->values[value].last_step >= 0 || e->values[value].keep;
}

struct wn_dnn_tensor wn_dnn_tensor_of(const struct wn_dnn_exe *e, int value, enum wn_dnn_type type)
{
    struct wn_dnn_tensor t = e->values[value].t;
    t.type = type;
    return t;
}

enum wn_dnn_type wn_dnn_type_of(const struct wn_dnn_exe *e, int value)
{
    return e->values[e->values[value].root].t.type;
}

/* ---- constants ---- */

int wn_dnn_packed_weight(struct wn_dnn_exe *e, int value, const struct wn_dnn_tensor *source,
                         const struct wn_dnn_layout *layout)
{
    struct wn_dnn_packed *held;
    if (e->err.code || !grow(e, &e->held, e->n_held, &e->cap_held, sizeof *e->held)) return WN_DNN_FAILED;
    const struct wn_weight *w = wn_program_value(e->prog, value)->weight;
    if (wn_dnn_weight_hold(e->be->engine, w, source, layout, &held, &e->err) != WN_OK) return WN_DNN_FAILED;
    e->held[e->n_held++] = held;
    return wn_dnn_pin(e, wn_dnn_weight_data(held));
}

static struct wn_dnn_tensor row_major(const struct wn_dnn_tensor *t)
{
    struct wn_dnn_tensor r = *t;
    int64_t stride = 1;
    r.type = WN_DNN_F32;
    for (int d = t->rank - 1; d >= 0; d--) r.stride[d] = stride, stride *= t->dim[d];
    return r;
}

static bool is_row_major(const struct wn_dnn_tensor *t)
{
    struct wn_dnn_tensor r = row_major(t);
    for (int d = 0; d < t->rank; d++)
        if (t->dim[d] != 1 && t->stride[d] != r.stride[d]) return false;
    return true;
}

static int constant(struct wn_dnn_exe *e, int value, enum wn_dnn_type type)
{
    struct wn_dnn_tensor t = wn_dnn_tensor_of(e, value, type), source = row_major(&t);
    if (type == WN_DNN_F32 && is_row_major(&t)) return wn_dnn_pin(e, wn_program_value(e->prog, value)->weight->data);
    struct wn_dnn_layout *layout = wn_dnn_layout_plain(&t);
    if (!layout) wn_fail(&e->err, WN_NO_MEMORY, "no memory to compile a program");
    int buffer = wn_dnn_packed_weight(e, value, &source, layout);
    wn_dnn_layout_destroy(layout);
    return buffer;
}

/* ---- values ---- */

void wn_dnn_emit_convert(struct wn_dnn_exe *e, const struct wn_dnn_tensor *x, int x_buffer,
                         const struct wn_dnn_tensor *y, int y_buffer)
{
    struct wn_dnn_copy c = {.nest.rank = y->rank, .x = x->type, .y = y->type};
    memcpy(c.nest.extent, y->dim, sizeof y->dim);
    memcpy(c.nest.stride[0], y->stride, sizeof y->stride);
    memcpy(c.nest.stride[1], x->stride, sizeof x->stride);
    wn_dnn_nest_tidy(&c.nest);
    wn_dnn_emit_loop(e, wn_dnn_loop_copy, &c, sizeof c, 2, (int[]){y_buffer, x_buffer});
}

int wn_dnn_want(struct wn_dnn_exe *e, int value, enum wn_dnn_type type)
{
    struct wn_dnn_value *v = &e->values[e->values[value].root];
    int root = (int)(v - e->values);
    if (e->err.code) return WN_DNN_FAILED;
    if (v->buffer[type] >= 0 && (v->stage[type] < 0 || v->stage[type] == e->stage)) return v->buffer[type];
    if (wn_dnn_is_const(e, root)) return v->buffer[type] = constant(e, root, type);
    if (v->buffer[v->t.type] < 0) {
        wn_fail(&e->err, WN_INTERNAL, "step %d reads a value that no step has made", e->step);
        return WN_DNN_FAILED;
    }
    struct wn_dnn_tensor x = v->t, y = wn_dnn_tensor_of(e, root, type);
    int buffer = wn_dnn_buffer(e, wn_dnn_tensor_bytes(&y));
    wn_dnn_emit_convert(e, &x, v->buffer[x.type], &y, buffer);
    v->buffer[type] = buffer;
    v->stage[type] = e->stage;
    return buffer;
}

static int give(struct wn_dnn_exe *e, int value, enum wn_dnn_type type, int buffer)
{
    struct wn_dnn_value *v = &e->values[value];
    v->t.type = type;
    v->buffer[type] = buffer;
    v->buffer[!type] = -1;
    v->stage[type] = -1;
    if (buffer >= 0 && v->keep) e->buffers[buffer].keep = true;
    return buffer;
}

int wn_dnn_give(struct wn_dnn_exe *e, int value, enum wn_dnn_type type)
{
    struct wn_dnn_tensor t = wn_dnn_tensor_of(e, value, type);
    return give(e, value, type, wn_dnn_buffer(e, wn_dnn_tensor_bytes(&t)));
}

int wn_dnn_give_over(struct wn_dnn_exe *e, int value, int from, enum wn_dnn_type type)
{
    int root = e->values[from].root;
    struct wn_dnn_value *v = &e->values[root];
    bool free_now = !e->err.code && !v->keep && v->last_step <= e->step && v->t.type == type && v->buffer[type] >= 0;
    if (!free_now) return WN_DNN_FAILED;
    return give(e, value, type, v->buffer[type]);
}

/* ---- actions ---- */

static void touch(struct wn_dnn_exe *e, int buffer)
{
    if (buffer >= 0) e->buffers[buffer].last = e->n_actions;
}

static struct wn_dnn_action *add_action(struct wn_dnn_exe *e, int n)
{
    int *buffers = wn_dnn_block(e, (size_t)n * sizeof *buffers);
    void **p = wn_dnn_block(e, (size_t)n * sizeof *p);
    if (!buffers || !p || !grow(e, &e->actions, e->n_actions, &e->cap_actions, sizeof *e->actions)) return NULL;
    struct wn_dnn_action *a = &e->actions[e->n_actions];
    *a = (struct wn_dnn_action){.step = e->step, .n = n, .buffers = buffers, .p = p};
    return a;
}

void wn_dnn_emit_loop(struct wn_dnn_exe *e, wn_dnn_loop *loop, const void *spec, size_t spec_bytes, int n,
                      const int *buffers)
{
    void *own = wn_dnn_block(e, spec_bytes);
    struct wn_dnn_action *a = own ? add_action(e, n) : NULL;
    if (!a) return;
    memcpy(own, spec, spec_bytes);
    a->loop = loop;
    a->spec = own;
    for (int i = 0; i < n; i++) {
        a->buffers[i] = buffers[i];
        touch(e, buffers[i]);
    }
    e->n_actions++;
}

void wn_dnn_emit_act(struct wn_dnn_exe *e, const struct wn_act *act, int value)
{
    struct wn_dnn_unary u = {.act = *act, .count = wn_dnn_tensor_count(&e->values[value].t)};
    int buffer = e->values[value].buffer[WN_DNN_F32];
    if (act->kind != WN_UNARY_COUNT) wn_dnn_emit_loop(e, wn_dnn_loop_unary, &u, sizeof u, 2, (int[]){buffer, buffer});
}

static void need_scratch(struct wn_dnn_exe *e, size_t bytes)
{
    if (e->scratch < 0) {
        e->scratch = wn_dnn_buffer(e, bytes);
        if (e->scratch >= 0) e->buffers[e->scratch].keep = true;
    }
    if (e->scratch < 0) return;
    struct wn_dnn_buffer *b = &e->buffers[e->scratch];
    b->stage = -1; /* of all stages */
    if (b->bytes < bytes + 64) b->bytes = (bytes + 127) / 64 * 64;
}

void wn_dnn_emit_prim(struct wn_dnn_exe *e, struct wn_dnn_prim *prim, int n, const struct wn_dnn_operand *operands)
{
    bool scratch = prim->scratch_bytes > 0;
    if (scratch) need_scratch(e, prim->scratch_bytes);
    dnnl_exec_arg_t *args = wn_dnn_block(e, (size_t)(n + 1) * sizeof *args);
    struct wn_dnn_action *a = args ? add_action(e, n + scratch) : NULL;
    if (!a) {
        wn_dnn_prim_finish(prim);
        return;
    }
    a->prim = prim->handle;
    a->args = args;
    e->n_actions++; /* from here on the executable frees primitive and memories */
    prim->handle = NULL;
    for (int i = 0; i < n; i++) {
        const struct wn_dnn_operand *o = &operands[i];
        a->buffers[i] = o->buffer;
        args[i].arg = o->arg;
        wn_dnn_fail(e,
                    o->tensor ? wn_dnn_memory_of(e->be->engine, o->tensor, &args[i].memory)
                              : wn_dnn_memory_in(e->be->engine, o->layout, &args[i].memory),
                    "an operand");
        if (o->buffer >= 0) e->buffers[o->buffer].last = e->n_actions - 1;
    }
    if (scratch) {
        a->buffers[n] = e->scratch;
        args[n].arg = DNNL_ARG_SCRATCHPAD;
        wn_dnn_fail(e, wn_dnn_memory_scratch(e->be->engine, prim->scratch_bytes, &args[n].memory), "a scratchpad");
    }
    wn_dnn_prim_finish(prim);
}
