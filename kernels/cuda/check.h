/* The one macro through which every call of the vendor's libraries goes, and what is known of faults.
 *
 * An error that the process can outlive (no memory, an unsupported shape) is reported and forgotten. After one that
 * it cannot (an illegal access, an uncorrectable memory error, a failed launch) every later call fails as well, so
 * the context is asked once more; if it fails again the device counts as lost, wn_backend_lost says so, and whoever
 * owns the process ends it. A device that does not open (another process has it) was never this process's to lose:
 * who was not told to use it takes another. */
#ifndef WN_CUDA_CHECK_H
#define WN_CUDA_CHECK_H

#include <stdbool.h>

#include <whynot/error.h>

/* library: runtime, opening (the runtime, of a device that is being opened), dnn or blas. WN_OK, or the failure with
 * the call's name and the library's own words in err. */
#define WN_CALL(library, call, err) wn_cuda_check_##library((int)(call), #call, (err))

enum wn_code wn_cuda_check_runtime(int status, const char *call, struct wn_error *err);
enum wn_code wn_cuda_check_opening(int status, const char *call, struct wn_error *err);
enum wn_code wn_cuda_check_dnn(int status, const char *call, struct wn_error *err);
enum wn_code wn_cuda_check_blas(int status, const char *call, struct wn_error *err);

/* No call will succeed any more in this process. Never becomes false again. */
bool wn_cuda_lost(void);

/* After a failure: takes the error off the thread and asks the context something trivial; only a dead one fails
 * again, and is lost. Calls of the runtime do so by themselves. */
void wn_cuda_probe(void);

/* What a library's failure means while it is asked what it can do: as it is where memory was short or the device is
 * lost, else WN_UNSUPPORTED, and somebody else does the work. */
enum wn_code wn_cuda_outlive(enum wn_code code);

/* fault.c, in test builds only: turns the status of the chosen call into the chosen error. Elsewhere it gives it
 * back. */
int wn_cuda_inject(const char *library, int status);

#endif
