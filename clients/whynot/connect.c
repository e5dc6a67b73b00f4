/* `whynot connect`: makes a daemon known to a tool that asks it. Knows Label Studio's REST interface; no network. */
#include "listing.h"
#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_BYTES 4000
#define MOST_LABELS 1000

struct connecting {
    const struct cli *c;
    const char *studio, *daemon; /* addresses */
    long project;
    char token[TOKEN_BYTES];
    struct cli_peer *peer; /* Label Studio */
};

/* ---- one call to Label Studio ---- */

/* status: of the answer. NULL where it is no JSON; nothing is said. */
static json_t *call(struct cli_peer *p, const char *method, const char *path, const json_t *body, int *status, struct wn_error *err)
{
    struct cli_reply r;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *root = NULL;
    *status = 0;
    if (cli_peer_call(p, method, path, text, text ? strlen(text) : 0, &r, err) == WN_OK) {
        *status = r.status;
        root = json_loadb((char *)r.body.data, r.body.size, 0, NULL);
    }
    wn_buffer_finish(&r.body);
    free(text);
    return root;
}

/* A personal access token is exchanged for one that lasts minutes; the older kind is sent as it is. */
static enum cli_exit exchange_token(struct connecting *s)
{
    struct wn_error err = {0};
    char value[TOKEN_BYTES + 8];
    int status = 0;
    bool personal = strchr(s->token, '.') != NULL;
    enum cli_exit code = cli_peer_open_other(s->studio, NULL, &s->peer);
    if (code != CLI_OK) return code;
    snprintf(value, sizeof value, "Token %s", s->token);
    if (personal) {
        json_t *body = json_pack("{ss}", "refresh", s->token), *root = call(s->peer, "POST", "/api/token/refresh/", body, &status, &err);
        const char *access = json_string_value(json_object_get(root, "access"));
        if (!status) code = cli_fail(CLI_UNREACHABLE, "%s", err.text);
        else if (!access) code = cli_fail(CLI_UNREACHABLE, "Label Studio does not take the token (status %d): make one under Account & Settings", status);
        else snprintf(value, sizeof value, "Bearer %s", access);
        json_decref(body);
        json_decref(root);
    }
    cli_peer_close(s->peer);
    s->peer = NULL;
    return code == CLI_OK ? cli_peer_open_other(s->studio, value, &s->peer) : code;
}

/* ---- what the project needs ---- */

static void put_xml(const char *text)
{
    for (; *text; text++) {
        const char *name = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '"' ? "&quot;" : NULL;
        if (name) fputs(name, stdout);
        else putchar(*text);
    }
}

static void print_config(const json_t *labels)
{
    size_t i;
    json_t *row;
    printf("<View>\n  <Image name=\"image\" value=\"$image\" zoom=\"true\"/>\n  <Choices name=\"label\" toName=\"image\" choice=\"single\">\n");
    json_array_foreach(labels, i, row) printf("    <Choice value=\""), put_xml(json_string_value(json_object_get(row, "label"))), printf("\"/>\n");
    printf("  </Choices>\n  <BrushLabels name=\"evidence\" toName=\"image\">\n    <Label value=\"speaks for the label\" background=\"#d6604d\"/>\n"
           "    <Label value=\"speaks for the prediction\" background=\"#4393c3\"/>\n  </BrushLabels>\n</View>\n");
}

/* The labels of the daemon's model, as a labeling configuration on standard output. */
static enum cli_exit print_labeling(const struct connecting *s)
{
    struct cli_peer *p;
    char name[65], uri[160];
    enum cli_exit code = cli_peer_open(s->c, cli_get(s->c, "model", NULL), &p);
    if (code == CLI_OK) code = cli_only_model(s->c, p, name);
    if (code == CLI_OK) {
        snprintf(uri, sizeof uri, "/v1/models/%s/labels?limit=%d", name, MOST_LABELS);
        json_t *root = cli_peer_get(p, uri, false, &code);
        if (root) print_config(json_object_get(root, "labels"));
        json_decref(root);
    }
    cli_peer_close(p);
    return code;
}

static enum cli_exit check_daemon(const struct connecting *s)
{
    struct cli_peer *p;
    enum cli_exit code = cli_peer_open(s->c, "", &p);
    json_t *root = code == CLI_OK ? cli_peer_get(p, "/readyz", false, &code) : NULL;
    json_decref(root);
    cli_peer_close(p);
    return code;
}

static enum cli_exit refused(int status, const char *what, const struct wn_error *err)
{
    if (!status) return cli_fail(CLI_UNREACHABLE, "%s", err->text);
    if (status == 401 || status == 403) return cli_fail(CLI_UNREACHABLE, "Label Studio does not take the token (status %d)", status);
    return cli_fail(CLI_FAILED, "%s (status %d)", what, status);
}

static enum cli_exit check_project(const struct connecting *s)
{
    char path[64], what[80];
    struct wn_error err = {0};
    int status;
    snprintf(path, sizeof path, "/api/projects/%ld/", s->project);
    snprintf(what, sizeof what, "Label Studio has no project %ld", s->project);
    json_t *root = call(s->peer, "GET", path, NULL, &status, &err);
    const char *config = json_string_value(json_object_get(root, "label_config"));
    enum cli_exit code = status == 200 && root ? CLI_OK : refused(status, what, &err);
    if (code == CLI_OK && (!config || !strstr(config, "<BrushLabels")))
        fprintf(stderr, "note: the project's labeling interface has no <BrushLabels>, which the evidence is drawn with; whynot connect label-studio "
                        "--print shows one to paste\n");
    json_decref(root);
    return code;
}

static bool is_there(const json_t *backends, const char *url)
{
    size_t i, n = strlen(url);
    json_t *row;
    json_array_foreach(backends, i, row)
    {
        const char *other = json_string_value(json_object_get(row, "url"));
        if (other && strncmp(other, url, n) == 0 && (!other[n] || strcmp(other + n, "/") == 0)) return true;
    }
    return false;
}

static enum cli_exit add_backend(const struct connecting *s)
{
    char path[64];
    struct wn_error err = {0};
    int status;
    snprintf(path, sizeof path, "/api/ml/?project=%ld", s->project);
    json_t *list = call(s->peer, "GET", path, NULL, &status, &err);
    enum cli_exit code = status == 200 && json_is_array(list) ? CLI_OK : refused(status, "Label Studio does not list its backends", &err);
    bool there = code == CLI_OK && is_there(list, s->daemon);
    json_decref(list);
    if (code != CLI_OK || there) {
        if (there) printf("project %ld asks %s already\n", s->project, s->daemon);
        return code;
    }
    json_t *body = json_pack("{sIsssssb}", "project", (json_int_t)s->project, "url", s->daemon, "title", cli_get(s->c, "title", "whynot"), "is_interactive", 0);
    json_t *made = call(s->peer, "POST", "/api/ml/", body, &status, &err);
    const char *why = json_string_value(json_object_get(made, "detail"));
    if (status == 200 || status == 201) printf("project %ld of %s now asks %s\n", s->project, s->studio, s->daemon);
    else code = refused(status, why ? why : "Label Studio cannot reach the daemon from where it runs: give the address that it sees with --server", &err);
    json_decref(body);
    json_decref(made);
    return code;
}

/* ---- the command ---- */

static void explain_by_hand(const struct connecting *s)
{
    printf("In Label Studio, under Settings > Model > Connect Model: name \"%s\", address %s\n(the address as Label Studio sees it), then Validate and Save.\n"
           "The labeling interface, under Settings > Labeling Interface > Code:\n\n", cli_get(s->c, "title", "whynot"), s->daemon);
}

static enum cli_exit read_token(struct connecting *s)
{
    struct wn_buffer file = {0};
    struct wn_error err = {0};
    const char *path = cli_get(s->c, "token-file", NULL);
    if (!path) return cli_fail(CLI_USAGE, "--token-file names the file that holds your token for Label Studio");
    if (cli_read_file(path, &file, &err) != WN_OK || !file.size) return cli_fail(CLI_USAGE, "the token file '%s' cannot be read, or is empty", path);
    snprintf(s->token, sizeof s->token, "%.*s", (int)file.size, (char *)file.data);
    s->token[strcspn(s->token, " \r\n")] = 0;
    wn_buffer_finish(&file);
    return CLI_OK;
}

static enum cli_exit run(const struct cli *c)
{
    struct connecting s = {.c = c, .studio = cli_get(c, "url", NULL)};
    if (c->n_operands != 1 || strcmp(c->operands[0], "label-studio") != 0)
        return cli_fail(CLI_USAGE, "name what to connect; label-studio is what there is");
    s.daemon = cli_get(c, "server", getenv("WHYNOT_SERVER"));
    if (!s.daemon || !*s.daemon) return cli_fail(CLI_USAGE, "--server names the daemon, by the address that Label Studio reaches it at");
    if (cli_has(c, "print") || !s.studio) {
        if (!cli_has(c, "print")) explain_by_hand(&s);
        return print_labeling(&s);
    }
    if (!cli_has(c, "project")) return cli_fail(CLI_USAGE, "--project gives the project's number, as in its address");
    enum cli_exit code = cli_count(c, "project", 1, 2147483647, &s.project) ? read_token(&s) : CLI_USAGE;
    if (code == CLI_OK) code = check_daemon(&s);
    if (code == CLI_OK) code = exchange_token(&s);
    if (code == CLI_OK) code = check_project(&s);
    if (code == CLI_OK) code = add_backend(&s);
    cli_peer_close(s.peer);
    memset(s.token, 0, sizeof s.token);
    return code;
}

static const struct cli_option options[] = {
    {"url", 'u', "URL", NULL, "Label Studio's address. Without it the steps are printed instead of taken.", NULL},
    {"project", 'P', "NUMBER", NULL, "The project that gets the daemon as a backend.", NULL},
    {"token-file", 0, "FILE", NULL, "File that holds your token for Label Studio, of either kind.", "file"},
    {"title", 0, "TEXT", "whynot", "What the project calls it.", NULL},
    {"print", 0, NULL, NULL, "Print a labeling interface with the model's classes, and nothing else.", NULL},
    {"server", 's', "URL", "WHYNOT_SERVER, else none", "The daemon, by an address that Label Studio reaches too.", NULL},
    {"key-file", 0, "FILE", "WHYNOT_KEY_FILE, else none", "File that holds the key for the daemon.", "file"},
    CLI_MODEL_OPTION,
    CLI_OPTIONS_END};

const struct cli_command cli_connect = {
    .name = "connect",
    .operands = "label-studio",
    .summary = "Make a Label Studio project ask this daemon.",
    .text = "Adds the daemon to the project as a machine learning backend, through Label Studio's own interface; a second call changes nothing. The "
            "token stays in its file and is never an argument.",
    .example = "  whynot connect label-studio --server http://127.0.0.1:8420 --url http://127.0.0.1:8080 --project 1 --token-file token",
    .options = options,
    .run = run,
};
