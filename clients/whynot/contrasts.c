/* `whynot contrasts`: List the contrasts: what is compared with what. */
#include "listing.h"

static const struct cli_option options[] = {CLI_JSON_OPTION, CLI_ASK_OPTIONS, CLI_OPTIONS_END};

static enum cli_exit run(const struct cli *c)
{
    static const struct cli_column columns[] = {
        {"name", "CONTRAST"}, {"why_not", "RIVALS"}, {"summary", "SUMMARY"}, {NULL, NULL}};
    return cli_list(c, "/v1/contrasts", "contrasts", columns);
}

const struct cli_command cli_contrasts = {
    .name = "contrasts",
    .operands = "",
    .summary = "List the contrasts: what is compared with what.",
    .example = "  whynot contrasts",
    .options = options,
    .run = run,
};
