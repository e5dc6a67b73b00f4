/* Times and ratios as a table for people or as JSON. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

/* The ratios that are goals: number, words, who by whom, at most (or, reversed, at least). */
static const struct goal {
    const char *id, *words, *of, *by;
    double limit;
    bool at_least;
    enum { ANY, CLOSED, WHOLE, PATH } method; /* Grad-CAM, one that goes back to the picture, or that many times over (ig) */
    const char *models;                 /* how their names begin; NULL: all */
} goals[] = {
    {"C1/C2", "explanation / own forward, f32", "own f32 explain 1", "own f32 forward", 1.05, false, CLOSED, NULL},
    {"C1/C2", "explanation / own forward, bf16", "own bf16 explain 1", "own bf16 forward", 1.05, false, CLOSED, NULL},
    {"C10", "explanation / own forward, f32", "own f32 explain 1", "own f32 forward", 2.6, false, WHOLE, NULL},
    {"C10", "explanation / own forward, bf16", "own bf16 explain 1", "own bf16 forward", 2.6, false, WHOLE, NULL},
    {"32 C10", "explanation with 32 nodes / own forward, f32", "own f32 explain 1", "own f32 forward", 32 * 2.6, false, PATH, NULL},
    {"32 C10", "explanation with 32 nodes / own forward, bf16", "own bf16 explain 1", "own bf16 forward", 32 * 2.6, false, PATH, NULL},
    {"", "PyTorch's autograd / own explanation, f32", "torch explain", "own f32 explain 1", 1, true, WHOLE, NULL},
    {"", "PyTorch's autograd / own explanation, f32", "torch explain", "own f32 explain 1", 1, true, PATH, NULL},
    {"C3", "own forward / PyTorch eager forward", "own f32 forward", "torch forward", 0.75, false, ANY, NULL},
    {"C4", "own forward / bare oneDNN stack, its own layouts", "own f32 forward", "bare f32 any", 1.10, false, ANY, NULL},
    {"C4", "own forward / bare oneDNN stack, channels-last", "own f32 forward", "bare f32 nhwc", 1.10, false, ANY, NULL},
    {"C4b", "own bf16 forward / bare bf16 stack", "own bf16 forward", "bare bf16 nhwc", 1.10, false, ANY, NULL},
    {"C5", "own bf16 / own f32 forward", "own bf16 forward", "own f32 forward", 0.60, false, ANY, NULL},
    {"C6", "PyTorch Grad-CAM / own explanation, f32", "torch explain", "own f32 explain 1", 5, true, CLOSED, NULL},
    {"C6", "PyTorch Grad-CAM / own explanation, bf16", "torch explain", "own bf16 explain 1", 5, true, CLOSED, NULL},
    {"C7", "999 contrasts / 1, f32", "own f32 999 contrasts", "own f32 explain 1", 1.10, false, CLOSED, "resnet densenet"},
    {"C7", "999 contrasts / 1, bf16", "own bf16 999 contrasts", "own bf16 explain 1", 1.10, false, CLOSED, "resnet densenet"},
    {"C8", "999 contrasts / 1, f32", "own f32 999 contrasts", "own f32 explain 1", 1.15, false, CLOSED, "squeezenet"},
    {"C8", "999 contrasts / 1, bf16", "own bf16 999 contrasts", "own bf16 explain 1", 1.15, false, CLOSED, "squeezenet"},
    {"C8", "999 contrasts / 1, f32", "own f32 999 contrasts", "own f32 explain 1", 2.2, false, CLOSED, "vgg"},
    {"C8", "999 contrasts / 1, bf16", "own bf16 999 contrasts", "own bf16 explain 1", 2.2, false, CLOSED, "vgg"},
    {"C9", "a pair of the cached stack / forward", "own f32 cached pair", "own f32 forward", 0.01, false, CLOSED, NULL},
};

static bool is_about(const struct goal *g, const char *model)
{
    for (const char *word = g->models; word; word = strchr(word, ' ') ? strchr(word, ' ') + 1 : NULL)
        if (strncmp(model, word, strcspn(word, " ")) == 0) return true;
    return !g->models;
}

static bool ratio_of(const struct bench *b, const struct bench_options *o, const struct goal *g, double *ratio)
{
    const char *name = o->method->name;
    int kind = strcmp(name, "gradcam") == 0 ? CLOSED : strcmp(name, "ig") == 0 ? PATH : WHOLE;
    if (g->method != ANY && (int)g->method != kind) return false;
    const struct subject *of = bench_find(b, g->of), *by = bench_find(b, g->by);
    if (!of || !by || !is_about(g, b->model)) return false;
    *ratio = of->median / by->median;
    return true;
}

static void report_table(const struct bench *b, const struct bench_options *o)
{
    double ratio;
    printf("\n%s, %d rounds\n  %-28s %10s %10s %10s\n", b->model, b->rounds, "", "median ms", "quartile", "quartile");
    for (int i = 0; i < b->n; i++) {
        const struct subject *s = &b->subjects[i];
        printf("  %-28s %10.3f %10.3f %10.3f", s->name, s->median, s->low, s->high);
        if (s->stages && s->median > 0) printf("  %9.0f images/s, %d of %d stages captured", o->batch * 1e3 / s->median, s->captured, s->stages);
        printf("%s%s\n", s->walked[0] ? ": " : "", s->walked);
    }
    for (int i = 0; i < 2; i++)
        if (b->lacking[i][0]) printf("  torch compiled %-13s does not work here: %s\n", i ? "explain" : "forward", b->lacking[i]);
    for (int i = 0; i < o->n_precisions; i++)
        if (b->maps[i]) printf("  worst map error of %-4s against f32 %17.2g  (of %d maps, relative)\n", wn_precision_name(o->precisions[i]), b->map_error[i], b->maps[i]);
    for (size_t i = 0; i < sizeof goals / sizeof *goals; i++) {
        const struct goal *g = &goals[i];
        if (!ratio_of(b, o, g, &ratio)) continue;
        bool met = g->at_least ? ratio >= g->limit : ratio <= g->limit;
        printf("  %-6s %-50s %7.3f  (%s %.2f)%s\n", g->id, g->words, ratio, g->at_least ? "at least" : "at most",
               g->limit, met ? "" : "  MISSED");
    }
}

static void report_json(const struct bench *b, const struct bench_options *o, bool first)
{
    double ratio;
    const char *comma = "";
    printf("%s\n  {\"model\": \"%s\", \"rounds\": %d, \"median_ms\": {", first ? "" : ",", b->model, b->rounds);
    for (int i = 0; i < b->n; i++) printf("%s\"%s\": %.4f", i ? ", " : "", b->subjects[i].name, b->subjects[i].median);
    printf("}, \"map_errors\": {");
    for (int i = 0; i < o->n_precisions; i++) {
        if (!b->maps[i]) continue;
        printf("%s\"%s\": %.6g", comma, wn_precision_name(o->precisions[i]), b->map_error[i]);
        comma = ", ";
    }
    comma = "";
    printf("}, \"ratios\": {");
    for (size_t i = 0; i < sizeof goals / sizeof *goals; i++) {
        if (!ratio_of(b, o, &goals[i], &ratio)) continue;
        printf("%s\"%s: %s\": %.4f", comma, goals[i].id, goals[i].words, ratio);
        comma = ", ";
    }
    printf("}}");
}

void bench_report(const struct bench *b, const struct bench_options *o, const char *device, bool first)
{
    if (first && o->json)
        printf("{\"device\": \"%s\", \"threads\": %d, \"batch\": %d, \"models\": [", device, o->threads, o->batch);
    else if (first)
        printf("%s, batch %d\n", device, o->batch);
    if (o->json)
        report_json(b, o, first);
    else
        report_table(b, o);
    fflush(stdout);
}

bool bench_report_end(const struct bench_options *o)
{
    if (o->json) printf("\n]}\n");
    bool whole = fflush(stdout) == 0 && !ferror(stdout);
    if (!whole) fputs("whynot-bench engine: the output cannot be written\n", stderr);
    return whole;
}
