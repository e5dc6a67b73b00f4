/* Chooses what to measure, for whynot-bench and for `whynot bench`. */
#include "bench.h"
#include "http_bench.h"

#include <stdio.h>
#include <string.h>

int wn_bench_main(int argc, char **argv)
{
    static const struct {
        const char *name, *summary;
        int (*run)(int argc, char **argv);
    } rows[] = {
        {"engine", "forward passes and explanations of one engine, beside other implementations", bench_engine},
        {"http", "a server under a load that does not wait for it, or under so many clients", wn_bench_http_main}};
    for (size_t i = 0; argc > 1 && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(argv[1], rows[i].name) == 0) return rows[i].run(argc - 1, argv + 1);
    fprintf(stderr, "usage: %s WHAT [options]; WHAT is one of\n", argv[0]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(stderr, "  %-8s %s\n", rows[i].name, rows[i].summary);
    return 2;
}
