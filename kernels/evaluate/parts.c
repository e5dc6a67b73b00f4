/* Pictures of named parts (Hesse et al. 2023): the row that names the numbers. They come of all pictures together,
 * so whoever has those makes them: server/parts.c. */
#include "trial.h"

static const struct wn_evaluation_column columns[] = {
    {"csdc", "controlled synthetic data check: share of a sufficient set of parts that is important", 1},
    {"pc", "preservation check: share of pictures whose prediction stays without the unimportant parts", 1},
    {"dc", "deletion check: share of pictures whose prediction changes without the important parts", 1},
    {"d", "distractibility: 1 - share of what does not matter that is called important", 1},
    {"bi", "background independence of the network: share of the background's things that do not matter", 0},
    {"sd", "single deletion: rank correlation of importance and the logit's drop, from 0 to 1", 1},
    {"ts", "target sensitivity: shared parts matter more for the class that they are shared with", 1},
    {"tau", "the threshold of importance, a share of the map's sum: the one that suits the method best", 0},
};

const struct wn_evaluation_metric wn_evaluation_metric_parts = {
    .name = "parts",
    .summary = "Does the map lie on the parts that matter, where each can be left out?",
    .source = "Hesse et al. 2023 (FunnyBirds)",
    .needs = WN_NEEDS_PARTS,
    .columns = columns,
    .n_columns = 8,
};
