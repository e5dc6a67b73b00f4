/* The names nearest to a word that is not among them: what "did you mean" says. */
#ifndef WN_SERVER_NEAREST_H
#define WN_SERVER_NEAREST_H

/* Fills best[] with up to `most` names of the list, nearest first; returns how many are near enough to be worth saying.
 */
int wn_nearest_names(const char *word, const char *const *names, int n, const char **best, int most);

#endif
