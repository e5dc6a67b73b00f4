/* Writes the small networks of the tests, and one of each type of numbers, into a folder, as seeds for the fuzzer:
 * onnx_seeds FOLDER. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nets.h"

enum {
    FLOAT_DATA = 4,
    INT32_DATA = 5,
    INT64_DATA = 7,
    DOUBLE_DATA = 10,
    UINT64_DATA = 11,
    WIRE_U16 = 4,
    WIRE_I16 = 5,
    WIRE_U32 = 12
};

static const struct {
    const char *name;
    int type, width, field; /* field: where its numbers stand when they are not raw */
} types[] = {{"f32", WIRE_F32, 4, FLOAT_DATA},   {"f64", WIRE_F64, 8, DOUBLE_DATA}, {"f16", WIRE_F16, 2, INT32_DATA},
             {"bf16", WIRE_BF16, 2, INT32_DATA}, {"i64", WIRE_I64, 8, INT64_DATA},  {"i32", WIRE_I32, 4, INT32_DATA},
             {"i16", WIRE_I16, 2, INT32_DATA},   {"i8", WIRE_I8, 1, INT32_DATA},    {"u8", WIRE_U8, 1, INT32_DATA},
             {"u16", WIRE_U16, 2, INT32_DATA},   {"u32", WIRE_U32, 4, UINT64_DATA}, {"bool", WIRE_BOOL, 1, INT32_DATA}};
enum { TYPES = sizeof types / sizeof *types };

static void save(const char *folder, const char *name, struct wire model)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(model.data, 1, model.n, f) != model.n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
    wire_free(&model);
}

/* Three numbers, one of them not normal as a half. */
static struct wire numbers(int i, bool raw)
{
    static const uint8_t bytes[24] = {1, 0, 3, 0x3c, 0, 0x40};
    if (raw) return wire_tensor_raw("t", types[i].type, 1, DIMS(3), bytes, 3 * (size_t)types[i].width);
    struct wire t = wire_tensor("t", types[i].type, 1, DIMS(3)), packed = {0};
    bool fixed = types[i].field == FLOAT_DATA || types[i].field == DOUBLE_DATA;
    if (fixed) wire_raw(&packed, bytes, 3 * (size_t)types[i].width);
    for (uint64_t k = 0; !fixed && k < 3; k++) wire_number(&packed, k * 0x3c01);
    wire_add(&t, types[i].field, packed);
    return t;
}

/* Pictures of 3 numbers, plus the constant; as an initializer, or as a node. */
static struct wire sum(struct wire constant, bool node)
{
    struct wire graph = {0};
    wire_graph_input(&graph, "x", 4, DIMS(0, 1, 1, 3));
    if (node)
        wire_graph_node(&graph, constant);
    else
        wire_graph_initializer(&graph, constant);
    wire_graph_node(&graph, wire_node("Cast", "c", "t", "f"));
    wire_graph_node(&graph, wire_node("Add", "a", "x,f", "s"));
    wire_graph_node(&graph, wire_node("Flatten", "e", "s", "y"));
    wire_graph_output(&graph, "y");
    return wire_model(13, graph);
}

static void save_types(const char *folder)
{
    char name[32];
    for (int i = 0; i < TYPES; i++)
        for (int raw = 0; raw < 2; raw++) {
            snprintf(name, sizeof name, "type-%s-%d", types[i].name, raw);
            save(folder, name, sum(numbers(i, raw), false));
            save(folder, name + strlen("type-"), numbers(i, raw));
        }
}

static void save_constants(const char *folder)
{
    for (int i = 0; i < 6; i++) {
        char name[32];
        struct wire node = wire_node("Constant", "k", "", "t");
        if (i == 0) wire_attr_float(&node, "value_float", 1);
        if (i == 1) wire_attr_int(&node, "value_int", 1);
        if (i == 2) wire_attr_floats(&node, "value_floats", 3, (float[]){1, 2, 3});
        if (i == 3) wire_attr_ints(&node, "value_ints", 3, DIMS(1, 2, 3));
        if (i == 4) wire_attr_tensor(&node, "value", numbers(0, true));
        if (i == 5) wire_attr_string(&node, "value_string", "a");
        snprintf(name, sizeof name, "constant-%d", i);
        save(folder, name, sum(node, true));
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) return fprintf(stderr, "use: onnx_seeds FOLDER\n"), 2;
    mkdir(argv[1], 0777);
    for (int i = 0; i < n_nets; i++) save(argv[1], nets[i].name, nets[i].make());
    save_types(argv[1]);
    save_constants(argv[1]);
    return 0;
}
