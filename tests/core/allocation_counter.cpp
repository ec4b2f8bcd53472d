// SPDX-License-Identifier: MIT
// See allocation_counter.hpp. The program is linked with --wrap for every function that has a __wrap_ here (CMakeLists.txt), which
// unlike a malloc of our own leaves the sanitizers' in place.
#include "allocation_counter.hpp"

#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> n_allocations{0}, n_aligned{0}, n_live{0}, n_live_bytes{0};
std::atomic<long> n_before_failure{-1};

/// Large blocks are not mapped page by page, so that all are rounded up by a few bytes only.
const int all_from_the_heap = mallopt(M_MMAP_THRESHOLD, 1 << 30);

void* count(void* memory) {
    if (memory != nullptr) {
        ++n_allocations;
        ++n_live;
        n_live_bytes += static_cast<long>(malloc_usable_size(memory));
    }
    return memory;
}

/// Whether this one is the one that was to fail.
bool fails() { return n_before_failure >= 0 && n_before_failure-- == 0; }

void forget(void* memory) {
    if (memory != nullptr) {
        --n_live;
        n_live_bytes -= static_cast<long>(malloc_usable_size(memory));
    }
}

}  // namespace

extern "C" {

void* __real_malloc(std::size_t);
void* __real_calloc(std::size_t, std::size_t);
void* __real_realloc(void*, std::size_t);
void* __real_aligned_alloc(std::size_t, std::size_t);
int __real_posix_memalign(void**, std::size_t, std::size_t);
void __real_free(void*);

void* __wrap_malloc(std::size_t n) { return fails() ? nullptr : count(__real_malloc(n)); }

void* __wrap_calloc(std::size_t n, std::size_t size) { return fails() ? nullptr : count(__real_calloc(n, size)); }

void* __wrap_realloc(void* old, std::size_t n) {
    forget(old);
    return count(__real_realloc(old, n));
}

void* __wrap_aligned_alloc(std::size_t alignment, std::size_t n) {
    ++n_aligned;
    return fails() ? nullptr : count(__real_aligned_alloc(alignment, n));
}

int __wrap_posix_memalign(void** to, std::size_t alignment, std::size_t n) {
    const int result = __real_posix_memalign(to, alignment, n);
    count(result == 0 ? *to : nullptr);
    return result;
}

void __wrap_free(void* memory) {
    forget(memory);
    __real_free(memory);
}
}

// The array and nothrow forms of the standard library call these.
void* operator new(std::size_t n) {
    if (void* memory = std::malloc(n == 0 ? 1 : n)) {
        return memory;
    }
    throw std::bad_alloc();
}

void* operator new(std::size_t n, std::align_val_t alignment) {
    const auto multiple = static_cast<std::size_t>(alignment);
    if (void* memory = std::aligned_alloc(multiple, (n + multiple - 1) / multiple * multiple)) {
        return memory;
    }
    throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace dpc::test {

long allocations() { return n_allocations; }
long aligned_allocations() { return n_aligned; }
long live_allocations() { return n_live; }
long live_bytes() { return n_live_bytes; }
void fail_after(long n) { n_before_failure = n; }
bool has_failed() { return n_before_failure < 0; }

}  // namespace dpc::test
