/* What every command is made of: its row of options, what was given for them, and how it ends. A command is one file
 * and one row of commands.def; --help, the manual pages and the completions are made from these tables. */
#ifndef WN_CLI_H
#define WN_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <whynot/error.h>

/* name, number, meaning: how commands end. */
#define CLI_EXITS(X)                                                                                                   \
    X(OK, 0, "everything that was asked for was done")                                                                 \
    X(SOME_FAILED, 1,                                                                                                  \
      "some pictures, or some of what was to be judged, have no answer, or the doctor found something wrong; the "     \
      "output says which")                                                                                             \
    X(USAGE, 2, "the command line cannot be understood")                                                               \
    X(NO_MODEL, 3, "there is no such model, or it cannot be used")                                                     \
    X(UNREACHABLE, 4, "the daemon cannot be reached, or it refused the key")                                           \
    X(FAILED, 5, "something else went wrong: a file cannot be written, memory is short")

enum cli_exit {
#define X(name, number, words) CLI_##name = number,
    CLI_EXITS(X)
#undef X
};

struct cli_option {
    const char *name;     /* "why-not" */
    char letter;          /* or 0 */
    const char *argument; /* "FILE"; NULL: a switch */
    const char *standard; /* what holds when it is left out, for people; NULL: nothing */
    const char *words;    /* one or two sentences */
    const char *complete; /* "file", "folder", or the words it takes: "auto never"; NULL: nothing known */
};

struct cli;
struct cli_command {
    const char *name, *operands, *summary; /* "explain", "PICTURE...", one sentence */
    /* the rest of the manual page's description; paragraphs apart by blank lines */
    const char *text;
    const char *example;                   /* lines to copy */
    const struct cli_option *options;      /* ends with a row without a name; NULL: none */
    const struct cli_option *(*more)(int); /* options from somebody else's table; NULL past the end */
    bool passes_on;                        /* everything behind the name is the command's own to read */
    enum cli_exit (*run)(const struct cli *c);
};

const struct cli_command *cli_command_at(int i); /* NULL past the end */
const struct cli_command *cli_command_find(const char *name);
/* The command's options, then --help; NULL past the end. */
const struct cli_option *cli_option_at(const struct cli_command *command, int i);

struct cli_given {
    const char *name, *value; /* value "" for a switch */
};

/* A command line that was read. */
struct cli {
    const struct cli_command *command;
    struct cli_given *given; /* in order */
    int n_given;
    char **operands;
    int n_operands;
};

/* The last value given, else `standard`; for a switch "" or `standard`. */
const char *cli_get(const struct cli *c, const char *name, const char *standard);
bool cli_has(const struct cli *c, const char *name);
/* A whole number within the bounds; says what is wrong on stderr and returns false. *out keeps its value where
 * nothing was given. */
bool cli_count(const struct cli *c, const char *name, long least, long most, long *out);
void cli_help(const struct cli_command *command);

/* The text with control characters as \xNN but for those in `kept`, so that no file's name commands a terminal. The
 * caller's to free; NULL: no memory. */
char *cli_plain(const char *text, const char *kept);
/* "whynot explain: ..." on stderr, control characters as \xNN; returns code. */
enum cli_exit cli_fail(enum cli_exit code, const char *fmt, ...) WN_PRINTF(2, 3);
/* How a failure of the library ends the program. */
enum cli_exit cli_fail_error(const struct wn_error *err);

/* The code, or a failure that was said where it is CLI_OK and what went to the standard output did not arrive there
 * whole. */
enum cli_exit cli_flush(enum cli_exit code);

/* Whether escape sequences may be sent there: a terminal, TERM not dumb. */
bool cli_obeys(int fd);
/* Those for colour, too: NO_COLOR not set. */
bool cli_colors(int fd);

/* Options of commands that ask a daemon, or the library. */
/* clang-format off */
#define CLI_ASK_OPTIONS                                                                                                \
    {"server", 's', "URL", "WHYNOT_SERVER, else none", "Ask the daemon there. Without one the networks are read and run by this command itself. Proxies that http_proxy, https_proxy and all_proxy name are gone through, but for this machine's own addresses.", NULL}, \
    {"models", 'M', "FOLDER", "models", "Folder whose subfolders are models (also WHYNOT_MODELS); without a daemon only.", "folder"},                \
    {"key-file", 0, "FILE", "WHYNOT_KEY_FILE, else none", "File that holds the key for the daemon. A key is never an argument, where others could read it.", "file"}, \
    {"set", 0, "NAME=VALUE", NULL, "An option of whynotd for this command's own engine, such as threads=2; without a daemon only. May be repeated.", NULL}, \
    {"patience", 0, "SECONDS", "30", "How long to try again while the daemon is busy or away.", NULL}
#define CLI_MODEL_OPTION {"model", 'm', "NAME", "the only one", "Name of the model, or the path of a model folder.", "model"}
#define CLI_JSON_OPTION {"json", 'j', NULL, NULL, "Print the answer as the daemon's JSON.", NULL}
/* of commands that say what no daemon does */
#define CLI_OWN_JSON_OPTION {"json", 'j', NULL, NULL, "Print JSON instead of words.", NULL}
#define CLI_OPTIONS_END {NULL, 0, NULL, NULL, NULL, NULL}
/* clang-format on */

#endif
