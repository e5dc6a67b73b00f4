/* libFuzzer: any bytes as the configuration, or as the file of keys where they do not begin as one. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <config.h>
#include <keys.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wn_keys keys;
    static struct wn_config config;
    char path[64], flag[80];
    struct wn_error err = {0}, other = {0};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    fchmod(fd, 0600);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    snprintf(flag, sizeof flag, "--config=%s", path);
    if (size && (*data == '{' || *data == '/')) {
        enum wn_config_wish wish;
        char *argv[] = {(char[]){"whynotd"}, flag, NULL};
        if (wn_config_load(2, argv, &config, &wish, &other) != WN_OK && !*other.text) abort();
    } else {
        keys = (struct wn_keys){0};
        if ((wn_keys_init(&keys, path, &err) == WN_OK) != (atomic_load(&keys.n) > 0)) abort();
        wn_keys_finish(&keys);
    }
    close(fd);
    return 0;
}
