/* The pictures that a command line names: files, folders, patterns, lists, standard input. */
#ifndef WN_CLI_PICTURES_H
#define WN_CLI_PICTURES_H

#include "cli.h"

#include <media/buffer.h>

struct cli_picture {
    char *path; /* "-": standard input */
    char *name; /* what answers call it: the path as UTF-8 text, other bytes as \xNN */
    char *stem; /* where its pictures go under an output folder */
};

struct cli_pictures {
    struct cli_picture *list; /* each path once; folders and patterns in the order of their names */
    int n, room;
    int passed_over; /* pictures of other kinds in folders: a note was printed */
    char *first_passed_over;
};

/* words: as on a command line. A folder stands for every .png, .jpg and .jpeg below it (links to folders are not
 * followed, names that start with a dot are left out); pictures of other kinds there are named in a note. from: a
 * file with a path a line, "-" for standard input, or NULL. A failure was said. */
enum cli_exit cli_pictures_find(char **words, int n, const char *from, struct cli_pictures *out);
void cli_pictures_finish(struct cli_pictures *p);
/* What answers call that path: as UTF-8 text, other bytes as \xNN. The caller's to free; NULL: no memory. */
char *cli_picture_name(const char *path);
/* Refuses two pictures that would be written to one file; says so. */
bool cli_pictures_stems_differ(const struct cli_pictures *p);
/* The file's bytes; at most 1 GiB. */
enum wn_code cli_read_file(const char *path, struct wn_buffer *out, struct wn_error *err);

#endif
