/* Pictures with what is known of them: a folder, a CSV file or a file of JSON lines. */
#ifndef WN_CLI_DATASET_H
#define WN_CLI_DATASET_H

#include "cli.h"

#include <evaluation.h>

/* The classes of a model, which a daemon elsewhere may have. */
struct cli_classes {
    const char *model;
    const char *const *labels;
    int n;
};

/* The class that a label (a string, as in spelling.h) or a number of one (a string or a JSON number) means; negative
 * where it is neither, WN_SPELLED_TWICE where several are called so. Where no label is spelled so, "no_left-turn" is
 * "no left turn" and "tench" is "tench, Tinca tinca", if only one class is. */
int cli_dataset_class(const struct cli_classes *classes, const json_t *value);

/* Refuses an object of a data set that has another key than these, by the nearest of them: what is misspelt would be
 * as good as not said. file and line: where it stands. A failure was said. */
enum cli_exit cli_dataset_keys(const char *file, int line, const json_t *object, const char *const *names, int n);

struct cli_exhibit {
    char *name;                                       /* as the data set calls it */
    char *stranger;                                   /* its folder, where that is called like no class; or NULL */
    char *image, *truth, *counterfactual, *elsewhere; /* paths; NULL: there is none */
    struct wn_box *boxes;
    int n_boxes;
    int label, rival; /* -1: not known */
};

struct cli_dataset {
    struct cli_exhibit *list;
    int n, room;
};

/* path: a folder with pictures.jsonl or labels.csv, a folder of pictures (those under a folder that is called like a
 * class have that label), or such a file itself. limit: read no more than so many. A failure was said, with the line
 * where it is. */
enum cli_exit cli_dataset_read(const char *path, const struct cli_classes *classes, long limit,
                               struct cli_dataset *out);
void cli_dataset_finish(struct cli_dataset *d);

#endif
