/* Why the network's prediction, rather than its runner-up: the map of one picture as a matrix of digits.
 *   cc explain.c $(pkg-config --cflags --libs whynot) -o explain
 *   ./explain model.onnx picture.f32        (C*H*W floats, preprocessed as the network was trained) */
#include <stdio.h>
#include <stdlib.h>
#include <whynot/whynot.h>

int main(int argc, char **argv)
{
    struct wn_error err = {0};
    struct wn_graph *graph = NULL;
    struct wn_engine *engine = NULL;
    struct wn_engine_options options = {.backend = "auto"};
    struct wn_answer answer = {0};
    float *picture = NULL, *logits = NULL, most = 0;
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (!file) return fprintf(stderr, "usage: explain model.onnx picture.f32\n"), 2;
    if (wn_graph_load(argv[1], NULL, &graph, &err) != WN_OK) goto say;
    if (wn_engine_create(graph, &options, &engine, &err) != WN_OK) goto say;
    size_t n = (size_t)(wn_graph_channels(graph) * wn_graph_height(graph) * wn_graph_width(graph));
    picture = calloc(n, sizeof *picture);
    logits = calloc((size_t)wn_graph_classes(graph), sizeof *logits);
    if (!picture || !logits || fread(picture, sizeof *picture, n, file) != n)
        wn_fail(&err, WN_BAD_REQUEST, "%s is too short", argv[2]);
    struct wn_question question = {.layer = WN_LAYER_AUTO,
                                   .target = WN_TARGET_PREDICTED,
                                   .method = wn_method_find("gradcam"),
                                   .contrast = wn_contrast_find("pair")};
    struct wn_batch batch = {1, (const float *const[]){picture}, 1, &question, NULL, NULL, NULL};
    if (err.code != WN_OK || wn_engine_explain(engine, &batch, logits, &answer, NULL, &err) != WN_OK) goto say;
    if (answer.error.code != WN_OK) wn_fail(&err, answer.error.code, "%s", answer.error.text);
    printf("class %d rather than %d, at %s, %.6g\n", answer.target, answer.foil,
           wn_graph_layer(graph, answer.layer)->name, answer.score);
    for (int i = 0; i < answer.h * answer.w; i++) most = answer.map[i] > most ? answer.map[i] : most;
    for (int i = 0; i < answer.h * answer.w; i++)
        printf("%d%c", answer.map[i] > 0 ? (int)(9 * answer.map[i] / most) : 0, (i + 1) % answer.w ? ' ' : '\n');
say:
    if (err.code != WN_OK) fprintf(stderr, "explain: %s\n", err.text);
    wn_answer_finish(&answer);
    wn_engine_destroy(engine); /* before its graph */
    wn_graph_destroy(graph);
    free(picture), free(logits), fclose(file);
    return err.code != WN_OK;
}
