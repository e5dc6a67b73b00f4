/* One question as the client put it: the same fields from a query string, a form or JSON, through one table. */
#ifndef WN_SERVER_QUESTION_H
#define WN_SERVER_QUESTION_H

#include "pool.h"
#include "problem.h"

#include <jansson.h>
#include <media/colormap.h>
#include <media/render.h>
#include <whynot/masking.h>
#include <whynot/stack.h>

enum wn_map_wish { WN_MAPS_CONTRAST = 1, WN_MAPS_TARGET = 2, WN_MAPS_RIVAL = 4 };
enum wn_output { WN_OUT_HEATMAP = 1, WN_OUT_OVERLAY = 2, WN_OUT_RAW = 4, WN_OUT_BBOX = 8, WN_OUT_RLE = 16 };
/* Outputs that are found on the map as it is drawn. */
#define WN_OUT_DRAWN (WN_OUT_HEATMAP | WN_OUT_OVERLAY | WN_OUT_BBOX | WN_OUT_RLE)
enum wn_evidence_kind { WN_EVIDENCE_NUMBERS, WN_EVIDENCE_MASK };
enum wn_layer_variant { WN_VARIANT_AS_NAMED, WN_VARIANT_PRE_ACTIVATION, WN_VARIANT_RAW_CONVOLUTION };
enum wn_map_size { WN_SIZE_IMAGE, WN_SIZE_INPUT };

/* Targets of one question, and rivals. */
#define WN_MOST_CLASSES 1024

/* A class as it was named: by index, or by text that may be a label. */
struct wn_class_ref {
    const char *text;   /* NULL: index holds */
    const char *digits; /* that were read as the index, in a query or form, where they may be a label too; or NULL */
    int64_t index;
};

struct wn_class_refs {
    struct wn_class_ref *list;
    int n;       /* 0: not given, or `nearest` */
    int nearest; /* why_not=auto:N */
};

struct wn_names {
    const char **list;
    int n; /* 0: not given */
};

/* Bytes of a picture within the request's body. */
struct wn_slice {
    const char *data;
    size_t size;
    bool base64, tensor; /* tensor: no file, but what the network reads, C*H*W floats */
    bool path;           /* not the picture, but where it lies beneath the server's folder of pictures */
};

struct wn_ask {
    const struct wn_slice *image;             /* NULL: not given */
    const char *id, *model, *version, *layer; /* all but layer: NULL if not given */
    struct wn_class_refs target, why_not;
    struct wn_names layers;             /* to be fused */
    const struct wn_contrast *contrast; /* NULL if not given */
    float value;                        /* NaN if not given */
    const struct wn_method *method;
    unsigned maps, outputs;
    enum wn_normalize normalize;
    bool relu, align_corners;
    const struct wn_colormap *colormap; /* NULL: auto */
    float overlay;
    enum wn_map_size size;
    enum wn_layer_variant layer_variant;
    int top_k;
    bool reuse;
    enum wn_statistics_kind statistics;
    int rivals; /* how many small maps come along with why_not=all */
    enum wn_evidence_kind evidence;
    enum wn_fill fill;
    bool fill_given;             /* false: the table's own default */
    int64_t timeout_ms;          /* 0 if not given */
    struct wn_settings settings; /* of the method */
};

/* What reading needs beside the value. */
struct wn_reading {
    struct wn_pool *pool;          /* what the ask points to */
    const char *prefix;            /* of JSON pointers: "" or "/instances/3" */
    const struct wn_slice *slices; /* the pictures that were cut out of a JSON body */
    int n_slices;
    bool again;                 /* this name was there before: another entry of a list */
    struct wn_problem *problem; /* the first failure */
};

/* The table's defaults. */
enum wn_code wn_ask_init(struct wn_ask *ask, const struct wn_reading *r);
/* Leaves of the question what a prediction needs: no map, no rival, nothing but the forward pass. */
void wn_ask_prediction_only(struct wn_ask *ask);
/* Sets one field; an unknown name is a failure. text: value of a query parameter or a form's field. A value of JSON
 * that is null leaves the field as it is. */
enum wn_code wn_ask_set_text(struct wn_ask *ask, const char *name, const char *text, const struct wn_reading *r);
enum wn_code wn_ask_set_json(struct wn_ask *ask, const char *name, const json_t *value, const struct wn_reading *r);

/* Of any field that takes a whole number: doubles hold all of these. */
#define WN_MOST_WHOLE 1e15
#define WN_MOST_WHOLE_TEXT "1000000000000000"
/* What timeout_ms takes, and the head's deadline as well. */
#define WN_MILLISECONDS "a whole number of milliseconds from 1 to " WN_MOST_WHOLE_TEXT
int64_t wn_ask_milliseconds(const char *text); /* 0: it is none of those */

/* The rows of the table, in order; NULL past the end. */
struct wn_field {
    const char *name, *kind, *standard, *values, *words;
};
/* The i-th word that a field of this kind takes; NULL past the end, and for kinds whose values are no words of one
 * of the tables. */
const char *wn_ask_word(const char *kind, int i);
bool wn_ask_knows(const char *name);
const struct wn_field *wn_ask_field(int i);

#endif
