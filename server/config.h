/* The daemon's options: one table, four sources (flag over environment over file over default). */
#ifndef WN_SERVER_CONFIG_H
#define WN_SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <whynot/error.h>

enum wn_option {
#define TEXT(name, def, summary) WN_OPTION_##name,
#define COUNT(name, def, least, most, summary) WN_OPTION_##name,
#define SWITCH(name, def, summary) WN_OPTION_##name,
#include "options.def"
#undef TEXT
#undef COUNT
#undef SWITCH
    WN_OPTION_COUNT
};

enum wn_config_source { WN_SOURCE_DEFAULT, WN_SOURCE_FILE, WN_SOURCE_ENVIRONMENT, WN_SOURCE_FLAG };

struct wn_config {
    unsigned char source[WN_OPTION_COUNT]; /* enum wn_config_source: where each value came from */
#define TEXT(name, def, summary) char name[512];
#define COUNT(name, def, least, most, summary) int64_t name;
#define SWITCH(name, def, summary) bool name;
#include "options.def"
#undef TEXT
#undef COUNT
#undef SWITCH
};

struct wn_image_limits;
enum wn_config_wish { WN_CONFIG_RUN, WN_CONFIG_HELP, WN_CONFIG_VERSION };

/* Fills *config from the defaults, the file named by --config or WHYNOT_CONFIG, the environment and the flags, in that
 * order. WN_BAD_REQUEST: err says which option is wrong and what was probably meant; WN_NO_MEMORY for the file. */
enum wn_code wn_config_load(int argc, char **argv, struct wn_config *config, enum wn_config_wish *wish,
                            struct wn_error *err);
void wn_config_help(FILE *out);
/* What pictures may be: the library's limits with the configuration's sizes (media/image.h). */
struct wn_image_limits wn_config_image_limits(const struct wn_config *config);

/* A row of the table, for listings and manuals; NULL past the end. */
struct wn_config_row {
    const char *name, *standard, *summary;
    enum { WN_ROW_TEXT, WN_ROW_COUNT, WN_ROW_SWITCH } kind;
};
const struct wn_config_row *wn_config_row(int i);
/* The value of row i as text: "8420", "true", "models". */
void wn_config_value(const struct wn_config *config, int i, char *out, size_t size);

#endif
