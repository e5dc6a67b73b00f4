/* The CUDA backend inside: what its files share. Private to kernels/cuda; only device.c, staging.c, check.c,
 * conv_graph.c and gemm.c include the vendor's headers.
 *
 * compile walks a program once: types and layouts (layout.c), places in one arena (arena.c), then a maker for each
 * primitive (make_*.c) appends jobs, each one launch or one library call with every pointer resolved. A run is a
 * walk over the jobs of a stage, or the replay of a graph that was captured from that walk. */
#ifndef WN_CUDA_EXE_H
#define WN_CUDA_EXE_H

#include <whynot/backend.h>

#include "tensor.h"

struct wn_cuda_exe;
struct wn_cuda_plan;        /* conv_graph.h */
struct wn_cuda_shared_plan; /* plans.c */
struct wn_cuda_gemm;        /* gemm.c */

/* One launch. */
struct wn_cuda_job {
    enum wn_code (*run)(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err);
    const char *name; /* the primitive, for messages and profiles */
    union {
        struct {
            struct wn_cuda_loop loop;
            struct wn_cuda_arg a, b, y;
            struct wn_act act;
            enum wn_binary kind;
        } map;
        struct {
            struct wn_cuda_loop loop;
            struct wn_cuda_epilogue e;
        } epilogue;
        struct {
            struct wn_cuda_loop loop;
            struct wn_cuda_unary_bwd b;
        } unary_bwd;
        struct {
            struct wn_cuda_loop loop;
            struct wn_cuda_secant s;
        } secant;
        struct {
            struct wn_cuda_loop loop;
            struct wn_cuda_mapped x, y;
        } mapped;
        struct {
            void *data;
            enum wn_cuda_type type;
            int count;
            float value;
        } fill;
        struct {
            const void *x;
            void *y;
            enum wn_cuda_type x_type, y_type;
            int n, rows, cols;
        } transpose;
        struct {
            const float *x;
            void *y;
            enum wn_cuda_type type;
            int n, channels, plane, pitch;
        } pixels;
        struct {
            const void *x;
            const float *row;
            void *y;
            enum wn_cuda_type type;
            int n, rows, inner;
        } gather;
        struct wn_cuda_concat concat;
        struct wn_cuda_sum sum;
        struct wn_cuda_axis_map axis_map;
        struct wn_cuda_reduce reduce;
        struct wn_cuda_channel_dot channel_dot;
        struct wn_cuda_pool pool;
        struct wn_cuda_direct_conv direct;
        struct wn_cuda_product product;
        struct {
            struct wn_cuda_plan *plan; /* the backend's */
            void *bound;               /* what ties the pointers to it; NULL before that */
            void *x, *w, *bias, *residual, *units, *y;
        } conv;
        struct {
            struct wn_cuda_gemm *gemm; /* the executable's */
            const void *a, *b;
            void *y;
        } gemm;
    } u;
};

struct wn_cuda_stage {
    int begin, end; /* jobs */
    void *graph;    /* cudaGraphExec_t, or NULL where the stage is walked */
};

struct wn_cuda_weight; /* weights.c */
extern const struct wn_backend_impl wn_backend_cuda;

/* Device memory whose first bytes have a pinned twin on the host. One use at a time: what is fetched has been waited
 * for, and a use that fetches nothing ends with an event that the next one waits for. */
struct wn_cuda_staging {
    char *pinned, *device;
    size_t bytes, twin; /* of the device's, of the pinned ones */
    void *busy;         /* cudaEvent_t: behind the last use that was ended so */
};

/* Two events that the device passes before the first run of a measurement and behind the last. */
struct wn_cuda_clock {
    void *began, *ended; /* cudaEvent_t; NULL until it is first started */
    bool started, runs;  /* runs: the first of them has passed */
};

struct wn_cuda_backend {
    struct wn_backend base;
    int device, devices;         /* its number, and how many there are */
    enum wn_precision precision; /* never DEFAULT */
    char device_name[128];
    char plan_cache[512];                /* folder; "": nothing is kept */
    struct wn_cuda_libraries *libraries; /* handles of cuDNN and cuBLASLt */
    struct wn_cuda_weight **weights;     /* those that its programs use, counted by their users */
    int n_weights, cap_weights;
    /* of all its programs, those that ended too: the next one may have the same convolutions */
    struct wn_cuda_shared_plan **plans;
    int n_plans, cap_plans;
    unsigned long plans_taken;        /* so often */
    int stages, captured;             /* of its programs */
    char walked[128];                 /* why the last one that could not be captured could not */
    int plain;                        /* convolutions and products that no library took, of all programs so far */
    char refused[128];                /* what cuDNN or cuBLASLt said of the last that it did not take */
    size_t bytes;                     /* device memory held now for itself */
    size_t weight_bytes;              /* and for weights, which other backends on the device hold as well */
    struct CUstream_st *stream;       /* for what belongs to no executable; whoever queues there waits for it */
    struct wn_cuda_clock clock;       /* of measurements; stands unless somebody asks */
    struct wn_cuda_staging drawing;   /* of heatmaps */
    struct wn_cuda_staging foils;     /* of masks of all foils; opened when they are first asked for */
    struct wn_cuda_staging preparing; /* of decoded pictures */
    struct wn_cuda_staging seeding;   /* of questions, and what the device finds of them */
    struct wn_cuda_staging hiding;    /* of pictures with parts hidden; opened when they are first asked for */
};

/* Host memory that copies pass through, and where a copy lands on the device before its layout changes. */
struct wn_cuda_port {
    float *pinned;  /* NULL: neither an input nor readable */
    float *landing; /* row-major f32 on the device; the value itself where it is that already */
    void *busy;     /* cudaEvent_t: the last copy out of `pinned` */
    int job;        /* converts between the landing and the value; -1: nothing to convert */
};

struct wn_cuda_exe {
    struct wn_exe base;
    struct wn_cuda_backend *be;
    const struct wn_program *prog;
    struct wn_cuda_tensor *values; /* [values of the program] */
    int *home;                     /* [values]: the value whose memory this one shares, itself for most; -1: has none */
    struct wn_cuda_port *ports;    /* [values] */
    /* the one that is on its way to its pinned memory already, until stage 0 runs again; or NULL */
    const struct wn_cuda_port *ahead;
    struct wn_cuda_weight **held; /* uploaded constants that the jobs use */
    int n_held, cap_held;
    struct wn_cuda_job *jobs;
    int n_jobs, cap_jobs;
    struct wn_cuda_stage *stages;
    int *first; /* [steps + 1]: the job that each step's begin with */
    bool warm;  /* compiled to the end: its stages are counted */
    struct CUstream_st *stream;
    char *arena;
    size_t arena_bytes, scratch_at, scratch_bytes; /* the end of the arena: one step's conversions */
    size_t scratch_used;
    /* of the libraries, shared by all jobs of the executable's one stream; NULL until all of them are made */
    void *workspace;
    size_t workspace_bytes;
    struct wn_cuda_table {
        void *memory;
        size_t bytes;
    } * tables; /* on the device: taps of the axis maps, where ports land; of test builds, values */
    int n_tables, cap_tables;
    struct wn_cuda_shared_plan **plans; /* of its convolutions, one for each job */
    int n_plans, cap_plans;
    struct wn_cuda_gemm **gemms;
    int n_gemms, cap_gemms;
    void *trial; /* the workspace of trials, while jobs are made */
    size_t trial_bytes;
};

/* ---- layout.c: types, layouts, and which values share memory or have none ---- */
enum wn_code wn_cuda_layout(struct wn_cuda_exe *exe, struct wn_error *err);
/* y = act(x*scale + shift), what the step and those before it that it swallows come to; scale may be WN_NONE. Values
 * that are swallowed have no home, and x may be one: a concatenation. False where the step stands for itself alone;
 * *out says even so what it adds. */
struct wn_cuda_affine {
    int x, scale, shift;
    struct wn_act act;
};
bool wn_cuda_affine_of(const struct wn_cuda_exe *exe, int step, struct wn_cuda_affine *out);
/* Whether the step is a slice of channels that lie innermost, of those of x from *first on. */
bool wn_cuda_slice_of(const struct wn_cuda_exe *exe, const struct wn_step *s, int64_t *first);
/* The step of that primitive which makes the value, where nobody makes it: its readers do the step's work
 * themselves. Else NULL. */
const struct wn_step *wn_cuda_swallowed(const struct wn_cuda_exe *exe, int value, enum wn_prim prim);
/* The derivative of a relu that lies where the convolution lies which makes its gradient, and is that step's to
 * compute; or NULL. */
const struct wn_step *wn_cuda_derivative_behind(const struct wn_cuda_exe *exe, const struct wn_step *conv);
#ifndef WN_CUDA_DERIVATIVE_FROM
/* elements: where two passes over them saved are worth a kernel that takes cuDNN about a second to compile */
#define WN_CUDA_DERIVATIVE_FROM (4 << 20)
#endif
/* The 16-bit type of values made in a stage, or WN_CUDA_F32 where the precision is not a 16-bit one: gradients need
 * the range of bf16 even where the forward pass is f16. */
enum wn_cuda_type wn_cuda_stage_type(enum wn_precision precision, int stage);
int wn_cuda_stage_of(const struct wn_program *p, int step);
/* The type that the product or convolution of a step is computed in. */
enum wn_cuda_type wn_cuda_step_type(const struct wn_cuda_exe *exe, int step);

/* ---- arena.c ---- */
/* Offsets of every home in one arena: values that live at different times share bytes. offsets: [values], -1 for none.
 * Returns the size of the arena. */
enum wn_code wn_cuda_place(const struct wn_cuda_exe *exe, int64_t *offsets, size_t *bytes, struct wn_error *err);

/* ---- room.c: device memory of the executable's own ---- */
/* Places for all values of the program. */
enum wn_code wn_cuda_reserve(struct wn_cuda_exe *exe, struct wn_error *err);
/* Scratch of the step being made, the shape and layout of `like` in another type. */
enum wn_code wn_cuda_scratch(struct wn_cuda_exe *exe, const struct wn_cuda_tensor *like, enum wn_cuda_type type,
                             struct wn_cuda_tensor *out, struct wn_error *err);
/* So many bytes: of anything, of zeros, of a copy of src. */
enum wn_code wn_cuda_own(struct wn_cuda_exe *exe, size_t bytes, void **out, struct wn_error *err);
enum wn_code wn_cuda_zeros(struct wn_cuda_exe *exe, size_t bytes, void **out, struct wn_error *err);
enum wn_code wn_cuda_table(struct wn_cuda_exe *exe, const void *src, size_t bytes, void **out, struct wn_error *err);

/* ---- makers: append the jobs of one step ---- */
typedef enum wn_code wn_cuda_maker(struct wn_cuda_exe *exe, int step, struct wn_error *err);
wn_cuda_maker wn_cuda_make_conv, wn_cuda_make_conv_bwd, wn_cuda_make_maxpool, wn_cuda_make_maxpool_bwd,
    wn_cuda_make_avgpool, wn_cuda_make_avgpool_bwd, wn_cuda_make_matmul, wn_cuda_make_unary, wn_cuda_make_unary_bwd,
    wn_cuda_make_secant, wn_cuda_make_binary, wn_cuda_make_reduce, wn_cuda_make_copy, wn_cuda_make_reshape,
    wn_cuda_make_concat, wn_cuda_make_axis_map, wn_cuda_make_gather, wn_cuda_make_channel_dot;

/* A new job at the end of the list, or NULL with err filled. */
struct wn_cuda_job *wn_cuda_job_new(struct wn_cuda_exe *exe, const char *name,
                                    enum wn_code (*run)(struct wn_cuda_exe *, const struct wn_cuda_job *,
                                                        struct wn_error *),
                                    struct wn_error *err);
enum wn_code wn_cuda_job_add(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err);
/* The value as it lies; a constant is uploaded as f32. */
enum wn_code wn_cuda_value(struct wn_cuda_exe *exe, int value, struct wn_cuda_tensor *out, struct wn_error *err);
/* Any value to any other of the same logical shape: another type, another layout, or both. */
enum wn_code wn_cuda_job_convert(struct wn_cuda_exe *exe, const struct wn_cuda_tensor *x,
                                 const struct wn_cuda_tensor *y, struct wn_error *err);
/* y = act(x*scale + bias + residual); NULL operands are left out. bias: as broadcast to y. */
enum wn_code wn_cuda_job_epilogue(struct wn_cuda_exe *exe, const struct wn_cuda_tensor *x,
                                  const struct wn_cuda_tensor *scale, const struct wn_cuda_tensor *bias,
                                  const struct wn_cuda_tensor *residual, const struct wn_act *act,
                                  const struct wn_cuda_tensor *y, struct wn_error *err);
/* The parts of a concatenation through what reads them; f->x is not looked at. */
enum wn_code wn_cuda_job_concat(struct wn_cuda_exe *exe, const struct wn_step *concat, const struct wn_cuda_affine *f,
                                const struct wn_cuda_tensor *y, struct wn_error *err);
/* dst = the gradient dy where the activation's derivative at the units z is not 0, times it; dst may be dy. */
enum wn_code wn_cuda_job_derivative(struct wn_cuda_exe *exe, const struct wn_act *act, const struct wn_cuda_tensor *dy,
                                    const struct wn_cuda_tensor *z, const struct wn_cuda_tensor *dst,
                                    struct wn_error *err);
struct wn_cuda_window wn_cuda_window_of(const struct wn_window *win, const struct wn_cuda_tensor *x,
                                        const struct wn_cuda_tensor *y);
/* The value as a tensor in that type: itself, a constant uploaded in that type, or scratch that a conversion job
 * fills. */
enum wn_code wn_cuda_operand(struct wn_cuda_exe *exe, int value, enum wn_cuda_type type, struct wn_cuda_tensor *out,
                             struct wn_error *err);
/* The constant filter of a convolution whose picture has so many channels a pixel: zeros where its own end, and
 * counted among its channels. */
enum wn_code wn_cuda_filter(struct wn_cuda_exe *exe, int value, enum wn_cuda_type type, int64_t pitch,
                            struct wn_cuda_tensor *out, struct wn_error *err);
/* ---- weights.c: constants on the device, uploaded once and shared by every program of every backend there. From
 * any thread, each with its own backend, whose device is the current one ---- */
/* As it lies in t, of the weight's shape, whose data is not used; what pads it is zero. */
enum wn_code wn_cuda_weight_take(struct wn_cuda_backend *be, const struct wn_weight *w, const struct wn_cuda_tensor *t,
                                 struct wn_cuda_weight **out, struct wn_error *err);
void wn_cuda_weight_give(struct wn_cuda_backend *be, struct wn_cuda_weight *w); /* NULL is fine */
const struct wn_cuda_tensor *wn_cuda_weight_tensor(const struct wn_cuda_weight *w);

/* ---- plans.c ---- */
#ifndef WN_CUDA_MOST_PLANS
/* kept of one backend, unless more are in use: those of a large network in runs of every size */
#define WN_CUDA_MOST_PLANS 1024
#endif
struct wn_cuda_conv_shape;
/* Gives the job the plan of its shape, a kept one or a new one. WN_UNSUPPORTED: there is none, use a kernel of ours. */
enum wn_code wn_cuda_plan_job(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape, struct wn_cuda_job *job,
                              struct wn_error *err);
void wn_cuda_plans_give(struct wn_cuda_exe *exe); /* back: the executable ends */
void wn_cuda_plans_close(struct wn_cuda_backend *be);

/* ---- trial.c: choosing by running ---- */
enum { WN_CUDA_MOST_CANDIDATES = 8 };
/* A way to do a job: the job with its pointers, and the workspace that it wants. name, what: of itself and of the
 * workspace, for messages. */
struct wn_cuda_candidate {
    struct wn_cuda_job job;
    size_t workspace_bytes;
    const char *name, *what;
};
/* *best: the first of n that runs or, by time, the quickest of those that do. What the job writes is overwritten.
 * WN_UNSUPPORTED, or WN_NO_MEMORY for its workspace: none runs; with the last one's words. */
enum wn_code wn_cuda_trial(struct wn_cuda_exe *exe, const struct wn_cuda_candidate *c, int n, bool by_time, int *best,
                           struct wn_error *err);
void wn_cuda_trials_end(struct wn_cuda_exe *exe); /* frees their workspace */

/* ---- kept.c: choices, for the next start ---- */
enum { WN_CUDA_KEPT_PATH = 1024 };
/* Makes the folder, where one is named; one that cannot be made keeps nothing. */
void wn_cuda_kept_open(struct wn_cuda_backend *be, const struct wn_backend_options *options);
/* Whether there is a folder for them, so that what takes long to make is made once. */
bool wn_cuda_plans_are_kept(const struct wn_cuda_backend *be);
/* The file of a choice, whose name key ends with a dot and what it is; false: it is not kept. version: of the library
 * that it is of. */
bool wn_cuda_kept_path(const struct wn_cuda_backend *be, size_t version, const char *key, char *path, size_t size);
char *wn_cuda_kept_get(const char *path); /* malloc'd, caller's; NULL: nothing is kept there */
/* Around looking for a choice and making it, where it is kept: what one worker times no other times beside it, and all
 * of them choose the same. */
void wn_cuda_kept_begin(void);
void wn_cuda_kept_end(void);
/* A folder that cannot be written keeps nothing. */
void wn_cuda_kept_put(const struct wn_cuda_backend *be, const char *path, const char *text);

/* ---- the two libraries; WN_UNSUPPORTED: they cannot do this one, use a kernel of ours ---- */
/* A new plan, the caller's, chosen where it will run: job has its pointers. */
enum wn_code wn_cuda_plan_make(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape,
                               const struct wn_cuda_job *job, struct wn_cuda_plan **out, struct wn_error *err);
/* Ties the job's pointers and the workspace to its plan, once all of them are known; it runs after that. */
enum wn_code wn_cuda_plan_bind(struct wn_cuda_exe *exe, struct wn_cuda_job *job, struct wn_error *err);
void wn_cuda_plan_unbind(struct wn_cuda_job *job); /* also one that was not bound */
enum wn_code wn_cuda_run_plan(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err);

struct wn_cuda_gemm_shape {
    struct wn_cuda_product product; /* pointers unused */
    const void *bias;               /* on the device: one number a column, f32; or NULL */
    bool relu;
};
/* Makes the job one of cuBLASLt; its a, b and y are there. */
enum wn_code wn_cuda_gemm_job(struct wn_cuda_exe *exe, const struct wn_cuda_gemm_shape *shape, struct wn_cuda_job *job,
                              struct wn_error *err);
void wn_cuda_gemm_destroy(struct wn_cuda_gemm *gemm);
enum wn_code wn_cuda_run_gemm(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err);

enum wn_code wn_cuda_libraries_open(struct wn_cuda_backend *be, struct wn_error *err);
void wn_cuda_libraries_close(struct wn_cuda_backend *be);
void wn_cuda_libraries_leave(struct wn_cuda_backend *be); /* the stream of an executable, which ends */
/* The libraries' workspace shall hold `bytes`: a job needs them. It is reserved when all jobs are made. */
void wn_cuda_workspace(struct wn_cuda_exe *exe, size_t bytes);

/* ---- device.c: the CUDA runtime ---- */
enum wn_code wn_cuda_device_open(struct wn_cuda_backend *be, const struct wn_backend_options *options,
                                 struct wn_error *err);
void wn_cuda_device_close(struct wn_cuda_backend *be); /* also of one that was never opened, or half */
enum wn_code wn_cuda_device_use(const struct wn_cuda_backend *be, struct wn_error *err);
enum wn_code wn_cuda_alloc(struct wn_cuda_backend *be, size_t bytes, const char *what, void **out,
                           struct wn_error *err);
void wn_cuda_free(struct wn_cuda_backend *be, void *memory, size_t bytes);
/* The same on the current device, counted by nobody. */
enum wn_code wn_cuda_memory(size_t bytes, const char *what, void **out, struct wn_error *err);
void wn_cuda_memory_free(void *memory); /* NULL is fine */
/* The host's, which copies of the device pass through at full speed. */
enum wn_code wn_cuda_pinned(size_t bytes, void **out, struct wn_error *err);
/* Waits for this copy alone: what other streams do goes on. */
enum wn_code wn_cuda_upload(const struct wn_cuda_backend *be, void *dst, const void *src, size_t bytes,
                            struct wn_error *err);
enum wn_code wn_cuda_clear(struct wn_cuda_exe *exe, void *dst, size_t bytes, struct wn_error *err);
enum wn_code wn_cuda_stream_open(struct wn_cuda_exe *exe, struct wn_error *err);
void wn_cuda_stream_close(struct wn_cuda_exe *exe);
enum wn_code wn_cuda_port_open(struct wn_cuda_port *port, size_t count, struct wn_error *err);
void wn_cuda_port_close(struct wn_cuda_port *port);
/* src to the port's landing, queued; returns once src has been read. */
enum wn_code wn_cuda_port_send(struct wn_cuda_exe *exe, struct wn_cuda_port *port, const float *src, size_t count,
                               struct wn_error *err);
/* The port's landing to dst; waits for the stream. */
enum wn_code wn_cuda_port_fetch(struct wn_cuda_exe *exe, struct wn_cuda_port *port, float *dst, size_t count,
                                struct wn_error *err);
enum wn_code wn_cuda_wait(struct wn_cuda_exe *exe, struct wn_error *err);
enum wn_code wn_cuda_launched(const char *name, struct wn_error *err); /* the error of the launch just made, if any */
/* Around what may wait for the device or load code to it, which a capture of whatever thread does not bear: making or
 * closing a library's handle, planning, what runs for the first time. Any number at once; a capture waits. */
void wn_cuda_disturb_begin(void);
void wn_cuda_disturb_end(void);
/* Captures the jobs of a stage into a graph; leaves stage->graph NULL where they cannot be captured. */
enum wn_code wn_cuda_capture(struct wn_cuda_exe *exe, struct wn_cuda_stage *stage, struct wn_error *err);
enum wn_code wn_cuda_replay(struct wn_cuda_exe *exe, const struct wn_cuda_stage *stage, struct wn_error *err);
void wn_cuda_graph_destroy(struct wn_cuda_stage *stage);

/* Room for one more pointer in a list, or false. */
bool wn_cuda_grow(void *list, int n, int *cap, size_t size);

/* ---- staging.c ---- */
/* what: for messages; pinned: bytes of the twin; scratch: what the device has behind them. */
enum wn_code wn_cuda_staging_open(struct wn_cuda_backend *be, struct wn_cuda_staging *s, const char *what,
                                  size_t pinned, size_t scratch, struct wn_error *err);
/* also of one that was never opened, or half */
void wn_cuda_staging_close(struct wn_cuda_backend *be, struct wn_cuda_staging *s);
enum wn_code wn_cuda_staging_begin(const struct wn_cuda_staging *s, struct wn_error *err); /* waits for the last use */
/* The twin's first bytes to the device, queued: they must stay until a fetch returned or an end was waited for. */
enum wn_code wn_cuda_staging_send(const struct wn_cuda_staging *s, struct CUstream_st *stream, size_t bytes,
                                  struct wn_error *err);
/* Bytes from that offset on back to the twin; waits for the stream. */
enum wn_code wn_cuda_staging_fetch(const struct wn_cuda_staging *s, struct CUstream_st *stream, size_t from,
                                   size_t bytes, struct wn_error *err);
/* What was queued is one use, which nobody waits for but the next one. */
enum wn_code wn_cuda_staging_end(const struct wn_cuda_staging *s, struct CUstream_st *stream, struct wn_error *err);
/* The port's landing to its pinned memory, queued, so that a later read waits for no more than what was queued
 * before. */
enum wn_code wn_cuda_port_ahead(struct wn_cuda_exe *exe, const struct wn_cuda_port *port, size_t count,
                                struct wn_error *err);
/* of exe->ahead; waits */
enum wn_code wn_cuda_port_collect(struct wn_cuda_exe *exe, float *dst, size_t count, struct wn_error *err);

/* A write of the port in parts: waits until its pinned memory is free; queues the part of src's elements; what was
 * queued is on its way. */
enum wn_code wn_cuda_port_begin(const struct wn_cuda_port *port, struct wn_error *err);
enum wn_code wn_cuda_port_part(struct wn_cuda_exe *exe, const struct wn_cuda_port *port, const float *src, size_t at,
                               size_t count, struct wn_error *err);
enum wn_code wn_cuda_port_end(struct wn_cuda_exe *exe, const struct wn_cuda_port *port, struct wn_error *err);

/* ---- clock.c ---- */
enum wn_code wn_cuda_lap(struct wn_backend *be, double *ms, struct wn_error *err);
/* Around each run; nothing where the clock was not started. */
enum wn_code wn_cuda_clock_begin(struct wn_cuda_exe *exe, struct wn_error *err);
enum wn_code wn_cuda_clock_end(struct wn_cuda_exe *exe, struct wn_error *err);
void wn_cuda_clock_close(struct wn_cuda_backend *be);

/* ---- profile.c ---- */
enum wn_code wn_cuda_profile(struct wn_exe *exe, int stage, const struct wn_profiler *profiler, struct wn_error *err);

/* ---- picture.c ---- */
#ifndef WN_CUDA_PICTURE_ROOM
#define WN_CUDA_PICTURE_ROOM (16 << 20) /* bytes of pictures of one launch */
#endif
#ifndef WN_CUDA_PICTURE_BYTES
#define WN_CUDA_PICTURE_BYTES (4 << 20) /* the most of one picture, and no more than the room */
#endif
enum wn_code wn_cuda_preparing_open(struct wn_cuda_backend *be, struct wn_error *err);
enum wn_code wn_cuda_prepare(struct wn_exe *exe, int value, const float *const *numbers,
                             const struct wn_picture *const *pictures, int n, struct wn_error *err);

/* ---- seeding.c ---- */
enum wn_code wn_cuda_seeding_open(struct wn_cuda_backend *be, struct wn_error *err);
enum wn_code wn_cuda_seed(struct wn_exe *exe, int logits, int seed, const struct wn_seed_row *rows, int n,
                          struct wn_error *err);

/* ---- heatmap.c ---- */
#ifndef WN_CUDA_HEATMAP_PIXELS
#define WN_CUDA_HEATMAP_PIXELS (1 << 21) /* drawn by one launch, and the most of one heatmap: forty of 224 x 224 */
#endif
enum wn_code wn_cuda_draw_open(struct wn_cuda_backend *be, struct wn_error *err);
enum wn_code wn_cuda_draw(struct wn_backend *be, struct wn_heatmap *const *heatmaps, int n, struct wn_error *err);

/* ---- foils.c ---- */
enum wn_code wn_cuda_masks(struct wn_backend *be, struct wn_masks *m, struct wn_error *err);

/* ---- hiding.c ---- */
enum wn_code wn_cuda_hide(struct wn_exe *exe, int value, const struct wn_hiding *h, struct wn_error *err);

/* ---- backend.c ---- */
/* The port of a value, or NULL with err filled where it has none. */
struct wn_cuda_port *wn_cuda_port_of(struct wn_cuda_exe *exe, int value, struct wn_error *err);
/* What every run of a stage begins with: the stage is one, the device the current one. */
enum wn_code wn_cuda_begin_stage(struct wn_cuda_exe *exe, int stage, struct wn_error *err);
enum wn_code wn_cuda_run_jobs(struct wn_cuda_exe *exe, const struct wn_cuda_stage *stage, struct wn_error *err);
/* The conversion that the port wants, queued, if any. */
enum wn_code wn_cuda_run_port(struct wn_cuda_exe *exe, const struct wn_cuda_port *port, struct wn_error *err);

/* diagnose.c: driver, runtime, cuDNN, each device with its memory and compute capability. */
void wn_cuda_diagnose(void (*say)(void *arg, const struct wn_finding *finding), void *arg);

#endif
