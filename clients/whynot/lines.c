/* Lines of a job's file; knows whose answer to what about which picture a line is, and nothing of what it says. */
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <jsonload.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum cli_exit remember(struct cli_lines *l, const char *name)
{
    if (l->n == l->room) {
        int room = l->room ? 2 * l->room : 256;
        char **names = realloc(l->names, (size_t)room * sizeof *names);
        if (!names) return cli_fail(CLI_FAILED, "no memory for the names of what is done");
        l->names = names;
        l->room = room;
    }
    if (!(l->names[l->n] = strdup(name))) return cli_fail(CLI_FAILED, "no memory for the names of what is done");
    l->n++;
    return CLI_OK;
}

/* What a picture that was not answered says is no network's. */
static bool is_answer(const json_t *line)
{
    const json_t *status = json_object_get(line, "status");
    return !json_object_get(line, "error") && (!status || json_integer_value(status) == 200);
}

/* Answers of two networks in one file would be ranked and read as if they were one's. */
static enum cli_exit check_network(const struct cli_lines *l, const char *path, const json_t *line,
                                   struct cli_identity *answering)
{
    struct cli_identity before;
    char words[CLI_DIFFERENCE_TEXT];
    bool said = cli_identity_of_line(line, &before);
    if (!is_answer(line)) return CLI_OK;
    if (!said)
        return cli_fail(CLI_USAGE,
                        "%s: line %d does not say which network answered, as those of an older whynot do not; name "
                        "another file, or write this one anew with --force",
                        path, l->n + 1);
    if (!answering->sha256[0]) *answering = before;
    if (cli_identity_differs(answering, &before, words))
        return cli_fail(CLI_USAGE,
                        "%s: line %d was answered by another model than there is now (now %s); name another file, or "
                        "write this one anew with --force",
                        path, l->n + 1, words);
    return CLI_OK;
}

static enum cli_exit take_line(struct cli_lines *l, const char *path, const char *line, size_t size,
                               const char *question, struct cli_identity *answering)
{
    json_t *root;
    enum wn_code read = wn_json_parse(line, size, &root, NULL);
    const char *file = json_string_value(json_object_get(root, "file"));
    const char *asked = json_string_value(json_object_get(root, "question"));
    enum cli_exit code = CLI_OK;
    if (read == WN_NO_MEMORY)
        code = cli_fail(CLI_FAILED, "no memory for line %d of %s", l->n + 1, path);
    else if (!file || !asked)
        code = cli_fail(CLI_USAGE, "%s: line %d is none of this command's; name another file", path, l->n + 1);
    else if (strcmp(asked, question) != 0)
        code =
            cli_fail(CLI_USAGE, "%s answers another question ('%s', and now '%s'); ask that one, or name another file",
                     path, asked, question);
    else
        code = answering ? check_network(l, path, root, answering) : CLI_OK;
    if (code == CLI_OK) code = remember(l, file);
    json_decref(root);
    return code;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What follows the last line break was being written when the job ended. */
static enum cli_exit read_lines(struct cli_lines *l, const char *path, const char *question,
                                struct cli_identity *answering)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    off_t whole = 0;
    enum cli_exit code = CLI_OK;
    FILE *f = fopen(path, "r");
    if (!f) return cli_fail(CLI_FAILED, "%s cannot be read: %s", path, strerror(errno));
    while (code == CLI_OK && (n = getline(&line, &room, f)) > 0 && line[n - 1] == '\n') {
        code = take_line(l, path, line, (size_t)n, question, answering);
        whole += n;
    }
    if (code == CLI_OK && !feof(f)) code = cli_fail(CLI_FAILED, "%s cannot be read to its end", path);
    free(line);
    fclose(f);
    if (code == CLI_OK && ftruncate(l->fd, whole) != 0)
        code = cli_fail(CLI_FAILED, "%s cannot be cut: %s", path, strerror(errno));
    if (l->n) qsort(l->names, (size_t)l->n, sizeof *l->names, by_text);
    return code;
}

enum cli_exit cli_lines_open(struct cli_lines *l, const char *path, bool resume, bool afresh, const char *question,
                             struct cli_identity *answering)
{
    *l = (struct cli_lines){.fd = -1};
    if (!path) return CLI_OK;
    int how = resume ? 0 : afresh ? O_TRUNC : O_EXCL;
    l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | how, 0666);
    if (l->fd < 0 && errno == EEXIST)
        return cli_fail(CLI_USAGE, "%s is there already: --resume goes on with it, --force writes it anew", path);
    if (l->fd < 0) return cli_fail(CLI_FAILED, "%s cannot be written: %s", path, strerror(errno));
    enum cli_exit code = CLI_OK;
    if (flock(l->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        code = cli_fail(CLI_FAILED, "another job is writing %s", path);
    else if (resume)
        code = read_lines(l, path, question, answering);
    if (code != CLI_OK) cli_lines_close(l);
    return code;
}

enum cli_exit cli_lines_each(const char *path, enum cli_exit (*take)(void *arg, const char *line, size_t size),
                             void *arg)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    enum cli_exit code = CLI_OK;
    FILE *f = fopen(path, "r");
    if (!f) return cli_fail(CLI_FAILED, "%s cannot be read: %s", path, strerror(errno));
    while (code == CLI_OK && (n = getline(&line, &room, f)) > 0) code = take(arg, line, (size_t)n);
    if (code == CLI_OK && !feof(f)) code = cli_fail(CLI_FAILED, "%s cannot be read to its end", path);
    free(line);
    fclose(f);
    return code;
}

bool cli_lines_has(const struct cli_lines *l, const char *name)
{
    return l->n && bsearch(&name, l->names, (size_t)l->n, sizeof *l->names, by_text);
}

enum cli_exit cli_lines_write(struct cli_lines *l, const struct wn_buffer *text)
{
    struct wn_buffer line = {0};
    size_t at = 0;
    enum cli_exit code = CLI_OK;
    if (wn_buffer_append(&line, text->data, text->size, NULL) != WN_OK ||
        wn_buffer_append(&line, "\n", 1, NULL) != WN_OK)
        code = cli_fail(CLI_FAILED, "no memory for a line");
    while (code == CLI_OK && at < line.size) {
        ssize_t n = write(l->fd < 0 ? STDOUT_FILENO : l->fd, line.data + at, line.size - at);
        if (n < 0 && errno != EINTR) code = cli_fail(CLI_FAILED, "the output cannot be written: %s", strerror(errno));
        if (n > 0) at += (size_t)n;
    }
    wn_buffer_finish(&line);
    return code;
}

enum cli_exit cli_lines_close(struct cli_lines *l)
{
    enum cli_exit code = CLI_OK;
    for (int i = 0; i < l->n; i++) free(l->names[i]);
    free(l->names);
    if (l->fd >= 0 && close(l->fd) != 0)
        code = cli_fail(CLI_FAILED, "the output cannot be written: %s", strerror(errno));
    *l = (struct cli_lines){.fd = -1};
    return code;
}
