/* The report of an evaluation: one HTML file that asks nobody for anything. */
#ifndef WN_CLI_EVALUATE_REPORT_H
#define WN_CLI_EVALUATE_REPORT_H

#include "dataset.h"
#include "peer.h"

/* Tables, plots with intervals, and the ten best and ten worst pictures by the first number that can be good or bad.
 * peer: asked for the overlays. A failure was said. */
enum cli_exit cli_evaluate_report(const char *path, const struct cli *c, struct cli_peer *peer,
                                  const struct wn_model *m, const struct cli_dataset *data, const struct wn_tally *t);

#endif
