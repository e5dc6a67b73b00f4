/* The fibers behind emulation.h, and the 16-bit numbers. A fiber takes one thread after another until one has to
 * wait; only then is another fiber made, so a kernel without barriers runs as a plain loop. */
#include "emulation.h"

#include "emulation_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define START_SWITCH(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define FINISH_SWITCH(save, bottom, size) __sanitizer_finish_switch_fiber(save, bottom, size)
#else
#define START_SWITCH(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#define FINISH_SWITCH(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#endif

struct wn_emulated_place wn_emulated;

int wn_emulated_order = WN_ORDER_FORWARD;
bool wn_emulated_no_barriers = false;
long wn_emulated_launches = 0;

namespace {

enum { STACK_BYTES = 32 * 1024, WARP = 32, WHOLE_BLOCK = -1 };

struct fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK_BYTES]};
    void *fake_stack = nullptr;
    int thread = 0;
    /* of this thread: they take turns with two sets of places, so that one barrier a swap is enough */
    unsigned swaps = 0;
};

struct block_state {
    std::vector<std::unique_ptr<fiber>> fibers; /* all of them, kept from block to block; each is in one of these: */
    std::vector<fiber *> idle, ready;
    std::vector<std::vector<fiber *>> waiting; /* at the barrier of each warp; the last entry is the block's */
    std::vector<int> pending;                  /* threads not begun, the next one last */
    std::vector<uint64_t> exchange;
    const std::function<void()> *body;
    fiber *now;
    int threads;
    ucontext_t main;
    void *main_fake_stack;
    const void *main_bottom;
    size_t main_size;
    unsigned seed;
} state;

[[noreturn]] void die(const char *why)
{
    fprintf(stderr, "emulation: %s\n", why);
    abort();
}

unsigned next_random()
{
    state.seed = state.seed * 1664525u + 1013904223u;
    return state.seed >> 8;
}

void place(int thread)
{
    const dim3 size = wn_emulated.block_size;
    wn_emulated.thread = uint3{thread % size.x, thread / size.x % size.y, thread / size.x / size.y};
}

void leave_fiber()
{
    fiber *self = state.now;
    START_SWITCH(&self->fake_stack, state.main_bottom, state.main_size);
    swapcontext(&self->context, &state.main);
    FINISH_SWITCH(self->fake_stack, &state.main_bottom, &state.main_size);
}

void fiber_main()
{
    FINISH_SWITCH(nullptr, &state.main_bottom, &state.main_size);
    for (;;) {
        while (!state.pending.empty()) {
            state.now->thread = state.pending.back();
            state.pending.pop_back();
            state.now->swaps = 0;
            place(state.now->thread);
            (*state.body)();
        }
        state.idle.push_back(state.now);
        leave_fiber();
    }
}

void enter(fiber *f)
{
    state.now = f;
    place(f->thread);
    START_SWITCH(&state.main_fake_stack, f->stack.get(), STACK_BYTES);
    swapcontext(&state.main, &f->context);
    FINISH_SWITCH(state.main_fake_stack, nullptr, nullptr);
}

fiber *make_fiber()
{
    state.fibers.emplace_back(new fiber);
    fiber *f = state.fibers.back().get();
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack.get();
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = nullptr;
    makecontext(&f->context, fiber_main, 0);
    return f;
}

fiber *take(std::vector<fiber *> &list, size_t at)
{
    fiber *f = list[at];
    list[at] = list.back();
    list.pop_back();
    return f;
}

/* Who goes next: whoever is ready, else a new thread, else nobody. */
fiber *next_fiber()
{
    if (!state.ready.empty()) {
        const size_t n = state.ready.size();
        const size_t at = wn_emulated_order == WN_ORDER_FORWARD    ? 0
                          : wn_emulated_order == WN_ORDER_BACKWARD ? n - 1
                                                                   : next_random() % n;
        return take(state.ready, at);
    }
    if (state.pending.empty()) return nullptr;
    return state.idle.empty() ? make_fiber() : take(state.idle, state.idle.size() - 1);
}

void wait_for(int group)
{
    if (wn_emulated_no_barriers) return;
    std::vector<fiber *> &waiting = group == WHOLE_BLOCK ? state.waiting.back() : state.waiting[group];
    const int rest = state.threads - group * WARP, size = group == WHOLE_BLOCK ? state.threads
                                                          : rest < WARP        ? rest
                                                                               : WARP;
    waiting.push_back(state.now);
    if ((int)waiting.size() == size) {
        state.ready.insert(state.ready.end(), waiting.begin(), waiting.end());
        waiting.clear();
    }
    leave_fiber();
}

void order_threads()
{
    state.pending.resize(state.threads);
    for (int t = 0; t < state.threads; t++)
        state.pending[t] = wn_emulated_order == WN_ORDER_BACKWARD ? t : state.threads - 1 - t;
    if (wn_emulated_order != WN_ORDER_SHUFFLED) return;
    for (int t = state.threads - 1; t > 0; t--) std::swap(state.pending[t], state.pending[next_random() % (t + 1)]);
}

void run_block(size_t shared_bytes)
{
    /* NaN everywhere: shared memory that is read before it is written shows in the result. */
    std::unique_ptr<float4[]> shared(new float4[(shared_bytes + sizeof(float4) - 1) / sizeof(float4)]);
    memset(static_cast<void *>(shared.get()), 0xff, shared_bytes);
    wn_emulated.shared = shared.get();
    state.waiting.resize((state.threads + WARP - 1) / WARP + 1);
    order_threads();
    while (fiber *f = next_fiber()) enter(f);
    if (state.idle.size() != state.fibers.size()) die("a barrier is not reached by every thread of its group");
}

} // namespace

void wn_emulated_barrier(void)
{
    wait_for(WHOLE_BLOCK);
}

void wn_emulated_warp_barrier(void)
{
    wait_for(state.now->thread / WARP);
}

uint64_t wn_emulated_swap(uint64_t mine, unsigned from)
{
    const size_t set = state.now->swaps++ % 2 * (state.exchange.size() / 2), warp = state.now->thread / WARP * WARP;
    state.exchange.at(set + state.now->thread) = mine;
    wn_emulated_warp_barrier();
    return state.exchange.at(set + warp + from);
}

/* The fake runtime's, where a test has one. */
extern "C" __attribute__((weak)) void fake_runtime_launch(const void *stream, void (*run)(void *), void (*drop)(void *),
                                                          void *arg);

namespace {

struct launch {
    const char *kernel; /* as it is written where it is launched */
    dim3 grid, block;
    size_t shared_bytes;
    std::function<void()> thread;
};

/* The first launch of each kernel adds a line to the file that the environment names. */
void note(const char *kernel)
{
    static std::set<std::string> noted;
    const char *path = getenv("WN_EMULATED_KERNELS");
    if (!path || !noted.insert(kernel).second) return;
    FILE *f = fopen(path, "a");
    if (!f) die("the file for the names of kernels cannot be written");
    fprintf(f, "%s\n", kernel);
    fclose(f);
}

void run_launch(void *arg)
{
    static std::mutex one_at_a_time;
    const std::lock_guard<std::mutex> hold(one_at_a_time);
    const launch &l = *static_cast<const launch *>(arg);
    wn_emulated_launches++;
    note(l.kernel);
    wn_emulated.grid_size = l.grid, wn_emulated.block_size = l.block;
    state.threads = (int)(l.block.x * l.block.y * l.block.z);
    state.exchange.assign(2 * ((state.threads + WARP - 1) / WARP * WARP), 0);
    state.body = &l.thread;
    for (unsigned z = 0; z < l.grid.z; z++)
        for (unsigned y = 0; y < l.grid.y; y++)
            for (unsigned x = 0; x < l.grid.x; x++) {
                wn_emulated.block = uint3{x, y, z};
                run_block(l.shared_bytes);
            }
}

void drop_launch(void *arg)
{
    delete static_cast<launch *>(arg);
}

} // namespace

void wn_emulated_launch(const char *kernel, dim3 grid, dim3 block, size_t shared_bytes, const void *stream,
                        std::function<void()> thread)
{
    if (block.x * block.y * block.z > 1024 || block.z > 64) die("a block of more than 1024 threads");
    if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
        die("a grid outside the limits");
    if (shared_bytes > 48 * 1024) die("more than 48 KiB of shared memory");
    launch *l = new launch{kernel, grid, block, shared_bytes, std::move(thread)};
    if (fake_runtime_launch && stream)
        fake_runtime_launch(stream, run_launch, drop_launch, l);
    else
        run_launch(l), drop_launch(l);
}

/* ---- 16-bit numbers, rounded to nearest even as the hardware does ---- */

float __half2float(wn_half_bits h)
{
    const unsigned sign = (h.bits & 0x8000u) << 16, exponent = h.bits >> 10 & 31, mantissa = h.bits & 1023;
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent) return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
    const float tiny = ldexpf((float)mantissa, -24);
    return sign ? -tiny : tiny;
}

wn_half_bits __float2half_rn(float f)
{
    const unsigned bits = __float_as_uint(f);
    const unsigned short sign = (unsigned short)(bits >> 16 & 0x8000u);
    const float a = fabsf(f);
    if (a != a) return wn_half_bits{(unsigned short)(sign | 0x7e00)};
    if (a >= 65520.0f) return wn_half_bits{(unsigned short)(sign | 0x7c00)};
    if (a < ldexpf(1, -14)) return wn_half_bits{(unsigned short)(sign | (unsigned short)nearbyintf(ldexpf(a, 24)))};
    const unsigned magnitude = bits & 0x7fffffffu, rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return wn_half_bits{(unsigned short)(sign | ((rounded >> 13) - (112u << 10)))};
}

wn_bfloat_bits __float2bfloat16_rn(float f)
{
    const unsigned bits = __float_as_uint(f);
    if (f != f) return wn_bfloat_bits{0x7fff};
    return wn_bfloat_bits{(unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

extern "C" float fake_half(unsigned short bits)
{
    return __half2float(wn_half_bits{bits});
}
