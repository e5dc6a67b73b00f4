/* A look at a serialised message before anything unpacks it. Private to kernels/. */
#ifndef WN_KERNELS_PRESCAN_H
#define WN_KERNELS_PRESCAN_H

#include <protobuf-c/protobuf-c.h>
#include <whynot/graph.h>

/* Walks the wire format of an ONNX message of type `type` without recursion and without memory. WN_BAD_MODEL:
 * truncated or malformed bytes, nesting deeper than the limit, more nodes than the limit, so many elements that
 * unpacking would take far more memory than the file, subgraphs, functions, sparse tensors, external data, a message
 * field given twice. */
enum wn_code wn_prescan(const void *data, size_t size, const ProtobufCMessageDescriptor *type,
                        const struct wn_graph_limits *limits, struct wn_error *err);

#endif
