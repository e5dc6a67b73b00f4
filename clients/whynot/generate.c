/* `whynot generate`: manual pages and completions, written from the same tables that the programs read. */
#include "cli.h"

#include <config.h>
#include <ctype.h>
#include <errno.h>
#include <exits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <whynot/whynot.h>

/* ---- manual pages ---- */

/* Text for troff: its own characters escaped, hyphens as such, no line that looks like a request. */
static void put(FILE *f, const char *text)
{
    bool first = true;
    for (; *text; text++) {
        if (first && (*text == '.' || *text == '\'')) fputs("\\&", f);
        first = *text == '\n';
        if (strncmp(text, "\n\n", 2) == 0) fputs("\n.PP", f), text++;
        if (*text == '\\')
            fputs("\\e", f);
        else if (*text == '-')
            fputs("\\-", f);
        else
            fputc(*text, f);
    }
}

static void put_option(FILE *f, const struct cli_option *o)
{
    fputs(".TP\n", f);
    if (o->letter) fprintf(f, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", f);
    put(f, o->name);
    fputs("\\fR", f);
    if (o->argument) fprintf(f, " \\fI%s\\fR", o->argument);
    fputc('\n', f);
    put(f, o->words);
    if (o->standard) fputs(" Default: ", f), put(f, o->standard), fputc('.', f);
    fputc('\n', f);
}

static void put_exits(FILE *f)
{
    fputs(".SH EXIT STATUS\n", f);
#define X(name, number, words) fprintf(f, ".TP\n%d\n", number), put(f, words), fputc('\n', f);
    CLI_EXITS(X)
#undef X
}

static void put_head(FILE *f, const char *page, int section, const char *name, const char *summary)
{
    fprintf(f, ".TH %s %d \"\" \"whynot %s\" \"whynot\"\n.SH NAME\n", page, section, wn_version());
    put(f, name);
    fputs(" \\- ", f);
    put(f, summary);
    fputs("\n.SH SYNOPSIS\n", f);
}

static void put_command_page(FILE *f, const struct cli_command *c)
{
    const struct cli_option *o;
    char page[64], name[64], summary[200];
    snprintf(page, sizeof page, "WHYNOT-%s", c->name);
    for (char *s = page; *s; s++) *s = (char)toupper((unsigned char)*s);
    snprintf(name, sizeof name, "whynot-%s", c->name);
    snprintf(summary, sizeof summary, "%.*s", (int)strcspn(c->summary, ".:"), c->summary);
    summary[0] = (char)tolower((unsigned char)summary[0]);
    put_head(f, page, 1, name, summary);
    fprintf(f, "\\fBwhynot %s\\fR ", c->name);
    put(f, c->operands);
    fputs("\n.SH DESCRIPTION\n", f);
    put(f, c->summary);
    fputc('\n', f);
    if (c->text) fputs(".PP\n", f), put(f, c->text), fputc('\n', f);
    fputs(".SH OPTIONS\n", f);
    for (int i = 0; (o = cli_option_at(c, i)); i++) put_option(f, o);
    if (c->example) fputs(".SH EXAMPLES\n.nf\n", f), put(f, c->example), fputs("\n.fi\n", f);
    put_exits(f);
    fputs(".SH SEE ALSO\n\\fBwhynot\\fR(1), \\fBwhynotd\\fR(8)\n", f);
}

static void put_main_page(FILE *f)
{
    const struct cli_command *c;
    put_head(f, "WHYNOT", 1, "whynot", "why did the network say P, rather than Q?");
    fputs("\\fBwhynot\\fR \\fICOMMAND\\fR [options] ...\n.SH DESCRIPTION\n", f);
    put(f, "Asks a whynot daemon, or the networks of a folder, why they said what they said. Each command has a page "
           "of its own.");
    fputs("\n.SH COMMANDS\n", f);
    for (int i = 0; (c = cli_command_at(i)); i++) {
        fprintf(f, ".TP\n\\fBwhynot\\-%s\\fR(1)\n", c->name);
        put(f, c->summary);
        fputc('\n', f);
    }
    fputs(".SH ENVIRONMENT\n", f);
    static const char *const rows[][2] = {
        {"WHYNOT_SERVER", "The daemon that is asked where --server does not name one."},
        {"WHYNOT_KEY_FILE", "File that holds the key for the daemon."},
        {"WHYNOT_MODELS", "Folder of models, for questions without a daemon."},
        {"WHYNOT_*", "The options of whynotd(8), for questions without a daemon."},
        {"NO_COLOR", "Where it is set, nothing is coloured or drawn unless --draw asks for it."},
        {"COLORTERM", "truecolor or 24bit: drawings use all colours, else 256."}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(f, ".TP\n%s\n", rows[i][0]), put(f, rows[i][1]), fputc('\n', f);
    put_exits(f);
    fputs(".SH SEE ALSO\n\\fBwhynotd\\fR(8)\n", f);
}

static void put_daemon_page(FILE *f)
{
    const struct wn_config_row *row;
    put_head(f, "WHYNOTD", 8, "whynotd", "answers over HTTP why networks said P, rather than Q");
    fputs("\\fBwhynotd\\fR [\\fIMODELS\\fR] [\\fB\\-\\-option\\fR \\fIvalue\\fR]...\n.SH DESCRIPTION\n", f);
    put(f, "Keeps networks resident and answers over HTTP. Each option may be a flag, an environment variable (WHYNOT_ "
           "and its name in "
           "capitals) or a key of the JSON file named by --config or WHYNOT_CONFIG; a flag wins over the environment, "
           "that over the file.");
    fputs("\n.SH OPTIONS\n", f);
    for (int i = 0; (row = wn_config_row(i)); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", row->name);
        for (char *s = name; *s; s++)
            if (*s == '_') *s = '-';
        put_option(f, &(struct cli_option){name, 0,
                                           row->kind == WN_ROW_SWITCH  ? NULL
                                           : row->kind == WN_ROW_COUNT ? "N"
                                                                       : "TEXT",
                                           row->standard[0] ? row->standard : NULL, row->summary, NULL});
    }
    fputs(".SH EXIT STATUS\n", f);
#define X(name, number, words) fprintf(f, ".TP\n%d\n", number), put(f, words), fputc('\n', f);
    WN_EXITS(X)
#undef X
    fputs(".SH SEE ALSO\n\\fBwhynot\\fR(1)\n", f);
}

/* ---- completions ---- */

/* The words that an option takes, where they are fixed: names from tables are asked of the program when they are
 * wanted. */
static const char *asked(const char *complete)
{
    static const char *const rows[][2] = {{"method", "whynot methods 2>/dev/null | awk 'NR>1{print $1}'"},
                                          {"contrast", "whynot contrasts 2>/dev/null | awk 'NR>1{print $1}'"},
                                          {"model", "whynot models 2>/dev/null | awk 'NR>1{print $1}'"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], complete) == 0) return rows[i][1];
    return NULL;
}

static bool is_word(const char *complete, const char *word)
{
    return complete && strcmp(complete, word) == 0;
}

static void put_bash_command(FILE *f, const struct cli_command *c)
{
    const struct cli_option *o;
    fprintf(f, "    %s)\n      case \"$before\" in\n", c->name);
    for (int i = 0; (o = cli_option_at(c, i)); i++) {
        if (!o->argument) continue;
        fprintf(f, "        --%s", o->name);
        if (o->letter) fprintf(f, "|-%c", o->letter);
        if (is_word(o->complete, "file"))
            fputs(") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", f);
        else if (is_word(o->complete, "folder"))
            fputs(") COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n", f);
        else if (o->complete && asked(o->complete))
            fprintf(f, ") COMPREPLY=($(compgen -W \"$(%s)\" -- \"$word\")); return ;;\n", asked(o->complete));
        else if (o->complete && strchr(o->complete, ' '))
            fprintf(f, ") COMPREPLY=($(compgen -W \"%s\" -- \"$word\")); return ;;\n", o->complete);
        else
            fputs(") COMPREPLY=(); return ;;\n", f);
    }
    fputs("      esac\n      options=\"", f);
    for (int i = 0; (o = cli_option_at(c, i)); i++) fprintf(f, "%s--%s", i ? " " : "", o->name);
    fputs("\" ;;\n", f);
}

static void put_bash(FILE *f)
{
    const struct cli_command *c;
    fputs("# bash completion for whynot, written by `whynot generate`\n_whynot() {\n  local "
          "word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options=\n"
          "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"",
          f);
    for (int i = 0; (c = cli_command_at(i)); i++) fprintf(f, "%s ", c->name);
    fputs("--help --version\" -- \"$word\"))\n    return\n  fi\n  case \"${COMP_WORDS[1]}\" in\n", f);
    for (int i = 0; (c = cli_command_at(i)); i++) put_bash_command(f, c);
    fputs("  esac\n  case \"$word\" in\n    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n    *) "
          "COMPREPLY=($(compgen -f -- \"$word\")) ;;\n  esac\n}\n"
          "complete -o filenames -F _whynot whynot\n",
          f);
}

/* For zsh's single quotes and _arguments' brackets. */
static void put_zsh_text(FILE *f, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", f);
        else if (strchr("[]:\\", *text))
            fprintf(f, "\\%c", *text);
        else
            fputc(*text, f);
    }
}

static void put_zsh_option(FILE *f, const struct cli_option *o)
{
    if (o->letter)
        fprintf(f, " \\\n        '*'{-%c,--%s}'[", o->letter, o->name);
    else
        fprintf(f, " \\\n        '*--%s[", o->name);
    put_zsh_text(f, o->words);
    fputc(']', f);
    if (o->argument) {
        fputc(':', f);
        put_zsh_text(f, o->argument);
        fputc(':', f);
        if (is_word(o->complete, "file"))
            fputs("_files", f);
        else if (is_word(o->complete, "folder"))
            fputs("_files -/", f);
        else if (o->complete && strchr(o->complete, ' '))
            fprintf(f, "(%s)", o->complete);
        else if (o->complete && asked(o->complete))
            fprintf(f, "{compadd -- $(_whynot_names %ss)}", o->complete);
    }
    fputc('\'', f);
}

static void put_zsh(FILE *f)
{
    const struct cli_command *c;
    const struct cli_option *o;
    fputs("#compdef whynot\n# zsh completion for whynot, written by `whynot generate`\n_whynot_names() { whynot $1 "
          "2>/dev/null | awk 'NR>1{print $1}' }\n_whynot() {\n  local -a commands\n  commands=(\n",
          f);
    for (int i = 0; (c = cli_command_at(i)); i++) {
        fprintf(f, "    '%s:", c->name);
        put_zsh_text(f, c->summary);
        fputs("'\n", f);
    }
    fputs("  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  local "
          "name=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $name in\n",
          f);
    for (int i = 0; (c = cli_command_at(i)); i++) {
        fprintf(f, "    %s)\n      _arguments -s", c->name);
        for (int k = 0; (o = cli_option_at(c, k)); k++) put_zsh_option(f, o);
        fputs(" \\\n        '*:file:_files' ;;\n", f);
    }
    fputs("  esac\n}\n_whynot \"$@\"\n", f);
}

/* ---- a configuration file with every option ---- */

static void put_every_option(FILE *f)
{
    const struct wn_config_row *row;
    fputs("// Every option of whynotd with its default, written by `whynot generate`. Leave out what you do not "
          "change.\n{\n",
          f);
    for (int i = 0; (row = wn_config_row(i)); i++) {
        const char *quote = row->kind == WN_ROW_TEXT ? "\"" : "", *comma = wn_config_row(i + 1) ? "," : "";
        fprintf(f, "  // %s\n  \"%s\": %s%s%s%s\n", row->summary, row->name, quote, row->standard, quote, comma);
    }
    fputs("}\n", f);
}

/* ---- files ---- */

static FILE *create(const char *folder, const char *name)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!f) cli_fail(CLI_FAILED, "'%s' cannot be written: %s", path, strerror(errno));
    return f;
}

/* f may be NULL: that was said. */
static bool finish(FILE *f, const char *name)
{
    bool whole = f && fflush(f) == 0 && !ferror(f);
    if (f && !whole) cli_fail(CLI_FAILED, "'%s' cannot be written: %s", name, strerror(errno));
    if (f) fclose(f);
    return whole;
}

static bool write_file(const char *folder, const char *name, void (*fill)(FILE *f))
{
    FILE *f = create(folder, name);
    if (f) fill(f);
    return finish(f, name);
}

static bool write_pages(const char *folder)
{
    const struct cli_command *c;
    bool good = write_file(folder, "whynot.1", put_main_page) && write_file(folder, "whynotd.8", put_daemon_page);
    for (int i = 0; good && (c = cli_command_at(i)); i++) {
        char name[64];
        snprintf(name, sizeof name, "whynot-%s.1", c->name);
        FILE *f = create(folder, name);
        if (f) put_command_page(f, c);
        good = finish(f, name);
    }
    return good;
}

static enum cli_exit run(const struct cli *c)
{
    if (c->n_operands != 1) return cli_fail(CLI_USAGE, "name the folder to write to");
    if (mkdir(c->operands[0], 0777) != 0 && errno != EEXIST)
        return cli_fail(CLI_FAILED, "'%s' cannot be made: %s", c->operands[0], strerror(errno));
    bool good = write_pages(c->operands[0]) && write_file(c->operands[0], "whynot.bash", put_bash) &&
                write_file(c->operands[0], "_whynot", put_zsh) &&
                write_file(c->operands[0], "every-option.json", put_every_option);
    return good ? CLI_OK : CLI_FAILED;
}

const struct cli_command cli_generate = {
    .name = "generate",
    .operands = "FOLDER",
    .summary = "Write the manual pages, the completions for bash and zsh and a configuration file with every option "
               "into a folder.",
    .text = "The build calls this; the files are whynot.1, one page for each command, whynotd.8, whynot.bash, _whynot "
            "and every-option.json.",
    .run = run,
};
