/* libFuzzer: any bytes on a connection of the daemon's own HTTP side, the models only named: heads, bodies, keys,
 * routes that only look. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <http.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct wn_server *server;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct wn_error err = {0};
    enum wn_config_wish wish;
    char *options[] = {(char[]){"whynotd"},
                       (char[]){"--port=0"},
                       (char[]){"--access-log=false"},
                       (char[]){"--http-threads=2"},
                       (char[]){"--models=" WN_FUZZ_MODELS},
                       (char[]){"--hosts=a.example, b.example"},
                       (char[]){"--cors-origins=https://c.example"},
                       NULL};
    (void)argc;
    (void)argv;
    server = calloc(1, sizeof *server);
    if (server) server->pictures = -1;
    if (!server || wn_config_load(7, options, &server->config, &wish, &err) != WN_OK) abort();
    if (wn_queue_init(&server->queue, 16, 0, &err) != WN_OK || wn_keys_init(&server->keys, "", &err) != WN_OK ||
        wn_keeper_open(&server->keeper, &server->config, &err) != WN_OK || wn_http_start(server, &err) != WN_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    atomic_store(&server->connections.tick_ms, 1); /* many inputs are half a head: whoever leaves is seen at once */
    return 0;
}

/* Answers are HTTP/1.1 with a known status; 500 would be a fault of ours. */
static void check(const char *answer, size_t n)
{
    if (n && (n < 12 || memcmp(answer, "HTTP/1.", 7) != 0)) abort();
    if (n && memcmp(answer + 9, "500", 3) == 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char answer[1 << 16];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int ends[2];
    size_t n = 0;
    if (size > 1 << 15 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 0;
    if (write(ends[0], data, size) != (ssize_t)size) abort();
    shutdown(ends[0], SHUT_WR);
    if (MHD_add_connection(server->http, ends[1], (struct sockaddr *)&address, sizeof address) == MHD_YES)
        for (ssize_t got; n < sizeof answer && (got = read(ends[0], answer + n, sizeof answer - n)) > 0;)
            n += (size_t)got;
    check(answer, n);
    close(ends[0]);
    return 0;
}
