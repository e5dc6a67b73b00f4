/* What a Label Studio project asks for, as its labeling configuration (XML) says: which picture, which choices,
 * which regions. */
#ifndef WN_SERVER_LABELCONFIG_H
#define WN_SERVER_LABELCONFIG_H

#include "pool.h"

#include <stdbool.h>
#include <whynot/error.h>

#define WN_LABEL_CONFIG_BYTES (256 << 10)

struct wn_label {
    const char *value, *alias; /* alias: what results call it instead; NULL: its value */
};

/* <Choices>, <BrushLabels> or <PolygonLabels>. */
struct wn_label_tag {
    const char *name, *to_name; /* NULL: there is no such tag */
    struct wn_label *labels;
    int n;
};

struct wn_label_config {
    /* the <Image>'s name, and under which key a task has the picture; NULL: there is none */
    const char *image, *key;
    struct wn_label_tag choices, regions; /* the first of each */
    bool polygons;                        /* regions are polygons, else brush */
};

/* Reads the tags named above, and the grammar of all of them. Strict: what is no well-formed XML, has a document
 * type, or more than 256 KiB, 16384 tags, 64 levels, 4096 labels or 1024 bytes in a name is WN_BAD_REQUEST with the
 * byte where it is wrong. An empty text is no configuration at all: fine, with nothing in it. Everything is the
 * pool's. */
enum wn_code wn_label_config_read(const char *xml, size_t size, struct wn_pool *pool, struct wn_label_config *out,
                                  struct wn_error *err);
/* What results call the label. */
const char *wn_label_word(const struct wn_label *l);

#endif
