/* The writer of wire.h. */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

void wire_raw(struct wire *w, const void *data, size_t n)
{
    if (w->n + n > w->cap) {
        w->cap = 2 * (w->n + n) + 64;
        w->data = realloc(w->data, w->cap);
        if (!w->data) abort();
    }
    if (n) memcpy(w->data + w->n, data, n);
    w->n += n;
}

void wire_number(struct wire *w, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        wire_raw(w, &byte, 1);
        value >>= 7;
    } while (value);
}

void wire_varint(struct wire *w, int field, uint64_t value)
{
    wire_number(w, (uint64_t)field << 3);
    wire_number(w, value);
}

void wire_bytes(struct wire *w, int field, const void *data, size_t n)
{
    wire_number(w, (uint64_t)field << 3 | 2);
    wire_number(w, n);
    wire_raw(w, data, n);
}

void wire_string(struct wire *w, int field, const char *s)
{
    wire_bytes(w, field, s, strlen(s));
}

void wire_float(struct wire *w, int field, float f)
{
    wire_number(w, (uint64_t)field << 3 | 5);
    wire_raw(w, &f, sizeof f);
}

void wire_add(struct wire *w, int field, struct wire child)
{
    wire_bytes(w, field, child.data, child.n);
    wire_free(&child);
}

void wire_free(struct wire *w)
{
    free(w->data);
    *w = (struct wire){0};
}

struct wire wire_tensor(const char *name, int type, int rank, const int64_t *dims)
{
    struct wire t = {0};
    for (int d = 0; d < rank; d++) wire_varint(&t, 1, (uint64_t)dims[d]);
    wire_varint(&t, 2, (uint64_t)type);
    if (name) wire_string(&t, 8, name);
    return t;
}

struct wire wire_tensor_raw(const char *name, int type, int rank, const int64_t *dims, const void *raw, size_t n)
{
    struct wire t = wire_tensor(name, type, rank, dims);
    wire_bytes(&t, 9, raw, n);
    return t;
}

static void names(struct wire *w, int field, const char *list)
{
    while (*list) {
        size_t n = strcspn(list, ",");
        wire_bytes(w, field, list, n);
        list += n + (list[n] == ',');
    }
}

struct wire wire_node(const char *op, const char *name, const char *in, const char *out)
{
    struct wire node = {0};
    names(&node, 1, in);
    names(&node, 2, out);
    wire_string(&node, 3, name);
    wire_string(&node, 4, op);
    return node;
}

static struct wire attr(const char *name, int type)
{
    struct wire a = {0};
    wire_string(&a, 1, name);
    wire_varint(&a, 20, (uint64_t)type);
    return a;
}

void wire_attr_int(struct wire *node, const char *name, int64_t value)
{
    struct wire a = attr(name, 2);
    wire_varint(&a, 3, (uint64_t)value);
    wire_add(node, 5, a);
}

void wire_attr_float(struct wire *node, const char *name, float value)
{
    struct wire a = attr(name, 1);
    wire_float(&a, 2, value);
    wire_add(node, 5, a);
}

void wire_attr_string(struct wire *node, const char *name, const char *value)
{
    struct wire a = attr(name, 3);
    wire_string(&a, 4, value);
    wire_add(node, 5, a);
}

void wire_attr_ints(struct wire *node, const char *name, int n, const int64_t *values)
{
    struct wire a = attr(name, 7);
    for (int i = 0; i < n; i++) wire_varint(&a, 8, (uint64_t)values[i]);
    wire_add(node, 5, a);
}

void wire_attr_floats(struct wire *node, const char *name, int n, const float *values)
{
    struct wire a = attr(name, 6);
    for (int i = 0; i < n; i++) wire_float(&a, 7, values[i]);
    wire_add(node, 5, a);
}

void wire_attr_tensor(struct wire *node, const char *name, struct wire tensor)
{
    struct wire a = attr(name, 4);
    wire_add(&a, 5, tensor);
    wire_add(node, 5, a);
}

void wire_graph_node(struct wire *graph, struct wire node)
{
    wire_add(graph, 1, node);
}

void wire_graph_initializer(struct wire *graph, struct wire tensor)
{
    wire_add(graph, 5, tensor);
}

void wire_graph_input(struct wire *graph, const char *name, int rank, const int64_t *dims)
{
    struct wire shape = {0}, tensor = {0}, type = {0}, info = {0};
    for (int d = 0; d < rank; d++) {
        struct wire dim = {0};
        if (dims[d])
            wire_varint(&dim, 1, (uint64_t)dims[d]);
        else
            wire_string(&dim, 2, "N");
        wire_add(&shape, 1, dim);
    }
    wire_varint(&tensor, 1, WIRE_F32);
    wire_add(&tensor, 2, shape);
    wire_add(&type, 1, tensor);
    wire_string(&info, 1, name);
    wire_add(&info, 2, type);
    wire_add(graph, 11, info);
}

void wire_graph_output(struct wire *graph, const char *name)
{
    struct wire info = {0};
    wire_string(&info, 1, name);
    wire_add(graph, 12, info);
}

struct wire wire_model(int64_t opset, struct wire graph)
{
    struct wire model = {0}, id = {0};
    wire_varint(&model, 1, 8);
    wire_varint(&id, 2, (uint64_t)opset);
    wire_add(&model, 8, id);
    wire_add(&model, 7, graph);
    return model;
}
