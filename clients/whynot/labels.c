/* `whynot labels`: List a model's classes, or find those whose label holds the words. */
#include "listing.h"

static const struct cli_option options[] = {CLI_MODEL_OPTION, CLI_JSON_OPTION, CLI_ASK_OPTIONS, CLI_OPTIONS_END};

static enum cli_exit run(const struct cli *c)
{
    static const struct cli_column columns[] = {{"index", "INDEX"}, {"label", "LABEL"}, {NULL, NULL}};
    return cli_list(c, "/v1/models/%s/labels?limit=1000", "labels", columns);
}

const struct cli_command cli_labels = {
    .name = "labels",
    .operands = "[WORDS]",
    .summary = "List a model's classes, or find those whose label holds the words.",
    .example = "  whynot labels -m signs-resnet turn",
    .options = options,
    .run = run,
};
