/* The oneDNN backend inside: tensors as they lie in memory, primitives, actions, the executable. Knows programs, no
 * ONNX.
 *
 * Rank 4 and 5 values (and rank 3 where the program slides windows along one axis) lie channels-last, all others
 * row-major. A value exists in f32, in bf16 or in both; `want` gives the buffer of the kind a step asks for. Steps
 * become *actions*: a oneDNN primitive or a loop of ours over the buffers it names. All buffers of an executable share
 * one arena by lifetime. */
#ifndef WN_ONEDNN_DNN_H
#define WN_ONEDNN_DNN_H

#include <pthread.h>

#include "guard.h"

#include <whynot/backend.h>

#include "loops.h"

/* ---- primitives: dnn_v2.c or dnn_v3.c, the only file that knows how that version of oneDNN describes things ---- */

struct wn_dnn_layout; /* how a primitive wants its weights */

struct wn_dnn_prim {
    dnnl_primitive_t handle;
    size_t scratch_bytes;
    struct wn_dnn_layout *weights; /* owned; NULL where there are none */
    bool slow;                     /* a reference implementation: our own loops do better */
};

struct wn_dnn_conv {
    const struct wn_dnn_tensor *x, *y; /* of the forward convolution, also when it runs backwards */
    const struct wn_shape *w;          /* (O, C/g, k...) */
    const struct wn_window *win;
    int64_t groups;
    bool bias, residual; /* residual: the sum is taken over what lies in y */
    struct wn_act act;
    bool backward; /* y -> x */
};

/* All return a failure of oneDNN as it is (dnnl_unimplemented: no such primitive here); `out` is then empty. */
dnnl_status_t wn_dnn_make_conv(dnnl_engine_t engine, const struct wn_dnn_conv *c, struct wn_dnn_prim *out);
dnnl_status_t wn_dnn_make_pool(dnnl_engine_t engine, const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y,
                               const struct wn_window *win, bool max, bool count_pad, struct wn_dnn_prim *out);
/* Same rank everywhere; bias: NULL or a tensor of that rank. */
dnnl_status_t wn_dnn_make_matmul(dnnl_engine_t engine, const struct wn_dnn_tensor *a, const struct wn_dnn_tensor *b,
                                 const struct wn_dnn_tensor *bias, const struct wn_dnn_tensor *y,
                                 const struct wn_act *act, struct wn_dnn_prim *out);
dnnl_status_t wn_dnn_make_unary(dnnl_engine_t engine, int64_t count, enum wn_dnn_type type, const struct wn_act *act,
                                struct wn_dnn_prim *out);
/* y: a's shape; b may have axes of length 1. */
dnnl_status_t wn_dnn_make_binary(dnnl_engine_t engine, enum wn_binary kind, const struct wn_dnn_tensor *a,
                                 const struct wn_dnn_tensor *b, const struct wn_dnn_tensor *y, struct wn_dnn_prim *out);
/* Into a plain tensor, or (layout not NULL) into the layout of some primitive's weights. */
dnnl_status_t wn_dnn_make_reorder(dnnl_engine_t engine, const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y,
                                  const struct wn_dnn_layout *layout, struct wn_dnn_prim *out);
void wn_dnn_prim_finish(struct wn_dnn_prim *p);
/* True where `act` is nothing or oneDNN computes it behind a convolution or product. */
bool wn_dnn_has_act(const struct wn_act *act);

/* A plain layout, as the key of a weight that no primitive asked for. */
struct wn_dnn_layout *wn_dnn_layout_plain(const struct wn_dnn_tensor *t);
struct wn_dnn_layout *wn_dnn_layout_copy(const struct wn_dnn_layout *l);
bool wn_dnn_layout_equal(const struct wn_dnn_layout *a, const struct wn_dnn_layout *b);
size_t wn_dnn_layout_bytes(const struct wn_dnn_layout *l);
void wn_dnn_layout_destroy(struct wn_dnn_layout *l);
/* Memory objects without a buffer. */
dnnl_status_t wn_dnn_memory_of(dnnl_engine_t engine, const struct wn_dnn_tensor *t, dnnl_memory_t *out);
dnnl_status_t wn_dnn_memory_in(dnnl_engine_t engine, const struct wn_dnn_layout *l, dnnl_memory_t *out);
dnnl_status_t wn_dnn_memory_scratch(dnnl_engine_t engine, size_t bytes, dnnl_memory_t *out);

/* ---- weights: one packed copy of each (weight, layout) in the process (weights.c) ---- */

struct wn_dnn_packed; /* reference-counted */

/* source: how the weight's f32 elements lie. Takes over neither source nor layout. */
enum wn_code wn_dnn_weight_hold(dnnl_engine_t engine, const struct wn_weight *w, const struct wn_dnn_tensor *source,
                                const struct wn_dnn_layout *layout, struct wn_dnn_packed **out, struct wn_error *err);
void wn_dnn_weight_drop(struct wn_dnn_packed *p);
void *wn_dnn_weight_data(const struct wn_dnn_packed *p);
struct wn_dnn_backend;
/* Bytes of the packed weights that the backend's executables hold now, each once; others may share them. */
size_t wn_dnn_weight_bytes(const struct wn_dnn_backend *be);

/* ---- the executable ---- */

struct wn_dnn_backend {
    struct wn_backend base;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads;
    bool bf16;
    char cpu[64];       /* its name; asked for once, each answer quotes it */
    size_t arena_bytes; /* of all its executables */
    struct wn_dnn_exe *exes;
};

struct wn_dnn_buffer {
    size_t bytes, offset;
    int first, last; /* actions */
    int stage;
    bool keep;    /* lives from its first action to the end, whatever stage runs next */
    void *pinned; /* a constant: lies outside the arena */
};

struct wn_dnn_value {
    struct wn_dnn_tensor t; /* type: the one its step makes */
    int root;               /* the value whose elements these are: itself, or through reshapes its source */
    int last_step;          /* of root values: the last step that reads it or an alias */
    bool keep;              /* of root values: outlives its stage */
    int buffer[2];          /* by type, -1 where there is none */
    int stage[2];           /* in which the buffer's contents are good; -1: always */
    /* WN_NONE, or nobody makes it: whoever adds it reads the channels of that value from slice_from on */
    int slice_of;
    int64_t slice_from;
};

/* One call of `run`: a primitive, or a loop over p[0..n). */
struct wn_dnn_action {
    dnnl_primitive_t prim;
    dnnl_exec_arg_t *args;
    wn_dnn_loop *loop;
    const void *spec;
    int step; /* of the program; of several that are done as one, the first */
    int n;
    int *buffers;
    void **p;
};

struct wn_dnn_exe {
    struct wn_exe base;
    struct wn_dnn_backend *be;
    const struct wn_program *prog;
    struct wn_error err; /* sticky while it is built */
    struct wn_dnn_value *values;
    struct wn_dnn_buffer *buffers;
    int n_buffers, cap_buffers;
    struct wn_dnn_action *actions;
    int n_actions, cap_actions;
    int *stage_end;  /* [stages]: actions */
    int step, stage; /* being built */
    int scratch;     /* buffer, grows to the largest */
    struct wn_dnn_packed **held;
    int n_held, cap_held;
    void **blocks; /* specs, operand lists: freed in one place */
    int n_blocks, cap_blocks;
    char *arena;
    size_t arena_bytes;
    struct wn_dnn_exe *next; /* of the backend's */
};

struct wn_dnn_operand {
    int arg, buffer;
    const struct wn_dnn_tensor *tensor; /* how the buffer is seen... */
    const struct wn_dnn_layout *layout; /* ...or, where tensor is NULL, this */
};

/* ---- plan.c: layouts, types and lifetimes before; the arena after ---- */
struct wn_dnn_tensor wn_dnn_lay_out(const struct wn_shape *s, bool channels_last); /* f32 */
enum wn_code wn_dnn_plan_values(struct wn_dnn_exe *e);
enum wn_code wn_dnn_plan_arena(struct wn_dnn_exe *e);

/* ---- emit.c: what makers call; the first failure sticks to the executable ---- */
#define WN_DNN_FAILED (-1)
void wn_dnn_fail(struct wn_dnn_exe *e, dnnl_status_t status, const char *what);
/* Memory of the executable, zeroed; NULL after a failure. */
void *wn_dnn_block(struct wn_dnn_exe *e, size_t bytes);
int wn_dnn_buffer(struct wn_dnn_exe *e, size_t bytes);
int wn_dnn_pin(struct wn_dnn_exe *e, const void *data);
/* The value's tensor as seen in `type`. */
struct wn_dnn_tensor wn_dnn_tensor_of(const struct wn_dnn_exe *e, int value, enum wn_dnn_type type);
enum wn_dnn_type wn_dnn_type_of(const struct wn_dnn_exe *e, int value);
/* Buffer that holds the value in that type; appends a conversion where there is none yet. */
int wn_dnn_want(struct wn_dnn_exe *e, int value, enum wn_dnn_type type);
/* New buffer for the result of this step; from now on the value is of that type. */
int wn_dnn_give(struct wn_dnn_exe *e, int value, enum wn_dnn_type type);
/* As give, but in the place of `from`, which nothing reads any more; WN_DNN_FAILED where something does. */
int wn_dnn_give_over(struct wn_dnn_exe *e, int value, int from, enum wn_dnn_type type);
/* True where no step makes the value: its elements are those of another one that lies in the same place. */
bool wn_dnn_is_alias(const struct wn_dnn_exe *e, int value);
bool wn_dnn_is_read(const struct wn_dnn_exe *e, int value); /* by a step or by the host */
bool wn_dnn_is_const(const struct wn_dnn_exe *e, int value);
/* A constant packed as `layout` says, held until the executable is released. */
int wn_dnn_packed_weight(struct wn_dnn_exe *e, int value, const struct wn_dnn_tensor *source,
                         const struct wn_dnn_layout *layout);
/* Applies act in place to a value that is f32; nothing where act is none. */
void wn_dnn_emit_act(struct wn_dnn_exe *e, const struct wn_act *act, int value);
/* Takes over the primitive (also on failure). */
void wn_dnn_emit_prim(struct wn_dnn_exe *e, struct wn_dnn_prim *prim, int n, const struct wn_dnn_operand *operands);
/* Copies spec. */
void wn_dnn_emit_loop(struct wn_dnn_exe *e, wn_dnn_loop *loop, const void *spec, size_t spec_bytes, int n,
                      const int *buffers);
/* Elements of x, as its tensor lies, to y, as that one lies: same shape, any strides and types. */
void wn_dnn_emit_convert(struct wn_dnn_exe *e, const struct wn_dnn_tensor *x, int x_buffer,
                         const struct wn_dnn_tensor *y, int y_buffer);

/* ---- makers: one a primitive ---- */
typedef void wn_dnn_maker(struct wn_dnn_exe *e, const struct wn_step *s);
wn_dnn_maker wn_dnn_conv, wn_dnn_conv_bwd, wn_dnn_maxpool, wn_dnn_maxpool_bwd, wn_dnn_avgpool, wn_dnn_avgpool_bwd,
    wn_dnn_matmul, wn_dnn_unary, wn_dnn_unary_bwd, wn_dnn_secant, wn_dnn_binary, wn_dnn_reduce, wn_dnn_copy,
    wn_dnn_reshape, wn_dnn_concat, wn_dnn_axis_map, wn_dnn_gather, wn_dnn_channel_dot;
/* make_sum.c. True: the copy is left to the sums that alone read it; the sum was made of such. */
bool wn_dnn_leave_slice(struct wn_dnn_exe *e, const struct wn_step *s);
bool wn_dnn_sum_of_slices(struct wn_dnn_exe *e, const struct wn_step *s);
/* Steps from `step` on (before `end`) that were made as one action: 0 where nothing fits together. */
int wn_dnn_affine_chain(struct wn_dnn_exe *e, int step, int end);
int wn_dnn_product_chain(struct wn_dnn_exe *e, int step, int end);

#endif
