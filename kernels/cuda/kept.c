/* What was chosen by running, for the next start: one file of the folder for each choice, named by library version,
 * card and shape. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exe.h"

enum { MOST_TEXT_BYTES = 1 << 20 };

/* With the folder that it lies in, which is a user's ~/.cache and may not be there either. */
static void make_folder(const char *path)
{
    char above[sizeof((struct wn_cuda_backend *)0)->plan_cache];
    snprintf(above, sizeof above, "%s", path);
    char *slash = strrchr(above, '/');
    if (slash && slash != above) {
        *slash = 0;
        mkdir(above, 0700);
    }
    mkdir(path, 0700);
}

void wn_cuda_kept_open(struct wn_cuda_backend *be, const struct wn_backend_options *options)
{
    const char *folder = options->plan_cache ? options->plan_cache : getenv("WHYNOT_PLAN_CACHE");
    static const char *const words[] = {"", "none", "auto"}; /* of the daemon's option, which goes by the same name */
    for (int i = 0; folder && i < 3; i++)
        if (strcmp(folder, words[i]) == 0) return;
    if (!folder || strlen(folder) >= sizeof be->plan_cache) return;
    make_folder(folder);
    if (access(folder, R_OK | X_OK) == 0) snprintf(be->plan_cache, sizeof be->plan_cache, "%s", folder);
}

bool wn_cuda_plans_are_kept(const struct wn_cuda_backend *be)
{
    return be->plan_cache[0];
}

bool wn_cuda_kept_path(const struct wn_cuda_backend *be, size_t version, const char *key, char *path, size_t size)
{
    if (!wn_cuda_plans_are_kept(be)) return false;
    const int n = snprintf(path, size, "%s/%zu-%s-%s", be->plan_cache, version, be->device_name, key);
    if (n < 0 || (size_t)n >= size) return false;
    for (char *p = path + strlen(be->plan_cache) + 1; *p; p++)
        if (*p == ' ' || *p == '/' || *p == ',') *p = '_';
    return true;
}

static pthread_mutex_t choosing = PTHREAD_MUTEX_INITIALIZER;

void wn_cuda_kept_begin(void)
{
    pthread_mutex_lock(&choosing);
}

void wn_cuda_kept_end(void)
{
    pthread_mutex_unlock(&choosing);
}

char *wn_cuda_kept_get(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = calloc(MOST_TEXT_BYTES, 1);
    const bool good = text && fread(text, 1, MOST_TEXT_BYTES - 1, f) > 0;
    fclose(f);
    if (good) return text;
    free(text);
    return NULL;
}

/* Written aside and renamed, so that nobody reads half of it; under a name of this process and this backend, for
 * other workers may write the same one now. */
void wn_cuda_kept_put(const struct wn_cuda_backend *be, const char *path, const char *text)
{
    char aside[WN_CUDA_KEPT_PATH + 64];
    snprintf(aside, sizeof aside, "%s.%ld-%p", path, (long)getpid(), (const void *)be);
    FILE *f = fopen(aside, "wb");
    if (!f) return;
    const bool good = fwrite(text, 1, strlen(text), f) == strlen(text);
    if (fclose(f) != 0 || !good || rename(aside, path) != 0) unlink(aside);
}
