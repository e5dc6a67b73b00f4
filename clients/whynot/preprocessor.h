/* How pictures become a network's input, as far as somebody has said it: a manifest's "input" in the making. */
#ifndef WN_CLI_PREPROCESSOR_H
#define WN_CLI_PREPROCESSOR_H

#include "cli.h"

#include <jansson.h>
#include <media/preprocess.h>

struct cli_input {
    char resize[16];      /* a manifest's word; "" not known */
    int size[2], crop[2]; /* height, width; 0: not known */
    int short_side;       /* 0: not known */
    double scale, mean[3], std[3];
    int n_mean, n_std; /* 0: not known */
    double offset;     /* is taken off after scaling: part of mean, where that is known */
    bool twice;        /* divided by the std twice: part of std, where that is known */
    char channels[8];  /* "" not known */
    char notes[600];   /* what could not be taken over, for people; lines */
};

/* Takes over what a preprocessor_config.json says (keys of Hugging Face's image processors). WN_BAD_REQUEST names
 * the key at fault. */
enum wn_code cli_input_from_config(const json_t *config, struct cli_input *in, struct wn_error *err);
/* One of the profiles of media/preprocess.c, for a network of that size. */
void cli_input_from_profile(const struct wn_preprocess *profile, int height, int width, struct cli_input *in);
/* The manifest's "input"; the caller's. */
json_t *cli_input_manifest(const struct cli_input *in);
/* "a" or "a,b,c"; returns how many (1 or 3), 0 where it is neither. */
int cli_numbers(const char *text, double out[3]);

#endif
