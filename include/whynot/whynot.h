/* whynot: why did the network say P, rather than Q? Everything a user of the library includes. */
#ifndef WHYNOT_WHYNOT_H
#define WHYNOT_WHYNOT_H

#include <whynot/backend.h>
#include <whynot/engine.h>
#include <whynot/error.h>
#include <whynot/evaluate.h>
#include <whynot/evidence.h>
#include <whynot/explain.h>
#include <whynot/graph.h>
#include <whynot/masking.h>
#include <whynot/metrics.h>
#include <whynot/program.h>
#include <whynot/stack.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WN_VERSION "0.1.0"
WN_API const char *wn_version(void);

#ifdef __cplusplus
}
#endif
#endif
