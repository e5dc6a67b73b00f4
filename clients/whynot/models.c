/* `whynot models`: List the models, and which of them answer. */
#include "listing.h"

static const struct cli_option options[] = {CLI_JSON_OPTION, CLI_ASK_OPTIONS, CLI_OPTIONS_END};

static enum cli_exit run(const struct cli *c)
{
    static const struct cli_column columns[] = {{"name", "MODEL"},
                                                {"version", "VERSION"},
                                                {"state", "STATE"},
                                                {"classes", "CLASSES"},
                                                {"description", "DESCRIPTION"},
                                                {"reason", "REASON"},
                                                {NULL, NULL}};
    return cli_list(c, "/v1/models", "models", columns);
}

const struct cli_command cli_models = {
    .name = "models",
    .operands = "",
    .summary = "List the models, and which of them answer.",
    .example = "  whynot models",
    .options = options,
    .run = run,
};
