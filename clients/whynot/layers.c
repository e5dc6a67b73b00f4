/* `whynot layers`: List the layers of a model that can be explained. */
#include "listing.h"

static const struct cli_option options[] = {CLI_MODEL_OPTION, CLI_JSON_OPTION, CLI_ASK_OPTIONS, CLI_OPTIONS_END};

static enum cli_exit run(const struct cli *c)
{
    static const struct cli_column columns[] = {
        {"name", "LAYER"}, {"op", "OPERATOR"}, {"shape", "SHAPE"}, {NULL, NULL}};
    return cli_list(c, "/v1/models/%s/layers", "layers", columns);
}

const struct cli_command cli_layers = {
    .name = "layers",
    .operands = "",
    .summary = "List the layers of a model that can be explained.",
    .example = "  whynot layers -m signs-resnet",
    .options = options,
    .run = run,
};
