/* One picture's line of an audit: what its label says, what the model says, how far apart the two are. And the order
 * of them all. */
#ifndef WN_CLI_VERDICT_H
#define WN_CLI_VERDICT_H

#include "cli.h"

#include <media/buffer.h>

struct cli_verdict {
    char *line;       /* the JSON object, without a line break; NULL: there is none yet */
    int place;        /* in the data set */
    int label, rival; /* label -1: no answer */
    /* logit of the strongest other class minus that of the label: above 0 the model says something else */
    double gap;
    double label_probability;
};

/* How suspects are ordered among each other, and the others behind them. name, meaning. */
#define CLI_RANKS(X)                                                                                                   \
    X(gap, "by the logit gap between the model's class and the label, which is to say by their relative probability")  \
    X(probability, "by how unlikely the model finds the label among all classes")                                      \
    X(class, "by the logit gap, less the median one of pictures with that label")

enum cli_rank {
#define X(name, words) CLI_RANK_##name,
    CLI_RANKS(X)
#undef X
};

bool cli_rank_find(const char *name, enum cli_rank *out);
/* Takes its own copy. WN_BAD_REQUEST where the text is no line of an audit. */
enum wn_code cli_verdict_read(const char *text, size_t size, struct cli_verdict *out, struct wn_error *err);
void cli_verdict_finish(struct cli_verdict *v);
bool cli_verdict_is_suspect(const struct cli_verdict *v);
/* Suspects, then pictures about which model and label agree, then those without an answer. Equal ones in the order
 * of the data set. */
enum wn_code cli_verdicts_rank(struct cli_verdict *list, int n, int classes, enum cli_rank by, struct wn_error *err);

#endif
