/* Which network answers, and what it makes of a picture before it looks: by that a job tells whether all of its lines
 * are answers of one. */
#ifndef WN_CLI_IDENTITY_H
#define WN_CLI_IDENTITY_H

#include "peer.h"

#include <pthread.h>
#include <text.h>

struct cli_identity {
    char version[65], sha256[65], preprocess_hash[65]; /* sha256 "": nobody has said it yet */
};

/* Of the model, as GET /v1/models/{model} says it, or of that version; not known where it is not ready. version: NULL
 * for the newest. A failure was said. */
enum cli_exit cli_identity_ask(struct cli_peer *p, const char *model, const char *version, struct cli_identity *out);
/* Of an explanation's "model" and "provenance", or of the "model" of a job's line; false where they do not say it. */
bool cli_identity_of_answer(const json_t *answer, struct cli_identity *out);
bool cli_identity_of_line(const json_t *line, struct cli_identity *out);
/* The key "model" of a line; nothing where it is not known. */
void cli_identity_write(const struct cli_identity *id, const char *model, struct wn_text *line);

enum { CLI_DIFFERENCE_TEXT = 256 };
/* What differs, in words: "network 0123456789ab, not ba9876543210"; false and "" where nothing does. */
bool cli_identity_differs(const struct cli_identity *now, const struct cli_identity *before,
                          char words[CLI_DIFFERENCE_TEXT]);

/* The answers of a running job: a daemon can load another network under the same name while they come. */
struct cli_one_network {
    pthread_mutex_t lock;
    struct cli_identity first; /* where it is known beforehand, else that of the first answer */
    char change[CLI_DIFFERENCE_TEXT];
};

/* Any thread. Whether the answer is the same network's as all before; one that does not say whose it is passes. */
bool cli_one_network_check(struct cli_one_network *n, const json_t *answer);
struct cli_identity cli_one_network_first(struct cli_one_network *n);
/* Where an answer was another network's, says so: `done` of `of` pictures are the former one's. file: of the lines,
 * or NULL. Returns code where none was. */
enum cli_exit cli_one_network_end(const struct cli_one_network *n, enum cli_exit code, const char *model, int done,
                                  int of, const char *file);

#endif
