/* See oom.h. The linker sends malloc, calloc and realloc of the program here (--wrap); libraries keep their own. */
#include "oom.h"

#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);

static _Atomic long countdown; /* 0: not armed */
static _Atomic long asked;
static enum oom_mode mode;
static bool refused;

void oom_arm(long n, enum oom_mode how)
{
    countdown = n;
    mode = how;
    refused = false;
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
    return refused = true;
}

void *__wrap_malloc(size_t n)
{
    return refuse() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n)
{
    return refuse() ? NULL : __real_realloc(old, n);
}
