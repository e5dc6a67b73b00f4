/* Who may ask: bearer keys from a file, each with a name, a number and scopes. Knows nothing of requests. */
#ifndef WN_SERVER_KEYS_H
#define WN_SERVER_KEYS_H

#include "job.h"

#include <pthread.h>
#include <stdatomic.h>
#include <whynot/error.h>

#define WN_KEY_NAME 32

struct wn_key {
    char name[WN_KEY_NAME + 1]; /* "": the number is free */
    unsigned scopes;            /* of enum wn_scope; READ always */
    enum wn_priority most;      /* its highest priority */
    uint8_t digest[32];         /* SHA-256 of the token; the token itself is not kept */
};

/* Zero-initialise, then wn_keys_init. A key's number is its place in the list, 1 and up, and stays its own when the
 * file is read again. */
struct wn_keys {
    pthread_rwlock_t lock;
    struct wn_key list[WN_MOST_KEYS + 1];
    atomic_int n; /* 0: no keys are in use */
    char path[600];
};

/* path: the option's value; "" takes $CREDENTIALS_DIRECTORY/whynot-keys where that file is there, and else no keys. */
enum wn_code wn_keys_init(struct wn_keys *keys, const char *path, struct wn_error *err);
/* Reads the file again. What was there before stays where it cannot be read. */
enum wn_code wn_keys_reload(struct wn_keys *keys, struct wn_error *err);
void wn_keys_finish(struct wn_keys *keys);
/* authorization: the header's value, or NULL: "Bearer TOKEN", or "Basic ..." with the token as the password (Label
 * Studio sends nothing else). Copies the key and returns its number; 0 where there is no such key. Takes the same
 * time for every token of one length. */
int wn_keys_find(struct wn_keys *keys, const char *authorization, struct wn_key *out);

#endif
