// SPDX-License-Identifier: MIT
// The value types of the Kokkos kernels. On a processor a pack as wide as its registers (dpc/simd.hpp), on a GPU a pack of one. Code
// written for packs then runs on both. Compilers for GPUs do not take the vector types of the processor, so that a build with a GPU
// uses packs of one everywhere.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

#include "dpc/math/portable.hpp"

// DPC_KOKKOS_LIKE_GPU: tests run what a GPU runs (one tile, groups of threads, atomic additions) on a processor, with an emulator of warps.
#if defined(KOKKOS_ENABLE_CUDA) || defined(KOKKOS_ENABLE_HIP) || defined(KOKKOS_ENABLE_SYCL) || defined(DPC_KOKKOS_LIKE_GPU)
#define DPC_PACKS_OF_ONE
#else
#if !defined(DPC_ISA)
#define DPC_ISA kokkos_host
#endif
#include "dpc/simd.hpp"
#endif

namespace dpc::kokkos {

using math::select;

#if defined(DPC_KOKKOS_LIKE_GPU)
template <class ExecSpace>
inline constexpr bool is_gpu = true;
#else
template <class ExecSpace>
inline constexpr bool is_gpu = !Kokkos::SpaceAccessibility<ExecSpace, Kokkos::HostSpace>::accessible;
#endif
constexpr int kTeamThreads = 128;  // of a GPU

/// Memory of the host that a GPU writes to without a detour.
template <class ExecSpace>
using PinnedSpace = std::conditional_t<is_gpu<ExecSpace>, Kokkos::SharedHostPinnedSpace, Kokkos::HostSpace>;

/// The members and functions of simd::Pack for a single number.
template <class T>
struct One {
    static constexpr int width = 1;
    T v;

    One() = default;
    template <class U, class = std::enable_if_t<std::is_arithmetic_v<U>>>
    DPC_FUNCTION One(U scalar) : v(static_cast<T>(scalar)) {}

    DPC_FUNCTION static One load(const T* from) { return One(*from); }
    DPC_FUNCTION void store(T* to) const { *to = v; }

    DPC_FUNCTION friend One operator+(One a, One b) { return One(a.v + b.v); }
    DPC_FUNCTION friend One operator-(One a, One b) { return One(a.v - b.v); }
    DPC_FUNCTION friend One operator*(One a, One b) { return One(a.v * b.v); }
    DPC_FUNCTION friend One operator/(One a, One b) { return One(a.v / b.v); }
    DPC_FUNCTION friend One operator-(One a) { return One(-a.v); }
    DPC_FUNCTION One& operator+=(One b) {
        v += b.v;
        return *this;
    }
    DPC_FUNCTION friend bool operator<(One a, One b) { return a.v < b.v; }
    DPC_FUNCTION friend bool operator>(One a, One b) { return a.v > b.v; }
    DPC_FUNCTION friend bool operator>=(One a, One b) { return a.v >= b.v; }

    DPC_FUNCTION friend One abs(One a) { return One(Kokkos::abs(a.v)); }
    DPC_FUNCTION friend One copysign(One magnitude, One sign) { return One(Kokkos::copysign(magnitude.v, sign.v)); }
    DPC_FUNCTION friend One sqrt(One a) { return One(Kokkos::sqrt(a.v)); }
    DPC_FUNCTION friend One exp(One a) { return One(Kokkos::exp(a.v)); }
    DPC_FUNCTION friend One floor(One a) { return One(Kokkos::floor(a.v)); }
    DPC_FUNCTION friend T sum(One a) { return a.v; }
    DPC_FUNCTION friend void store_integers(One a, std::int32_t* to) { *to = static_cast<std::int32_t>(a.v); }
};

/// Some channels of a table, one load on a GPU.
template <class T, int N>
struct alignas(N * sizeof(T)) Few {
    static constexpr int width = N;
    T v[N];

    Few() = default;
    DPC_FUNCTION Few(T scalar) {
        for (T& number : v) {
            number = scalar;
        }
    }
    DPC_FUNCTION static Few load(const T* from) {
        Few few;
        __builtin_memcpy(&few, __builtin_assume_aligned(from, sizeof(Few)), sizeof(Few));
        return few;
    }
    DPC_FUNCTION friend Few operator+(Few a, const Few& b) { return a += b; }
    DPC_FUNCTION friend Few operator*(Few a, const Few& b) {
        for (int k = 0; k < N; ++k) {
            a.v[k] *= b.v[k];
        }
        return a;
    }
    DPC_FUNCTION Few& operator+=(const Few& b) {
        for (int k = 0; k < N; ++k) {
            v[k] += b.v[k];
        }
        return *this;
    }
    DPC_FUNCTION friend T sum(const Few& a) {
        T total = a.v[0];
        for (int k = 1; k < N; ++k) {
            total += a.v[k];
        }
        return total;
    }
};

#if defined(DPC_PACKS_OF_ONE)
constexpr int kPackBytes = 0;
template <class T>
using Pack = One<T>;
#else
constexpr int kPackBytes = DPC_PACK_BYTES;
template <class T>
using Pack = simd::DPC_ISA::Pack<T>;
#endif

/// The first n numbers, `behind` behind them. Memory there, which may be another thread's, is not touched.
template <class P, class T>
DPC_FUNCTION P load_some(const T* from, int n, T behind) {
    if constexpr (P::width == 1) {
        return n > 0 ? P::load(from) : P(behind);
    } else {
        if (n >= P::width) {
            return P::load(from);
        }
        alignas(P) T numbers[P::width];
        for (int k = 0; k < P::width; ++k) {
            numbers[k] = k < n ? from[k] : behind;
        }
        return P::load(numbers);
    }
}

/// One number, then another one in all other elements.
template <class P, class T>
DPC_FUNCTION P first_and_others(T first, T others) {
    if constexpr (P::width == 1) {
        return P(first);
    } else {
        return load_some<P>(&first, 1, others);
    }
}

/// The first n numbers of a pack, also as whole numbers.
template <class P, class T>
DPC_FUNCTION void store_some(P pack, T* to, int n) {
    const auto store_all = [&](T* all) {
        if constexpr (std::is_same_v<T, std::int32_t>) {
            store_integers(pack, all);
        } else {
            pack.store(all);
        }
    };
    if (n >= P::width) {
        store_all(to);
        return;
    }
    if constexpr (P::width > 1) {
        alignas(P) T numbers[P::width];
        store_all(numbers);
        for (int k = 0; k < n; ++k) {
            to[k] = numbers[k];
        }
    }
}

/// Packs of channels that fit the registers of a processor at once: the sums of four components each, and what the polynomials need.
constexpr int kMostPacks = kPackBytes == 64 ? 4 : kPackBytes == 32 ? 2 : 1;

/// Of a Group that may take so many with 4 components, with more of them.
template <int COMPONENTS>
DPC_FUNCTION constexpr int most_packs_of(int with_four) {
    return COMPONENTS <= 4 ? with_four : COMPONENTS == 9 && with_four == 4 ? 2 : 1;
}

/// Rows of a product tile and packs in it: as many sums as the registers hold.
template <class ExecSpace>
inline constexpr int tile_rows = is_gpu<ExecSpace> ? 16 : 6;
constexpr int kTilePacks = kPackBytes == 64 ? 4 : kPackBytes == 32 ? 2 : kPackBytes == 16 ? 2 : 1;

}  // namespace dpc::kokkos
