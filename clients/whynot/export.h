/* The lines of a job, for other programs' files. A format is one file and one row of CLI_EXPORTS. */
#ifndef WN_CLI_EXPORT_H
#define WN_CLI_EXPORT_H

#include "cli.h"

#include <jansson.h>

/* name, what --to names, meaning. */
#define CLI_EXPORTS(X)                                                                                                 \
    X(fiftyone, "FOLDER",                                                                                              \
      "a FiftyOneDataset: metadata.json and samples.json, maps as Heatmap fields with their range")                    \
    X(cvat, "FILE.xml", "CVAT for images 1.1: each map's strongest evidence as a mask, with its label and a score")

/* A picture with its answer. */
struct cli_exported {
    json_t *line;
    const char *file, *path;             /* what the data set calls it; where it is */
    const json_t *answer, *image, *maps; /* maps NULL: nothing was asked about it */
};

struct cli_export {
    struct cli_exported *list; /* by the name of the file, as CVAT orders its frames */
    int n, room, left_out;     /* left_out: lines without an answer */
};

/* Each writes everything or says what is wrong. */
#define X(name, where, words) enum cli_exit cli_export_##name(const struct cli_export *e, const char *to);
CLI_EXPORTS(X)
#undef X

/* The label of a map's "class" or "rival" ("" where there is none). */
const char *cli_export_class(const json_t *map, const char *key);
/* What a map's positive numbers speak for, in two parts: "" and the class, or "against " and the class or rival. */
struct cli_side {
    const char *against, *label;
};
struct cli_side cli_export_side(const json_t *map);
/* How sure the model is of that side of the question: 0 to 1. */
double cli_export_score(const struct cli_exported *x, const json_t *map);

#endif
