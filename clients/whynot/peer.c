/* Questions to a daemon (libcurl) or to the library in this process; knows no command. */
#include "peer.h"

#include <curl/curl.h>
#include <inprocess.h>
#include <jsonload.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEY_BYTES 4096
#define REPLY_BYTES ((size_t)1 << 30)
#define MOST_HANDLES 64
#define MOST_FLAGS 64
/* longest that a daemon may work on one request, and some more; it says so itself where it takes longer */
#define WORK_S 3700L

struct cli_peer {
    struct wn_server *local; /* NULL: remote */
    char url[512], key[KEY_BYTES + 32];
    bool direct; /* of this machine: a proxy's 127.0.0.1 is another */
    const char *body_type;
    long patience_s, silence_s; /* silence: of a server that took the connection and only had to look something up */
    atomic_bool reached;        /* something answered: from now on silence is worth waiting for */
    pthread_mutex_t lock;
    CURL *idle[MOST_HANDLES]; /* connections that are kept */
    int n_idle;
};

/* ---- opening ---- */

/* The key is the file's first line. */
static enum cli_exit read_key(struct cli_peer *p, const char *path)
{
    char line[KEY_BYTES] = "";
    FILE *f = fopen(path, "r");
    if (!f) return cli_fail(CLI_USAGE, "the key file '%s' cannot be read", path);
    bool read = fgets(line, sizeof line, f) != NULL, failed = ferror(f) != 0;
    fclose(f);
    enum cli_exit code = CLI_OK;
    line[strcspn(line, "\r\n")] = 0;
    if (failed)
        code = cli_fail(CLI_USAGE, "the key file '%s' cannot be read", path);
    else if (!read || !line[0])
        code = cli_fail(CLI_USAGE, "the key file '%s' is empty", path);
    else
        snprintf(p->key, sizeof p->key, "Authorization: Bearer %s", line);
    explicit_bzero(line, sizeof line);
    return code;
}

static bool is_this_machine(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
}

/* Paths are put behind it, so it has to end where they begin. */
static enum cli_exit look_at_url(struct cli_peer *p)
{
    char *host = NULL, *more = NULL;
    CURLU *parts = curl_url();
    CURLUcode why = parts ? curl_url_set(parts, CURLUPART_URL, p->url, 0) : CURLUE_OUT_OF_MEMORY;
    if (why == CURLUE_OK) why = curl_url_get(parts, CURLUPART_HOST, &host, 0);
    bool ends = why == CURLUE_OK && curl_url_get(parts, CURLUPART_QUERY, &more, 0) != CURLUE_OK &&
                curl_url_get(parts, CURLUPART_FRAGMENT, &more, 0) != CURLUE_OK;
    p->direct = host && is_this_machine(host);
    curl_free(host);
    curl_free(more);
    curl_url_cleanup(parts);
    if (why == CURLUE_OUT_OF_MEMORY) return cli_fail(CLI_FAILED, "no memory");
    if (ends) return CLI_OK;
    return cli_fail(CLI_USAGE, "'%.200s' is no address, which is like http://127.0.0.1:8420: %s", p->url,
                    why == CURLUE_OK ? "it ends before any ? or #" : curl_url_strerror(why));
}

static enum cli_exit set_url(struct cli_peer *p, const char *url)
{
    size_t n = strlen(url);
    bool scheme = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
    if (!scheme && strstr(url, "://"))
        return cli_fail(CLI_USAGE, "'%.60s' is no address of a daemon: http:// and https:// are spoken here", url);
    if (n >= sizeof p->url - 8) return cli_fail(CLI_USAGE, "the address '%.60s...' is too long", url);
    snprintf(p->url, sizeof p->url, "%s%s", scheme ? "" : "http://", url);
    while ((n = strlen(p->url)) && p->url[n - 1] == '/') p->url[n - 1] = 0;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return look_at_url(p);
}

static enum cli_exit open_remote(struct cli_peer *p, const struct cli *c, const char *url)
{
    const char *key = cli_get(c, "key-file", getenv("WHYNOT_KEY_FILE"));
    enum cli_exit code = set_url(p, url);
    if (code != CLI_OK) return code;
    if (cli_has(c, "set"))
        return cli_fail(CLI_USAGE, "--set is about this command's own engine; the daemon has its own options");
    return key && *key ? read_key(p, key) : CLI_OK;
}

static enum cli_exit open_local(struct cli_peer *p, const struct cli *c, const char *model)
{
    char *flags[2 * MOST_FLAGS + 2] = {"whynotd"}, *texts[MOST_FLAGS];
    int n = 1, n_texts = 0;
    struct wn_config config;
    enum wn_config_wish wish;
    struct wn_error err = {0};
    enum cli_exit code = CLI_OK;
    const char *models = cli_get(c, "models", NULL);
    if (models) flags[n++] = "--models", flags[n++] = (char *)models;
    for (int i = 0; i < c->n_given && n_texts < MOST_FLAGS - 2; i++) {
        if (strcmp(c->given[i].name, "set") != 0) continue;
        size_t size = strlen(c->given[i].value) + 3;
        if (!strchr(c->given[i].value, '=')) code = cli_fail(CLI_USAGE, "--set takes NAME=VALUE");
        texts[n_texts] = malloc(size);
        if (!texts[n_texts]) break;
        snprintf(texts[n_texts], size, "--%s", c->given[i].value);
        flags[n++] = texts[n_texts++];
    }
    if (code == CLI_OK && wn_config_load(n, flags, &config, &wish, &err) != WN_OK) code = cli_fail_error(&err);
    if (code == CLI_OK && wn_inprocess_open(&config, model, &p->local, &err) != WN_OK) code = cli_fail_error(&err);
    while (n_texts) free(texts[--n_texts]);
    return code;
}

/* A path names a model here; a daemon's model has a name only. */
static enum cli_exit check_name(const char *model)
{
    int end = model ? (int)strlen(model) : 0;
    while (end && model[end - 1] == '/') end--;
    int begin = end;
    while (begin && model[begin - 1] != '/') begin--;
    if (!model || !strchr(model, '/')) return CLI_OK;
    return cli_fail(CLI_USAGE, "'%.200s' is a folder: a model of a daemon is given by its name, such as --model %.*s",
                    model, end - begin, model + begin);
}

enum cli_exit cli_peer_open(const struct cli *c, const char *model, struct cli_peer **out)
{
    struct cli_peer *p = calloc(1, sizeof *p);
    const char *url = cli_get(c, "server", getenv("WHYNOT_SERVER"));
    *out = NULL;
    if (!p) return cli_fail(CLI_FAILED, "no memory");
    p->patience_s = 30;
    p->body_type = "Content-Type: application/octet-stream";
    pthread_mutex_init(&p->lock, NULL);
    enum cli_exit code = cli_count(c, "patience", 0, 86400, &p->patience_s) ? CLI_OK : CLI_USAGE;
    p->silence_s = p->patience_s + 2;
    bool remote = url && *url && strcmp(url, "none") != 0;
    if (code == CLI_OK && remote) code = check_name(model);
    if (code == CLI_OK) code = remote ? open_remote(p, c, url) : open_local(p, c, model);
    if (code != CLI_OK) {
        cli_peer_close(p);
        return code;
    }
    *out = p;
    return CLI_OK;
}

enum cli_exit cli_peer_open_other(const char *url, const char *authorization, struct cli_peer **out)
{
    struct cli_peer *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return cli_fail(CLI_FAILED, "no memory");
    pthread_mutex_init(&p->lock, NULL);
    p->silence_s = 60; /* Label Studio asks the daemon before it answers */
    p->body_type = "Content-Type: application/json";
    enum cli_exit code = set_url(p, url);
    if (authorization && snprintf(p->key, sizeof p->key, "Authorization: %s", authorization) >= (int)sizeof p->key)
        code = cli_fail(CLI_USAGE, "the token is too long");
    if (code != CLI_OK)
        cli_peer_close(p);
    else
        *out = p;
    return code;
}

void cli_peer_close(struct cli_peer *p)
{
    if (!p) return;
    while (p->n_idle) curl_easy_cleanup(p->idle[--p->n_idle]);
    wn_inprocess_close(p->local);
    pthread_mutex_destroy(&p->lock);
    explicit_bzero(p->key, sizeof p->key);
    free(p);
}

bool cli_peer_is_remote(const struct cli_peer *p)
{
    return !p->local;
}

struct wn_server *cli_peer_local(const struct cli_peer *p)
{
    return p->local;
}

enum cli_exit cli_peer_warm(struct cli_peer *p)
{
    struct wn_error err = {0};
    if (!p->local || wn_inprocess_warm(p->local, &err) == WN_OK) return CLI_OK;
    cli_fail_error(&err);
    return CLI_NO_MODEL;
}

/* ---- HTTP ---- */

static CURL *take_handle(struct cli_peer *p)
{
    pthread_mutex_lock(&p->lock);
    CURL *handle = p->n_idle ? p->idle[--p->n_idle] : NULL;
    pthread_mutex_unlock(&p->lock);
    return handle ? handle : curl_easy_init();
}

static void give_handle(struct cli_peer *p, CURL *handle)
{
    pthread_mutex_lock(&p->lock);
    bool kept = p->n_idle < MOST_HANDLES;
    if (kept) p->idle[p->n_idle++] = handle;
    pthread_mutex_unlock(&p->lock);
    if (!kept) curl_easy_cleanup(handle);
}

/* Where an answer goes, and why no more of it was taken: libcurl only hears that it was not. */
struct taking {
    struct wn_buffer *body;
    enum wn_code code;
};

static size_t take(char *data, size_t one, size_t n, void *to)
{
    struct taking *t = to;
    bool fits = t->body->size + one * n <= REPLY_BYTES;
    t->code = fits ? wn_buffer_append(t->body, data, one * n, NULL) : WN_TOO_LARGE;
    return t->code == WN_OK ? n : 0;
}

static void set_up(CURL *h, const struct cli_peer *p, const char *method, const char *url, const void *body,
                   size_t size, const struct curl_slist *headers, struct taking *to)
{
    bool post = strcmp(method, "POST") == 0;
    curl_easy_reset(h);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    if (p->direct) curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L); /* the machine may be gone while it works on an answer */
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, post ? WORK_S : p->silence_s);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "whynot");
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, to);
    curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)REPLY_BYTES);
    if (post) {
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, body ? body : "");
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    }
}

/* Where libcurl 7.88 gets no memory for the query it asks without it, which is another question: so what goes out is
 * looked at. (Newer ones drop a '?' with nothing behind it: no caller writes that.) */
static int look_at_head(CURL *h, curl_infotype what, char *data, size_t n, void *has_query)
{
    (void)h;
    if (what != CURLINFO_HEADER_OUT) return 0;
    const char *end = memchr(data, '\r', n);
    if (memchr(data, '?', end ? (size_t)(end - data) : n)) *(bool *)has_query = true;
    return 0;
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer) *list = longer;
    return longer != NULL;
}

/* The variable that libcurl takes a proxy from, or NULL. */
static const char *proxy_variable(const struct cli_peer *p)
{
    bool tls = strncmp(p->url, "https", 5) == 0;
    const char *names[] = {tls ? "https_proxy" : "http_proxy", tls ? "HTTPS_PROXY" : "http_proxy", "all_proxy",
                           "ALL_PROXY"};
    for (int i = 0; i < 4 && !p->direct; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return names[i];
    }
    return NULL;
}

/* result: not CURLE_OK. Only what asking again may mend is WN_NOT_READY or, once it has been reached, WN_WRONG_HOST:
 * it may have been cut short. */
static enum wn_code fail_http(const struct cli_peer *p, CURLcode result, enum wn_code taken, struct wn_error *err)
{
    if (taken == WN_TOO_LARGE || result == CURLE_FILESIZE_EXCEEDED)
        return wn_fail(err, WN_TOO_LARGE, "the answer of %s is larger than %zu MiB, which is more than is read here",
                       p->url, REPLY_BYTES >> 20);
    if (taken != WN_OK) return wn_fail(err, taken, "no memory for the answer of %s", p->url);
    if (result == CURLE_OUT_OF_MEMORY) return wn_fail(err, WN_NO_MEMORY, "no memory to ask %s", p->url);
    /* bytes came, and were no head of HTTP (which libcurl takes for HTTP/0.9), or none of TLS */
    if (result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_WEIRD_SERVER_REPLY || result == CURLE_SSL_CONNECT_ERROR)
        return wn_fail(err, WN_WRONG_HOST, "%s answers, but not as a server of %.*s does: %s", p->url,
                       (int)strcspn(p->url, ":"), p->url, curl_easy_strerror(result));
    const char *proxy = proxy_variable(p);
    return wn_fail(err, WN_NOT_READY, "%s cannot be reached: %s%s%s%s", p->url, curl_easy_strerror(result),
                   proxy ? " (" : "", proxy ? proxy : "",
                   proxy ? " names a proxy to go through; no_proxy names hosts that are asked without)" : "");
}

/* One try. *wait_s: what Retry-After asks for, or 0. */
static enum wn_code try_http(struct cli_peer *p, const char *method, const char *uri, const void *body, size_t size,
                             struct cli_reply *out, long *wait_s, struct wn_error *err)
{
    struct wn_buffer url = {0};
    struct curl_slist *headers = NULL;
    struct taking to = {&out->body, WN_OK};
    CURL *h = take_handle(p);
    enum wn_code code = wn_buffer_printf(&url, err, "%s%s", p->url, uri);
    if (code == WN_OK && !h) code = wn_fail(err, WN_NO_MEMORY, "no memory for a request");
    bool all = add_header(&headers, "Expect:") && (!p->key[0] || add_header(&headers, p->key)) &&
               (!body || add_header(&headers, p->body_type));
    /* or it would go without its key */
    if (code == WN_OK && !all) code = wn_fail(err, WN_NO_MEMORY, "no memory for a request");
    if (code != WN_OK) goto finish;
    set_up(h, p, method, (char *)url.data, body, size, headers, &to);
    bool has_query = false;
    curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, look_at_head);
    curl_easy_setopt(h, CURLOPT_DEBUGDATA, &has_query);
    CURLcode result = curl_easy_perform(h);
    curl_easy_setopt(h, CURLOPT_VERBOSE, 0L); /* has_query ends here, the handle does not */
    long status = 0;
    curl_off_t wait = 0;
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(h, CURLINFO_RETRY_AFTER, &wait);
    out->status = (int)status;
    *wait_s = (long)wait;
    if (result != CURLE_OK)
        code = fail_http(p, result, to.code, err);
    else if (strchr(uri, '?') && !has_query)
        code = wn_fail(err, WN_NO_MEMORY, "no memory for a request");
finish:
    curl_slist_free_all(headers);
    if (h) give_handle(p, h);
    wn_buffer_finish(&url);
    return code;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_s(double s)
{
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    nanosleep(&t, NULL);
}

static enum wn_code call_http(struct cli_peer *p, const char *method, const char *uri, const void *body, size_t size,
                              struct cli_reply *out, struct wn_error *err)
{
    double until = now_s() + (double)p->patience_s, wait = 0.1;
    for (;;) {
        struct wn_error why = {0};
        long asked_s = 0;
        enum wn_code code = try_http(p, method, uri, body, size, out, &asked_s, &why);
        bool busy = code == WN_OK && (out->status == 429 || out->status == 503);
        bool away = (code == WN_NOT_READY || code == WN_WRONG_HOST) && atomic_load(&p->reached);
        if (code == WN_OK && !busy) atomic_store(&p->reached, true);
        if ((double)asked_s > wait) wait = (double)asked_s;
        if ((!busy && !away) || now_s() + wait > until)
            return code == WN_OK ? WN_OK : wn_fail(err, code, "%s", why.text);
        wn_buffer_finish(&out->body);
        pause_s(wait);
        wait = wait < 5 ? wait * 2 : wait;
    }
}

enum wn_code cli_peer_call(struct cli_peer *p, const char *method, const char *uri, const void *body, size_t size,
                           struct cli_reply *out, struct wn_error *err)
{
    struct wn_inprocess_reply reply;
    enum wn_code code;
    *out = (struct cli_reply){0};
    if (p->local) {
        code = wn_inprocess_call(p->local, method, uri, body, size, &reply, err);
        *out = (struct cli_reply){reply.status, reply.body};
    } else {
        code = call_http(p, method, uri, body, size, out, err);
    }
    if (code == WN_OK) code = wn_buffer_append(&out->body, "", 1, err);
    if (code == WN_OK) out->body.size--;
    return code;
}

/* ---- what commands do with it ---- */

bool cli_problem_is_for_all(const struct cli_reply *reply)
{
    switch (reply->status) {
    case 401:
    case 403:
    case 404:
    case 429:
    case 503: return true;
    case 400:
    case 501: break;
    default: return false;
    }
    json_t *root;
    wn_json_parse(reply->body.data, reply->body.size, &root, NULL);
    const char *about =
        json_string_value(json_object_get(json_array_get(json_object_get(root, "errors"), 0), "pointer"));
    /* What is wrong with a question is said before a picture is looked at, and by the field that is wrong. */
    bool own = about ? strncmp(about, "/image", 6) == 0 : reply->status == 400;
    json_decref(root);
    return !own;
}

enum cli_exit cli_problem_exit(const struct cli_reply *r)
{
    json_t *root;
    wn_json_parse(r->body.data, r->body.size, &root, NULL);
    const char *name = json_string_value(json_object_get(root, "code"));
    bool question = name && (strcmp(name, "NO_SUCH_CLASS") == 0 || strcmp(name, "NO_SUCH_LAYER") == 0);
    json_decref(root);
    switch (r->status) {
    case 400:
    case 501: return CLI_USAGE;
    case 404: return question ? CLI_USAGE : CLI_NO_MODEL;
    case 401:
    case 403:
    case 429:
    case 503: return CLI_UNREACHABLE;
    default: return CLI_FAILED;
    }
}

void cli_problem_text(const struct cli_reply *r, char *out, size_t size)
{
    json_t *root;
    bool starved = wn_json_parse(r->body.data, r->body.size, &root, NULL) == WN_NO_MEMORY;
    const char *detail = json_string_value(json_object_get(root, "detail"));
    const char *like = json_string_value(json_array_get(json_object_get(root, "did_you_mean"), 0));
    char quoted[128] = "";
    if (like) snprintf(quoted, sizeof quoted, "'%s'", like);
    int n = snprintf(out, size, "%s",
                     detail    ? detail
                     : starved ? "no memory to read why it was refused"
                               : "the answer is no whynot answer");
    if (!detail)
        snprintf(out + n, size - (size_t)n, " (status %d)", r->status);
    else if (like && !strstr(detail, quoted) && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, "; did you mean '%s'?", like);
    json_decref(root);
}

json_t *cli_peer_get(struct cli_peer *p, const char *uri, bool print, enum cli_exit *code)
{
    struct cli_reply r;
    struct wn_error err = {0};
    char text[WN_ERROR_TEXT];
    json_t *root = NULL;
    *code = CLI_OK;
    if (cli_peer_call(p, "GET", uri, NULL, 0, &r, &err) != WN_OK)
        *code = cli_fail_error(&err);
    else if (r.status != 200) {
        cli_problem_text(&r, text, sizeof text);
        *code = cli_fail(cli_problem_exit(&r), "%s", text);
    } else if (wn_json_parse(r.body.data, r.body.size, &root, &err) == WN_NO_MEMORY) {
        *code = cli_fail(CLI_FAILED, "no memory to read the answer of %s", p->url);
    } else if (!root) {
        *code = cli_fail(CLI_UNREACHABLE, "%s does not answer as a whynot daemon does", p->url);
    } else if (print) {
        printf("%s\n", (char *)r.body.data);
    }
    wn_buffer_finish(&r.body);
    return root;
}

enum wn_code cli_escape(struct wn_buffer *out, const char *value, struct wn_error *err)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~,:";
    enum wn_code code = WN_OK;
    for (; *value && code == WN_OK; value++)
        code = strchr(plain, *value) ? wn_buffer_append(out, value, 1, err)
                                     : wn_buffer_printf(out, err, "%%%02X", (unsigned char)*value);
    return code;
}
