/* The tables of what can be asked, for --help; knows no options and no requests. */
#include "help.h"

#include <whynot/explain.h>

void wn_help_tables(FILE *out)
{
    fputs("\ncontrasts (what is compared with what):\n", out);
    for (int i = 0; wn_contrast_at(i); i++)
        fprintf(out, "  %-14s %s\n", wn_contrast_at(i)->name, wn_contrast_at(i)->summary);
    fputs("\nmethods (how that becomes a map):\n", out);
    for (int i = 0; wn_method_at(i); i++) fprintf(out, "  %-14s %s\n", wn_method_at(i)->name, wn_method_at(i)->summary);
}
