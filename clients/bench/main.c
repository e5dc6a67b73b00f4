/* whynot-bench: the measurements as a program of their own. */
#include "bench.h"

int main(int argc, char **argv)
{
    return wn_bench_main(argc, argv);
}
