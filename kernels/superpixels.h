/* Superpixels: a picture in areas of like colour and about one size. Private to kernels/. */
#ifndef WN_KERNELS_SUPERPIXELS_H
#define WN_KERNELS_SUPERPIXELS_H

#include <whynot/error.h>

/* SLIC (Achanta et al. 2012): clusters by colour and place, in Lab, with a compactness of 10 and ten rounds at most;
 * pieces that a cluster left behind go to a neighbour. planes: C*H*W, three of them sRGB from 0 to 1, else the mean
 * of all is taken for grey; wanted: about how many, 1 or more; of 2 and more there are clusters for two. of: H*W, the
 * caller's: the number of each pixel's area, from 0 to *n - 1, each connected by its pixels' sides. The same picture
 * gives the same areas. Error: WN_NO_MEMORY. */
enum wn_code wn_superpixels(const float *planes, int channels, int h, int w, int wanted, int *of, int *n,
                            struct wn_error *err);

#endif
