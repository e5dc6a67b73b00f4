/* whynot: finds the command, reads its options by the command's table, runs it. Knows no command. */
#include "cli.h"

#include <fcntl.h>
#include <getopt.h>
#include <nearest.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <whynot/whynot.h>

#define MOST_OPTIONS 80
#define FIRST_NUMBER 256

#define X(name) extern const struct cli_command cli_##name;
#include "commands.def"
#undef X

static const struct cli_command *const rows[] = {
#define X(name) &cli_##name,
#include "commands.def"
#undef X
};
#define ROWS ((int)(sizeof rows / sizeof *rows))

static const char *running = "whynot";

/* ---- the tables ---- */

const struct cli_command *cli_command_at(int i)
{
    return i >= 0 && i < ROWS ? rows[i] : NULL;
}

const struct cli_command *cli_command_find(const char *name)
{
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

const struct cli_option *cli_option_at(const struct cli_command *command, int i)
{
    static const struct cli_option help = {"help", 'h', NULL, NULL, "Say what the command does, and its options.",
                                           NULL};
    int own = 0;
    while (command->options && command->options[own].name) own++;
    if (i < own) return &command->options[i];
    const struct cli_option *more = command->more ? command->more(i - own) : NULL;
    if (more) return more;
    bool is_help = i == own || (command->more && command->more(i - own - 1));
    return is_help ? &help : NULL;
}

/* ---- what was given ---- */

const char *cli_get(const struct cli *c, const char *name, const char *standard)
{
    for (int i = c->n_given - 1; i >= 0; i--)
        if (strcmp(c->given[i].name, name) == 0) return c->given[i].value;
    return standard;
}

bool cli_has(const struct cli *c, const char *name)
{
    return cli_get(c, name, NULL) != NULL;
}

bool cli_count(const struct cli *c, const char *name, long least, long most, long *out)
{
    char *end;
    const char *text = cli_get(c, name, NULL);
    if (!text) return true;
    long v = strtol(text, &end, 10);
    if (end != text && !*end && v >= least && v <= most) {
        *out = v;
        return true;
    }
    cli_fail(CLI_USAGE, "--%s takes a whole number from %ld to %ld, not '%s'", name, least, most, text);
    return false;
}

/* ---- words for people ---- */

/* Bytes of the control character that is there, or 0. Terminals also obey U+0080 to U+009F, two bytes in UTF-8. */
static int control_length(const char *at)
{
    unsigned char c = (unsigned char)at[0], next = c ? (unsigned char)at[1] : 0;
    if (c == 0xc2 && next >= 0x80 && next < 0xa0) return 2;
    return c < 0x20 || c == 0x7f;
}

char *cli_plain(const char *text, const char *kept)
{
    char *out = malloc(4 * strlen(text) + 1), *to = out;
    while (out && *text) {
        int n = strchr(kept, *text) ? 0 : control_length(text);
        if (!n) *to++ = *text++;
        for (; n; n--) to += snprintf(to, 5, "\\x%02x", (unsigned char)*text++);
    }
    if (out) *to = 0;
    return out;
}

enum cli_exit cli_fail(enum cli_exit code, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    char *plain = n < 0 ? NULL : cli_plain(text, "\n");
    fprintf(stderr, "%s: %s\n", running, plain ? plain : "no memory to say what went wrong");
    if (n >= 0) free(text);
    free(plain);
    return code;
}

enum cli_exit cli_flush(enum cli_exit code)
{
    bool whole = fflush(stdout) == 0 && !ferror(stdout);
    return whole || code != CLI_OK ? code : cli_fail(CLI_FAILED, "the output cannot be written");
}

enum cli_exit cli_fail_error(const struct wn_error *err)
{
    bool model = err->code == WN_NO_SUCH_MODEL || err->code == WN_BAD_MODEL || err->code == WN_DYNAMIC_SIZE ||
                 err->code == WN_UNSUPPORTED || err->code == WN_NOT_FOUND;
    bool away = err->code == WN_UNAUTHORIZED || err->code == WN_FORBIDDEN || err->code == WN_NOT_READY ||
                err->code == WN_QUEUE_FULL || err->code == WN_WRONG_HOST;
    bool usage = err->code == WN_BAD_REQUEST || err->code == WN_NO_SUCH_CLASS || err->code == WN_NO_SUCH_LAYER;
    return cli_fail(model ? CLI_NO_MODEL : away ? CLI_UNREACHABLE : usage ? CLI_USAGE : CLI_FAILED, "%s", err->text);
}

bool cli_obeys(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

bool cli_colors(int fd)
{
    const char *no = getenv("NO_COLOR");
    return !(no && *no) && cli_obeys(fd);
}

/* Words in lines of at most 78 columns, indented. */
static void fill(const char *text, int indent)
{
    int column = 0;
    while (*text) {
        int n = (int)strcspn(text, " \n");
        bool wrap = column && column + 1 + n > 78;
        if (wrap) putchar('\n');
        if (wrap || !column)
            printf("%*s", indent, ""), column = indent;
        else
            putchar(' '), column++;
        printf("%.*s", n, text);
        column += n;
        text += n;
        if (strncmp(text, "\n\n", 2) == 0) printf("\n\n"), column = 0;
        text += strspn(text, " \n");
    }
    putchar('\n');
}

void cli_help(const struct cli_command *command)
{
    const struct cli_option *o;
    printf("usage: whynot %s%s%s\n\n", command->name, command->operands[0] ? " " : "", command->operands);
    fill(command->summary, 0);
    if (command->text) putchar('\n'), fill(command->text, 0);
    printf("\noptions:\n");
    for (int i = 0; (o = cli_option_at(command, i)); i++) {
        char letter[8] = "    ";
        if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
        printf("  %s--%s%s%s\n", letter, o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        char words[600];
        snprintf(words, sizeof words, "%s%s%s%s", o->words, o->standard ? " (default: " : "",
                 o->standard ? o->standard : "", o->standard ? ")" : "");
        fill(words, 10);
    }
    if (command->example) printf("\nexamples:\n%s\n", command->example);
    printf("\nexit codes: whynot --help\n");
}

static void help(void)
{
    printf("usage: whynot COMMAND [options] ...\n\nWhy did the network say P, rather than Q?\n\n");
    for (int i = 0; i < ROWS; i++) printf("  %-10s %s\n", rows[i]->name, rows[i]->summary);
    printf("\nwhynot COMMAND --help says what a command takes.\n\nexit codes:\n");
#define X(name, number, words) printf("  %d  %s\n", number, words);
    CLI_EXITS(X)
#undef X
}

/* ---- reading a command line ---- */

struct options {
    struct option row[MOST_OPTIONS];
    const struct cli_option *of[MOST_OPTIONS];
    char letters[2 * MOST_OPTIONS + 2];
    int n;
};

static void make_options(const struct cli_command *command, struct options *o)
{
    const struct cli_option *row;
    size_t at = 0;
    *o = (struct options){0};
    o->letters[at++] = ':';
    for (; o->n < MOST_OPTIONS - 1 && (row = cli_option_at(command, o->n)); o->n++) {
        o->of[o->n] = row;
        o->row[o->n] =
            (struct option){row->name, row->argument ? required_argument : no_argument, NULL, FIRST_NUMBER + o->n};
        if (row->letter) o->letters[at++] = row->letter;
        if (row->letter && row->argument) o->letters[at++] = ':';
    }
}

static const struct cli_option *option_of(const struct options *o, int found)
{
    if (found >= FIRST_NUMBER) return o->of[found - FIRST_NUMBER];
    for (int i = 0; i < o->n; i++)
        if (o->of[i]->letter == found) return o->of[i];
    return NULL;
}

static enum cli_exit read_options(struct cli *c, int argc, char **argv)
{
    static struct options all;
    int found;
    make_options(c->command, &all);
    c->given = calloc((size_t)argc + 1, sizeof *c->given);
    if (!c->given) return cli_fail(CLI_FAILED, "no memory");
    while ((found = getopt_long(argc, argv, all.letters, all.row, NULL)) != -1) {
        if (found == ':') return cli_fail(CLI_USAGE, "%s wants a value", argv[optind - 1]);
        if (found == '?')
            return cli_fail(CLI_USAGE, "'%s' is not understood; whynot %s --help lists the options", argv[optind - 1],
                            c->command->name);
        const struct cli_option *o = option_of(&all, found);
        /* An empty one is a variable that a script did not set; it says "none" where the environment says another. */
        bool may_be_none = o->standard && strncmp(o->standard, "WHYNOT_", strlen("WHYNOT_")) == 0;
        if (o->argument && !*optarg && !may_be_none) return cli_fail(CLI_USAGE, "--%s wants a value, not ''", o->name);
        c->given[c->n_given++] = (struct cli_given){o->name, o->argument ? optarg : ""};
    }
    c->operands = argv + optind;
    c->n_operands = argc - optind;
    return CLI_OK;
}

static enum cli_exit run(const struct cli_command *command, int argc, char **argv)
{
    static struct cli_given help_given = {"help", ""};
    struct cli c = {.command = command};
    static char name[64];
    enum cli_exit code = CLI_OK;
    snprintf(name, sizeof name, "whynot %s", command->name);
    running = name;
    if (command->passes_on) {
        c.operands = argv + 1;
        c.n_operands = argc - 1;
        bool wants_help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        if (wants_help) c.given = &help_given, c.n_given = 1;
    } else {
        code = read_options(&c, argc, argv);
    }
    if (code == CLI_OK && cli_has(&c, "help"))
        cli_help(command);
    else if (code == CLI_OK)
        code = command->run(&c);
    if (c.given != &help_given) free(c.given);
    return cli_flush(code);
}

static enum cli_exit no_command(const char *word)
{
    const char *names[ROWS], *best;
    for (int i = 0; i < ROWS; i++) names[i] = rows[i]->name;
    if (wn_nearest_names(word, names, ROWS, &best, 1))
        return cli_fail(CLI_USAGE, "there is no command '%s'; did you mean '%s'? whynot --help lists them", word, best);
    return cli_fail(CLI_USAGE, "there is no command '%s'; whynot --help lists them", word);
}

/* What is opened next takes the place of a stream that was closed: words would go into a connection, or a file. What
 * is put there can only be used the wrong way round, so using it fails as it should. */
static void hold_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(CLI_FAILED);
}

int main(int argc, char **argv)
{
    hold_streams();
    if (argc < 2) return help(), CLI_USAGE;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        const struct cli_command *about = argc > 2 ? cli_command_find(argv[2]) : NULL;
        if (about)
            cli_help(about);
        else
            help();
        return cli_flush(CLI_OK);
    }
    if (strcmp(argv[1], "--version") == 0) return printf("whynot %s\n", wn_version()), cli_flush(CLI_OK);
    const struct cli_command *command = cli_command_find(argv[1]);
    if (!command) return no_command(argv[1]);
    return (int)run(command, argc - 1, argv + 1);
}
