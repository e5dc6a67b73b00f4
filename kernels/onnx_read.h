/* What the files that read ONNX messages share. Private to kernels/onnx*.c. */
#ifndef WN_KERNELS_ONNX_READ_H
#define WN_KERNELS_ONNX_READ_H

#include "arena.h"
#include "graph.h"
#include "onnx.pb-c.h"

struct wn_reader {
    const struct wn_graph_limits *limits;
    struct wn_arena *arena; /* owner of everything that is made */
    struct wn_error *err;
};

/* Zeroed memory of the arena; NULL and a filled err on failure. */
void *wn_reader_take(struct wn_reader *r, size_t n, size_t size);
char *wn_reader_string(struct wn_reader *r, const char *s);
/* Fails with WN_BAD_MODEL; returns false. */
bool wn_reader_bad(struct wn_reader *r, const char *fmt, ...) WN_PRINTF(2, 3);
/* NULL and a filled err on failure. */
struct wn_tensor *wn_reader_tensor(struct wn_reader *r, const Onnx__TensorProto *t);
bool wn_reader_attributes(struct wn_reader *r, const Onnx__NodeProto *proto, struct wn_node *node);
/* The tensor that a Constant node stands for; NULL and a filled err on failure. */
struct wn_tensor *wn_reader_constant(struct wn_reader *r, const struct wn_node *node);

/* Unpacks a message that wn_prescan has passed. Freed with protobuf_c_message_free_unpacked(.., NULL). NULL and a
 * filled err on failure. */
ProtobufCMessage *wn_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                            struct wn_error *err);

#endif
