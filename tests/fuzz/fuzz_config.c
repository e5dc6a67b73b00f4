/* libFuzzer: any bytes as the configuration and as a model's manifest, as flags, or as the file of keys where they
 * do not begin as one. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <config.h>
#include <keys.h>
#include <manifest.h>

#define MOST_FLAGS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One file in memory for all inputs: making a file costs more than reading it. Its path. */
static const char *write_file(const uint8_t *data, size_t size)
{
    static char path[64];
    static int fd;
    if (!path[0]) {
        if ((fd = memfd_create("fuzz", MFD_CLOEXEC)) < 0 || fchmod(fd, 0600) != 0) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (pwrite(fd, data, size, 0) != (ssize_t)size || ftruncate(fd, (off_t)size) != 0) abort();
    return path;
}

static void read_config(int argc, char **argv)
{
    static struct wn_config config;
    enum wn_config_wish wish;
    struct wn_error err = {0};
    char value[600];
    if (wn_config_load(argc, argv, &config, &wish, &err) != WN_OK) {
        if (!*err.text) abort();
        return;
    }
    for (int i = 0; wish == WN_CONFIG_RUN && wn_config_row(i); i++) wn_config_value(&config, i, value, sizeof value);
}

/* One argument a line. */
static void read_flags(char *text)
{
    char *argv[MOST_FLAGS + 2] = {(char[]){"whynotd"}}, *rest;
    int argc = 1;
    for (char *line = strtok_r(text, "\n", &rest); line && argc <= MOST_FLAGS; line = strtok_r(NULL, "\n", &rest))
        if (strncmp(line, "--config", 8) != 0) argv[argc++] = line; /* no other file than the fuzzer's */
    read_config(argc, argv);
}

static void read_manifest(const char *text, size_t size)
{
    struct wn_manifest m = {0};
    struct wn_error err = {0};
    if (wn_manifest_parse(text, size, &m, &err) != WN_OK ? !*err.text : !m.model || !m.labels || !m.layer) abort();
    wn_manifest_finish(&m);
}

/* A comment in the first line is what a client sends as Authorization, too. */
static void read_keys(const char *path, const char *text)
{
    static struct wn_keys keys;
    struct wn_key key;
    struct wn_error err = {0};
    char authorization[600];
    keys = (struct wn_keys){0};
    if ((wn_keys_init(&keys, path, &err) == WN_OK) != (atomic_load(&keys.n) > 0)) abort();
    snprintf(authorization, sizeof authorization, "%.*s", (int)strcspn(text, "\n"), text);
    int n = *authorization ? wn_keys_find(&keys, authorization + 1, &key) : 0;
    if (n && (!key.name[0] || strcmp(key.name, keys.list[n].name) != 0)) abort();
    wn_keys_finish(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char flag[80];
    const char *path = write_file(data, size);
    char *text = malloc(size + 1);
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = 0;
    snprintf(flag, sizeof flag, "--config=%s", path);
    if (*text == '{' || *text == '/') read_config(2, (char *[]){(char[]){"whynotd"}, flag, NULL});
    if (*text == '{') read_manifest(text, size);
    if (*text != '{' && *text != '/' && *text != '-') read_keys(path, text);
    if (*text == '-') read_flags(text);
    free(text);
    return 0;
}
