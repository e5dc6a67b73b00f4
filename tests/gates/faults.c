/* Preloaded into a program: makes the n-th call of one kind fail, or that of one place in the code, once or from
 * then on. The test arms it through a file that both map (WHYNOT_FAULTS names it). Knows nothing of the program. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* gate.py has the same names in the same order. */
enum kind {
    NONE,
    MEMORY,
    SEND_SHORT,
    SEND_EINTR,
    SEND_EAGAIN,
    RECV_EINTR,
    RECV_RESET,
    ACCEPT_EMFILE,
    ACCEPT_ABORTED,
    THREAD,
    OPEN_EIO,
    READ_EIO,
    READ_SHORT,
    READ_EINTR,
    MMAP,
    EPOLL_EINTR,
    RANDOM,
    WRITE_EINTR,
    WRITE_EAGAIN,
    WRITE_SHORT,
    EPOLL_EIO,
    WATCH,
    TIMER,
    FOPEN_EIO,
    STDIO_EIO
};

enum mode { ONCE, FROM_THEN_ON, SURVEY }; /* SURVEY: nothing fails, places are written down */
enum { MOST_PLACES = 4000, DEPTH = 10 };

struct arm {
    _Atomic int kind, mode;
    _Atomic long countdown, asked, refused;
    char who[96];           /* the library that asked for what failed last */
    _Atomic uint64_t place; /* 0: any; else only calls from there count */
    _Atomic long n_places;
    struct {
        _Atomic uint64_t way;
        char who[24];
    } places[MOST_PLACES];
};

static struct arm none, *arm = &none;

__attribute__((constructor)) static void open_arm(void)
{
    const char *path = getenv("WHYNOT_FAULTS");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *p = (void *)syscall(SYS_mmap, NULL, sizeof *arm, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)0);
    if (p != MAP_FAILED) arm = p;
    syscall(SYS_close, fd);
    void *frame;
    backtrace(&frame, 1); /* loads what it needs now, not inside some malloc */
}

/* What comes before main, and after it and its own handlers, is not the program's: what libraries make and destroy,
 * gcov's files. */
static int (*main_of_it)(int argc, char **argv, char **environment);
static atomic_bool begun;

static void disarm(void)
{
    arm->kind = NONE;
}

/* Who asked last in this thread, and in which arming: another thread may be refused something between a library's
 * refusal and the crash that comes of it. */
static __thread struct {
    char who[sizeof none.who];
    long arming;
} mine __attribute__((tls_model("initial-exec")));
static _Atomic long arming; /* counted by their first refusals */

/* In the thread that crashes, which then ends as it would have. */
static void on_crash(int number)
{
    if (arm->refused && mine.arming == arming) memcpy(arm->who, mine.who, sizeof mine.who);
    arm->kind = NONE;
    signal(number, SIG_DFL);
}

static int disarm_behind(int argc, char **argv, char **environment)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) signal(crashes[i], on_crash);
    atexit(disarm);
    begun = true;
    return main_of_it(argc, argv, environment);
}

typedef int start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void),
                       void *);
start_main __libc_start_main;
int __libc_start_main(int (*its)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*ld_fini)(void), void *end)
{
    start_main *real;
    *(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
    main_of_it = its;
    return real(disarm_behind, argc, argv, init, fini, ld_fini, end);
}

/* The way to this call, by the addresses of its last callers inside their files: the same in every run of a build. */
static uint64_t here(void)
{
    static __thread bool inside __attribute__((tls_model("initial-exec")));
    void *frames[DEPTH];
    uint64_t place = 14695981039346656037u;
    if (inside) return 0;
    inside = true;
    int n = backtrace(frames, DEPTH);
    inside = false;
    for (int i = 0; i < n; i++) {
        struct dl_find_object of;
        uintptr_t base = _dl_find_object(frames[i], &of) == 0 ? (uintptr_t)of.dlfo_map_start : 0;
        place = (place ^ ((uintptr_t)frames[i] - base)) * 1099511628211u;
    }
    return place;
}

static void name_library(const void *caller, char *out, size_t size)
{
    Dl_info info;
    const char *name = caller && dladdr(caller, &info) && info.dli_fname ? info.dli_fname : "?";
    const char *slash = strrchr(name, '/');
    strncpy(out, slash ? slash + 1 : name, size - 1);
}

static void write_down(uint64_t place, const void *caller)
{
    long n = arm->n_places < MOST_PLACES ? arm->n_places : MOST_PLACES;
    for (long i = 0; i < n; i++)
        if (arm->places[i].way == place) return;
    long at = atomic_fetch_add(&arm->n_places, 1);
    if (at >= MOST_PLACES) return;
    name_library(caller, arm->places[at].who, sizeof arm->places[at].who);
    arm->places[at].way = place;
}

static bool is_turn(const void *caller)
{
    if (arm->mode == FROM_THEN_ON && arm->refused) return true;
    /* asked for once: this line is a part of the way */
    uint64_t place = arm->mode == SURVEY || arm->place ? here() : 0;
    if (arm->mode == SURVEY) return write_down(place, caller), false;
    if (place != arm->place) return false;
    return atomic_fetch_sub(&arm->countdown, 1) == 1;
}

static bool fails_for(enum kind kind, const void *caller)
{
    if (arm->kind != (int)kind || !begun) return false;
    arm->asked++;
    if (!is_turn(caller)) return false;
    if (atomic_fetch_add(&arm->refused, 1) == 0) arming++;
    name_library(caller, mine.who, sizeof mine.who);
    mine.arming = arming;
    memcpy(arm->who, mine.who, sizeof mine.who);
    return true;
}

static bool fails(enum kind kind)
{
    return fails_for(kind, NULL);
}

#define FAIL_WITH(kind, code)                                                                                          \
    if (fails(kind)) {                                                                                                 \
        errno = code;                                                                                                  \
        return -1;                                                                                                     \
    }

/* ---- memory ---- */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

#define NO_MEMORY fails_for(MEMORY, __builtin_return_address(0))

void *malloc(size_t n)
{
    return NO_MEMORY ? no_memory() : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return NO_MEMORY ? no_memory() : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return NO_MEMORY ? no_memory() : __libc_realloc(old, n);
}

void *memalign(size_t alignment, size_t n);
void *memalign(size_t alignment, size_t n)
{
    return NO_MEMORY ? no_memory() : __libc_memalign(alignment, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return NO_MEMORY ? no_memory() : __libc_memalign(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    void *p = NO_MEMORY ? NULL : __libc_memalign(alignment, n);
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    if (fails_for(MMAP, __builtin_return_address(0))) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
}

/* ---- sockets ---- */

ssize_t send(int fd, const void *data, size_t n, int flags)
{
    FAIL_WITH(SEND_EINTR, EINTR)
    FAIL_WITH(SEND_EAGAIN, EAGAIN)
    if (n > 1 && fails(SEND_SHORT)) n = 1;
    return syscall(SYS_sendto, fd, data, n, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    FAIL_WITH(SEND_EINTR, EINTR)
    FAIL_WITH(SEND_EAGAIN, EAGAIN)
    if (message->msg_iovlen > 0 && message->msg_iov[0].iov_len > 1 && fails(SEND_SHORT))
        return syscall(SYS_sendto, fd, message->msg_iov[0].iov_base, (size_t)1, flags, NULL, 0);
    return syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t recv(int fd, void *data, size_t n, int flags)
{
    FAIL_WITH(RECV_EINTR, EINTR)
    FAIL_WITH(RECV_RESET, ECONNRESET)
    return syscall(SYS_recvfrom, fd, data, n, flags, NULL, NULL);
}

int accept4(int fd, struct sockaddr *address, socklen_t *n, int flags)
{
    FAIL_WITH(ACCEPT_EMFILE, EMFILE)
    FAIL_WITH(ACCEPT_ABORTED, ECONNABORTED)
    return (int)syscall(SYS_accept4, fd, address, n, flags);
}

int epoll_wait(int epfd, void *events, int most, int timeout);
int epoll_wait(int epfd, void *events, int most, int timeout)
{
    FAIL_WITH(EPOLL_EINTR, EINTR)
    FAIL_WITH(EPOLL_EIO, EIO)
    return (int)syscall(SYS_epoll_pwait, epfd, events, most, timeout, NULL, (size_t)0); /* Arm has no other */
}

int epoll_ctl(int epfd, int what, int fd, void *event);
int epoll_ctl(int epfd, int what, int fd, void *event)
{
    FAIL_WITH(WATCH, ENOMEM)
    return (int)syscall(SYS_epoll_ctl, epfd, what, fd, event);
}

int timerfd_settime(int fd, int flags, const void *value, void *old);
int timerfd_settime(int fd, int flags, const void *value, void *old)
{
    FAIL_WITH(TIMER, EIO)
    return (int)syscall(SYS_timerfd_settime, fd, flags, value, old);
}

/* ---- files and the rest ---- */

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = va_arg(args, int);
    va_end(args);
    FAIL_WITH(OPEN_EIO, EIO)
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = va_arg(args, int);
    va_end(args);
    FAIL_WITH(OPEN_EIO, EIO)
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

ssize_t read(int fd, void *data, size_t n)
{
    FAIL_WITH(READ_EIO, EIO)
    FAIL_WITH(READ_EINTR, EINTR)
    if (n > 1 && fails(READ_SHORT)) n = 1;
    return syscall(SYS_read, fd, data, n);
}

ssize_t write(int fd, const void *data, size_t n)
{
    if (fd == 2) { /* the log; an eventfd never fails so */
        FAIL_WITH(WRITE_EINTR, EINTR)
        FAIL_WITH(WRITE_EAGAIN, EAGAIN)
        if (n > 1 && fails(WRITE_SHORT)) n = 1;
    }
    return syscall(SYS_write, fd, data, n);
}

/* What stdio opens and reads it does by calls of its own, which nobody can be put before. */

FILE *fopen(const char *path, const char *mode)
{
    static FILE *(*real)(const char *, const char *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    if (fails(FOPEN_EIO)) {
        errno = EIO;
        return NULL;
    }
    return real(path, mode);
}

static bool cannot_be_read(FILE *f)
{
    enum { SEEN_ERROR = 0x20 }; /* glibc's _IO_ERR_SEEN, which no header has any more */
    if (!fails(STDIO_EIO)) return false;
    f->_flags |= SEEN_ERROR;
    errno = EIO;
    return true;
}

size_t fread(void *to, size_t size, size_t n, FILE *f)
{
    static size_t (*real)(void *, size_t, size_t, FILE *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fread");
    return cannot_be_read(f) ? 0 : real(to, size, n, f);
}

char *fgets(char *to, int n, FILE *f)
{
    static char *(*real)(char *, int, FILE *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fgets");
    return cannot_be_read(f) ? NULL : real(to, n, f);
}

ssize_t __getdelim(char **line, size_t *room, int end, FILE *f)
{
    static ssize_t (*real)(char **, size_t *, int, FILE *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "__getdelim");
    return cannot_be_read(f) ? -1 : real(line, room, end, f);
}

ssize_t getline(char **line, size_t *room, FILE *f)
{
    return __getdelim(line, room, '\n', f);
}

ssize_t getrandom(void *data, size_t n, unsigned flags)
{
    FAIL_WITH(RANDOM, EINTR)
    return syscall(SYS_getrandom, data, n, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return fails(THREAD) ? EAGAIN : real(thread, attributes, start, argument);
}
