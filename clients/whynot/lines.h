/* A file of JSON lines, one a picture, that can be gone on with after any interruption. */
#ifndef WN_CLI_LINES_H
#define WN_CLI_LINES_H

#include "identity.h"

#include <media/buffer.h>

struct cli_lines {
    int fd;       /* -1: standard output */
    char **names; /* of the pictures that have their line already, sorted */
    int n, room;
};

/* Opens the file for more lines. resume: what it holds already is read, half a line at its end is cut off; lines
 * that answer another question are refused, and so are answers of another network than `answering`, or that do not
 * say whose they are; one that is not known yet becomes that of the lines. NULL: the question says which. Else the
 * file must not exist, unless afresh. path NULL: standard output. A failure was said. */
enum cli_exit cli_lines_open(struct cli_lines *l, const char *path, bool resume, bool afresh, const char *question,
                             struct cli_identity *answering);
/* Hands every line of the file to take, with its end, until it says otherwise; all of them or a failure. */
enum cli_exit cli_lines_each(const char *path, enum cli_exit (*take)(void *arg, const char *line, size_t size),
                             void *arg);
bool cli_lines_has(const struct cli_lines *l, const char *name);
/* The text and a line break, whole or not at all as far as the system allows. */
enum cli_exit cli_lines_write(struct cli_lines *l, const struct wn_buffer *text);
enum cli_exit cli_lines_close(struct cli_lines *l);

#endif
