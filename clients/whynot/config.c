/* `whynot config`: every option of the daemon, its value, and where that came from. */
#include "cli.h"

#include <config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_option options[] = {
    {"effective", 'e', NULL, NULL,
     "The values that whynotd would run with here; without it, the table of options and their defaults.", NULL},
    CLI_OWN_JSON_OPTION,
    CLI_OPTIONS_END};

static void print_json_string(const char *s)
{
    putchar('"');
    for (; *s; s++)
        printf((unsigned char)*s < 0x20 ? "\\u%04x" : *s == '"' || *s == '\\' ? "\\%c" : "%c", (unsigned char)*s);
    putchar('"');
}

static void print_json(const struct wn_config *config, int i, const char *source)
{
    const struct wn_config_row *row = wn_config_row(i);
    char value[600];
    wn_config_value(config, i, value, sizeof value);
    printf("%s\n  \"%s\": {\"value\": ", i ? "," : "{", row->name);
    if (row->kind == WN_ROW_TEXT)
        print_json_string(value);
    else
        printf("%s", value);
    printf(", \"from\": \"%s\"}", source);
}

static void print_effective(const struct wn_config *config, bool json)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    const struct wn_config_row *row;
    char value[600];
    for (int i = 0; (row = wn_config_row(i)); i++) {
        const char *source = sources[config->source[i]];
        if (json) print_json(config, i, source);
        wn_config_value(config, i, value, sizeof value);
        if (!json) printf("%-22s %-24s %s\n", row->name, value[0] ? value : "\"\"", source);
    }
    if (json) printf("\n}\n");
}

/* "--effective" and "--json" are ours, all else is the daemon's. */
static enum cli_exit run(const struct cli *c)
{
    bool effective = false, json = false;
    struct wn_config config = {0};
    enum wn_config_wish wish;
    struct wn_error err = {0};
    int n = 1;
    char **flags = calloc((size_t)c->n_operands + 2, sizeof *flags);
    if (!flags) return cli_fail(CLI_FAILED, "no memory");
    flags[0] = (char *)"whynotd";
    for (int i = 0; i < c->n_operands; i++) {
        const char *word = c->operands[i];
        if (strcmp(word, "--effective") == 0 || strcmp(word, "-e") == 0)
            effective = true;
        else if (strcmp(word, "--json") == 0 || strcmp(word, "-j") == 0)
            json = true;
        else
            flags[n++] = c->operands[i];
    }
    enum wn_code code = wn_config_load(n, flags, &config, &wish, &err);
    free(flags);
    if (code != WN_OK) return cli_fail_error(&err);
    if (effective || json)
        print_effective(&config, json);
    else
        wn_config_help(stdout);
    return CLI_OK;
}

const struct cli_command cli_config = {
    .name = "config",
    .operands = "[--effective] [option of whynotd]...",
    .summary = "Say every option of the daemon, its value and where that came from.",
    .text = "With --effective the flags given here, the environment and the file named by --config or WHYNOT_CONFIG "
            "are read exactly as whynotd "
            "reads them. What is wrong in them is said as whynotd would say it, so this checks a configuration without "
            "starting anything.",
    .example = "  whynot config --effective --config /etc/whynot/whynotd.json",
    .options = options,
    .passes_on = true,
    .run = run,
};
