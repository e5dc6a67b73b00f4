/* What --help says beyond the options. */
#ifndef WN_SERVER_HELP_H
#define WN_SERVER_HELP_H

#include <stdio.h>

void wn_help_tables(FILE *out);

#endif
