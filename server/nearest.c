/* Nearness of words: a shared beginning, one inside the other, or few edits apart; knows no list of names. */
#include "nearest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LONGEST 63 /* longer words are compared by their beginnings */
#define FAR 1000

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein without the general transposition: insert, delete, replace and swap of neighbours cost one each.
 */
static int edits(const char *a, int m, const char *b, int n)
{
    int rows[3][LONGEST + 1];
    for (int j = 0; j <= n; j++) rows[0][j] = j;
    for (int i = 1; i <= m; i++) {
        int *now = rows[i % 3], *above = rows[(i + 2) % 3], *twice = rows[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= n; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            now[j] = least(least(above[j], now[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && y == tolower((unsigned char)a[i - 2]))
                now[j] = least(now[j], twice[j - 2] + 1);
        }
    }
    return rows[m % 3][n];
}

/* Smaller is nearer; FAR is not worth saying. */
static int distance(const char *word, const char *name)
{
    size_t length = strlen(word);
    if (length >= 2 && strncasecmp(word, name, length) == 0) return 0;
    int m = (int)strnlen(word, LONGEST), n = (int)strnlen(name, LONGEST), most = m > 6 ? m / 3 : 2;
    int e = m - n > most || n - m > most ? FAR : edits(word, m, name, n); /* each letter more is an edit at least */
    if (e <= 1) return e;
    if (length >= 3 && strcasestr(name, word)) return 2;
    return e <= most ? e + 1 : FAR;
}

int wn_nearest_names(const char *word, const char *const *names, int n, const char **best, int most)
{
    int d[16], found = 0;
    if (most > 16) most = 16;
    for (int i = 0; i < n; i++) {
        int away = distance(word, names[i]), at = found;
        if (away == FAR || (found == most && (most == 0 || away >= d[found - 1]))) continue;
        if (found == most) at = --found;
        for (; at > 0 && d[at - 1] > away; at--) {
            d[at] = d[at - 1];
            best[at] = best[at - 1];
        }
        d[at] = away;
        best[at] = names[i];
        found++;
    }
    return found;
}
