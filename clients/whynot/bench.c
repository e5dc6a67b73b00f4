/* `whynot bench`: the measurements of clients/bench. */
#include "cli.h"

#include <bench.h>
#include <stdlib.h>

static enum cli_exit run(const struct cli *c)
{
    char **words = calloc((size_t)c->n_operands + 2, sizeof *words);
    if (!words) return cli_fail(CLI_FAILED, "no memory");
    words[0] = (char *)"whynot bench";
    for (int i = 0; i < c->n_operands; i++) words[i + 1] = c->operands[i];
    int code = wn_bench_main(c->n_operands + 1, words);
    free(words);
    return code == 0 ? CLI_OK : code == 2 ? CLI_USAGE : CLI_FAILED;
}

const struct cli_command cli_bench = {
    .name = "bench",
    .operands = "engine|http [options]",
    .summary = "Measure an engine, or a daemon under load.",
    .text = "engine measures forward passes and explanations of networks beside other implementations; http puts a "
            "daemon under a load that does "
            "not wait for it. Each says its own options with --help.",
    .example = "  whynot bench engine --model models/signs-resnet/model.onnx\n  whynot bench http --help",
    .passes_on = true,
    .run = run,
};
