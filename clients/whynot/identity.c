/* Names of networks compared; asks a daemon once and no network at all. */
#include "identity.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 12 /* digits of a hash, as the daemon's log shows them */

static bool read_three(const json_t *version, const json_t *sha256, const json_t *preprocess_hash,
                       struct cli_identity *out)
{
    *out = (struct cli_identity){.version = ""};
    if (!json_is_string(version) || !json_is_string(sha256) || !json_is_string(preprocess_hash)) return false;
    snprintf(out->version, sizeof out->version, "%.64s", json_string_value(version));
    snprintf(out->sha256, sizeof out->sha256, "%.64s", json_string_value(sha256));
    snprintf(out->preprocess_hash, sizeof out->preprocess_hash, "%.64s", json_string_value(preprocess_hash));
    return out->sha256[0] != 0;
}

bool cli_identity_of_answer(const json_t *answer, struct cli_identity *out)
{
    const json_t *model = json_object_get(answer, "model");
    return read_three(json_object_get(model, "version"), json_object_get(model, "sha256"),
                      json_object_get(json_object_get(answer, "provenance"), "preprocess_hash"), out);
}

bool cli_identity_of_line(const json_t *line, struct cli_identity *out)
{
    const json_t *model = json_object_get(line, "model");
    return read_three(json_object_get(model, "version"), json_object_get(model, "sha256"),
                      json_object_get(model, "preprocess_hash"), out);
}

enum cli_exit cli_identity_ask(struct cli_peer *p, const char *model, const char *version, struct cli_identity *out)
{
    struct wn_buffer uri = {0};
    struct wn_error err = {0};
    enum cli_exit code;
    *out = (struct cli_identity){.version = ""};
    wn_buffer_printf(&uri, &err, "/v1/models/");
    cli_escape(&uri, model, &err);
    if (version) wn_buffer_printf(&uri, &err, "/versions/");
    if (version) cli_escape(&uri, version, &err);
    wn_buffer_append(&uri, "", 1, &err);
    json_t *root = err.code == WN_OK ? cli_peer_get(p, (char *)uri.data, false, &code) : NULL;
    if (err.code != WN_OK) code = cli_fail_error(&err);
    const json_t *hash = json_object_get(json_object_get(root, "input"), "preprocess_hash");
    bool known = read_three(json_object_get(root, "version"), json_object_get(root, "sha256"), hash, out);
    /* one that is still being read is said with its first answer */
    if (code == CLI_OK && !known &&
        (!json_is_boolean(json_object_get(root, "ready")) || json_is_true(json_object_get(root, "ready"))))
        code =
            cli_fail(CLI_UNREACHABLE, "the answer does not say which network '%s' is, as a whynot daemon would", model);
    json_decref(root);
    wn_buffer_finish(&uri);
    return code;
}

void cli_identity_write(const struct cli_identity *id, const char *model, struct wn_text *line)
{
    if (!id->sha256[0]) return;
    wn_json_key(line, "model");
    wn_json_open(line, '{');
    wn_json_pair(line, "name", model);
    wn_json_pair(line, "version", id->version);
    wn_json_pair(line, "sha256", id->sha256);
    wn_json_pair(line, "preprocess_hash", id->preprocess_hash);
    wn_json_close(line, '}');
}

bool cli_identity_differs(const struct cli_identity *now, const struct cli_identity *before,
                          char words[CLI_DIFFERENCE_TEXT])
{
    const struct {
        const char *what, *now, *before;
        int shown;
    } rows[] = {{"version", now->version, before->version, 64},
                {"network", now->sha256, before->sha256, SHOWN},
                {"preprocessing", now->preprocess_hash, before->preprocess_hash, SHOWN}};
    size_t used = 0;
    words[0] = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && used < CLI_DIFFERENCE_TEXT; i++)
        if (strcmp(rows[i].now, rows[i].before) != 0)
            used += (size_t)snprintf(words + used, CLI_DIFFERENCE_TEXT - used, "%s%s %.*s, not %.*s", used ? "; " : "",
                                     rows[i].what, rows[i].shown, rows[i].now, rows[i].shown, rows[i].before);
    return used > 0;
}

bool cli_one_network_check(struct cli_one_network *n, const json_t *answer)
{
    struct cli_identity now;
    char words[CLI_DIFFERENCE_TEXT];
    bool same = true;
    if (!cli_identity_of_answer(answer, &now)) return true;
    pthread_mutex_lock(&n->lock);
    if (!n->first.sha256[0])
        n->first = now;
    else if (cli_identity_differs(&now, &n->first, words)) {
        same = false;
        memcpy(n->change, words, sizeof words);
    }
    pthread_mutex_unlock(&n->lock);
    return same;
}

struct cli_identity cli_one_network_first(struct cli_one_network *n)
{
    pthread_mutex_lock(&n->lock);
    struct cli_identity first = n->first;
    pthread_mutex_unlock(&n->lock);
    return first;
}

enum cli_exit cli_one_network_end(const struct cli_one_network *n, enum cli_exit code, const char *model, int done,
                                  int of, const char *file)
{
    if (!n->change[0]) return code;
    return cli_fail(CLI_FAILED,
                    "the model '%s' was replaced while the job ran (%s): %d of %d pictures have the former one's "
                    "answer, and the job ends there; %s%s%s",
                    model, n->change, done, of, file ? "--force writes " : "run it again for answers of one network",
                    file ? file : "", file ? " anew with the model that is there now" : "");
}
