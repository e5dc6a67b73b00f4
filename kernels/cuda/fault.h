/* Faults on request, for test builds: WHYNOT_FAULT=cuda:700@call=100 makes the hundredth call of the CUDA runtime
 * (dnn:8@call=3: of cuDNN, blas: of cuBLASLt) report error 700, and, where that error is one that a process cannot
 * outlive, every later call as well. WHYNOT_FAULT=cuda:illegal@run=N instead launches a kernel that really reads
 * through a wild pointer in run N. */
#ifndef WN_CUDA_FAULT_H
#define WN_CUDA_FAULT_H

/* A run begins. */
void wn_cuda_fault_run(void *stream);

#endif
