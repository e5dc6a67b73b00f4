/* Model bytes that must be refused, and the graphs that they are built from: what the hostile tests share. */
#ifndef WN_TESTS_REFUSED_H
#define WN_TESTS_REFUSED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph.h"
#include "wire.h"

struct wire small_graph(void); /* x -> Relu -> y */
struct wire chain_start(void); /* x and y, and nothing between them */

/* Reads, expects `code` and a text that holds `about`, fit to be shown; frees the bytes. */
void refused_as(enum wn_code code, struct wire model, const char *about);
/* The same for WN_BAD_MODEL, of a model, and of one around a graph, a tensor, an attribute of a node. */
void refused(struct wire model, const char *about);
void refused_graph(struct wire graph, const char *about);
void refused_tensor(struct wire tensor, const char *about);
void refused_attribute(struct wire attr, const char *about);

double seconds(void); /* of processor time */

#endif
