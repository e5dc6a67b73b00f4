/* Writes the small networks of the tests into a folder, as seeds for the fuzzer: onnx_seeds FOLDER. */
#include <stdio.h>
#include <sys/stat.h>

#include "nets.h"

int main(int argc, char **argv)
{
    if (argc != 2) return fprintf(stderr, "use: onnx_seeds FOLDER\n"), 2;
    mkdir(argv[1], 0777);
    for (int i = 0; i < n_nets; i++) {
        char path[512];
        struct wire model = nets[i].make();
        snprintf(path, sizeof path, "%s/%s.onnx", argv[1], nets[i].name);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(model.data, 1, model.n, f) != model.n || fclose(f) != 0) return perror(path), 1;
        wire_free(&model);
    }
    return 0;
}
