/* The daemon's options: one table, four sources (flag over environment over file over default). */
#ifndef WN_SERVER_CONFIG_H
#define WN_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <whynot/error.h>

struct wn_config {
#define TEXT(name, def, summary) char name[512];
#define COUNT(name, def, least, most, summary) int64_t name;
#define SWITCH(name, def, summary) bool name;
#include "options.def"
#undef TEXT
#undef COUNT
#undef SWITCH
};

enum wn_config_wish { WN_CONFIG_RUN, WN_CONFIG_HELP, WN_CONFIG_VERSION };

/* Fills *config from the defaults, the file named by --config or WHYNOT_CONFIG, the environment and the flags, in that
 * order. WN_BAD_REQUEST: err says which option is wrong and what was probably meant. */
enum wn_code wn_config_load(int argc, char **argv, struct wn_config *config, enum wn_config_wish *wish,
                            struct wn_error *err);
void wn_config_help(FILE *out);

#endif
