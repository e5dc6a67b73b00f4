/* The file of keys. One key a line: name, scopes, token, and its highest priority where that is not `normal`:
 *
 *     alice   explain,predict   sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08   high
 *     probe   -                 Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4
 *
 * Only digests are kept in memory. They are plain SHA-256: tokens are long and random, so that there is nothing to
 * guess which a slow hash would protect, and a hash that is slow would be a way to load the server without a key. */
#include "keys.h"

#include "route.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (256 << 10)
#define LEAST_TOKEN 16
#define MOST_TOKEN 512
#define MOST_BASIC 1024 /* user and password */

static const char token_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
static const char name_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";

static void digest(const char *token, size_t n, uint8_t out[32])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, n, (const uint8_t *)token);
    sha256_digest(&context, 32, out);
}

/* ---- a line ---- */

static bool read_hex(const char *s, uint8_t out[32])
{
    for (int i = 0; i < 32; i++) {
        unsigned byte; /* analyzer: two digits are one */
        if (strspn(s + 2 * i, "0123456789abcdefABCDEF") < 2 || sscanf(s + 2 * i, "%2x", &byte) != 1) return false;
        out[i] = (uint8_t)byte;
    }
    return !s[64];
}

static bool read_scopes(char *words, unsigned *out)
{
    static const struct {
        const char *name;
        enum wn_scope scope;
    } known[] = {{"predict", WN_SCOPE_PREDICT}, {"explain", WN_SCOPE_EXPLAIN}, {"admin", WN_SCOPE_ADMIN}};
    *out = WN_SCOPE_READ;
    if (strcmp(words, "-") == 0) return true;
    char *rest;
    for (char *word = strtok_r(words, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        size_t i = 0;
        while (i < 3 && strcmp(word, known[i].name) != 0) i++;
        if (i == 3) return false;
        *out |= known[i].scope;
    }
    return true;
}

/* NULL, or what is wrong: never the line itself, which may hold a token. */
static const char *read_line(char *line, struct wn_key *out)
{
    char *rest, *name = strtok_r(line, " \t\r", &rest), *scopes = strtok_r(NULL, " \t\r", &rest),
                *token = strtok_r(NULL, " \t\r", &rest), *priority = strtok_r(NULL, " \t\r", &rest);
    *out = (struct wn_key){.most = WN_PRIORITY_NORMAL};
    if (!token || (priority && strtok_r(NULL, " \t\r", &rest)))
        return "a line is: name scopes token, and a priority or nothing";
    if (priority && !wn_priority_find(priority, &out->most)) return "a key's highest priority is low, normal or high";
    size_t n = strlen(name), size = strlen(token);
    if (n > WN_KEY_NAME || strspn(name, name_bytes) != n) return "a name is 1 to 32 letters, digits, '.', '_' or '-'";
    if (!read_scopes(scopes, &out->scopes))
        return "scopes are any of predict, explain, admin with commas between, or -";
    strcpy(out->name, name);
    if (strncmp(token, "sha256:", 7) == 0)
        return read_hex(token + 7, out->digest) ? NULL : "sha256: is followed by 64 hexadecimal digits";
    if (size < LEAST_TOKEN || size > MOST_TOKEN || strspn(token, token_bytes) != size)
        return "a token is 16 to 512 letters, digits or -._~+/= (openssl rand -hex 32 makes one)";
    digest(token, size, out->digest);
    return NULL;
}

/* ---- the file ---- */

static const char *twin(const struct wn_key *list, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i].name, list[n].name) == 0) return "the name is there twice";
        if (memcmp(list[i].digest, list[n].digest, 32) == 0) return "the token is there twice";
    }
    return NULL;
}

/* list has room for WN_MOST_KEYS. */
static enum wn_code read_lines(const char *path, char *text, struct wn_key *list, int *n, struct wn_error *err)
{
    int number = 0;
    *n = 0;
    for (char *end, *line = text; line; line = end) {
        const char *why = NULL;
        if ((end = strchr(line, '\n'))) *end++ = 0;
        line += strspn(line, " \t\r");
        number++;
        if (!*line || *line == '#') continue;
        if (*n == WN_MOST_KEYS) return wn_fail(err, WN_BAD_REQUEST, "%s: more than %d keys", path, WN_MOST_KEYS);
        why = read_line(line, &list[*n]);
        if (!why) why = twin(list, *n);
        if (why) return wn_fail(err, WN_BAD_REQUEST, "%s, line %d: %s", path, number, why);
        (*n)++;
    }
    return *n ? WN_OK : wn_fail(err, WN_BAD_REQUEST, "%s holds no key", path);
}

/* systemd gives a service's user its credentials through an access list, which shows as a mode of 0440. */
static bool is_private(const struct stat *st, const char *path)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    bool is_credential = folder && *folder && strncmp(path, folder, strlen(folder)) == 0;
    return (st->st_uid == geteuid() || st->st_uid == 0) && !(st->st_mode & (is_credential ? 0037 : 0077));
}

/* A file that is read: as many bytes as it had when it was opened, and a zero. free_text() takes it back, from a
 * failure too. */
struct text {
    char *bytes;
    size_t size;
};

static enum wn_code read_bytes(int fd, const char *path, size_t most, struct text *out, struct wn_error *err)
{
    ssize_t n = 1;
    if (!(out->bytes = calloc(1, most + 1))) return wn_fail(err, WN_NO_MEMORY, "no memory for the keys");
    while (out->size < most && (n = read(fd, out->bytes + out->size, most - out->size)) != 0) {
        if (n < 0 && errno != EINTR)
            return wn_fail(err, WN_BAD_REQUEST, "%s cannot be read: %s", path, strerror(errno));
        if (n > 0) out->size += (size_t)n;
    }
    return WN_OK;
}

static enum wn_code read_text(int fd, const char *path, struct text *out, struct wn_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return wn_fail(err, WN_BAD_REQUEST, "the file of keys %s is not a regular file", path);
    if (!is_private(&st, path))
        return wn_fail(err, WN_BAD_REQUEST, "others can read the file of keys %s, or own it: chmod 600 and chown it",
                       path);
    size_t most = st.st_size < FILE_BYTES ? (size_t)st.st_size + 1 : FILE_BYTES; /* the byte more is the end's */
    enum wn_code code = read_bytes(fd, path, most, out, err);
    if (code == WN_OK && (out->size == most || memchr(out->bytes, 0, out->size)))
        code = wn_fail(err, WN_BAD_REQUEST,
                       "the file of keys %s is too long, grew while it was read, or holds a zero byte", path);
    return code;
}

static enum wn_code read_file(const char *path, struct text *out, struct wn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return wn_fail(err, WN_BAD_REQUEST, "the file of keys %s cannot be opened: %s", path, strerror(errno));
    enum wn_code code = read_text(fd, path, out, err);
    close(fd);
    return code;
}

static void free_text(struct text *text)
{
    if (text->bytes) explicit_bzero(text->bytes, text->size);
    free(text->bytes);
}

/* Each key keeps the number that its name had. */
static void place(const struct wn_key *old, const struct wn_key *list, int n, struct wn_key *out)
{
    bool placed[WN_MOST_KEYS] = {0};
    memset(out, 0, (WN_MOST_KEYS + 1) * sizeof *out);
    for (int i = 0; i < n; i++)
        for (int k = 1; k <= WN_MOST_KEYS; k++)
            if (strcmp(old[k].name, list[i].name) == 0) out[k] = list[i], placed[i] = true;
    for (int i = 0, k = 1; i < n; i++) {
        if (placed[i]) continue;
        while (out[k].name[0]) k++;
        out[k] = list[i];
    }
}

enum wn_code wn_keys_reload(struct wn_keys *keys, struct wn_error *err)
{
    if (!keys->path[0]) return WN_OK;
    int n = 0;
    struct text text = {0};
    struct wn_key *list = calloc(WN_MOST_KEYS, sizeof *list), *table = calloc(WN_MOST_KEYS + 1, sizeof *table);
    enum wn_code code = list && table ? read_file(keys->path, &text, err) : WN_NO_MEMORY;
    if (code == WN_OK) code = read_lines(keys->path, text.bytes, list, &n, err);
    if (code == WN_OK) {
        place(keys->list, list, n, table); /* only this thread writes the list */
        pthread_rwlock_wrlock(&keys->lock);
        memcpy(keys->list, table, (WN_MOST_KEYS + 1) * sizeof *table);
        atomic_store(&keys->n, n);
        pthread_rwlock_unlock(&keys->lock);
    }
    if (code == WN_NO_MEMORY) wn_fail(err, code, "no memory for the keys");
    free_text(&text);
    free(list);
    free(table);
    return code;
}

enum wn_code wn_keys_init(struct wn_keys *keys, const char *path, struct wn_error *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    pthread_rwlock_init(&keys->lock, NULL);
    snprintf(keys->path, sizeof keys->path, "%s", path);
    if (!path[0] && folder && *folder) {
        int n = snprintf(keys->path, sizeof keys->path, "%s/whynot-keys", folder);
        if (n >= (int)sizeof keys->path || access(keys->path, F_OK) != 0) keys->path[0] = 0;
    }
    return wn_keys_reload(keys, err);
}

void wn_keys_finish(struct wn_keys *keys)
{
    pthread_rwlock_destroy(&keys->lock);
}

/* The header's token: behind "Bearer ", or as the password of "Basic ", whose user does not matter. text: MOST_BASIC
 * bytes. NULL: neither. */
static const char *token_of(const char *authorization, char *text)
{
    static const char bearer[] = "Bearer ", basic[] = "Basic ";
    if (authorization && strncmp(authorization, bearer, strlen(bearer)) == 0) return authorization + strlen(bearer);
    if (!authorization || strncmp(authorization, basic, strlen(basic)) != 0) return NULL;
    struct base64_decode_ctx context;
    const char *coded = authorization + strlen(basic);
    size_t n = strlen(coded), size = MOST_BASIC - 1;
    base64_decode_init(&context);
    if (BASE64_DECODE_LENGTH(n) > size || !base64_decode_update(&context, &size, (uint8_t *)text, n, coded) ||
        !base64_decode_final(&context))
        return NULL;
    text[size] = 0;
    const char *colon = strlen(text) == size ? strchr(text, ':') : NULL;
    return colon ? colon + 1 : NULL;
}

int wn_keys_find(struct wn_keys *keys, const char *authorization, struct wn_key *out)
{
    uint8_t asked[32];
    char text[MOST_BASIC];
    int found = 0;
    const char *token = token_of(authorization, text);
    size_t n = token ? strlen(token) : 0;
    bool good = n >= LEAST_TOKEN && n <= MOST_TOKEN && strspn(token, token_bytes) == n;
    if (good) digest(token, n, asked);
    explicit_bzero(text, sizeof text);
    if (!good) return 0;
    pthread_rwlock_rdlock(&keys->lock);
    for (int i = 1; i <= WN_MOST_KEYS; i++)
        found |= memeql_sec(keys->list[i].digest, asked, 32) && keys->list[i].name[0] ? i : 0;
    if (found) *out = keys->list[found];
    pthread_rwlock_unlock(&keys->lock);
    return found;
}
