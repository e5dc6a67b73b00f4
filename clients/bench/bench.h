/* What the parts of whynot-bench share: a subject is anything that can be timed beside others. */
#ifndef WN_BENCH_H
#define WN_BENCH_H

#include <stdbool.h>

#include <whynot/whynot.h>

#define BENCH_MAX_SUBJECTS 48
#define BENCH_MAX_ROUNDS 1000

struct subject {
    char name[48]; /* "own f32 explain 1" */
    /* Milliseconds of one run, or a negative number on failure. */
    double (*run)(struct subject *s);
    void (*finish)(struct subject *s);
    void *state;
    int arg;
    int answers;                                    /* explanations that its last run gave */
    int stages, captured;                           /* of its engine, after its last run */
    char walked[128];                               /* why not all of them */
    int plain;                                      /* convolutions and products that no library took */
    char refused[128];                              /* why not */
    double ms[BENCH_MAX_ROUNDS], median, low, high; /* low, high: quartiles */
    double device_ms[BENCH_MAX_ROUNDS], device;     /* the same by the device's own clock, and its median */
    double lap;                                     /* of its last run; negative: there is no such clock */
};

struct bench {
    char model[64];
    struct subject subjects[BENCH_MAX_SUBJECTS];
    int n, rounds;
    /* by the options' precisions: the worst distance of a map from f32's, relative to that map's largest value ... */
    double map_error[4];
    int maps[4]; /* ... of so many; 0: not measured */
    /* why torch.compile gives no forward pass, no explanation; "" where it does or nobody asked */
    char lacking[2][128];
};

struct bench_options {
    const char *path;    /* a model or a folder of models */
    const char *backend; /* row name */
    const struct wn_method *method;
    const struct wn_contrast *contrast; /* NULL: weighted */
    const char *torch;                  /* torch_engine.py, or NULL */
    const char *python, *torch_device;
    enum wn_precision precisions[4];
    int n_precisions;
    int rounds, threads, batch, pause_ms;
    int foils[8], n_foils; /* questions of one image */
    int steps;             /* of them, those that take longest are listed; 0: the whole is measured */
    bool json, bare, cpu_time, torch_compile;
    bool resident, whole; /* pictures are on the device when the clock starts; a run takes all of a batch */
};

double bench_now_ms(void);
struct subject *bench_add(struct bench *b, const char *name);
/* Shuffled rounds over all subjects, then the medians. */
void bench_measure(struct bench *b, int rounds, int pause_ms);
/* NULL where there is none of that name or it failed; its `device` is 0 where there is no clock but the host's. */
const struct subject *bench_find(const struct bench *b, const char *name);
void bench_finish(struct bench *b);
/* Sorts ms, of so many rounds. */
double bench_median(double *ms, int rounds);

/* subjects.c */
enum wn_code bench_add_engine(struct bench *b, struct wn_graph *graph, const struct bench_options *o,
                              enum wn_precision precision, struct wn_error *err);
/* That of a subject which bench_add_engine made. */
struct wn_engine *bench_engine_of(const struct subject *s);
void bench_add_bare(struct bench *b, struct wn_graph *graph, const struct bench_options *o);
void bench_add_torch(struct bench *b, const struct bench_options *o);

/* errors.c */
void bench_map_errors(struct bench *b, struct wn_graph *graph, const struct bench_options *o);

/* steps.c: what each step of one network's programs costs. Not 0 after a failure, which was said on stderr; a
 * precision behind the first that the device lacks is none. */
int bench_steps(struct wn_graph *graph, const char *model, const struct bench_options *o, enum wn_precision precision,
                const char *device, bool first);

/* report.c */
/* Before the first of the models' reports, and between them. */
void bench_report_begin(const struct bench_options *o, const char *device, bool first);
void bench_report(const struct bench *b, const struct bench_options *o, const char *device, bool first);
/* False: not all of it could be written, and it was said so on stderr. */
bool bench_report_end(const struct bench_options *o);

/* choose.c: argv[1] says what to measure. */
int wn_bench_main(int argc, char **argv);

/* engine.c */
int bench_engine(int argc, char **argv);

#endif
