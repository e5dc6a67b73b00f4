/* Writes ONNX messages byte by byte, good ones and hostile ones; knows nothing of whynot. Aborts when memory runs
 * out. */
#ifndef WN_TESTS_WIRE_H
#define WN_TESTS_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct wire {
    uint8_t *data;
    size_t n, cap;
};

/* ---- the wire format ---- */
void wire_raw(struct wire *w, const void *data, size_t n);
void wire_number(struct wire *w, uint64_t value); /* a bare varint */
void wire_varint(struct wire *w, int field, uint64_t value);
void wire_bytes(struct wire *w, int field, const void *data, size_t n);
void wire_string(struct wire *w, int field, const char *s);
void wire_float(struct wire *w, int field, float f);
void wire_add(struct wire *w, int field, struct wire child); /* as a message; frees the child */
void wire_free(struct wire *w);

/* ---- messages of the standard, with its field numbers ---- */
enum {
    WIRE_F32 = 1,
    WIRE_U8 = 2,
    WIRE_I8 = 3,
    WIRE_I32 = 6,
    WIRE_I64 = 7,
    WIRE_BOOL = 9,
    WIRE_F16 = 10,
    WIRE_F64 = 11,
    WIRE_BF16 = 16
};
#define DIMS(...)                                                                                                      \
    (const int64_t[])                                                                                                  \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

struct wire wire_tensor(const char *name, int type, int rank, const int64_t *dims); /* without elements */
struct wire wire_tensor_raw(const char *name, int type, int rank, const int64_t *dims, const void *raw, size_t n);
/* in, out: names with commas between them. */
struct wire wire_node(const char *op, const char *name, const char *in, const char *out);
void wire_attr_int(struct wire *node, const char *name, int64_t value);
void wire_attr_float(struct wire *node, const char *name, float value);
void wire_attr_string(struct wire *node, const char *name, const char *value);
void wire_attr_ints(struct wire *node, const char *name, int n, const int64_t *values);
void wire_attr_floats(struct wire *node, const char *name, int n, const float *values);
void wire_attr_tensor(struct wire *node, const char *name, struct wire tensor);
/* Parts of a graph. A dimension of 0 is written as a free one. */
void wire_graph_node(struct wire *graph, struct wire node);
void wire_graph_initializer(struct wire *graph, struct wire tensor);
void wire_graph_input(struct wire *graph, const char *name, int rank, const int64_t *dims);
void wire_graph_output(struct wire *graph, const char *name);
struct wire wire_model(int64_t opset, struct wire graph);

#endif
