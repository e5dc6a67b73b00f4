/* `whynot connect`: makes a daemon known to a tool that asks it. Knows Label Studio's REST interface; no network. */
#include "listing.h"
#include "pictures.h"

#include <jsonload.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_BYTES 4000
#define MOST_LABELS 1000

struct connecting {
    const struct cli *c;
    const char *studio; /* address */
    char daemon[700];   /* address, of the daemon or of one of its models, without a slash behind it */
    long project;
    char token[TOKEN_BYTES], key[TOKEN_BYTES]; /* for Label Studio; for the daemon, "" where it needs none */
    struct cli_peer *peer;                     /* Label Studio */
};

/* ---- one call to Label Studio ---- */

/* status: of the answer. NULL where it is no JSON; nothing is said. */
static json_t *call(struct cli_peer *p, const char *method, const char *path, const json_t *body, int *status,
                    struct wn_error *err)
{
    struct cli_reply r = {0};
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *root = NULL;
    *status = 0;
    if (!text && strcmp(method, "GET") != 0) return wn_fail(err, WN_NO_MEMORY, "no memory for what is sent"), NULL;
    if (cli_peer_call(p, method, path, text, text ? strlen(text) : 0, &r, err) == WN_OK) {
        *status = r.status;
        if (wn_json_parse(r.body.data, r.body.size, &root, NULL) == WN_NO_MEMORY)
            *status = 0, wn_fail(err, WN_NO_MEMORY, "no memory to read the answer");
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
        json_t *body = json_pack("{ss}", "refresh", s->token),
               *root = call(s->peer, "POST", "/api/token/refresh/", body, &status, &err);
        const char *access = json_string_value(json_object_get(root, "access"));
        if (!status)
            code = cli_fail_error(&err);
        else if (!access)
            code =
                cli_fail(CLI_UNREACHABLE,
                         "Label Studio does not take the token (status %d): make one under Account & Settings", status);
        else
            snprintf(value, sizeof value, "Bearer %s", access);
        json_decref(body);
        json_decref(root);
    }
    cli_peer_close(s->peer);
    s->peer = NULL;
    if (code == CLI_OK) code = cli_peer_open_other(s->studio, value, &s->peer);
    explicit_bzero(value, sizeof value);
    return code;
}

/* ---- what the project needs ---- */

static void put_xml(const char *text)
{
    for (; *text; text++) {
        const char *name = *text == '&'   ? "&amp;"
                           : *text == '<' ? "&lt;"
                           : *text == '>' ? "&gt;"
                           : *text == '"' ? "&quot;"
                                          : NULL;
        if (name)
            fputs(name, stdout);
        else
            putchar(*text);
    }
}

static bool all_named(const json_t *labels)
{
    size_t i;
    json_t *row;
    json_array_foreach (labels, i, row)
        if (!json_is_string(json_object_get(row, "label"))) return false;
    return json_is_array(labels);
}

static void print_config(const json_t *labels, const char *tag)
{
    size_t i;
    json_t *row;
    printf("<View>\n  <Image name=\"image\" value=\"$image\" zoom=\"true\"/>\n  <Choices name=\"label\" "
           "toName=\"image\" choice=\"single\">\n");
    json_array_foreach (labels, i, row)
        printf("    <Choice value=\""), put_xml(json_string_value(json_object_get(row, "label"))), printf("\"/>\n");
    printf("  </Choices>\n  <%s name=\"evidence\" toName=\"image\">\n    <Label value=\"speaks for the label\" "
           "background=\"#d6604d\"/>\n"
           "    <Label value=\"speaks for the prediction\" background=\"#4393c3\"/>\n  </%s>\n</View>\n",
           tag, tag);
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
        if (root && !all_named(json_object_get(root, "labels")))
            code = cli_fail(CLI_UNREACHABLE, "the answer has no list of labels, as a whynot daemon would give");
        else if (root)
            print_config(json_object_get(root, "labels"), cli_has(s->c, "polygons") ? "PolygonLabels" : "BrushLabels");
        json_decref(root);
    }
    cli_peer_close(p);
    return code;
}

/* ---- the daemon as Label Studio will see it ---- */

static enum cli_exit open_daemon(const struct connecting *s, struct cli_peer **out)
{
    char value[TOKEN_BYTES + 8];
    snprintf(value, sizeof value, "Bearer %s", s->key);
    enum cli_exit code = cli_peer_open_other(s->daemon, s->key[0] ? value : NULL, out);
    explicit_bzero(value, sizeof value);
    return code;
}

static enum cli_exit check_health(const struct connecting *s, struct cli_peer *p)
{
    struct wn_error err = {0};
    int status;
    json_t *root = call(p, "GET", "/health", NULL, &status, &err);
    const char *state = json_string_value(json_object_get(root, "status")),
               *why = json_string_value(json_object_get(root, "detail"));
    bool up = status == 200 && state && strcmp(state, "UP") == 0;
    enum cli_exit code = CLI_OK;
    if (!status)
        code = cli_fail_error(&err);
    else if (!up)
        code = cli_fail(CLI_UNREACHABLE, "%s/health does not say that it is up (status %d)%s%s", s->daemon, status,
                        why ? ": " : "", why ? why : "");
    json_decref(root);
    return code;
}

/* What the daemon says of the project's configuration; NULL: of none. */
static enum cli_exit check_setup(const char *daemon, struct cli_peer *p, const char *config)
{
    struct wn_error err = {0};
    size_t i;
    int status;
    json_t *note, *body = json_pack("{ssss}", "project", "0", "schema", config ? config : ""),
                  *root = call(p, "POST", "/setup", body, &status, &err);
    const char *why = json_string_value(json_object_get(root, "detail"));
    enum cli_exit code = CLI_OK;
    if (!status)
        code = cli_fail_error(&err);
    else if (status != 200)
        code = cli_fail(status == 401 || status == 403 ? CLI_UNREACHABLE : CLI_FAILED, "the daemon: %s",
                        why ? why : "no answer that can be read");
    else if (!json_is_object(root))
        code = cli_fail(CLI_UNREACHABLE, "%s/setup does not answer as a whynot daemon does", daemon);
    json_array_foreach (json_object_get(root, "notes"), i, note)
        if (config && json_is_string(note)) fprintf(stderr, "note: %s\n", json_string_value(note));
    json_decref(root);
    json_decref(body);
    return code;
}

static enum cli_exit check_daemon(const struct connecting *s, const char *config)
{
    struct cli_peer *p = NULL;
    enum cli_exit code = open_daemon(s, &p);
    if (code == CLI_OK) code = check_health(s, p);
    if (code == CLI_OK) code = check_setup(s->daemon, p, config);
    cli_peer_close(p);
    return code;
}

/* ---- the project ---- */

/* why: Label Studio's own words, or NULL. */
static enum cli_exit refused(int status, const char *what, const char *why, const struct wn_error *err)
{
    if (!status) return cli_fail_error(err);
    if (why && strstr(why, "reserved network address"))
        return cli_fail(CLI_FAILED,
                        "Label Studio says: %s. It asks no address of its own machine or network unless it is started "
                        "with ML_BLOCK_LOCAL_IP=false and "
                        "SSRF_PROTECTION_ENABLED=false in its environment",
                        why);
    if (status == 401 || status == 403)
        return cli_fail(CLI_UNREACHABLE, "Label Studio does not take the token (status %d)%s%s", status,
                        why ? ": " : "", why ? why : "");
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
    const char *why = json_string_value(json_object_get(root, "detail"));
    enum cli_exit code =
        status == 200 && root ? check_daemon(s, config ? config : "") : refused(status, what, why, &err);
    json_decref(root);
    return code;
}

static bool is_there(const json_t *backends, const char *url)
{
    size_t i, n = strlen(url);
    json_t *row;
    json_array_foreach (backends, i, row) {
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
    enum cli_exit code = status == 200 && json_is_array(list)
                             ? CLI_OK
                             : refused(status, "Label Studio does not list its backends", NULL, &err);
    bool there = code == CLI_OK && is_there(list, s->daemon);
    json_decref(list);
    if (code != CLI_OK || there) {
        if (there) printf("project %ld asks %s already\n", s->project, s->daemon);
        return code;
    }
    json_t *body = json_pack("{sIsssssb}", "project", (json_int_t)s->project, "url", s->daemon, "title",
                             cli_get(s->c, "title", "whynot"), "is_interactive", 0);
    if (body && s->key[0]) /* the only way in which it can send a key */
        json_object_update_new(body, json_pack("{ssssss}", "auth_method", "BASIC_AUTH", "basic_auth_user", "whynot",
                                               "basic_auth_pass", s->key));
    json_t *made = call(s->peer, "POST", "/api/ml/", body, &status, &err);
    const char *why = json_string_value(json_object_get(made, "detail"));
    if (status == 200 || status == 201)
        printf("project %ld of %s now asks %s\n", s->project, s->studio, s->daemon);
    else
        code = refused(status,
                       why ? why
                           : "Label Studio cannot reach the daemon from where it runs: give the address that it sees "
                             "with --server",
                       why, &err);
    json_decref(body);
    json_decref(made);
    return code;
}

/* ---- the command ---- */

static enum cli_exit explain_by_hand(const struct connecting *s)
{
    enum cli_exit code = check_daemon(s, NULL);
    if (code != CLI_OK) return code;
    printf("%s answers as a machine learning backend. In Label Studio:\n\n"
           "1. Settings > Labeling Interface > Code: paste what stands below.\n"
           "2. Settings > Model > Connect Model: name \"%s\", address %s\n   (the address as Label Studio sees it; one "
           "of its own machine or network it asks only if it was started with\n"
           "   ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false in its environment)%s.\n"
           "3. Import pictures as data URIs, or start whynotd with --labeling-folder and Label Studio's folder of "
           "media: nothing is fetched from addresses.\n"
           "4. In the Data Manager, select tasks (at most as many as whynotd's --max-instances, 64 unless set), "
           "Actions > Retrieve Predictions. After labeling,\n"
           "   delete the predictions and retrieve them again: where your label differs, regions show what speaks for "
           "it rather than for the prediction, and the\n"
           "   other way round.\n\n",
           s->daemon, cli_get(s->c, "title", "whynot"), s->daemon,
           s->key[0] ? ", with basic authentication: any user, the daemon's key as the password" : "");
    return CLI_OK;
}

/* The first line of a file. */
static enum cli_exit read_secret(const char *path, const char *what, char out[TOKEN_BYTES])
{
    struct wn_buffer file = {0};
    struct wn_error err = {0};
    if (cli_read_file(path, &file, &err) != WN_OK || !file.size)
        return cli_fail(CLI_USAGE, "the %s file '%s' cannot be read, or is empty", what, path);
    snprintf(out, TOKEN_BYTES, "%.*s", (int)(file.size < TOKEN_BYTES ? file.size : TOKEN_BYTES), (char *)file.data);
    out[strcspn(out, " \r\n")] = 0;
    explicit_bzero(file.data, file.size);
    wn_buffer_finish(&file);
    return CLI_OK;
}

/* The daemon's address, or with --model that of its model. */
static enum cli_exit read_daemon(struct connecting *s)
{
    const char *server = cli_get(s->c, "server", getenv("WHYNOT_SERVER")), *model = cli_get(s->c, "model", NULL),
               *key = cli_get(s->c, "key-file", getenv("WHYNOT_KEY_FILE"));
    if (!server || !*server)
        return cli_fail(CLI_USAGE, "--server names the daemon, by the address that Label Studio reaches it at");
    int scheme = strstr(server, "://") != NULL, n = (int)strlen(server);
    while (n && server[n - 1] == '/') n--;
    if (n > 500) return cli_fail(CLI_USAGE, "the address '%.60s...' is too long", server);
    snprintf(s->daemon, sizeof s->daemon, "%s%.*s%s%.64s%s", scheme ? "" : "http://", n, server,
             model ? "/v1/models/" : "", model ? model : "", model ? "/label-studio" : "");
    return key && *key ? read_secret(key, "key", s->key) : CLI_OK;
}

static enum cli_exit take_steps(struct connecting *s)
{
    const char *token = cli_get(s->c, "token-file", NULL);
    if (!cli_has(s->c, "project"))
        return cli_fail(CLI_USAGE, "--project gives the project's number, as in its address");
    if (!token) return cli_fail(CLI_USAGE, "--token-file names the file that holds your token for Label Studio");
    enum cli_exit code =
        cli_count(s->c, "project", 1, 2147483647, &s->project) ? read_secret(token, "token", s->token) : CLI_USAGE;
    if (code == CLI_OK) code = check_daemon(s, NULL);
    if (code == CLI_OK) code = exchange_token(s);
    if (code == CLI_OK) code = check_project(s);
    if (code == CLI_OK) code = add_backend(s);
    cli_peer_close(s->peer);
    return code;
}

static enum cli_exit run(const struct cli *c)
{
    struct connecting s = {.c = c, .studio = cli_get(c, "url", NULL)};
    if (c->n_operands != 1 || strcmp(c->operands[0], "label-studio") != 0)
        return cli_fail(CLI_USAGE, "name what to connect; label-studio is what there is");
    enum cli_exit code = read_daemon(&s);
    bool print = cli_has(c, "print");
    if (code == CLI_OK && !print && s.studio) code = take_steps(&s);
    if (code == CLI_OK && !print && !s.studio) code = explain_by_hand(&s);
    if (code == CLI_OK && (print || !s.studio)) code = print_labeling(&s);
    explicit_bzero(s.token, sizeof s.token);
    explicit_bzero(s.key, sizeof s.key);
    return code;
}

static const struct cli_option options[] = {
    {"url", 'u', "URL", NULL, "Label Studio's address. Without it the steps are printed instead of taken.", NULL},
    {"project", 'P', "NUMBER", NULL, "The project that gets the daemon as a backend.", NULL},
    {"token-file", 0, "FILE", NULL, "File that holds your token for Label Studio, of either kind.", "file"},
    {"title", 0, "TEXT", "whynot", "What the project calls it.", NULL},
    {"print", 0, NULL, NULL, "Print a labeling interface with the model's classes, and nothing else.", NULL},
    {"polygons", 0, NULL, NULL, "In that interface, evidence is drawn as polygons instead of brush strokes.", NULL},
    {"server", 's', "URL", "WHYNOT_SERVER, else none", "The daemon, by an address that Label Studio reaches too.",
     NULL},
    {"key-file", 0, "FILE", "WHYNOT_KEY_FILE, else none",
     "File that holds the key for the daemon; Label Studio gets it too, as the password of basic authentication.",
     "file"},
    CLI_MODEL_OPTION,
    CLI_OPTIONS_END};

const struct cli_command cli_connect = {
    .name = "connect",
    .operands = "label-studio",
    .summary = "Make a Label Studio project ask this daemon.",
    .text = "Adds the daemon to the project as a machine learning backend, through Label Studio's own interface; a "
            "second call changes nothing. First the daemon is "
            "asked whether it answers, and what in the project's labeling interface does not fit its model. With "
            "--model the project gets the address of that model, "
            "else that of the daemon, where its option labeling_model names the model. Tokens and keys stay in their "
            "files and are never arguments.\n\nAnnotators then see "
            "the model's class, and regions that speak for their label rather than the model's where the two differ, "
            "and the other way round.",
    .example = "  whynot connect label-studio --server http://127.0.0.1:8420 --url http://127.0.0.1:8080 --project 1 "
               "--token-file token",
    .options = options,
    .run = run,
};
