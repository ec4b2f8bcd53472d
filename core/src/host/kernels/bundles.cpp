// SPDX-License-Identifier: MIT
// See bundles.hpp.
#include "host/kernels/bundles.hpp"

#include "dpc/math/counts.hpp"
#include "dpc/math/moments.hpp"
#include "dpc/simd.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using simd::DPC_ISA::load_first;
using simd::DPC_ISA::Pack;

/// Packs of channels at once, of which each needs a sum and a term for each component.
template <int COMPONENTS>
constexpr int kPacksAtOnce = (simd::DPC_ISA::kRegisters == 32 ? 8 : 4) / COMPONENTS;

/// Numbers of a bundle. Of one component the sums of the powers 1 .. ORDER (that of the power 0 is their number), then the
/// coefficients of the gradients, which are sums over channels: of dE/dx those of a polynomial's slope. Of two components both of the
/// first moments, after them sums of all powers times w and the coefficients of phi by the second moments.
template <int COMPONENTS, int ORDER>
constexpr int kNumbers = COMPONENTS == 1 ? ORDER : 2 * ORDER + 1;

/// Sums over the elements of packs are made together, as in the kernels of pairs: those of as many bundles as this many packs hold.
constexpr int kSums = 16;
template <int COMPONENTS, int ORDER>
constexpr int kTogether = kSums / kNumbers<COMPONENTS, ORDER>;

template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION Real* numbers_of(const BundleScratch<Real>& scratch, int bundle) {
    constexpr int together = kTogether<COMPONENTS, ORDER>;
    static_assert((kMostBundled + together - 1) / together * kSums <= kMostBundled * COMPONENTS * BundleScratch<Real>::kNumbers);
    return scratch.numbers + bundle / together * kSums + bundle % together * kNumbers<COMPONENTS, ORDER>;
}

/// Counts the arguments of each interval, and puts them where those of the intervals before end. Without a branch, since nobody
/// could predict it: an interval is written behind the bundles that are there, and stays if it had no argument before.
template <class Real, int COMPONENTS>
int bundle(const Arguments<Real>& arguments, int begin, int end, int n_bundles, const BundleScratch<Real>& scratch,
           const BundledArguments<Real>& bundled) {
    const int n_before = n_bundles;
    for (int k = begin; k < end; ++k) {
        const std::int32_t interval = arguments.interval[k], n = scratch.of_interval[interval];
        bundled.place[k] = n;
        scratch.of_interval[interval] = n + 1;
        bundled.interval[n_bundles] = interval;
        n_bundles += n == 0 ? 1 : 0;
    }
    std::int32_t place = begin;
    for (int bundle = n_before; bundle < n_bundles; ++bundle) {
        std::int32_t& of_interval = scratch.of_interval[bundled.interval[bundle]];
        const std::int32_t n = of_interval;
        bundled.begin[bundle] = of_interval = place;
        place += n;
    }
    bundled.begin[n_bundles] = place;
    for (int k = begin; k < end; ++k) {
        const std::int32_t to = scratch.of_interval[arguments.interval[k]] + bundled.place[k];
        bundled.place[k] = to;
        bundled.distance[to] = arguments.distance[k];
        if constexpr (COMPONENTS == 2) {
            bundled.w[to] = arguments.w[k];
        }
    }
    for (int bundle = n_before; bundle < n_bundles; ++bundle) {
        scratch.of_interval[bundled.interval[bundle]] = 0;
    }
    return n_bundles;
}

template <class Real>
DPC_FUNCTION Real weight_of(const BundleList<Real>& list, int bundle) {
    return bundle < list.n_single ? Real(1) : list.weight;
}

template <int ORDER, class Real>
DPC_FUNCTION math::TablePlace<Real> place_of(const PackedTable<Real>& table, std::int32_t interval, int channel) {
    return {table.coef + interval * (static_cast<std::ptrdiff_t>(ORDER + 1) * table.stride), channel, Real(0)};
}

/// Sums of the powers of the distances, and of these times w, of each bundle.
template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION void sum_powers(const PackedTable<Real>& table, const BundleList<Real>& list, const BundleScratch<Real>& scratch) {
    using P = Pack<Real>;
    constexpr int n_numbers = kNumbers<COMPONENTS, ORDER>, together = kTogether<COMPONENTS, ORDER>;
    const BundledArguments<Real>& arguments = list.arguments;
    for (int first = 0; first < list.n_bundles; first += together) {
        P sum[kSums];  // (bundle, power)
        for (P& s : sum) {
            s = P(0.0);
        }
        math::for_each_count<together>([&](auto count) {
            constexpr int at = decltype(count)::value * n_numbers;
            const int bundle = first + decltype(count)::value;
            if (bundle >= list.n_bundles) {
                return;
            }
            const int end = arguments.begin[bundle + 1];
            for (int k = arguments.begin[bundle]; k < end; k += P::width) {
                const P t = load_first(arguments.distance + k, end - k);
                P power = t;
                sum[at] += power;
                for (int p = 1; p < ORDER; ++p) {
                    power = power * t;
                    sum[at + p] += power;
                }
                if constexpr (COMPONENTS == 2) {
                    P weighted = load_first(arguments.w + k, end - k);
                    sum[at + ORDER] += weighted;
                    for (int p = ORDER + 1; p < n_numbers; ++p) {
                        weighted = weighted * t;
                        sum[at + p] += weighted;
                    }
                }
            }
        });
        simd::DPC_ISA::sum_elements<kSums>(sum, scratch.numbers + first / together * kSums);
    }
    // Continuations are linear, and their distances have no bounds that higher powers could keep.
    for (int bundle = 0; bundle < list.n_bundles; ++bundle) {
        if (arguments.interval[bundle] >= static_cast<std::int32_t>(table.grid.n_intervals)) {
            Real* sums = numbers_of<COMPONENTS, ORDER>(scratch, bundle);
            for (int p = 2; p <= ORDER; ++p) {
                sums[p - 1] = 0;
                if constexpr (COMPONENTS == 2) {
                    sums[ORDER + p] = 0;
                }
            }
        }
    }
}

/// N packs of channels from one on. The terms of a bundle are added to each other first: bundles do not wait for each other.
template <int COMPONENTS, int ORDER, int N, class Real>
void moments_pass(const PackedTable<Real>& table, int channel, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                  Real* moments) {
    using P = Pack<Real>;
    P sum[COMPONENTS][N];
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < N; ++v) {
            sum[c][v] = P::load(moments + c * table.stride + channel + v * P::width);
        }
    }
    for (int bundle = 0; bundle < list.n_bundles; ++bundle) {
        const math::TablePlace<Real> place = place_of<ORDER>(table, list.arguments.interval[bundle], channel);
        const Real* sums = numbers_of<COMPONENTS, ORDER>(scratch, bundle);
        const auto n = static_cast<Real>(list.arguments.begin[bundle + 1] - list.arguments.begin[bundle]);
        P term[COMPONENTS][N];
        for (int p = 0; p <= ORDER; ++p) {
            for (int v = 0; v < N; ++v) {
                const P coefficient = place.template coefficients<ORDER, P>(v)(p);
                for (int c = 0; c < COMPONENTS; ++c) {
                    const P of_power(c == 1 ? sums[ORDER + p] : p == 0 ? n : sums[p - 1]);
                    term[c][v] = p == 0 ? coefficient * of_power : term[c][v] + coefficient * of_power;
                }
            }
        }
        const P weight(weight_of(list, bundle));
        for (int c = 0; c < COMPONENTS; ++c) {
            for (int v = 0; v < N; ++v) {
                sum[c][v] += weight * term[c][v];
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
void compute_moments(const PackedTable<Real>& table, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                     Real* moments) {
    constexpr int width = Pack<Real>::width;
    math::with_order(table.order, [&](auto order) {
        constexpr int ORDER = decltype(order)::value;
        sum_powers<COMPONENTS, ORDER>(table, list, scratch);
        math::in_passes<kPacksAtOnce<COMPONENTS>>((table.rank + width - 1) / width, [&](auto count, int first) {
            moments_pass<COMPONENTS, ORDER, decltype(count)::value>(table, first * width, list, scratch, moments);
        });
    });
}

/// Coefficients of the gradients of each bundle, what N packs of channels add to them.
template <int COMPONENTS, int ORDER, int N, class Real>
void gradients_pass(const PackedTable<Real>& table, int channel, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                    const Real* moments) {
    using P = Pack<Real>;
    constexpr int n_numbers = kNumbers<COMPONENTS, ORDER>, together = kTogether<COMPONENTS, ORDER>;
    P weight[COMPONENTS][N];
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < N; ++v) {
            weight[c][v] = P::load(moments + c * table.stride + channel + v * P::width);
        }
    }
    for (int first = 0; first < list.n_bundles; first += together) {
        P partial[kSums];  // (bundle, coefficient)
        for (int unused = together * n_numbers; unused < kSums; ++unused) {
            partial[unused] = P(0.0);
        }
        math::for_each_count<together>([&](auto count) {
            constexpr int at = decltype(count)::value * n_numbers;
            // In the place of a bundle that is not there the first one once more: nobody reads that.
            const int bundle = first + decltype(count)::value < list.n_bundles ? first + decltype(count)::value : first;
            const math::TablePlace<Real> place = place_of<ORDER>(table, list.arguments.interval[bundle], channel);
            for (int c = 0; c < COMPONENTS; ++c) {
                for (int p = 1 - c; p <= ORDER; ++p) {
                    P sum = weight[c][0] * place.template coefficients<ORDER, P>(0)(p);
                    for (int v = 1; v < N; ++v) {
                        sum += weight[c][v] * place.template coefficients<ORDER, P>(v)(p);
                    }
                    partial[at + c * ORDER + p - 1 + c] = c == 0 ? sum * P(Real(p)) : sum;
                }
            }
        });
        Real* numbers = scratch.numbers + first / together * kSums;
        Real sums[kSums];
        simd::DPC_ISA::sum_elements<kSums>(partial, channel > 0 ? sums : numbers);
        for (int number = 0; channel > 0 && number < kSums; number += P::width) {
            (P::load(numbers + number) + P::load(sums + number)).store(numbers + number);
        }
    }
}

/// A polynomial whose coefficients all arguments of a bundle share.
template <int N, class Real>
struct Shared {
    Pack<Real> c[N];
    DPC_FUNCTION explicit Shared(const Real* from) {
        for (int p = 0; p < N; ++p) {
            c[p] = Pack<Real>(from[p]);
        }
    }
    DPC_FUNCTION Pack<Real> operator()(int p) const { return c[p]; }
};

/// dE/dx and dE/dw by place.
template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION void reverse_bundle(const BundleList<Real>& list, int bundle, const BundleScratch<Real>& scratch) {
    using P = Pack<Real>;
    const BundledArguments<Real>& arguments = list.arguments;
    const Real* numbers = numbers_of<COMPONENTS, ORDER>(scratch, bundle);
    const P weight(weight_of(list, bundle));
    const Shared<ORDER, Real> slope(numbers);
    for (int k = arguments.begin[bundle]; k < arguments.begin[bundle + 1]; k += P::width) {
        const P t = P::load(arguments.distance + k);
        const P of_first = math::polynomial<ORDER - 1>(slope, t);
        if constexpr (COMPONENTS == 1) {
            (weight * of_first).store(scratch.reverse[0] + k);
        } else {
            P slope_of_second;
            const P second = math::polynomial<ORDER>(Shared<ORDER + 1, Real>(numbers + ORDER), t, slope_of_second);
            (weight * (of_first + P::load(arguments.w + k) * slope_of_second)).store(scratch.reverse[0] + k);
            (weight * second).store(scratch.reverse[1] + k);
        }
    }
}

template <class Real, int COMPONENTS>
void reverse_moments(const PackedTable<Real>& table, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                     const Real* moments, Real* reverse_x, Real* reverse_w) {
    constexpr int width = Pack<Real>::width;
    math::with_order(table.order, [&](auto order) {
        constexpr int ORDER = decltype(order)::value;
        math::in_passes<kPacksAtOnce<COMPONENTS>>((table.rank + width - 1) / width, [&](auto count, int first) {
            gradients_pass<COMPONENTS, ORDER, decltype(count)::value>(table, first * width, list, scratch, moments);
        });
        for (int bundle = 0; bundle < list.n_bundles; ++bundle) {
            reverse_bundle<COMPONENTS, ORDER>(list, bundle, scratch);
        }
    });
    const int n = list.arguments.begin[list.n_bundles];
    for (int k = 0; k < n; ++k) {
        reverse_x[k] = scratch.reverse[0][list.arguments.place[k]];
        if constexpr (COMPONENTS == 2) {
            reverse_w[k] = scratch.reverse[1][list.arguments.place[k]];
        }
    }
}

template <class Real>
constexpr BundleKernels<Real> functions() {
    BundleKernels<Real> table{};
    table.bundle.one = bundle<Real, 1>;
    table.bundle.two = bundle<Real, 2>;
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
