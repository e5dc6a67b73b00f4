/* See oom.h. Whose allocations they are is said by oom_wrap.c, or by whatever else stands in front of an allocator. */
#include "oom.h"
#include "turn.h"

#include <errno.h>

static struct turn turn;
static atomic_long asked;
static enum oom_mode mode;

void oom_arm(long n, enum oom_mode how)
{
    mode = how;
    turn_arm(&turn, n);
}

bool oom_disarm(void)
{
    return turn_disarm(&turn);
}

long oom_asked(void)
{
    return asked;
}

bool oom_refuses(void)
{
    asked++;
    if (!turn_comes(&turn)) return false;
    if (mode == OOM_FROM_THEN_ON) turn.left = 1;
    errno = ENOMEM;
    return true;
}
