/* Open Inference Protocol v2: tensors in a body to pictures and questions, and answers to tensors. */
#ifndef WN_SERVER_INFER_H
#define WN_SERVER_INFER_H

#include "server.h"

#define WN_INFER_INPUT "input" /* FP32 [n, C, H, W], what the network reads; or BYTES [n], PNG or JPEG files */

/* What can be asked for: name, datatype. EXPLANATION and MAP run the backward pass. */
#define WN_INFER_OUTPUTS(X)                                                                                            \
    X(LOGITS, "logits", "FP32")                                                                                        \
    X(PROBABILITIES, "probabilities", "FP32")                                                                          \
    X(EXPLANATION, "explanation", "BYTES")                                                                             \
    X(MAP, "map", "FP32")

enum wn_infer_output {
#define X(id, name, type) WN_INFER_##id,
    WN_INFER_OUTPUTS(X) WN_INFER_OUTPUT_COUNT
#undef X
};

struct wn_infer {
    const char *id;                     /* comes back; NULL: not given */
    int order[WN_INFER_OUTPUT_COUNT];   /* the outputs that are wanted */
    bool binary[WN_INFER_OUTPUT_COUNT]; /* by place in `order` */
    int n;
};

const char *wn_infer_name(int output); /* "logits"; NULL past the end */
const char *wn_infer_datatype(int output);
/* Dimensions of an output of this model, -1 where they depend on the question; returns how many. The first is that
 * of the images. */
int wn_infer_shape(const struct wn_model *m, int output, int64_t shape[4]);

/* As wn_intake, for a body of tensors; fills r->infer. */
enum wn_code wn_infer_intake(struct wn_request *r, struct wn_job *job);
/* Fills the reply. One image that fails fails them all: a tensor has no place for a problem. */
void wn_infer_answer(struct wn_request *r);

#endif
