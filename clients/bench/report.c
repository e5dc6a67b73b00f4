/* Times and ratios as a table for people or as JSON. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

/* What is a goal: the median of `of` by that of `by`, or of itself. A star in a name stands for each of the
 * precisions. Goals of one H100 are about a backend with a clock of its own, the others about a processor. */
/* Grad-CAM, one that goes back to the picture, or that many times over (ig) */
enum method_kind { ANY, CLOSED, WHOLE, PATH };
enum clock { HOST, DEVICE_HOST, DEVICE }; /* a processor; a device, by the host's clock; a device by its own */
enum measure { RATIO, RATE, TIME };       /* of / by; explanations a second; milliseconds */
static const struct goal {
    const char *id, *words, *of, *by;
    double limit; /* at most, or at least; 0: no goal, only of interest */
    bool at_least;
    enum method_kind method;
    const char *models, *precisions; /* how their names begin, which ones; apart by spaces, NULL: all */
    enum clock clock;
    enum measure measure;
    int batch; /* and from it on for ratios; 0: any */
} goals[] = {
    /* clang-format off */
    {"C1/C2", "explanation / own forward", "own * explain 1", "own * forward", 1.05, false, CLOSED, NULL, NULL, HOST, RATIO, 0},
    {"C10", "explanation / own forward", "own * explain 1", "own * forward", 2.6, false, WHOLE, NULL, NULL, HOST, RATIO, 0},
    {"32 C10", "explanation with 32 nodes / own forward", "own * explain 1", "own * forward", 32 * 2.6, false, PATH, NULL, NULL, HOST, RATIO, 0},
    {"", "PyTorch's autograd / own explanation", "torch explain", "own * explain 1", 1, true, WHOLE, NULL, "f32", HOST, RATIO, 0},
    {"", "PyTorch's autograd / own explanation", "torch explain", "own * explain 1", 1, true, PATH, NULL, "f32", HOST, RATIO, 0},
    {"C3", "own forward / PyTorch eager forward", "own * forward", "torch forward", 0.75, false, ANY, NULL, "f32", HOST, RATIO, 0},
    {"C4", "own forward / bare oneDNN stack, its own layouts", "own * forward", "bare f32 any", 1.10, false, ANY, NULL, "f32", HOST, RATIO, 0},
    {"C4", "own forward / bare oneDNN stack, channels-last", "own * forward", "bare f32 nhwc", 1.10, false, ANY, NULL, "f32", HOST, RATIO, 0},
    {"C4b", "own forward / bare stack, channels-last", "own * forward", "bare bf16 nhwc", 1.10, false, ANY, NULL, "bf16", HOST, RATIO, 0},
    {"C5", "own bf16 / own f32 forward", "own * forward", "own f32 forward", 0.60, false, ANY, NULL, "bf16", HOST, RATIO, 0},
    {"C6", "PyTorch Grad-CAM / own explanation", "torch explain", "own * explain 1", 5, true, CLOSED, NULL, NULL, HOST, RATIO, 0},
    {"C7", "999 contrasts / 1", "own * 999 contrasts", "own * explain 1", 1.10, false, CLOSED, "resnet densenet", NULL, HOST, RATIO, 0},
    {"C8", "999 contrasts / 1", "own * 999 contrasts", "own * explain 1", 1.15, false, CLOSED, "squeezenet", NULL, HOST, RATIO, 0},
    {"C8", "999 contrasts / 1", "own * 999 contrasts", "own * explain 1", 2.2, false, CLOSED, "vgg", NULL, HOST, RATIO, 0},
    {"C9", "a pair of the cached stack / forward", "own * cached pair", "own * forward", 0.01, false, CLOSED, NULL, "f32", HOST, RATIO, 0},
    {"", "explanations a second", "own * explain 1", NULL, 0, true, ANY, NULL, NULL, DEVICE, RATE, 0},
    {"H1", "explanations a second", "own * explain 1", NULL, 15000, true, CLOSED, "resnet50", "bf16 f16", DEVICE, RATE, 128},
    {"H2", "explanations a second", "own * explain 1", NULL, 8000, true, CLOSED, "resnet50", "tf32", DEVICE, RATE, 128},
    {"H3", "explanations a second", "own * explain 1", NULL, 50000, true, CLOSED, "resnet18", "bf16 f16", DEVICE, RATE, 128},
    {"H4", "explanations a second", "own * explain 1", NULL, 8000, true, CLOSED, "vgg16", "bf16 f16", DEVICE, RATE, 128},
    {"H4", "explanations a second", "own * explain 1", NULL, 4500, true, CLOSED, "vgg16", "tf32", DEVICE, RATE, 128},
    {"H5", "explanations a second", "own * explain 1", NULL, 8000, true, CLOSED, "densenet121", "bf16 f16", DEVICE, RATE, 128},
    {"H6", "forward pass and map, ms", "own * explain 1", NULL, 0.45, false, CLOSED, "resnet50", "bf16 f16", DEVICE, TIME, 1},
    {"H7", "explanation / own forward", "own * explain 1", "own * forward", 1.05, false, CLOSED, NULL, NULL, DEVICE, RATIO, 32},
    {"H8", "maps of every class / 1", "own * stack", "own * explain 1", 1.15, false, CLOSED, "resnet", NULL, DEVICE, RATIO, 32},
    {"H8", "maps of every class / 1", "own * stack", "own * explain 1", 2.5, false, CLOSED, "vgg", NULL, DEVICE, RATIO, 32},
    {"H8", "999 contrasts / 1", "own * 999 contrasts", "own * explain 1", 1.15, false, CLOSED, "resnet", NULL, DEVICE_HOST, RATIO, 32},
    {"H8", "999 contrasts / 1", "own * 999 contrasts", "own * explain 1", 2.5, false, CLOSED, "vgg", NULL, DEVICE_HOST, RATIO, 32},
    {"H9", "explanation / own forward", "own * explain 1", "own * forward", 2.8, false, WHOLE, NULL, NULL, DEVICE, RATIO, 32},
    {"H12", "PyTorch Grad-CAM / own explanation", "torch explain", "own * explain 1", 10, true, CLOSED, NULL, NULL, DEVICE_HOST, RATIO, 32},
    {"", "PyTorch's autograd / own explanation", "torch explain", "own * explain 1", 0, true, WHOLE, NULL, NULL, DEVICE_HOST, RATIO, 0},
    {"", "PyTorch eager / own forward", "torch forward", "own * forward", 0, true, ANY, NULL, NULL, DEVICE_HOST, RATIO, 0},
    {"", "torch.compile / own forward", "torch compiled forward", "own * forward", 0, true, ANY, NULL, NULL, DEVICE_HOST, RATIO, 0},
    {"", "torch.compile Grad-CAM / own explanation", "torch compiled explain", "own * explain 1", 0, true, CLOSED, NULL, NULL, DEVICE_HOST, RATIO, 0},
};
/* clang-format on */

/* Whether one of the words, apart by spaces, is how the name begins. */
static bool is_among(const char *words, const char *name)
{
    for (const char *word = words; word; word = strchr(word, ' ') ? strchr(word, ' ') + 1 : NULL)
        if (strncmp(name, word, strcspn(word, " ")) == 0) return true;
    return !words;
}

static const struct subject *find_starred(const struct bench *b, const char *name, const char *precision)
{
    char whole[64];
    const char *star = strchr(name, '*');
    if (!star) return bench_find(b, name);
    snprintf(whole, sizeof whole, "%.*s%s%s", (int)(star - name), name, precision, star + 1);
    return bench_find(b, whole);
}

static bool has_clock(const struct bench *b)
{
    for (int i = 0; i < b->n; i++)
        if (b->subjects[i].median > 0 && b->subjects[i].device > 0) return true;
    return false;
}

static bool applies(const struct bench *b, const struct bench_options *o, const struct goal *g, int precision)
{
    const char *name = o->method->name;
    const enum method_kind kind = strcmp(name, "gradcam") == 0 ? CLOSED : strcmp(name, "ig") == 0 ? PATH : WHOLE;
    const bool on_device = g->clock != HOST, beside = strncmp(g->of, "torch", 5) == 0;
    if (on_device != has_clock(b) || (g->method != ANY && g->method != kind)) return false;
    if (g->batch && (g->measure == RATIO ? o->batch < g->batch : o->batch != g->batch)) return false;
    if (on_device && beside && precision > 0) return false; /* PyTorch runs in the first */
    return is_among(g->models, b->model) && is_among(g->precisions, wn_precision_name(o->precisions[precision]));
}

static bool value_of(const struct bench *b, const struct bench_options *o, const struct goal *g, int precision,
                     double *value)
{
    const char *name = wn_precision_name(o->precisions[precision]);
    if (!applies(b, o, g, precision)) return false;
    const struct subject *of = find_starred(b, g->of, name), *by = g->by ? find_starred(b, g->by, name) : of;
    if (!of || !by || (g->clock == DEVICE && (of->device <= 0 || by->device <= 0))) return false;
    const double x = g->clock == DEVICE ? of->device : of->median, y = g->clock == DEVICE ? by->device : by->median;
    *value = g->measure == RATIO ? x / y : g->measure == RATE ? o->batch * 1e3 / x : x;
    return true;
}

static void report_times(const struct bench *b, const struct bench_options *o)
{
    const bool clock = has_clock(b);
    printf("\n%s, %d rounds\n  %-28s %10s %10s %10s%s\n", b->model, b->rounds, "", "median ms", "quartile", "quartile",
           clock ? "  device ms" : "");
    for (int i = 0; i < b->n; i++) {
        const struct subject *s = &b->subjects[i];
        printf("  %-28s %10.3f %10.3f %10.3f", s->name, s->median, s->low, s->high);
        if (s->median > 0 && s->device > 0)
            printf(" %10.3f", s->device);
        else if (clock)
            printf(" %10s", "");
        if (s->stages && s->median > 0)
            printf("  %9.0f images/s, %d of %d stages captured", o->batch * 1e3 / s->median, s->captured, s->stages);
        printf("%s%s", s->walked[0] ? ": " : "", s->walked);
        if (s->plain) printf("; %d convolutions and products by PLAIN KERNELS: %s", s->plain, s->refused);
        printf("\n");
    }
}

static void report_goal(const struct goal *g, const char *precision, double value)
{
    char words[80];
    const bool met = g->at_least ? value >= g->limit : value <= g->limit;
    snprintf(words, sizeof words, "%s, %s", g->words, precision);
    printf("  %-6s %-50s %7.*f", g->id, words, g->measure == RATE ? 0 : 3, value);
    if (g->limit > 0)
        printf("  (%s %.*f)%s", g->at_least ? "at least" : "at most", g->measure == RATE ? 0 : 2, g->limit,
               met ? "" : "  MISSED");
    printf("\n");
}

static void report_table(const struct bench *b, const struct bench_options *o)
{
    double value;
    report_times(b, o);
    for (int i = 0; i < 2; i++)
        if (b->lacking[i][0])
            printf("  torch compiled %-13s does not work here: %s\n", i ? "explain" : "forward", b->lacking[i]);
    for (int i = 0; i < o->n_precisions; i++)
        if (b->maps[i])
            printf("  worst map error of %-4s against f32 %17.2g  (of %d maps, relative)\n",
                   wn_precision_name(o->precisions[i]), b->map_error[i], b->maps[i]);
    for (size_t i = 0; i < sizeof goals / sizeof *goals; i++)
        for (int k = 0; k < o->n_precisions; k++)
            if (value_of(b, o, &goals[i], k, &value))
                report_goal(&goals[i], wn_precision_name(o->precisions[k]), value);
}

static void report_json(const struct bench *b, const struct bench_options *o)
{
    double value;
    const char *comma = "";
    printf("{\"model\": \"%s\", \"rounds\": %d, \"median_ms\": {", b->model, b->rounds);
    for (int i = 0; i < b->n; i++) printf("%s\"%s\": %.4f", i ? ", " : "", b->subjects[i].name, b->subjects[i].median);
    printf("}, \"device_ms\": {");
    for (int i = 0; i < b->n; i++) {
        const struct subject *s = &b->subjects[i];
        if (s->median <= 0 || s->device <= 0) continue;
        printf("%s\"%s\": %.4f", comma, s->name, s->device);
        comma = ", ";
    }
    comma = "";
    printf("}, \"answers\": {");
    for (int i = 0; i < b->n; i++) {
        if (!b->subjects[i].answers) continue;
        printf("%s\"%s\": %d", comma, b->subjects[i].name, b->subjects[i].answers);
        comma = ", ";
    }
    comma = "";
    printf("}, \"map_errors\": {");
    for (int i = 0; i < o->n_precisions; i++) {
        if (!b->maps[i]) continue;
        printf("%s\"%s\": %.6g", comma, wn_precision_name(o->precisions[i]), b->map_error[i]);
        comma = ", ";
    }
    comma = "";
    printf("}, \"ratios\": {");
    for (size_t i = 0; i < sizeof goals / sizeof *goals; i++)
        for (int k = 0; k < o->n_precisions; k++) {
            const struct goal *g = &goals[i];
            if (!value_of(b, o, g, k, &value)) continue;
            printf("%s\"%s: %s, %s\": %.4f", comma, g->id, g->words, wn_precision_name(o->precisions[k]), value);
            comma = ", ";
        }
    printf("}}");
}

void bench_report_begin(const struct bench_options *o, const char *device, bool first)
{
    if (first && o->json)
        printf("{\"device\": \"%s\", \"threads\": %d, \"batch\": %d, \"contrast\": \"%s\", \"models\": [", device,
               o->threads, o->batch, o->contrast ? o->contrast->name : "weighted");
    else if (first)
        printf("%s, batch %d%s%s\n", device, o->batch, o->contrast ? ", contrast " : "",
               o->contrast ? o->contrast->name : "");
    if (o->json) printf("%s\n  ", first ? "" : ",");
}

void bench_report(const struct bench *b, const struct bench_options *o, const char *device, bool first)
{
    bench_report_begin(o, device, first);
    if (o->json)
        report_json(b, o);
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
