/* Listings of JSON objects as a table for people. */
#ifndef WN_CLI_LISTING_H
#define WN_CLI_LISTING_H

#include "peer.h"

struct cli_column {
    const char *key, *title; /* key: a member; values may be strings, numbers, booleans or lists of numbers */
};

/* GET uri (%s in it: the model), and its list `key` as a table (or as it came, with --json). columns end with a row
 * without a key; the last one is not cut. */
enum cli_exit cli_list(const struct cli *c, const char *uri, const char *key, const struct cli_column *columns);
/* The model named by --model, else the only one there is; in name (a path becomes the model's own name). A failure
 * was said. */
enum cli_exit cli_only_model(const struct cli *c, struct cli_peer *p, char name[65]);

#endif
