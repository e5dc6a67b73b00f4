/* What pages for people are made of: text made safe, pictures inside the page, one style. */
#ifndef WN_CLI_PAGE_H
#define WN_CLI_PAGE_H

#include "cli.h"

#include <text.h>

/* As HTML's text or an attribute's value between quotation marks; control characters that HTML does not allow become
 * U+FFFD. */
void cli_page_text(struct wn_text *out, const char *s);
/* The same for XML, whose readers turn tabs and line breaks of a value into spaces: these become references. */
void cli_page_xml(struct wn_text *out, const char *s);
/* <img> with the file in it; type: "image/png". */
enum wn_code cli_page_image(struct wn_text *out, const void *data, size_t size, const char *type, const char *alt,
                            struct wn_error *err);
/* The command as it was given. */
void cli_page_command(struct wn_text *out, const struct cli *c);
/* Doctype, title and style; more: the page's own rules. Then the body may begin. */
void cli_page_head(struct wn_text *out, const char *title, const char *more);
/* Whole or not at all; a failure was said. */
enum cli_exit cli_page_write(const char *path, const struct wn_text *page);

#endif
