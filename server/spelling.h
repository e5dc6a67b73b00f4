/* Which name of a list a word means: what clients and data sets spell. */
#ifndef WN_SERVER_SPELLING_H
#define WN_SERVER_SPELLING_H

#include <stddef.h>

enum { WN_SPELLED_NOWHERE = -1, WN_SPELLED_TWICE = -2 };

/* The name that is spelled so; else the one that is but for case; else the name 134 of "crane (134)", which is how a
 * name that stands there twice is told apart. WN_SPELLED_TWICE: the word fits several equally well. */
int wn_spelled(const char *const *names, int n, const char *word);
/* Of a word that fits several: "134 and 517". */
void wn_spelled_where(const char *const *names, int n, const char *word, char *out, size_t size);

#endif
