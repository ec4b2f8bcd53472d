// SPDX-License-Identifier: MIT
// The threads of a GPU that run together: a warp (NVIDIA), a wavefront (AMD), a sub-group (Intel). Which of them this one is, exchange
// of values, and the barrier after which each may read what the others wrote to memory; an exchange is no such barrier. Wherever one of
// these is called, all threads of a warp that have not returned must be.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(DPC_KOKKOS_LIKE_GPU)
#include DPC_KOKKOS_LIKE_GPU  // the header of an emulator: tests run the warps of a GPU on a processor
#endif

namespace dpc::kokkos {

// multiply_add, where has_matrix_units is true, is the product of a unit: c (16, 8) += a (16, 16) b (16, 8), a and b halves, two in a register
// (the first in its lower half), c single. Warps have 32 threads then, and number 4 g + q has
//   a: rows g, g + 8, g, g + 8 in its registers 0 .. 3; columns 2 q, 2 q + 1 in 0 and 1, 2 q + 8, 2 q + 9 in 2 and 3
//   b: column g; rows 2 q, 2 q + 1 in register 0, 2 q + 8, 2 q + 9 in 1
//   c: row g in 0 and 1, g + 8 in 2 and 3; columns 2 q in 0 and 2, 2 q + 1 in 1 and 3

// fewest_teams(n): for what needs the registers of n teams a multiprocessor on NVIDIA's GPUs. The same code takes a few more on AMD's.

/// Threads that voted yes: those before this one, and all.
struct Votes {
    int before, all;
};

#if !defined(DPC_KOKKOS_LIKE_GPU)
template <class ExecSpace>
struct Warp;
#else
template <class ExecSpace>
struct Warp : test::EmulatedWarp {
    static constexpr bool has_matrix_units = true;  // of 32 threads
    static Votes vote(bool yes) {
        Votes votes;
        count_votes(yes, votes.before, votes.all);
        return votes;
    }
};
#endif

#if defined(KOKKOS_ENABLE_CUDA)
/// Full masks: others the compiler cannot know, and looks for at run time before every exchange.
template <>
struct Warp<Kokkos::Cuda> {
    static constexpr unsigned kAll = 0xffffffffU;
#if defined(KOKKOS_ARCH_KEPLER) || defined(KOKKOS_ARCH_MAXWELL) || defined(KOKKOS_ARCH_PASCAL) || defined(KOKKOS_ARCH_VOLTA) || \
    defined(KOKKOS_ARCH_TURING75)
    static constexpr bool has_matrix_units = false;
#else
    static constexpr bool has_matrix_units = true;
#endif
    static KOKKOS_FORCEINLINE_FUNCTION constexpr int size() { return 32; }
    static constexpr int fewest_teams(int n) { return n; }
    static KOKKOS_FORCEINLINE_FUNCTION int thread() {
        KOKKOS_IF_ON_DEVICE((return static_cast<int>(threadIdx.x);))
        KOKKOS_IF_ON_HOST((return 0;))
    }
    static KOKKOS_FORCEINLINE_FUNCTION void barrier() { KOKKOS_IF_ON_DEVICE((__syncwarp(kAll);)) }
    /// The value of the thread whose number differs in the bits of mask.
    template <class T>
    static KOKKOS_FORCEINLINE_FUNCTION T exchange(T value, [[maybe_unused]] int mask) {
        KOKKOS_IF_ON_DEVICE((return __shfl_xor_sync(kAll, value, mask);))
        KOKKOS_IF_ON_HOST((return value;))
    }
    static KOKKOS_FORCEINLINE_FUNCTION Votes vote([[maybe_unused]] bool yes) {
        KOKKOS_IF_ON_DEVICE((const unsigned votes = __ballot_sync(kAll, yes);
                             return Votes{__popc(votes & ((1U << threadIdx.x) - 1U)), __popc(votes)};))
        KOKKOS_IF_ON_HOST((return Votes{0, 0};))
    }
    static KOKKOS_FORCEINLINE_FUNCTION void multiply_add([[maybe_unused]] float (&c)[4],
                                                         [[maybe_unused]] const std::uint32_t (&a)[4],
                                                         [[maybe_unused]] const std::uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(__CUDA_ARCH__)
        __trap();  // compiled for less than what Kokkos was configured for
#endif
    }
};
#endif

#if defined(KOKKOS_ENABLE_HIP)
template <>
struct Warp<Kokkos::HIP> {
    static constexpr bool has_matrix_units = false;
    static KOKKOS_FORCEINLINE_FUNCTION constexpr int size() { return Kokkos::Impl::HIPTraits::WarpSize; }
    static constexpr int fewest_teams(int n) { return n > 3 ? n - 1 : n; }
    static KOKKOS_FORCEINLINE_FUNCTION int thread() {
        KOKKOS_IF_ON_DEVICE((return static_cast<int>(threadIdx.x);))
        KOKKOS_IF_ON_HOST((return 0;))
    }
    /// A wavefront is in one place anyway: what this orders is its memory.
    static KOKKOS_FORCEINLINE_FUNCTION void barrier() {
        KOKKOS_IF_ON_DEVICE((__builtin_amdgcn_fence(__ATOMIC_ACQ_REL, "wavefront"); __builtin_amdgcn_wave_barrier();))
    }
    template <class T>
    static KOKKOS_FORCEINLINE_FUNCTION T exchange(T value, [[maybe_unused]] int mask) {
        KOKKOS_IF_ON_DEVICE((return __shfl_xor(value, mask, size());))
        KOKKOS_IF_ON_HOST((return value;))
    }
    static KOKKOS_FORCEINLINE_FUNCTION Votes vote([[maybe_unused]] bool yes) {
        KOKKOS_IF_ON_DEVICE((const std::uint64_t votes = __ballot(yes); return Votes{
            static_cast<int>(__popcll(votes & ((std::uint64_t(1) << threadIdx.x) - 1U))), static_cast<int>(__popcll(votes))};))
        KOKKOS_IF_ON_HOST((return Votes{0, 0};))
    }
};
#endif

#if defined(KOKKOS_ENABLE_SYCL)
template <>
struct Warp<Kokkos::SYCL> {
    static constexpr bool has_matrix_units = false;
    static auto group() { return sycl::ext::oneapi::this_work_item::get_sub_group(); }
    static constexpr int size() { return 32; }
    static constexpr int fewest_teams(int n) { return n; }
    static int thread() { return static_cast<int>(group().get_local_linear_id()); }
    static void barrier() { sycl::group_barrier(group()); }
    template <class T>
    static T exchange(T value, int mask) {
        return sycl::permute_group_by_xor(group(), value, static_cast<unsigned>(mask));
    }
    static Votes vote(bool yes) {
        const int one = yes ? 1 : 0;
        return {sycl::exclusive_scan_over_group(group(), one, sycl::plus<int>()),
                sycl::reduce_over_group(group(), one, sycl::plus<int>())};
    }
};
#endif

}  // namespace dpc::kokkos
