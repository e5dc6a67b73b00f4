/* A job's life: made empty, given back whole. */
#include "job.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

bool wn_priority_find(const char *name, enum wn_priority *out)
{
    static const char *const names[] = {"low", "normal", "high"};
    int i = 0;
    while (i < WN_PRIORITIES && strcmp(name, names[i]) != 0) i++;
    if (i < WN_PRIORITIES) *out = (enum wn_priority)i;
    return i < WN_PRIORITIES;
}

struct wn_job *wn_job_create(void)
{
    struct wn_job *job = calloc(1, sizeof *job);
    if (!job) return NULL;
    job->refs = 1;
    job->priority = WN_PRIORITY_NORMAL;
    return job;
}

void wn_job_shed(struct wn_job *job)
{
    for (int i = 0; i < job->n_items; i++) {
        struct wn_item *item = &job->items[i];
        for (int k = 0; k < item->n_questions; k++) wn_answer_finish(&item->answers[k]);
        for (int k = 0; item->heatmaps && k < item->most_questions; k++) free(item->heatmaps[k].index);
        free(item->heatmaps);
        item->heatmaps = NULL;
        wn_image_finish(&item->image);
        free(item->input);
        item->input = NULL;
    }
}

void wn_job_destroy(struct wn_job *job)
{
    if (!job) return;
    wn_job_shed(job);
    for (int i = 0; i < job->n_items; i++) wn_kept_release(job->items[i].kept_list, job->items[i].kept);
    for (int i = 0; i < job->n_slots; i++) {
        free(job->slots[i].strip.classes);
        free(job->slots[i].strip.maps);
    }
    wn_pool_finish(&job->pool);
    wn_models_release(job->models);
    free(job);
}

int64_t wn_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
