// SPDX-License-Identifier: MIT
// What an execution space can do, measured: a copy between two large arrays, multiply-adds in registers, and the evaluator's own
// matrix product (the vendor's library on a GPU that has one).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <type_traits>

#include "dpc/kokkos/matrix_product.hpp"

namespace dpc::bench {

/// Seconds of one call and its fence, best of many.
template <class ExecSpace, class Call>
double best_device_seconds(const ExecSpace& space, int repeats, const Call& call) {
    using Clock = std::chrono::steady_clock;
    double best = 1e30;
    for (int repeat = -1; repeat < repeats; ++repeat) {  // the first one does not count
        const Clock::time_point start = Clock::now();
        call();
        space.fence();
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        best = repeat < 0 ? best : std::min(best, seconds);
    }
    return best;
}

template <class Memory>
struct CopyArray {
    Kokkos::View<double*, Memory> to, from;
    KOKKOS_FUNCTION void operator()(int k) const { to(k) = from(k); }
};

/// Bytes per second, read and written.
template <class ExecSpace>
double device_stream_rate(const ExecSpace& space) {
    using View = Kokkos::View<double*, typename ExecSpace::memory_space>;
    constexpr int n = (kokkos::is_gpu<ExecSpace> ? 128 : 16) << 20;
    const View from("bench::from", n), to("bench::to", n);
    Kokkos::deep_copy(space, from, 1.5);
    const double seconds = best_device_seconds(space, 10, [&] {
        Kokkos::parallel_for("bench::copy", Kokkos::RangePolicy<ExecSpace>(space, 0, n),
                             CopyArray<typename ExecSpace::memory_space>{to, from});
    });
    return 2.0 * sizeof(double) * n / seconds;
}

/// Independent sums of a thread: enough to cover the latency of its pipelines, few enough for its registers.
constexpr int kDeviceSums = kokkos::kPackBytes == 64 ? 24 : kokkos::kPackBytes == 0 ? 8 : 12;

template <class Real, class Memory>
struct MultiplyAdd {
    int rounds;
    Kokkos::View<Real*, Memory> out;
    KOKKOS_FUNCTION void operator()(int k) const {
        using P = kokkos::Pack<Real>;
        P sum[kDeviceSums];
        for (int n = 0; n < kDeviceSums; ++n) {
            sum[n] = P(Real(1) / static_cast<Real>(n + 1 + k % 7));
        }
        const P factor(Real(0.999)), term(Real(0.001));
        for (int round = 0; round < rounds; ++round) {
#if defined(__CUDA_ARCH__) || defined(__clang__)
#pragma unroll
#else
#pragma GCC unroll 24
#endif
            for (int n = 0; n < kDeviceSums; ++n) {
                sum[n] = sum[n] * factor + term;
            }
        }
        P total(0.0);
        for (const P& s : sum) {
            total += s;
        }
        Real lanes[P::width];
        total.store(lanes);
        out(k) = lanes[0] + lanes[P::width - 1];
    }
};

/// Operations per second, a multiply-add counting two.
template <class ExecSpace, class Real>
double device_register_rate(const ExecSpace& space) {
    using Memory = typename ExecSpace::memory_space;
    constexpr bool gpu = kokkos::is_gpu<ExecSpace>;
    const int n = gpu ? 1 << 20 : 16 * kokkos::count_workers(space), rounds = gpu ? 2048 : 100000;
    const Kokkos::View<Real*, Memory> out("bench::sums", static_cast<std::size_t>(n));
    const double seconds = best_device_seconds(space, 10, [&] {
        Kokkos::parallel_for("bench::multiply_add", Kokkos::RangePolicy<ExecSpace>(space, 0, n),
                             MultiplyAdd<Real, Memory>{rounds, out});
    });
    return 2.0 * kDeviceSums * kokkos::Pack<Real>::width * rounds * n / seconds;
}

/// Operations per second of matrix products by the data sheet of a card of NVIDIA: matrix units in double, none in float, at the highest
/// clock. 0: not known.
template <class ExecSpace, class Real>
double data_sheet_rate([[maybe_unused]] const ExecSpace& space) {
#if defined(KOKKOS_ENABLE_CUDA)
    struct Architecture {
        int compute_capability;
        double of_double, of_float;  // multiply-adds a clock and multiprocessor
    };
    constexpr Architecture known[] = {{80, 64, 64}, {86, 2, 128}, {89, 2, 128}, {90, 128, 128}, {100, 64, 128}};
    if constexpr (std::is_same_v<ExecSpace, Kokkos::Cuda>) {
        const cudaDeviceProp& card = space.cuda_device_prop();
        int kilohertz = 0;
        if (cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, space.cuda_device()) != cudaSuccess) {
            throw std::runtime_error("the device does not say how fast its clock is");
        }
        for (const Architecture& each : known) {
            if (each.compute_capability == 10 * card.major + card.minor) {
                return 2.0 * (sizeof(Real) == sizeof(double) ? each.of_double : each.of_float) * card.multiProcessorCount *
                       kilohertz * 1e3;
            }
        }
    }
#endif
    return 0;
}

/// Numbers in (-1, 1): zeros would draw less power, and a GPU would run faster.
template <class Real, class Memory>
struct FillMixed {
    Kokkos::View<Real*, Memory> to;
    KOKKOS_FUNCTION void operator()(int k) const {
        const std::uint32_t bits = static_cast<std::uint32_t>(k) * 2654435761U;
        to(k) = static_cast<Real>(bits >> 8U) / Real(8388608) - Real(1);
    }
};

/// Operations per second of the product of an (n_out, n_in) matrix with so many columns as the evaluator has lanes in a chunk.
template <class ExecSpace, class Real>
double device_product_rate(const ExecSpace& space, int n_out, int n_in) {
    using View = Kokkos::View<Real*, typename ExecSpace::memory_space>;
    constexpr bool gpu = kokkos::is_gpu<ExecSpace>;
    constexpr int panel = kokkos::tile_rows<ExecSpace>;
    kokkos::Tiles tiles;
    tiles.lanes = gpu ? 65536 : kokkos::kTilePacks * kokkos::Pack<Real>::width;
    tiles.n_tiles = gpu ? 1 : 64 / tiles.lanes * kokkos::count_workers(space);
    tiles.n_atoms = tiles.lanes * tiles.n_tiles;
    const auto filled = [&](int rows, int columns) {
        View view("bench::matrix", static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
        Kokkos::parallel_for("bench::fill", Kokkos::RangePolicy<ExecSpace>(space, 0, rows * columns),
                             FillMixed<Real, typename ExecSpace::memory_space>{view});
        return view;
    };
    const View matrix = filled((n_out + panel - 1) / panel * panel, n_in), x = filled(n_in, tiles.n_atoms),
               y = filled(n_out, tiles.n_atoms);
    kokkos::Launches<ExecSpace> launches(space);
    kokkos::MatrixProduct<ExecSpace, Real> product(space);
    const kokkos::DeviceMatrix<Real> weights{n_out, n_in, matrix.data(), matrix.data()};
    const int calls = gpu ? 4 : 64;
    const double seconds = best_device_seconds(space, 10, [&] {
        for (int k = 0; k < calls; ++k) {
            product("bench::product", launches, weights, tiles, {x.data(), n_in, tiles.lanes}, {y.data(), n_out, tiles.lanes});
        }
    });
    return 2.0 * n_out * n_in * tiles.n_atoms * calls / seconds;
}

}  // namespace dpc::bench
