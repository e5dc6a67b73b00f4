/* The files of clients/web as they lie in the binary; the table is made by cmake/embed.cmake. */
#ifndef WN_SERVER_PAGE_FILES_H
#define WN_SERVER_PAGE_FILES_H

#include <stddef.h>

struct wn_page_file {
    const char *name; /* "index.html" */
    const char *etag; /* with its quotes; of the plain bytes */
    const unsigned char *gzip;
    size_t gzip_size, plain_size;
};

extern const struct wn_page_file wn_page_files[];
extern const int wn_page_files_n;
extern const char wn_page_style_sha256[]; /* of what index.html holds between <style> and </style>, 64 hex digits */

#endif
