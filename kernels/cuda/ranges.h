/* Named ranges on the host's time line, for profilers. */
#ifndef WN_CUDA_RANGES_H
#define WN_CUDA_RANGES_H

void wn_cuda_range_begin(const char *name);
void wn_cuda_range_end(void);

#endif
