/* The keeper: one thread that reads model folders, makes engines, and frees what nobody uses any more. Requests
 * never wait for it but those that ask it for something. */
#ifndef WN_SERVER_KEEPER_H
#define WN_SERVER_KEEPER_H

#include "crew.h"
#include "models.h"

enum wn_errand { WN_ERRAND_RESCAN, WN_ERRAND_LOAD, WN_ERRAND_UNLOAD };

/* One thing asked of the keeper; whoever asks keeps it until it is done. */
struct wn_task {
    enum wn_errand errand;
    char name[65], version[65]; /* version "": all of them; RESCAN: neither */
    struct wn_error error;      /* how it went; written before `done` */
    atomic_bool done;
    /* called once, from the keeper's thread; NULL: nobody waits, and the keeper frees the task */
    void (*wake)(void *waiter);
    void *waiter;
    void (*told)(void *waiter); /* of a task that nobody waits for: called before it is freed; or NULL */
    struct wn_task *next;
};

struct wn_keeper {
    const struct wn_config *config;
    struct wn_shelf shelf;
    struct wn_task *first, *last; /* guarded by the shelf's lock, like `closed` */
    bool closed;
    int parent;          /* the folder of models, open */
    struct wn_crew crew; /* the keeper's alone until `workers` says that it is chosen; then it stays */
    _Atomic int workers; /* how many engines each model has; 0: not known before the first one is made */
    atomic_bool settled; /* the first scan is over */
    atomic_bool hurry;   /* give up between two models */
    pthread_t thread;
};

/* Opens the folder of models. WN_NOT_FOUND where there is none, or nothing in it that could be a model. */
enum wn_code wn_keeper_open(struct wn_keeper *k, const struct wn_config *config, struct wn_error *err);
/* Starts the thread, which begins with a scan. Workers: config says how many, or what the first engine is like. */
enum wn_code wn_keeper_start(struct wn_keeper *k, struct wn_error *err);
/* Hands in a task. One that comes after wn_keeper_close fails at once, its waiter woken by this very call. */
void wn_keeper_ask(struct wn_keeper *k, struct wn_task *task);
/* Reads the folders again, some time soon, and then calls done(context), which may be NULL, from the keeper's
 * thread. */
void wn_keeper_rescan(struct wn_keeper *k, void (*done)(void *context), void *context);
/* Waits for the running task, fails the others, ends the thread. Models stay. */
void wn_keeper_close(struct wn_keeper *k);
/* Frees everything; nobody may hold a snapshot, no worker may run. */
void wn_keeper_finish(struct wn_keeper *k);

#endif
