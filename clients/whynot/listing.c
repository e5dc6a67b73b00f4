/* JSON lists to tables; knows no command. */
#include "listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL 400
#define MOST_COLUMNS 8

static void cell(const json_t *value, char out[CELL])
{
    out[0] = 0;
    if (json_is_string(value)) snprintf(out, CELL, "%s", json_string_value(value));
    if (json_is_integer(value)) snprintf(out, CELL, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value)) snprintf(out, CELL, "%.4g", json_real_value(value));
    if (json_is_boolean(value)) snprintf(out, CELL, "%s", json_is_true(value) ? "yes" : "no");
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t n = strlen(out);
        snprintf(out + n, CELL - n, "%s%lld", i ? "x" : "", (long long)json_integer_value(json_array_get(value, i)));
    }
}

/* object NULL: the titles. */
static void text_of(const json_t *object, const struct cli_column *column, char out[CELL])
{
    if (object)
        cell(json_object_get(object, column->key), out);
    else
        snprintf(out, CELL, "%s", column->title);
}

static void print_row(const json_t *object, const struct cli_column *columns, const int *width)
{
    char text[CELL];
    for (int k = 0; columns[k].key; k++) {
        text_of(object, &columns[k], text);
        if (columns[k + 1].key)
            printf("%-*s  ", width[k], text);
        else
            printf("%s\n", text);
    }
}

/* What no row has, such as the reason of a failure, takes no column. */
static bool is_shown(const json_t *list, const struct cli_column *column)
{
    bool shown = !json_array_size(list);
    for (size_t i = 0; i < json_array_size(list) && !shown; i++)
        shown = json_object_get(json_array_get(list, i), column->key) != NULL;
    return shown;
}

static void print_table(const json_t *list, const struct cli_column *all)
{
    struct cli_column columns[MOST_COLUMNS + 1] = {{0}};
    for (int n = 0; n < MOST_COLUMNS && all->key; all++)
        if (is_shown(list, all)) columns[n++] = *all;
    int width[MOST_COLUMNS] = {0};
    char text[CELL];
    for (int k = 0; k < MOST_COLUMNS && columns[k].key; k++) {
        width[k] = (int)strlen(columns[k].title);
        for (size_t i = 0; i < json_array_size(list); i++) {
            text_of(json_array_get(list, i), &columns[k], text);
            if ((int)strlen(text) > width[k]) width[k] = (int)strlen(text);
        }
    }
    print_row(NULL, columns, width);
    for (size_t i = 0; i < json_array_size(list); i++) print_row(json_array_get(list, i), columns, width);
}

static const char *name_at(const json_t *models, size_t i)
{
    const char *name = json_string_value(json_object_get(json_array_get(models, i), "name"));
    return name ? name : "";
}

/* A model is listed once for each of its versions, which go by one name. */
static bool is_first_of_its_name(const json_t *models, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(name_at(models, k), name_at(models, i)) == 0) return false;
    return name_at(models, i)[0];
}

enum cli_exit cli_only_model(const struct cli *c, struct cli_peer *p, char name[65])
{
    enum cli_exit code;
    size_t names = 0;
    const char *wanted = cli_get(c, "model", NULL);
    if (wanted && cli_peer_is_remote(p)) return snprintf(name, 65, "%s", wanted), CLI_OK;
    json_t *root = cli_peer_get(p, "/v1/models", false, &code);
    const json_t *list = json_object_get(root, "models");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!is_first_of_its_name(list, i)) continue;
        if (names++ == 0) snprintf(name, 65, "%s", name_at(list, i));
    }
    if (code == CLI_OK && names != 1) {
        code = cli_fail(CLI_USAGE, "there are %zu models; name one with --model:", names);
        for (size_t i = 0; i < json_array_size(list); i++)
            if (is_first_of_its_name(list, i)) fprintf(stderr, "  %s\n", name_at(list, i));
    }
    json_decref(root);
    return code;
}

enum cli_exit cli_list(const struct cli *c, const char *uri, const char *key, const struct cli_column *columns)
{
    struct cli_peer *p;
    struct wn_buffer address = {0};
    struct wn_error err = {0};
    char name[65] = "";
    bool json = cli_has(c, "json"), of_model = strstr(uri, "%s") != NULL;
    if (c->n_operands > 1) return cli_fail(CLI_USAGE, "'%s' is one word too many", c->operands[1]);
    enum cli_exit code = cli_peer_open(c,
                                       of_model                     ? cli_get(c, "model", NULL)
                                       : strcmp(key, "models") == 0 ? NULL
                                                                    : "",
                                       &p);
    if (code == CLI_OK && of_model) code = cli_only_model(c, p, name);
    if (code != CLI_OK) goto close;
    const char *mark = strstr(uri, "%s");
    wn_buffer_append(&address, uri, mark ? (size_t)(mark - uri) : strlen(uri), &err);
    if (mark) cli_escape(&address, name, &err);
    if (mark) wn_buffer_printf(&address, &err, "%s", mark + 2);
    if (c->n_operands && strcmp(key, "labels") == 0) {
        wn_buffer_printf(&address, &err, "&q=");
        cli_escape(&address, c->operands[0], &err);
    }
    wn_buffer_append(&address, "", 1, &err);
    if (err.code != WN_OK) code = cli_fail_error(&err);
    json_t *root = code == CLI_OK ? cli_peer_get(p, (char *)address.data, json, &code) : NULL;
    const json_t *list = json_object_get(root, key);
    if (root && !json_is_array(list))
        code = cli_fail(CLI_UNREACHABLE, "the answer has no list of %s, as a whynot daemon would give", key);
    else if (root && !json)
        print_table(list, columns);
    json_decref(root);
    wn_buffer_finish(&address);
close:
    cli_peer_close(p);
    return code;
}
