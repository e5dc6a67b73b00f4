/* One answer for people, and its pictures as files. */
#ifndef WN_CLI_ANSWER_TEXT_H
#define WN_CLI_ANSWER_TEXT_H

#include "screen.h"

#include <jansson.h>

/* Appends what the answer says in words and, where screen is not none, the picture beside its maps. picture: the
 * file's bytes. */
enum wn_code cli_answer_words(const json_t *answer, const char *name, const struct wn_buffer *picture,
                              enum cli_screen screen, struct wn_buffer *out, struct wn_error *err);
/* A share of 0 to 1 in words: "31.5 %", and "> 99.9 %" where rounding would make it everything. */
const char *cli_percent(double share, char out[16]);
/* Where the middle of the box [x, y, w, h] lies, in the words of a picture's thirds: "the upper left". image: its
 * width and height. */
const char *cli_answer_place(const json_t *image, const json_t *box);
/* Writes every heatmap and overlay of the answer as folder/stem.WHAT.heatmap.png and .overlay.png, each whole or not
 * at all; paths: a JSON list of the files. */
enum wn_code cli_answer_files(const json_t *answer, const char *folder, const char *stem, json_t *paths,
                              struct wn_error *err);
/* The answer without the pictures in it, otherwise byte for byte. */
enum wn_code cli_answer_strip(const struct wn_buffer *body, struct wn_buffer *out, struct wn_error *err);

#endif
