/* What was chosen by running, for the next start: with WHYNOT_PLAN_CACHE naming a folder, one file there for each
 * choice, named by library version, card and shape. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exe.h"

enum { MOST_TEXT_BYTES = 1 << 20 };

static const char *folder_of(void)
{
    const char *folder = getenv("WHYNOT_PLAN_CACHE");
    return folder && *folder ? folder : NULL;
}

bool wn_cuda_plans_are_kept(void)
{
    return folder_of();
}

bool wn_cuda_kept_path(const struct wn_cuda_backend *be, size_t version, const char *key, char *path, size_t size)
{
    const char *folder = folder_of();
    if (!folder) return false;
    const int n = snprintf(path, size, "%s/%zu-%s-%s", folder, version, be->device_name, key);
    if (n < 0 || (size_t)n >= size) return false;
    for (char *p = path + strlen(folder) + 1; *p; p++)
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
