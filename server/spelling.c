/* Words and the names that they mean; knows no model and says nothing to clients. */
#include "spelling.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST_SAID 4

typedef int comparison(const char *, const char *);

static int find(const char *const *names, int n, const char *word, comparison *compare)
{
    int found = WN_SPELLED_NOWHERE;
    for (int i = 0; i < n && found != WN_SPELLED_TWICE; i++)
        if (compare(names[i], word) == 0) found = found == WN_SPELLED_NOWHERE ? i : WN_SPELLED_TWICE;
    return found;
}

/* "crane (134)" */
static int find_numbered(const char *const *names, int n, const char *word)
{
    const char *open = strrchr(word, '(');
    char *end;
    if (!open || open < word + 2 || open[-1] != ' ' || open[1] < '0' || open[1] > '9') return WN_SPELLED_NOWHERE;
    size_t length = (size_t)(open - word) - 1;
    long i = strtol(open + 1, &end, 10);
    bool fits =
        strcmp(end, ")") == 0 && i < n && strlen(names[i]) == length && strncasecmp(names[i], word, length) == 0;
    return fits ? (int)i : WN_SPELLED_NOWHERE;
}

int wn_spelled(const char *const *names, int n, const char *word)
{
    int found = find(names, n, word, strcmp);
    if (found == WN_SPELLED_NOWHERE) found = find(names, n, word, strcasecmp);
    return found == WN_SPELLED_NOWHERE ? find_numbered(names, n, word) : found;
}

void wn_spelled_where(const char *const *names, int n, const char *word, char *out, size_t size)
{
    comparison *compare = find(names, n, word, strcmp) == WN_SPELLED_TWICE ? strcmp : strcasecmp;
    int all = 0, said = 0;
    size_t used = 0;
    for (int i = 0; i < n; i++) all += compare(names[i], word) == 0;
    out[0] = 0;
    for (int i = 0; i < n && said < MOST_SAID && used < size; i++) {
        if (compare(names[i], word) != 0) continue;
        const char *between = !said ? "" : said + 1 == all ? " and " : ", ";
        used += (size_t)snprintf(out + used, size - used, "%s%d", between, i);
        said++;
    }
    if (all > said && used < size) snprintf(out + used, size - used, " and %d more", all - said);
}
