/* Pictures of named parts from a file of JSON lines; opens no picture. */
#ifndef WN_CLI_PARTS_DATA_H
#define WN_CLI_PARTS_DATA_H

#include "dataset.h"

#include <parts.h>

struct cli_assembled {
    char *map, **without;     /* paths */
    struct wn_assembled what; /* without its bytes; names and sets in `pool` */
};

struct cli_parts {
    struct cli_assembled *list; /* one for each of the data set's exhibits */
    int n;
    struct wn_pool pool;
};

/* path: a folder with parts.jsonl, or such a file. Fills the data set too: name, image and label. A failure was
 * said, with its line. */
enum cli_exit cli_parts_read(const char *path, const struct cli_classes *classes, long limit, struct cli_parts *out,
                             struct cli_dataset *data);
void cli_parts_finish(struct cli_parts *p);

#endif
