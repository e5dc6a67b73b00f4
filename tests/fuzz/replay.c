/* Runs a fuzzer's function over files, without libFuzzer: what was found once is looked at by every build.
 * replay_TARGET FOLDER */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static void replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) return perror(path), exit(2);
    size_t size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(size ? size : 1); /* of its own size, so that a read behind it is seen */
    if (!data || fread(data, 1, size, f) != size) return perror(path), exit(2);
    fclose(f);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    struct dirent **files;
    int n = argc == 2 ? scandir(argv[1], &files, NULL, alphasort) : -1, done = 0;
    if (n < 0) return fprintf(stderr, "use: %s FOLDER\n", argv[0]), 2;
    if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 0; i < n; i++) {
        char path[4096];
        if (files[i]->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", argv[1], files[i]->d_name);
            fprintf(stderr, "%s\n", path); /* the last one is the guilty one */
            replay(path);
            done++;
        }
        free(files[i]);
    }
    free(files);
    printf("%d files\n", done);
    return done ? 0 : 1;
}
