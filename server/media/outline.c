/* From a mask to polygons: pieces by flooding, outlines by walking between pixels, corners by Douglas and Peucker
 * (1973). Knows no map. */
#include <media/outline.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 0.8

struct tracing {
    int h, w;
    uint8_t *left;  /* pixels that belong to no piece yet */
    uint8_t *piece; /* those of the piece at hand */
    int *stack;
    float *corners; /* where the walk turned */
    uint8_t *kept;  /* which corners stay */
    int n_corners;
};

/* Moves the piece around pixel `first` from `left` to `piece`; returns how many pixels it has. */
static int flood(struct tracing *t, int first)
{
    int n = 0, size = 0;
    memset(t->piece, 0, (size_t)t->h * (size_t)t->w);
    t->stack[n++] = first;
    t->left[first] = 0;
    while (n) {
        int at = t->stack[--n], x = at % t->w, y = at / t->w;
        const int next[4] = {x > 0 ? at - 1 : at, x + 1 < t->w ? at + 1 : at, y > 0 ? at - t->w : at,
                             y + 1 < t->h ? at + t->w : at};
        t->piece[at] = 1;
        size++;
        for (int i = 0; i < 4; i++) /* analyzer: `left` has h * w pixels */
            if (t->left[next[i]]) t->left[next[i]] = 0, t->stack[n++] = next[i];
    }
    return size;
}

static bool is_in(const struct tracing *t, int x, int y)
{
    return x >= 0 && y >= 0 && x < t->w && y < t->h && t->piece[(size_t)y * (size_t)t->w + (size_t)x];
}

/* The pixel ahead of a walker at the corner (x, y), to the right or left of its way. Directions: east, south, west,
 * north. */
static bool ahead(const struct tracing *t, int x, int y, int direction, bool right)
{
    static const int dx[4][2] = {{0, 0}, {0, -1}, {-1, -1}, {-1, 0}}, dy[4][2] = {{-1, 0}, {0, 0}, {0, -1}, {-1, -1}};
    return is_in(t, x + dx[direction][right], y + dy[direction][right]);
}

/* Around the piece with its pixels at the right hand, from the upper left corner of its first pixel, which the walk
 * comes back to from below. */
static void walk(struct tracing *t, int x0, int y0)
{
    static const int step_x[4] = {1, 0, -1, 0}, step_y[4] = {0, 1, 0, -1};
    int x = x0, y = y0, direction = 0;
    t->n_corners = 0;
    do {
        int turn = !ahead(t, x, y, direction, true) ? 1 : ahead(t, x, y, direction, false) ? 3 : 0;
        bool begins = x == x0 && y == y0 && !t->n_corners;
        if (turn || begins) {
            t->corners[2 * t->n_corners] = (float)x;
            t->corners[2 * t->n_corners++ + 1] = (float)y;
        }
        if (!begins) direction = (direction + turn) % 4;
        x += step_x[direction];
        y += step_y[direction];
    } while (x != x0 || y != y0);
}

/* From p to the line between a and b. */
static double distance(const float *p, const float *a, const float *b)
{
    double ux = (double)b[0] - a[0], uy = (double)b[1] - a[1], vx = (double)p[0] - a[0], vy = (double)p[1] - a[1];
    double length = ux * ux + uy * uy, along = length > 0 ? (ux * vx + uy * vy) / length : 0;
    along = along < 0 ? 0 : along > 1 ? 1 : along;
    return hypot(vx - along * ux, vy - along * uy);
}

/* Keeps what the chord from `a` to `b` (b may be n: the first corner again) is too far from. */
static void simplify(struct tracing *t, int a, int b)
{
    int *stack = t->stack, n = 0;
    stack[n++] = a, stack[n++] = b;
    while (n) {
        int end = stack[--n], begin = stack[--n], far = begin;
        double most = TOLERANCE;
        for (int i = begin + 1; i < end; i++) {
            double d = distance(&t->corners[2 * i], &t->corners[2 * begin], &t->corners[2 * (end % t->n_corners)]);
            if (d > most) most = d, far = i;
        }
        if (far == begin) continue;
        t->kept[far] = 1;
        stack[n++] = begin, stack[n++] = far, stack[n++] = far, stack[n++] = end;
    }
}

static enum wn_code take(struct tracing *t, struct wn_outline *out, struct wn_error *err)
{
    int far = 0, n = 0;
    double most = -1;
    memset(t->kept, 0, (size_t)t->n_corners);
    for (int i = 1; i < t->n_corners; i++) {
        double d = hypot((double)t->corners[2 * i] - t->corners[0], (double)t->corners[2 * i + 1] - t->corners[1]);
        if (d > most) most = d, far = i;
    }
    t->kept[0] = t->kept[far] = 1;
    simplify(t, 0, far);
    simplify(t, far, t->n_corners);
    out->points = malloc((size_t)t->n_corners * 2 * sizeof *out->points);
    if (!out->points) return wn_fail(err, WN_NO_MEMORY, "no memory for an outline");
    for (int i = 0; i < t->n_corners; i++) n += t->kept[i];
    bool all = n < 3; /* a piece as thin as a line: as it is */
    for (int i = out->n = 0; i < t->n_corners; i++)
        if (all || t->kept[i]) memcpy(&out->points[2 * out->n++], &t->corners[2 * i], 2 * sizeof *out->points);
    return WN_OK;
}

void wn_outlines_finish(struct wn_outline *list, int n)
{
    for (int i = 0; i < n; i++) free(list[i].points);
}

static enum wn_code trace(struct tracing *t, struct wn_outline *list, int *n, struct wn_error *err)
{
    int pixels = 0;
    enum wn_code code = WN_OK;
    for (int i = 0; i < t->h * t->w; i++) pixels += t->left[i]; /* analyzer: `left` has h * w of them */
    for (int i = 0; i < t->h * t->w && *n < WN_MOST_OUTLINES && code == WN_OK; i++) {
        if (!t->left[i] || flood(t, i) * 100 < pixels) continue;
        walk(t, i % t->w, i / t->w);
        code = take(t, &list[*n], err);
        *n += code == WN_OK;
    }
    return code;
}

enum wn_code wn_outlines(const uint8_t *mask, int h, int w, struct wn_outline list[WN_MOST_OUTLINES], int *n,
                         struct wn_error *err)
{
    const size_t pixels = (size_t)h * (size_t)w, corners = 4 * pixels + 8;
    struct tracing t = {.h = h,
                        .w = w,
                        .left = malloc(pixels),
                        .piece = malloc(pixels),
                        .stack = malloc((corners * 4 + 4) * sizeof(int)),
                        .corners = malloc(corners * 2 * sizeof(float)),
                        .kept = malloc(corners)};
    enum wn_code code = WN_OK;
    *n = 0;
    if (!t.left || !t.piece || !t.stack || !t.corners || !t.kept) {
        code = wn_fail(err, WN_NO_MEMORY, "no memory for an outline");
    } else {
        for (size_t i = 0; i < pixels; i++) t.left[i] = mask[i] != 0;
        code = trace(&t, list, n, err);
    }
    if (code != WN_OK) wn_outlines_finish(list, *n), *n = 0;
    free(t.left);
    free(t.piece);
    free(t.stack);
    free(t.corners);
    free(t.kept);
    return code;
}
