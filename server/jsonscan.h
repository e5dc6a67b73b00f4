/* A look over a JSON body before a tree is built: bounds its cost, and cuts out the pictures, which would be most of
 * it. */
#ifndef WN_SERVER_JSONSCAN_H
#define WN_SERVER_JSONSCAN_H

#include "pool.h"
#include "question.h"

#include <jansson.h>

#define WN_JSON_DEPTH 32
#define WN_JSON_TOKENS 65536
#define WN_JSON_TEXT (1 << 20) /* bytes beside the pictures */

/* What else is cut out. */
struct wn_json_cuts {
    /* keys, divided by spaces, whose arrays become such numbers too, their text uncounted and unchecked; or NULL */
    const char *arrays;
    /* strings that begin as a data URI, or as the base64 of a PNG or JPEG file, become "data:" and such a number */
    bool pictures;
};

/* Reads the body as JSON. The string of each "b64" becomes a number, its place among *slices; the slices point into
 * body, whose text may be changed for that. cuts may be NULL. Depth, tokens, duplicate keys and grammar are checked:
 * WN_BAD_REQUEST with the byte where it is wrong. *root: the caller's to json_decref. */
enum wn_code wn_json_read(char *body, size_t size, const struct wn_json_cuts *cuts, struct wn_pool *pool, json_t **root,
                          struct wn_slice **slices, int *n_slices, struct wn_error *err);
/* "\/" becomes "/" within s; returns how many bytes are left. */
size_t wn_json_undo_slashes(char *s, size_t n);

#endif
