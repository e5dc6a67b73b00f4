/* An audit that has been made: a data set's labels against a model, ranked. */
#ifndef WN_CLI_AUDIT_H
#define WN_CLI_AUDIT_H

#include "dataset.h"
#include "verdict.h"

#include <text.h>

struct cli_audit {
    const struct cli *c;
    const char *question;
    struct cli_classes classes;
    struct cli_dataset data;
    struct cli_verdict *list; /* of each of the data set's pictures; ranked */
    int suspects, failed;
    int shown;         /* at most so many suspects are shown to people */
    const char *order; /* how they are ranked, in words */
};

/* ---- audit_table.c: for spreadsheets and terminals ---- */

void cli_audit_csv(const struct cli_audit *a, struct wn_text *out);
/* The lines again, ranked, with "rank" in front. */
void cli_audit_lines(const struct cli_audit *a, struct wn_text *out);
void cli_audit_words(const struct cli_audit *a, struct wn_text *out);

/* What a map of a suspect says: "the upper right, 95 % of the evidence", or "nothing". */
void cli_audit_evidence(const json_t *answer, const json_t *map, char out[96]);

/* ---- audit_report.c: for people ---- */

/* A page with the suspects' pictures. A failure was said. */
enum cli_exit cli_audit_report(const struct cli_audit *a, const char *path);

#endif
