// SPDX-License-Identifier: MIT
// See bundles.hpp.
#include "host/kernels/bundles.hpp"

#include <cstring>

#include "dpc/math/counts.hpp"
#include "dpc/math/moments.hpp"
#include "dpc/simd.hpp"
#include "host/kernels/eight.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using simd::DPC_ISA::Pack;

/// Packs of channels at once, of which each needs a sum and a term for each component.
template <int COMPONENTS>
constexpr int kPacksAtOnce = (simd::DPC_ISA::kRegisters == 32 ? 8 : 4) / COMPONENTS;

/// Numbers of a bundle.
template <class Real, int COMPONENTS>
constexpr int kNumbers = COMPONENTS * BundleScratch<Real>::kNumbers;

/// Numbers the bundles of n arguments and returns how many there are. Without a branch, since nobody could predict it: the last
/// argument of an interval stands for it.
template <class Real>
DPC_FUNCTION int make_bundles(const std::int32_t* interval, int n, const BundleScratch<Real>& scratch) {
    for (int k = 0; k < n; ++k) {
        scratch.bundle_of_interval[interval[k]] = k;
    }
    int n_bundles = 0;
    for (int k = 0; k < n; ++k) {
        scratch.interval[n_bundles] = interval[k];
        n_bundles += scratch.bundle_of_interval[interval[k]] == k ? 1 : 0;
    }
    for (int bundle = 0; bundle < n_bundles; ++bundle) {
        scratch.bundle_of_interval[scratch.interval[bundle]] = bundle;
    }
    return n_bundles;
}

template <int ORDER, class Real>
DPC_FUNCTION math::TablePlace<Real> place_of(const PackedTable<Real>& table, std::int32_t interval, int channel) {
    return {table.coef + interval * (static_cast<std::ptrdiff_t>(ORDER + 1) * table.stride), channel, Real(0)};
}

/// Sums of the powers of the distances, and of these times w, of each bundle.
template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION void sum_powers(const PackedTable<Real>& table, const Arguments<Real>& arguments, int n,
                             const BundleScratch<Real>& scratch, int n_bundles) {
    using Vector = typename Eight<Real>::Vector;
    using Bits = typename Eight<Real>::Bits;
    constexpr int n_numbers = kNumbers<Real, COMPONENTS>, eight = BundleScratch<Real>::kNumbers;
    constexpr std::ptrdiff_t copy = static_cast<std::ptrdiff_t>(kMostBundled) * n_numbers;
    const Vector zero{};
    for (int at = 0; at < n_bundles * n_numbers; at += eight) {
        std::memcpy(scratch.numbers + at, &zero, sizeof zero);
        std::memcpy(scratch.numbers + copy + at, &zero, sizeof zero);
    }
    const Bits odd = {0, -1, 0, -1, 0, -1, 0, -1}, with_square = {0, 0, -1, -1, 0, 0, -1, -1},
               with_fourth = {0, 0, 0, 0, -1, -1, -1, -1};
    const Vector one = zero + Real(1);
    for (int k = 0; k < n; ++k) {
        Real* sums = scratch.numbers + (k % 2) * copy + scratch.bundle_of_interval[arguments.interval[k]] * n_numbers;
        const Vector t = zero + arguments.distance[k], square = t * t, fourth = square * square;
        Vector powers = (odd ? t : one) * (with_square ? square : one);
        if constexpr (ORDER > 3) {
            powers *= with_fourth ? fourth : one;
        }
        for (int c = 0; c < COMPONENTS; ++c) {
            Vector sum;
            std::memcpy(&sum, sums + c * eight, sizeof sum);
            sum += c == 0 ? powers : powers * arguments.w[k];
            std::memcpy(sums + c * eight, &sum, sizeof sum);
        }
    }
    const auto n_intervals = static_cast<std::int32_t>(table.grid.n_intervals);
    for (int bundle = 0; bundle < n_bundles; ++bundle) {
        Real* sums = scratch.numbers + bundle * n_numbers;
        for (int number = 0; number < n_numbers; ++number) {
            sums[number] += sums[copy + number];
        }
        // Continuations are linear, and their distances have no bounds that higher powers could keep.
        for (int number = 0; scratch.interval[bundle] >= n_intervals && number < n_numbers; ++number) {
            sums[number] = number % eight < 2 ? sums[number] : Real(0);
        }
    }
}

/// N packs of channels from one on. The terms of a bundle are added to each other first: bundles do not wait for each other.
template <int COMPONENTS, int ORDER, int N, class Real>
void moments_pass(const PackedTable<Real>& table, int channel, const BundleScratch<Real>& scratch, int n_bundles, Real* moments) {
    using P = Pack<Real>;
    P sum[COMPONENTS][N];
    for (auto& component : sum) {
        for (P& pack : component) {
            pack = P(0.0);
        }
    }
    for (int bundle = 0; bundle < n_bundles; ++bundle) {
        const math::TablePlace<Real> place = place_of<ORDER>(table, scratch.interval[bundle], channel);
        const Real* sums = scratch.numbers + bundle * kNumbers<Real, COMPONENTS>;
        P term[COMPONENTS][N];
        for (int p = 0; p <= ORDER; ++p) {
            for (int v = 0; v < N; ++v) {
                const P coefficient = place.template coefficients<ORDER, P>(v)(p);
                for (int c = 0; c < COMPONENTS; ++c) {
                    const P of_power(sums[c * BundleScratch<Real>::kNumbers + p]);
                    term[c][v] = p == 0 ? coefficient * of_power : term[c][v] + coefficient * of_power;
                }
            }
        }
        for (int c = 0; c < COMPONENTS; ++c) {
            for (int v = 0; v < N; ++v) {
                sum[c][v] += term[c][v];
            }
        }
    }
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < N; ++v) {
            sum[c][v].store(moments + c * table.stride + channel + v * P::width);
        }
    }
}

template <class Real, int COMPONENTS>
void compute_moments(const PackedTable<Real>& table, const Arguments<Real>& arguments, int n, const BundleScratch<Real>& scratch,
                     Real* moments) {
    constexpr int width = Pack<Real>::width;
    math::with_order(table.order, [&](auto order) {
        constexpr int ORDER = decltype(order)::value;
        const int n_bundles = make_bundles(arguments.interval, n, scratch);
        sum_powers<COMPONENTS, ORDER>(table, arguments, n, scratch, n_bundles);
        math::in_passes<kPacksAtOnce<COMPONENTS>>((table.rank + width - 1) / width, [&](auto count, int first) {
            moments_pass<COMPONENTS, ORDER, decltype(count)::value>(table, first * width, scratch, n_bundles, moments);
        });
    });
}

/// Coefficients of the gradients of a bundle, which are sums over channels: of dE/dx by the first moments those of a polynomial's
/// slope without its factors; of two components those of phi by the second moments after them.
template <int COMPONENTS, int ORDER>
constexpr int kCoefficients = COMPONENTS == 1 ? ORDER : 2 * ORDER + 1;

/// As in the kernels of pairs, sums over the elements of packs are made together: those of as many bundles as 16 packs hold.
template <int COMPONENTS, int ORDER, int N, class Real>
void gradients_pass(const PackedTable<Real>& table, int channel, const BundleScratch<Real>& scratch, int n_bundles,
                    const Real* moments) {
    using P = Pack<Real>;
    constexpr int n_sums = 16, n_numbers = kCoefficients<COMPONENTS, ORDER>, at_once = n_sums / n_numbers;
    P weight[COMPONENTS][N];
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < N; ++v) {
            weight[c][v] = P::load(moments + c * table.stride + channel + v * P::width);
        }
    }
    P partial[n_sums];  // (bundle, coefficient)
    for (P& p : partial) {
        p = P(0.0);
    }
    for (int first = 0; first < n_bundles; first += at_once) {
        const int n = n_bundles - first < at_once ? n_bundles - first : at_once;
        for (int bundle = 0; bundle < n; ++bundle) {
            const math::TablePlace<Real> place = place_of<ORDER>(table, scratch.interval[first + bundle], channel);
            for (int c = 0; c < COMPONENTS; ++c) {
                for (int p = 1 - c; p <= ORDER; ++p) {
                    P sum = weight[c][0] * place.template coefficients<ORDER, P>(0)(p);
                    for (int v = 1; v < N; ++v) {
                        sum += weight[c][v] * place.template coefficients<ORDER, P>(v)(p);
                    }
                    partial[bundle * n_numbers + c * ORDER + p - 1 + c] = sum;
                }
            }
        }
        Real sums[n_sums];
        simd::DPC_ISA::sum_elements<n_sums>(partial, sums);
        for (int bundle = 0; bundle < n; ++bundle) {
            Real* to = scratch.numbers + (first + bundle) * kNumbers<Real, COMPONENTS>;
            const Real* from = sums + bundle * n_numbers;
            for (int number = 0; number < n_numbers; ++number) {
                to[number] = channel > 0 ? to[number] + from[number] : from[number];
            }
        }
    }
}

/// Value of a polynomial of N terms.
template <int N, class Real>
DPC_FUNCTION Real value_of(const Real* c, Real t) {
    Real value = c[N - 1];
    for (int p = N - 2; p >= 0; --p) {
        value = value * t + c[p];
    }
    return value;
}

/// The factors of a slope's terms; of the second moments, whose values are wanted, too, in a copy behind them.
template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION void derive(const BundleScratch<Real>& scratch, int n_bundles) {
    for (int bundle = 0; bundle < n_bundles; ++bundle) {
        Real* c = scratch.numbers + bundle * kNumbers<Real, COMPONENTS>;
        for (int p = 1; p <= ORDER; ++p) {
            c[p - 1] *= Real(p);
            if constexpr (COMPONENTS == 2) {
                c[2 * ORDER + p] = Real(p) * c[ORDER + p];
            }
        }
    }
}

template <class Real, int COMPONENTS>
void reverse_moments(const PackedTable<Real>& table, const Arguments<Real>& arguments, int n, const BundleScratch<Real>& scratch,
                     const Real* moments, Real* reverse_x, Real* reverse_w) {
    constexpr int width = Pack<Real>::width;
    const int n_bundles = make_bundles(arguments.interval, n, scratch);
    math::with_order(table.order, [&](auto order) {
        constexpr int ORDER = decltype(order)::value;
        math::in_passes<kPacksAtOnce<COMPONENTS>>((table.rank + width - 1) / width, [&](auto count, int first) {
            gradients_pass<COMPONENTS, ORDER, decltype(count)::value>(table, first * width, scratch, n_bundles, moments);
        });
        derive<COMPONENTS, ORDER>(scratch, n_bundles);
        for (int k = 0; k < n; ++k) {
            const Real* c = scratch.numbers + scratch.bundle_of_interval[arguments.interval[k]] * kNumbers<Real, COMPONENTS>;
            const Real t = arguments.distance[k];
            const Real slope = value_of<ORDER>(c, t);
            if constexpr (COMPONENTS == 1) {
                reverse_x[k] = slope;
            } else {
                reverse_x[k] = slope + arguments.w[k] * value_of<ORDER>(c + 2 * ORDER + 1, t);
                reverse_w[k] = value_of<ORDER + 1>(c + ORDER, t);
            }
        }
    });
}

template <class Real>
constexpr BundleKernels<Real> functions() {
    BundleKernels<Real> table{};
    table.compute_moments.one = compute_moments<Real, 1>;
    table.compute_moments.two = compute_moments<Real, 2>;
    table.reverse_moments.one = reverse_moments<Real, 1>;
    table.reverse_moments.two = reverse_moments<Real, 2>;
    return table;
}

}  // namespace

extern const InBoth<BundleKernels> bundle_kernels;
const InBoth<BundleKernels> bundle_kernels = {functions<double>(), functions<float>()};

}  // namespace dpc::host::DPC_ISA
