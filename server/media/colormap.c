/* The colour maps as formulas. viridis, inferno (matplotlib) and turbo (Mikhailov 2019) are Chebyshev fits made for
 * this file to the published colours: within 1, 2 and 3 levels of 255. */
#include <media/colormap.h>

#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

enum { TERMS = 13 };

static const double viridis_terms[3][TERMS] = {
    {104.18, 76.19, 64.98, 20.47, -8.47, -4.99, -0.45, 1.72, 0.5, -0.86, -0.48, 0.71, 0.24},
    {132.28, 115.97, -14.62, -1.19, -2.17, 0.25, 0.52, 0.28, -0.14, 0.09, -0.01, 0, 0.05},
    {95.88, -37.32, -43.5, 5.49, 3.86, 7.41, 3.79, 1.37, 1.06, 0.39, -0.13, -0.1, -0.45},
};
static const double inferno_terms[3][TERMS] = {
    {150.63, 135.68, -33.75, -12.79, 5.17, 2.27, 3.53, 0.38, 0.88, 0.8, -0.1, 0.03, -0.09},
    {96.18, 127.44, 37.3, 1.57, -4.84, -1.72, -1.56, 0.94, -0.27, -1.15, 1.06, -0.67, -0.37},
    {71.67, 27.44, 1.79, 58.72, 12.96, -0.7, -2.61, -5.82, 0.58, 1.27, 1.45, 1.36, -1.85},
};
static const double turbo_terms[3][TERMS] = {
    {128.74, 78.9, -30.71, -59.46, -11.96, 24.65, -4.2, -8.89, 5.94, 0.77, -3.73, 3.52, 1.29},
    {111.46, -24.72, -117.72, 17.25, 20.59, 0.97, -3.05, -0.67, -0.97, 0.28, 0.42, 0.74, 0.44},
    {90.23, -91.61, -30.73, 57.53, -37.22, 10.53, 11.74, -5.8, -4.54, 0.5, 3.05, 3.22, -1.58},
};

/* Sum of c[k] T_k(x), x in -1..1, by Clenshaw's recurrence. */
static double chebyshev(const double *c, double x)
{
    double b1 = 0, b2 = 0;
    for (int k = TERMS - 1; k > 0; k--) {
        double b = c[k] + 2 * x * b1 - b2;
        b2 = b1;
        b1 = b;
    }
    return c[0] + x * b1 - b2;
}

static void from_terms(const double terms[3][TERMS], double t, double rgb[3])
{
    for (int c = 0; c < 3; c++) rgb[c] = chebyshev(terms[c], 2 * t - 1) / 255;
}

static void viridis(double t, double rgb[3])
{
    from_terms(viridis_terms, t, rgb);
}

static void inferno(double t, double rgb[3])
{
    from_terms(inferno_terms, t, rgb);
}

static void turbo(double t, double rgb[3])
{
    from_terms(turbo_terms, t, rgb);
}

/* OpenCV's jet: three tents of slope 4. */
static void jet(double t, double rgb[3])
{
    for (int c = 0; c < 3; c++) rgb[c] = 1.5 - fabs(4 * t - (3 - c));
}

static void gray(double t, double rgb[3])
{
    rgb[0] = rgb[1] = rgb[2] = t;
}

static double srgb(double linear)
{
    return linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

/* OKLab (Ottosson 2020) to sRGB. */
static void from_oklab(double light, double a, double b, double rgb[3])
{
    double l = light + 0.3963377774 * a + 0.2158037573 * b;
    double m = light - 0.1055613458 * a - 0.0638541728 * b;
    double s = light - 0.0894841775 * a - 1.2914855480 * b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    rgb[0] = srgb(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
    rgb[1] = srgb(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
    rgb[2] = srgb(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s);
}

/* Blue, near white, red: lightness falls and chroma grows evenly with the distance from index 128, on both sides
 * alike. Index 0 is never used by symmetric normalisation. */
static void diverging(double t, double rgb[3])
{
    const double degree = 3.14159265358979323846 / 180, reach = (t * 255 - 128) / 127, far = fmin(fabs(reach), 1);
    const double hue = (reach < 0 ? 260 : 25) * degree, chroma = 0.17 * far;
    from_oklab(0.96 - 0.50 * far, chroma * cos(hue), chroma * sin(hue), rgb);
}

static const struct wn_colormap maps[] = {
    {"viridis", "Dark blue to yellow, perceptually even; for maps without a sign.", false, viridis},
    {"inferno", "Black over red to pale yellow, perceptually even.", false, inferno},
    {"turbo", "A smoother rainbow: shows detail, not order.", false, turbo},
    {"jet", "OpenCV's rainbow, as older papers print it.", false, jet},
    {"diverging", "Blue (against) over near white (nothing) to red (for); for signed maps.", true, diverging},
    {"gray", "Black to white.", false, gray},
};
enum { MAPS = sizeof maps / sizeof *maps };

static uint8_t palettes[MAPS][256][3];
static pthread_once_t palettes_made = PTHREAD_ONCE_INIT;

static void make_palettes(void)
{
    for (int m = 0; m < MAPS; m++)
        for (int i = 0; i < 256; i++) {
            double rgb[3];
            maps[m].color(i / 255.0, rgb);
            for (int c = 0; c < 3; c++) palettes[m][i][c] = (uint8_t)(fmin(fmax(rgb[c], 0), 1) * 255 + 0.5);
        }
}

const struct wn_colormap *wn_colormap_at(int i)
{
    return i >= 0 && i < MAPS ? &maps[i] : NULL;
}

const struct wn_colormap *wn_colormap_find(const char *name)
{
    for (int i = 0; i < MAPS; i++)
        if (!strcmp(maps[i].name, name)) return &maps[i];
    return NULL;
}

const uint8_t (*wn_colormap_palette(const struct wn_colormap *map))[3]
{
    pthread_once(&palettes_made, make_palettes);
    return (const uint8_t(*)[3])palettes[map - maps];
}
