/* oom.h for the whole process: the libraries' allocations fail too. Stands in front of glibc's allocator, so not for sanitizers, which have
 * their own; and not for oneDNN, which (2.6) writes through null pointers when one of its small allocations fails. */
#include "oom.h"

#include <errno.h>
#include <stddef.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *old, size_t n);
void *aligned_alloc(size_t alignment, size_t n);
void *memalign(size_t alignment, size_t n);
int posix_memalign(void **out, size_t alignment, size_t n);

static _Atomic long countdown; /* 0: not armed */
static _Atomic long asked;
static enum oom_mode mode;
static _Atomic bool refused;

void oom_arm(long n, enum oom_mode how)
{
    mode = how;
    refused = false;
    countdown = n;
}

bool oom_disarm(void)
{
    countdown = 0;
    return refused;
}

long oom_asked(void)
{
    return asked;
}

static bool refuse(void)
{
    asked++;
    if (countdown == 0 || --countdown > 0) return false;
    if (mode == OOM_FROM_THEN_ON) countdown = 1;
    errno = ENOMEM;
    return refused = true;
}

#define SEEN __attribute__((visibility("default")))

SEEN void *malloc(size_t n)
{
    return refuse() ? NULL : __libc_malloc(n);
}

SEEN void *calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __libc_calloc(n, size);
}

SEEN void *realloc(void *old, size_t n)
{
    return refuse() ? NULL : __libc_realloc(old, n);
}

SEEN void *aligned_alloc(size_t alignment, size_t n)
{
    return refuse() ? NULL : __libc_memalign(alignment, n);
}

SEEN void *memalign(size_t alignment, size_t n)
{
    return aligned_alloc(alignment, n);
}

SEEN int posix_memalign(void **out, size_t alignment, size_t n)
{
    void *p = aligned_alloc(alignment, n);
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}
