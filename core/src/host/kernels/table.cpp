// SPDX-License-Identifier: MIT
// See table.hpp.
#include "host/kernels/table.hpp"

#include "dpc/math/counts.hpp"
#include "dpc/math/moments.hpp"
#include "dpc/simd.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using simd::DPC_ISA::Pack;
using simd::DPC_ISA::sum_elements;
using PackD = Pack<double>;

/// Packs of channels at once. Of 4 components 4: 16 registers do not hold all that they need, but fewer passes over the pairs are worth
/// more in double precision, whose packs are the shorter ones. Of 9 what fits; of 16 and 25 one, which does not fit 16 registers.
template <class Real, int COMPONENTS>
constexpr int kPacksAtOnce = COMPONENTS <= 4   ? (simd::DPC_ISA::kRegisters == 32 || sizeof(Real) == sizeof(double) ? 4 : 2)
                             : COMPONENTS == 9 ? (simd::DPC_ISA::kRegisters == 32 ? 2 : 1)
                                               : 1;

template <class Real, class Look>
DPC_FUNCTION void locate_with(const Look& look, int begin, int end, const PairArrays<Real>& pairs) {
    for (int k = begin; k < end; k += PackD::width) {
        PackD distance;
        const PackD interval = look(PackD::load(pairs.x + k), distance);
        store_integers(interval, pairs.interval + k);
        math::store_from_double(distance, pairs.distance + k);
    }
}

/// The pairs of one neighbour type, so that the grid stays in registers. How many segments it has is asked once, before the loop:
/// with one or two, which nearly all tables have, the loop has no branch.
template <class Real>
void locate(const math::Grid& grid, int begin, int end, const PairArrays<Real>& pairs) {
    if (grid.n_segments > 2) {
        locate_with([&](PackD x, PackD& distance) { return math::locate_in_many(grid, x, distance); }, begin, end, pairs);
    } else {
        locate_with([&](PackD x, PackD& distance) { return math::locate_in_two(grid, x, distance); }, begin, end, pairs);
    }
}

template <int ORDER, class Real>
DPC_FUNCTION math::TablePlace<Real> place_of(const PackedTable<Real>& table, const PairArrays<Real>& pairs, int k, int channel) {
    const std::ptrdiff_t interval_size = static_cast<std::ptrdiff_t>(ORDER + 1) * table.stride;
    return {table.coef + pairs.interval[k] * interval_size, channel, pairs.distance[k]};
}

/// Packs run over channels, not over pairs: the coefficients of an interval lie side by side, so that a pair costs loads of whole
/// packs, at constant distances from the first, and no gather. All sums of N packs of channels stay in registers over the pairs of a
/// centre; the N polynomials, Horner's rule each, are independent of each other and of those of the next pair, so that the processor
/// has work while one waits for its own last step.
template <class Real, int COMPONENTS, int ORDER, int N>
void moments_pass(const PackedTable<Real>& table, int channel, int begin, int end, const PairArrays<Real>& pairs, Real* moments) {
    using P = Pack<Real>;
    P sum[COMPONENTS][N];
    for (auto& component : sum) {
        for (P& pack : component) {
            pack = P(0.0);
        }
    }
    for (int k = begin; k < end; ++k) {
        math::add_moments<ORDER>(
            place_of<ORDER>(table, pairs, k, channel),
            [&](int c) { return math::component_of<COMPONENTS>(pairs.environment, c)[k]; }, sum);
    }
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < N; ++v) {
            sum[c][v].store(moments + c * table.stride + channel + v * P::width);
        }
    }
}

/// Sums over channels of some pairs that wait for the next pass, in groups that are added up together.
constexpr int kGroups = 4;

/// As above, dE/dmoments in registers instead of sums. What a pair gets is a sum over channels, which lie across a pack; to add up the
/// elements of one pack takes as many steps as the arithmetic of a pair. So the packs of 16 such sums, the components of 4 pairs (or
/// one of 16), are kept and added up together, by halves of two packs at a time: fifteen steps for all of them in place of two to four
/// for each (or of 32: 9 components of 3 pairs, 25 of one). A last group with fewer pairs adds up what is left of the one before and does
/// not store it. Only the last pass adds up: `partial` has room for one group where it is the first, too, else for kGroups.
template <class Real, int COMPONENTS, class Slope, int ORDER, int N>
void reverse_moments_pass(const PackedTable<Real>& table, int channel, int begin, int end, const PairArrays<Real>& pairs,
                          const Real* moments, Pack<Real> (*partial)[math::kSumsAtOnce<COMPONENTS>]) {
    using P = Pack<Real>;
    constexpr int n_sums = math::kSumsAtOnce<COMPONENTS>, pairs_at_once = math::kPairsAtOnce<COMPONENTS>;
    const bool is_first = channel == 0, is_last = channel + N * P::width >= table.rank;
    P weight[COMPONENTS][N];
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < N; ++v) {
            weight[c][v] = P::load(moments + c * table.stride + channel + v * P::width);
        }
    }
    for (int first = begin; first < end; first += pairs_at_once) {
        const int n = end - first < pairs_at_once ? end - first : pairs_at_once;
        for (int pair = 0; pair < n; ++pair) {
            const int k = first + pair;
            P e[COMPONENTS];
            for (int c = 0; c < COMPONENTS; ++c) {
                e[c] = is_first ? P(0.0) : (*partial)[c * pairs_at_once + pair];
            }
            math::reverse_moments<ORDER>(
                place_of<ORDER>(table, pairs, k, channel),
                [&](int c) { return math::component_of<COMPONENTS>(pairs.environment, c)[k]; }, math::slope_of(pairs, k, Slope{}),
                weight, e);
            for (int c = 0; c < COMPONENTS; ++c) {
                (*partial)[c * pairs_at_once + pair] = e[c];
            }
        }
        if (is_last) {
            Real sums[n_sums];
            sum_elements(*partial, sums);
            for (int c = 0; c < COMPONENTS; ++c) {
                Real* to = math::component_of<COMPONENTS>(pairs.reverse_environment, c) + first;
                const Real* from = sums + c * pairs_at_once;
                if (n == pairs_at_once) {
                    std::memcpy(to, from, pairs_at_once * sizeof(Real));
                } else {
                    for (int pair = 0; pair < n; ++pair) {
                        to[pair] = from[pair];
                    }
                }
            }
        }
        if (!(is_first && is_last)) {
            ++partial;
        }
    }
}

/// pass(Count<order>, Count<n>, channel): all channels of a table, n packs from a channel on at a time.
template <class Real, int COMPONENTS, class Pass>
DPC_FUNCTION void in_passes_over(const PackedTable<Real>& table, const Pass& pass) {
    constexpr int width = Pack<Real>::width;
    math::with_order(table.order, [&](auto order) {
        math::in_passes<kPacksAtOnce<Real, COMPONENTS>>((table.rank + width - 1) / width,
                                                        [&](auto count, int first) { pass(order, count, first * width); });
    });
}

template <class Real, int COMPONENTS>
void compute_moments(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, Real* moments) {
    in_passes_over<Real, COMPONENTS>(table, [&](auto order, auto count, int channel) {
        constexpr int n_packs = decltype(count)::value;
        moments_pass<Real, COMPONENTS, decltype(order)::value, n_packs>(table, channel, begin, end, pairs, moments);
    });
}

/// Slope: math::EnvironmentIsArgument or EnvironmentSlope. Where the channels take several passes, each goes over some groups of pairs.
template <class Real, int COMPONENTS, class Slope>
void reverse_moments(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, const Real* moments) {
    using P = Pack<Real>;
    const bool in_one_pass = table.rank <= kPacksAtOnce<Real, COMPONENTS> * P::width;
    P partial[kGroups][math::kSumsAtOnce<COMPONENTS>];  // (group, (component, pair)): still spread over the elements of a pack
    for (int group = 0; group < (in_one_pass ? 1 : kGroups); ++group) {
        for (P& p : partial[group]) {
            p = P(0.0);
        }
    }
    const int pairs_at_once = in_one_pass ? end - begin : kGroups * math::kPairsAtOnce<COMPONENTS>;
    for (int first = begin; first < end; first += pairs_at_once) {
        const int last = end - first < pairs_at_once ? end : first + pairs_at_once;
        in_passes_over<Real, COMPONENTS>(table, [&](auto order, auto count, int channel) {
            reverse_moments_pass<Real, COMPONENTS, Slope, decltype(order)::value, decltype(count)::value>(
                table, channel, first, last, pairs, moments, partial);
        });
    }
}

template <class Real>
constexpr TableKernels<Real> functions() {
    TableKernels<Real> table{};
    table.locate = locate<Real>;
    table.compute_moments.four = compute_moments<Real, 4>;
    table.compute_moments.one = compute_moments<Real, 1>;
    table.compute_moments.nine = compute_moments<Real, 9>;
    table.compute_moments.sixteen = compute_moments<Real, 16>;
    table.compute_moments.twenty_five = compute_moments<Real, 25>;
    table.reverse_moments.four = reverse_moments<Real, 4, math::EnvironmentIsArgument>;
    table.reverse_moments.one = reverse_moments<Real, 1, math::EnvironmentIsArgument>;
    table.reverse_moments.nine = reverse_moments<Real, 9, math::EnvironmentIsArgument>;
    table.reverse_moments.sixteen = reverse_moments<Real, 16, math::EnvironmentIsArgument>;
    table.reverse_moments.twenty_five = reverse_moments<Real, 25, math::EnvironmentIsArgument>;
    table.reverse_moments_over_r.four = reverse_moments<Real, 4, math::EnvironmentSlope<Real>>;
    table.reverse_moments_over_r.nine = reverse_moments<Real, 9, math::EnvironmentSlope<Real>>;
    table.reverse_moments_over_r.sixteen = reverse_moments<Real, 16, math::EnvironmentSlope<Real>>;
    table.reverse_moments_over_r.twenty_five = reverse_moments<Real, 25, math::EnvironmentSlope<Real>>;
    return table;
}

}  // namespace

extern const InBoth<TableKernels> table_kernels;
const InBoth<TableKernels> table_kernels = {functions<double>(), functions<float>()};

}  // namespace dpc::host::DPC_ISA
