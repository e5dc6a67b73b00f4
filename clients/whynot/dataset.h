/* Pictures with what is known of them: a folder, a CSV file or a file of JSON lines. */
#ifndef WN_CLI_DATASET_H
#define WN_CLI_DATASET_H

#include "cli.h"

#include <evaluation.h>

/* The class that a label (a string) or a number of one (a string or a JSON number) means; -1 where it is neither. */
int cli_dataset_class(const struct wn_model *m, const json_t *value);

struct cli_exhibit {
    char *name;                                 /* as the data set calls it */
    char *image, *truth, *counterfactual, *elsewhere; /* paths; NULL: there is none */
    struct wn_box *boxes;
    int n_boxes;
    int label, rival; /* -1: not known */
};

struct cli_dataset {
    struct cli_exhibit *list;
    int n, room;
};

/* path: a folder with pictures.jsonl or labels.csv, a folder of pictures (those under a folder that is called like a class have that
 * label), or such a file itself. limit: read no more than so many. A failure was said, with the line where it is. */
enum cli_exit cli_dataset_read(const char *path, const struct wn_model *m, long limit, struct cli_dataset *out);
void cli_dataset_finish(struct cli_dataset *d);

#endif
