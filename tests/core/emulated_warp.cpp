// SPDX-License-Identifier: MIT
#include "emulated_warp.hpp"

#include <sys/mman.h>
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "dpc/kokkos/halves.hpp"

#if defined(__SANITIZE_THREAD__)
#define DPC_NOT_CHECKED __attribute__((no_sanitize_thread, noinline))
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#else
#define DPC_NOT_CHECKED __attribute__((noinline))
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace dpc::test {
namespace {

constexpr std::size_t kStackBytes = std::size_t(1) << 18;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "emulated warp: %s\n", what);
    std::abort();
}

void acquire([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(address);
#endif
}
void release([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__)
    __tsan_release(address);
#endif
}

/// A stack and where on it to go on.
struct Context {
    void* registers[5];  // of __builtin_setjmp
    ucontext_t start;
    bool has_begun = false;
    const void* stack = nullptr;
    std::size_t stack_bytes = 0;
    void* fake_stack = nullptr;  // of AddressSanitizer
    void* fibre = nullptr;       // of ThreadSanitizer
};

/// Where a thread waits for the others.
struct Call {
    enum class Kind { none, barrier, exchange, vote, multiply };
    Kind kind = Kind::none;
    int mask = 0;
};

struct Thread {
    Context context;
    Call call;
    std::uint64_t given[2];              // by parity of the call: who reads this one may be a call behind
    float given_a[2][8], given_b[2][4];  // the same of matrix units
    int n_calls = 0;
    bool has_returned = true;
};

struct WarpState {
    Context scheduler;
    Thread threads[EmulatedWarp::kMostThreads * EmulatedWarp::kMostWarps];
    int current = 0, n_stacks = 0;
    void (*job)(const void*) = nullptr;
    const void* body = nullptr;
    char started = 0, met = 0, ended = 0;  // what ThreadSanitizer's order is attached to
};

thread_local WarpState warp;
std::atomic<int> running{0};  // threads of the processor

DPC_NOT_CHECKED [[noreturn]] void resume(void** registers) { __builtin_longjmp(registers, 1); }

DPC_NOT_CHECKED void change(Context& from, Context& to) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_bytes);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to.fibre, 1);  // no order between the two
#endif
    if (__builtin_setjmp(from.registers) == 0) {
        if (to.has_begun) {
            resume(to.registers);
        }
        to.has_begun = true;
        setcontext(&to.start);
    }
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

/// The life of a fibre: one job after the other.
DPC_NOT_CHECKED void live() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &warp.scheduler.stack, &warp.scheduler.stack_bytes);
#endif
    Thread& me = warp.threads[warp.current];
    for (;;) {
        acquire(&warp.started);
        warp.job(warp.body);
        release(&warp.ended);
        me.has_returned = true;
        change(me.context, warp.scheduler);
    }
}

DPC_NOT_CHECKED void make_stack(Context& context) {
    void* stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) {
        fail("no memory for a stack");
    }
    getcontext(&context.start);
    context.stack = context.start.uc_stack.ss_sp = stack;
    context.stack_bytes = context.start.uc_stack.ss_size = kStackBytes;
    makecontext(&context.start, live, 0);
#if defined(__SANITIZE_THREAD__)
    context.fibre = __tsan_create_fiber(0);
#endif
}

DPC_NOT_CHECKED void check_calls(int n) {
    const Call* first = nullptr;
    for (int k = 0; k < n; ++k) {
        const Thread& thread = warp.threads[k];
        if (thread.has_returned) {
            continue;
        }
        first = first == nullptr ? &thread.call : first;
        if (thread.call.kind != first->kind || thread.call.mask != first->mask) {
            fail("its threads wait for each other in different calls");
        }
    }
}

/// Until all that have not returned are in this call. Returns the parity of the values given.
DPC_NOT_CHECKED int meet(Call::Kind kind, int mask, std::uint64_t given) {
    Thread& me = warp.threads[warp.current];
    const int parity = me.n_calls++ % 2;
    me.call = {kind, mask};
    me.given[parity] = given;
    change(me.context, warp.scheduler);
    return parity;
}

EmulatedWarp::Settings from_environment() {
    EmulatedWarp::Settings settings;
    const char* planted = std::getenv("DPC_PLANTED");
    settings.has_barrier = planted == nullptr || std::strcmp(planted, "barrier") != 0;
    settings.has_layout = planted == nullptr || std::strcmp(planted, "layout") != 0;
    if (const char* size = std::getenv("DPC_EMULATED_WARP")) {
        settings.size = std::atoi(size);
    }
    return settings;
}

}  // namespace

EmulatedWarp::Settings& EmulatedWarp::settings() {
    static Settings settings = from_environment();
    return settings;
}

DPC_NOT_CHECKED int EmulatedWarp::thread() { return warp.current % size(); }

DPC_NOT_CHECKED int EmulatedWarp::Team::warp() { return dpc::test::warp.current / size(); }

DPC_NOT_CHECKED void EmulatedWarp::barrier() {
    if (settings().has_barrier) {
        release(&warp.met);
        meet(Call::Kind::barrier, 0, 0);
        acquire(&warp.met);
    }
}

DPC_NOT_CHECKED std::uint64_t EmulatedWarp::exchange_bits(std::uint64_t bits, int mask) {
    const int parity = meet(Call::Kind::exchange, mask, bits);
    const Thread& other = warp.threads[warp.current ^ mask];
    if (other.n_calls < warp.threads[warp.current].n_calls) {
        fail("a value was asked of a thread that has returned");
    }
    return other.given[parity];
}

DPC_NOT_CHECKED void EmulatedWarp::count_votes(bool yes, int& before, int& all) {
    before = all = 0;
    const int parity = meet(Call::Kind::vote, 0, yes ? 1 : 0);
    const int first = warp.current / size() * size();
    for (int k = first; k < first + size(); ++k) {
        const Thread& thread = warp.threads[k];
        const bool has_voted = thread.n_calls >= warp.threads[warp.current].n_calls;
        const int vote = has_voted ? static_cast<int>(thread.given[parity]) : 0;
        before += k < warp.current ? vote : 0;
        all += vote;
    }
}

DPC_NOT_CHECKED void EmulatedWarp::multiply_add(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    Thread& me = warp.threads[warp.current];
    const int next = me.n_calls % 2;
    for (int k = 0; k < 8; ++k) {
        me.given_a[next][k] = kokkos::value_of_half(a[k / 2] >> (k % 2 * 16) & 0xffffU);
    }
    for (int k = 0; k < 4; ++k) {
        me.given_b[next][k] = kokkos::value_of_half(b[k / 2] >> (k % 2 * 16) & 0xffffU);
    }
    const int parity = meet(Call::Kind::multiply, 0, 0), first = warp.current / size() * size();
    const int g = warp.current % size() / 4, q = warp.current % 4;
    for (int i = 0; i < 4; ++i) {
        const int row = g + i / 2 * 8, column = 2 * q + i % 2, half = settings().has_layout ? row / 8 : 1 - row / 8;
        double sum = static_cast<double>(c[i]);
        for (int k = 0; k < 16; ++k) {
            const int place = k % 8 / 2;  // of the thread in its four
            const float of_a = warp.threads[first + row % 8 * 4 + place].given_a[parity][(k / 8 * 2 + half) * 2 + k % 2];
            const float of_b = warp.threads[first + column * 4 + place].given_b[parity][k / 8 * 2 + k % 2];
            sum += static_cast<double>(of_a) * static_cast<double>(of_b);
        }
        const auto near = static_cast<float>(sum);
        c[i] = std::abs(static_cast<double>(near)) > std::abs(sum) ? std::nextafter(near, 0.0F) : near;
    }
}

std::atomic<int>& EmulatedWarp::most_at_once() {
    static std::atomic<int> most{0};
    return most;
}

DPC_NOT_CHECKED void EmulatedWarp::run_all(void (*call)(const void*), const void* body, int n_threads) {
    const int n = n_threads, at_once = ++running;
    if (at_once > most_at_once()) {
        most_at_once() = at_once;
    }
    for (; warp.n_stacks < n; ++warp.n_stacks) {
        make_stack(warp.threads[warp.n_stacks].context);
    }
#if defined(__SANITIZE_THREAD__)
    warp.scheduler.fibre = __tsan_get_current_fiber();
#endif
    warp.scheduler.has_begun = true;
    warp.job = call;
    warp.body = body;
    for (int k = 0; k < n; ++k) {
        warp.threads[k].has_returned = false;
        warp.threads[k].n_calls = 0;
    }
    release(&warp.started);
    for (int n_left = n; n_left > 0;) {
        n_left = 0;
        for (int k = 0; k < n; ++k) {
            warp.current = settings().backward ? n - 1 - k : k;
            Thread& thread = warp.threads[warp.current];
            if (!thread.has_returned) {
                change(warp.scheduler, thread.context);
                n_left += thread.has_returned ? 0 : 1;
            }
        }
        check_calls(n);
    }
    acquire(&warp.ended);
    --running;
}

}  // namespace dpc::test
