/* The backend interface: everything a device has to do for whynot. One page, on purpose.
 *
 * A backend turns a program into an executable once (slow) and then runs stages of it (hot: no allocation, no lock,
 * no log line). A primitive that a backend has no maker for *is* "not supported": compile fails with WN_UNSUPPORTED
 * and names it. One thread owns a backend and everything it compiled; nothing here is called from two threads at
 * once. */
#ifndef WHYNOT_BACKEND_H
#define WHYNOT_BACKEND_H

#include <whynot/drawing.h>
#include <whynot/masking.h>
#include <whynot/preparing.h>
#include <whynot/program.h>
#include <whynot/seeding.h>

#ifdef __cplusplus
extern "C" {
#endif

enum wn_precision { WN_PRECISION_DEFAULT, WN_PRECISION_F32, WN_PRECISION_TF32, WN_PRECISION_BF16, WN_PRECISION_F16 };

struct wn_backend_options {
    int device;                  /* index among the backend's devices; 0 on a CPU */
    enum wn_precision precision; /* refused with WN_UNSUPPORTED where the device lacks it */
    int threads;                 /* CPU: threads of one run; 0 = 1 */
    /* Folder, made where it is missing, in which a GPU's backend keeps the plans that it chose by timing them, for the
     * next start. "" or "none": none are timed; NULL: what the environment's WHYNOT_PLAN_CACHE names, if it does. */
    const char *plan_cache;
};

struct wn_backend_impl;
struct wn_backend {
    const struct wn_backend_impl *impl; /* first member of each backend's own struct */
};
struct wn_exe {
    struct wn_backend *backend; /* first member of each backend's own struct */
};

/* What is worth gathering: the batcher asks, because batching gains nothing on a CPU and much on a GPU. */
struct wn_backend_traits {
    int images, rows;      /* most images and rows of one run that still gain */
    size_t device_bytes;   /* memory held now: weights and arenas */
    size_t shared_bytes;   /* of these, what every engine of the same graph on the device holds together */
    const char *precision; /* what is computed in: "f32", "bf16"; static */
    int draws;             /* pixels of the largest heatmap that `draw` takes; 0: it draws none */
    size_t prepares;       /* wn_picture_bytes of the largest picture that `prepare` takes; 0: it prepares none */
    char device_name[128]; /* "AMD EPYC, avx512_core_bf16, f32, 1 thread" */
    int devices;           /* that this machine has of the backend's kind; 0: it does not count them, and has one */
    /* that gain by working side by side on one device; 0: one for each of the machine's cores */
    int engines;
    /* of the programs compiled now, where the backend captures stages to replay them; and how many it could */
    int stages, captured;
    char walked[128]; /* why the last one could not be; "" where all could */
    /* convolutions and products, of all programs so far, that the backend's libraries did not take, so that a plain
     * kernel does each: slow */
    int plain;
    char refused[128];   /* why the last one was not taken */
    const char *backend; /* the row's name, static; filled in by wn_engine_traits */
};

/* What one step of an executable cost in one run. */
struct wn_step_cost {
    const struct wn_program *program;
    int stage, step; /* of the program; where several steps are done as one, it stands for all of them */
    int launches;    /* of kernels, calls of libraries, loops */
    double ms;
    /* that it reads and writes at the least: each operand once, as it lies in memory; negative: not counted */
    double bytes;
};
struct wn_profiler {
    void (*say)(void *arg, const struct wn_step_cost *cost);
    void *arg;
};

/* One thing that was looked at: a library, a device, memory. */
struct wn_finding {
    const char *topic, *value; /* "cuDNN", "9.1.0" */
    const char *mending;       /* NULL: it is well; else what to do about it */
};

/* The contrasts of one class with every other as masks: positive part, enlarged, stretched to [0,1]
 * (wn_stack_statistics). Each is base less the foil's own map, but that of `heavy` (-1: none), which is exact. */
struct wn_masks {
    int classes, target, heavy, h, w, height, width;
    const float *maps; /* K*h*w on the host */
    /* NULL, or the executable in whose value (N,K,h,w) the same maps lie since its last run ... */
    struct wn_exe *exe;
    int value, image;          /* ... as those of that image */
    const float *base, *exact; /* h*w each */
    /* two taps a cell of the answer: low + weight of the second * (second - first) */
    const struct wn_taps *down, *across;
    /* height*width, the caller's: over all foils, variance unbiased and 0 where there is one */
    float *mean, *variance;
    int empty; /* out: foils without a mask */
};

/* One picture with parts of it hidden, once for each row. */
struct wn_hidden {
    int map, count; /* number of its map; pixels to hide as wn_mask_extreme does, -1: as many as wn_mask_sign does */
    enum wn_keep keep;
};
struct wn_hiding {
    const float *image;           /* C*H*W */
    const struct wn_cover *cover; /* what stands in place of what is hidden */
    /* the other way round: the cover, and what a row hides is where it shows the picture */
    bool appears;
    const float *const *maps; /* n_maps pointers to h*w, as small as they are: each is enlarged to H*W */
    int n_maps, h, w;
    bool align_corners;
    const struct wn_hidden *rows;
    int n;
    int *found; /* n, the caller's: how many pixels each row hides; or NULL */
};

struct wn_backend_impl {
    const char *name, *summary;
    enum wn_code (*open)(const struct wn_backend_options *options, struct wn_backend **out, struct wn_error *err);
    void (*close)(struct wn_backend *be);
    void (*traits)(const struct wn_backend *be, struct wn_backend_traits *out);
    /* Slow: picks algorithms and layouts, fuses, uploads weights it has not seen, reserves every byte `run` touches.
     * The program must outlive the executable. */
    enum wn_code (*compile)(struct wn_backend *be, const struct wn_program *prog, struct wn_exe **out,
                            struct wn_error *err);
    void (*release)(struct wn_exe *exe);
    /* Hot: allocate nothing. `write` and `run` may return before the device is done; `read` waits.
     * src, dst: the value's elements, row-major f32, caller's; src may be reused when `write` returns. */
    enum wn_code (*write)(struct wn_exe *exe, int value, const float *src, struct wn_error *err);
    enum wn_code (*run)(struct wn_exe *exe, int stage, struct wn_error *err);
    enum wn_code (*read)(struct wn_exe *exe, int value, float *dst, struct wn_error *err);
    /* May be NULL, and may leave any heatmap as it is, where `done` then stays false: the caller draws it, and finds
     * out what is wrong with a map. The bytes are those of <whynot/pixels.h>. Hot. Errors are the device's; what is
     * done by then stays done. */
    enum wn_code (*draw)(struct wn_backend *be, struct wn_heatmap *const *heatmaps, int n, struct wn_error *err);
    /* May be NULL. `write` for the first n images of the input (N,C,H,W): of each its numbers (C*H*W), or else the
     * picture that they are made of, by the arithmetic of <whynot/resample.h> and so to the bit what the host makes;
     * where both are NULL, and behind the n, the image stays what it was. Hot. Errors: WN_UNSUPPORTED, and nothing
     * was done: a picture that is none of this input's, or larger than the traits say; WN_DEVICE. */
    enum wn_code (*prepare)(struct wn_exe *exe, int value, const float *const *numbers,
                            const struct wn_picture *const *pictures, int n, struct wn_error *err);
    /* May be NULL. Makes the first n rows of the input `seed` (R,K) from the output `logits` (N,K) of stage 0, where
     * its last run leaves them: a later stage may follow without a wait for the host. Rows behind them keep what
     * they held. A `read` of the logits that follows then waits for stage 0 alone. Hot. Errors: WN_UNSUPPORTED, and
     * nothing was done: the caller makes these seeds; WN_DEVICE. */
    enum wn_code (*seed)(struct wn_exe *exe, int logits, int seed, const struct wn_seed_row *rows, int n,
                         struct wn_error *err);
    /* May be NULL. Fills mean, variance and empty; memory grows with the largest that was asked for. Any error but
     * WN_DEVICE: the caller does it. */
    enum wn_code (*masks)(struct wn_backend *be, struct wn_masks *m, struct wn_error *err);
    /* May be NULL. Writes an input (N,C,H,W) without anyone seeing the pictures: picture i is what row i makes of
     * the image, those past the last row repeat it; 1 <= n <= N. Memory grows with the largest that was asked for.
     * Any error but WN_DEVICE: the caller makes them and writes. */
    enum wn_code (*hide)(struct wn_exe *exe, int value, const struct wn_hiding *h, struct wn_error *err);
    /* May be NULL: the host's clock is the only one. The device's own, for measuring. ms NULL: from the next run on.
     * Else milliseconds from where the device began the first run since then, of whatever executable of this
     * backend, to where it ended the last; waits for that. Errors: WN_BAD_REQUEST where nothing ran since;
     * WN_NO_MEMORY, WN_DEVICE. */
    enum wn_code (*lap)(struct wn_backend *be, double *ms, struct wn_error *err);
    /* May be NULL. As `run`, but slow: step by step, waits for the last, and says of each that did anything what it
     * cost, between them or behind the last, in the order in which they ran. After a failure some may have been
     * told. */
    enum wn_code (*profile)(struct wn_exe *exe, int stage, const struct wn_profiler *profiler, struct wn_error *err);
    /* May be NULL. Says what stands behind the backend on this machine, one finding a call; for `whynot doctor`.
     * Claims nothing that did not answer just now. */
    void (*diagnose)(void (*say)(void *arg, const struct wn_finding *finding), void *arg);
    /* May be NULL: never. Whether no call will succeed any more in this process: answer with 503 and end it. It asks
     * no device, may be called from any thread at any time, also where nothing could be opened or compiled, and
     * never becomes false again. */
    bool (*lost)(void);
};

/* The rows of backends.def, in order; NULL past the end. */
WN_API const struct wn_backend_impl *wn_backend_at(int i);
/* NULL if there is none of that name. */
WN_API const struct wn_backend_impl *wn_backend_find(const char *name);
/* name: a row, or "auto" (or NULL): the first row that opens. */
WN_API enum wn_code wn_backend_open(const char *name, const struct wn_backend_options *options, struct wn_backend **out,
                                    struct wn_error *err);
WN_API void wn_backend_close(struct wn_backend *be); /* NULL is fine */
/* The name of a row whose device is lost, or NULL. From any thread. */
WN_API const char *wn_backend_lost(void);
WN_API const char *wn_precision_name(enum wn_precision precision);
WN_API enum wn_precision wn_precision_find(const char *name); /* WN_PRECISION_DEFAULT for an unknown name */

#ifdef __cplusplus
}
#endif
#endif
