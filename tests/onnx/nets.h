/* Small whole networks in ONNX bytes, one for each habit of the real ones. Every input is "x" of (N, 3, 16, 16). */
#ifndef WN_TESTS_NETS_H
#define WN_TESTS_NETS_H

#include "wire.h"

enum { NET_CLASSES = 5 };

struct net {
    const char *name;
    struct wire (*make)(void);
    const char *auto_layer; /* the value that "auto" must mean; NULL: there is none */
    int64_t channels, height;
    const char *logits; /* the value that is explained */
};
extern const struct net nets[];
extern const int n_nets;

#endif
