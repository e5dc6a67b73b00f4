/* oom.h for the whole process: the libraries' allocations fail too. Stands in front of glibc's allocator, so not for
 * sanitizers, which have their own; and not for oneDNN, which (2.6) writes through null pointers when one of its
 * small allocations fails. */
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

#define SEEN __attribute__((visibility("default")))

SEEN void *malloc(size_t n)
{
    return oom_refuses() ? NULL : __libc_malloc(n);
}

SEEN void *calloc(size_t n, size_t size)
{
    return oom_refuses() ? NULL : __libc_calloc(n, size);
}

SEEN void *realloc(void *old, size_t n)
{
    return oom_refuses() ? NULL : __libc_realloc(old, n);
}

SEEN void *aligned_alloc(size_t alignment, size_t n)
{
    return oom_refuses() ? NULL : __libc_memalign(alignment, n);
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
