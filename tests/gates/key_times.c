/* How long wn_keys_find takes for tokens that share all but their last letter with a right one, against tokens that
 * share nothing with it: the t of Welch's test over a million questions in this process, printed as JSON, and that
 * of a comparison which stops at the first difference, which the same measure must see (Reparaz et al. 2017, "Dude,
 * is my code constant time?"). */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <keys.h>

#define RIGHT "full-0123456789abcdef0123456789abcdef"
#define LETTERS "abcdefghijklmnopqrstuvwxyz0123456789"

enum { LENGTH = sizeof RIGHT - 1, PREFIX = 7 /* "Bearer " */ };

static struct wn_keys keys;

static int find_key(const char *authorization)
{
    struct wn_key key;
    return wn_keys_find(&keys, authorization, &key);
}

/* What must not be done: leaves at the first letter that differs. */
static int stop_at_difference(const char *authorization)
{
    volatile int same = 0;
    for (const char *a = authorization + PREFIX, *b = RIGHT; *b && *a == *b; a++, b++) same++;
    return same == LENGTH;
}

static void open_keys(void)
{
    static const char line[] = "all predict,explain,admin " RIGHT "\n";
    char path[64];
    struct wn_error err = {0};
    int fd = memfd_create("keys", MFD_CLOEXEC);
    if (fd < 0 || write(fd, line, sizeof line - 1) != (ssize_t)sizeof line - 1 || fchmod(fd, 0600) != 0) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (wn_keys_init(&keys, path, &err) != WN_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    close(fd);
}

static int by_size(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* Welch's t of times whose class is their index's bit in `near`, without the slowest tenth, which is the machine's. */
static double t_of(const int *ns, const unsigned char *near, int n)
{
    double sum[2] = {0}, squares[2] = {0}, count[2] = {0};
    int *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted) abort();
    memcpy(sorted, ns, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    const int most = sorted[n / 10 * 9];
    free(sorted);
    for (int i = 0; i < n; i++) {
        if (ns[i] > most) continue;
        sum[near[i]] += ns[i], squares[near[i]] += (double)ns[i] * ns[i], count[near[i]]++;
    }
    double mean[2], variance[2];
    for (int c = 0; c < 2; c++)
        mean[c] = sum[c] / count[c], variance[c] = (squares[c] / count[c] - mean[c] * mean[c]) / (count[c] - 1);
    return (mean[1] - mean[0]) / sqrt(variance[0] + variance[1] + 1e-30);
}

static double measure(int (*find)(const char *), int n)
{
    char line[PREFIX + LENGTH + 1] = "Bearer ";
    int found = 0, *ns = malloc((size_t)n * sizeof *ns);
    unsigned char *near = malloc((size_t)n);
    if (!ns || !near) abort();
    for (int i = 0; i < n; i++) {
        struct timespec begin, end;
        near[i] = rand() >> 7 & 1;
        for (int k = 0; k < LENGTH; k++) { /* the same work for both */
            const char other = LETTERS[rand() % (int)(sizeof LETTERS - 1)];
            line[PREFIX + k] = near[i] ? RIGHT[k] : other;
        }
        line[PREFIX + LENGTH - 1] = '0';
        clock_gettime(CLOCK_MONOTONIC, &begin);
        found += find(line);
        clock_gettime(CLOCK_MONOTONIC, &end);
        ns[i] = (int)(end.tv_nsec - begin.tv_nsec) + (end.tv_sec != begin.tv_sec ? 1000000000 : 0);
    }
    if (found) abort(); /* none of these is the key */
    const double t = t_of(ns, near, n);
    free(near);
    free(ns);
    return t;
}

int main(int argc, char **argv)
{
    const int n = argc > 1 ? atoi(argv[1]) : 1000000;
    open_keys();
    measure(find_key, n / 10);
    printf("{\"n\": %d, \"t\": %.3f", n, measure(find_key, n));
    printf(", \"t_of_what_stops\": %.3f}\n", measure(stop_at_difference, n));
    wn_keys_finish(&keys);
    return 0;
}
