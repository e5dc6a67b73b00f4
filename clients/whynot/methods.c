/* `whynot methods`: List the methods: how activations and gradients become a map. */
#include "listing.h"

static const struct cli_option options[] = {CLI_JSON_OPTION, CLI_ASK_OPTIONS, CLI_OPTIONS_END};

static enum cli_exit run(const struct cli *c)
{
    static const struct cli_column columns[] = {
        {"name", "METHOD"}, {"explains", "EXPLAINS"}, {"summary", "SUMMARY"}, {NULL, NULL}};
    return cli_list(c, "/v1/methods", "methods", columns);
}

const struct cli_command cli_methods = {
    .name = "methods",
    .operands = "",
    .summary = "List the methods: how activations and gradients become a map.",
    .example = "  whynot methods",
    .options = options,
    .run = run,
};
