/* Workers and devices; knows no model and no engine, only what a backend says of itself. */
#include "crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_in(const int *list, int n, long number)
{
    for (int i = 0; i < n; i++)
        if (list[i] == number) return true;
    return false;
}

enum wn_code wn_devices_read(const struct wn_config *c, int there, int list[WN_MOST_DEVICES], int *n,
                             struct wn_error *err)
{
    const char *at = c->devices;
    *n = 0;
    if (there < 1) there = 1;
    if (there > WN_MOST_DEVICES) there = WN_MOST_DEVICES;
    if (!*at || strcmp(at, "all") == 0) {
        for (; *n < there; ++*n) list[*n] = *n;
        return WN_OK;
    }
    for (;;) {
        char *end;
        const bool digit = *at >= '0' && *at <= '9';
        const long number = strtol(at, &end, 10);
        if (!digit || (*end && *end != ','))
            return wn_fail(err, WN_BAD_REQUEST, "devices: '%.64s' is neither 'all' nor numbers with commas between",
                           c->devices);
        if (number >= there)
            return wn_fail(err, WN_BAD_REQUEST,
                           "devices: there is no device %ld; this machine has %d of them, counted from 0; `whynot "
                           "doctor` lists them",
                           number, there);
        if (is_in(list, *n, number)) return wn_fail(err, WN_BAD_REQUEST, "devices: device %ld is named twice", number);
        list[(*n)++] = (int)number;
        if (!*end) return WN_OK;
        at = end + 1;
    }
}

int wn_devices_first(const struct wn_config *c)
{
    int list[WN_MOST_DEVICES], n;
    return wn_devices_read(c, WN_MOST_DEVICES, list, &n, NULL) == WN_OK ? list[0] : 0;
}

/* Of one device. */
static long workers_wanted(const struct wn_config *c, const struct wn_backend_traits *first)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (c->workers) return c->workers;
    return first->engines ? first->engines : cores / (c->threads < cores ? c->threads : cores);
}

enum wn_code wn_crew_choose(const struct wn_config *c, const struct wn_backend_traits *first, struct wn_crew *out,
                            struct wn_error *err)
{
    struct wn_crew crew = {.backend = first->backend, .precision = first->precision};
    enum wn_code code = wn_devices_read(c, first->devices, crew.device, &crew.n_devices, err);
    if (code != WN_OK) return code;
    /* analyzer: whatever list is taken has a device in it */
    const long most = WN_MOST_WORKERS / crew.n_devices, wanted = workers_wanted(c, first);
    crew.n = crew.n_devices * (int)(wanted < 1 ? 1 : wanted > most ? most : wanted);
    *out = crew;
    return WN_OK;
}

int wn_crew_device(const struct wn_crew *crew, int worker)
{
    return worker % crew->n_devices;
}
