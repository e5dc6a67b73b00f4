/* A map as an answer's JSON holds it, back as numbers on a picture. */
#ifndef WN_CLI_HEAT_H
#define WN_CLI_HEAT_H

#include <jansson.h>
#include <media/preprocess.h>

struct cli_heat {
    int h, w;
    float *values; /* h*w, signed, as the network's layer has them */
    struct wn_geometry geometry;
};

/* map: one of an answer's "maps", with its "raw"; image: the answer's "image". WN_BAD_REQUEST where they are not
 * what an answer holds. cli_heat_finish whatever the result is. */
enum wn_code cli_heat_read(const json_t *map, const json_t *image, struct cli_heat *out, struct wn_error *err);
void cli_heat_finish(struct cli_heat *heat);
/* Onto the whole picture, drawn w x h pixels large: 0 where the network saw nothing of it. to: h*w, the caller's. */
enum wn_code cli_heat_spread(const struct cli_heat *heat, int w, int h, float *to, struct wn_error *err);
/* The pixels of that picture that the network saw: [*x0, *x1) x [*y0, *y1). */
void cli_heat_box(const struct cli_heat *heat, int w, int h, int *x0, int *y0, int *x1, int *y1);
/* Whether the network saw the whole picture, so that the map lies over all of it. */
bool cli_heat_covers(const struct cli_heat *heat);

#endif
