// SPDX-License-Identifier: MIT
// The kernels that look tables up, for every instruction set in both precisions: moments of phi and their gradient, against sums
// of powers in long double. All ranks that make one or several pieces of channels, both orders, no pairs, first pairs that are
// not aligned.
#include "kernel_test.hpp"

namespace {

using namespace dpc::test;
using dpc::PackedTable;
using dpc::host::PairArrays;

class TableKernels : public EveryInstructionSet {};

constexpr int kIntervals = 9;
constexpr double kWidth = 0.5;  // of an interval: powers of the distance differ, but none dies
constexpr int kUnwritten = Guarded<double>::kMark;

/// A table of random coefficients, pairs that point into it with random environments R.
template <class Real>
struct Case {
    Case(int rank, int order, int first_pair, int n_pairs)
        : stride((rank + 15) / 16 * 16),
          begin(first_pair),
          end(first_pair + n_pairs),
          coefficients(static_cast<std::size_t>(kIntervals * (order + 1) * stride), Real(0)),
          store(end) {
        Numbers numbers(static_cast<std::uint64_t>(rank * 100 + order));
        for (int row = 0; row < kIntervals * (order + 1); ++row) {
            for (int channel = 0; channel < rank; ++channel) {
                coefficients[static_cast<std::size_t>(row * stride + channel)] = static_cast<Real>(numbers.next(-1, 1));
            }
        }
        packed = Guarded<Real>(coefficients);
        table = {{}, order, rank, stride, packed.data()};
        for (int k = 0; k < end; ++k) {
            store.interval[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(numbers.next(0, kIntervals));
            store.pairs.distance[k] = static_cast<Real>(numbers.next(-0.1, kWidth));
            for (int c = 0; c < 25; ++c) {
                store.component(store.pairs.environment, c)[k] = static_cast<Real>(numbers.next(-1, 1));
                store.component(store.pairs.reverse_environment, c)[k] = Real(kUnwritten);
            }
        }
    }

    /// phi of a channel at pair k and its slope.
    long double phi(int k, int channel, long double& slope) const {
        const int n_powers = table.order + 1;
        const Real* first = coefficients.data() + store.interval[static_cast<std::size_t>(k)] * n_powers * stride + channel;
        const long double t = store.pairs.distance[k];
        long double value = 0;
        slope = 0;
        for (int power = 0; power < n_powers; ++power) {
            value += first[power * stride] * std::pow(t, static_cast<long double>(power));
            if (power > 0) {
                slope += power * first[power * stride] * std::pow(t, static_cast<long double>(power - 1));
            }
        }
        return value;
    }

    int stride, begin, end;
    std::vector<Real> coefficients;
    Guarded<Real> packed{1};
    PackedTable<Real> table{};
    PairStore<Real> store;
};

/// R_c of pair k: 1 where there is one component.
template <int COMPONENTS, class Real>
long double environment(const Case<Real>& c, int component, int k) {
    return COMPONENTS == 1 ? 1 : static_cast<long double>(c.store.component(c.store.pairs.environment, component)[k]);
}

/// |coefficients| < 1 and |distance| <= kWidth: bounds of phi and its slope.
constexpr long double kMostPhi = 2, kMostSlope = 4;

template <int COMPONENTS, class Real>
void check_moments(const dpc::host::Kernels<Real>& kernels, int rank, int order, int n_pairs) {
    SCOPED_TRACE(testing::Message() << "rank " << rank << ", order " << order << ", " << n_pairs << " pairs");
    const Case<Real> c(rank, order, 3, n_pairs);
    Guarded<Real> moments(static_cast<std::size_t>(COMPONENTS * c.stride));
    kernels.table.compute_moments[COMPONENTS](c.table, c.begin, c.end, c.store.pairs, moments.data());
    const long double tolerance = rounding<Real>() * kMostPhi * (2 * order + n_pairs) * n_pairs;
    for (int channel = 0; channel < rank; ++channel) {
        long double expected[COMPONENTS] = {};
        for (int k = c.begin; k < c.end; ++k) {
            long double slope;
            const long double phi = c.phi(k, channel, slope);
            for (int component = 0; component < COMPONENTS; ++component) {
                expected[component] += phi * environment<COMPONENTS>(c, component, k);
            }
        }
        for (int component = 0; component < COMPONENTS; ++component) {
            ASSERT_TRUE(
                is_near(moments[static_cast<std::size_t>(component * c.stride + channel)], expected[component], tolerance))
                << "channel " << channel << ", component " << component;
        }
    }
    EXPECT_TRUE(moments.intact());
}

template <int COMPONENTS, class Real>
void check_reverse_moments(const dpc::host::Kernels<Real>& kernels, int rank, int order, int n_pairs) {
    SCOPED_TRACE(testing::Message() << "rank " << rank << ", order " << order << ", " << n_pairs << " pairs");
    Case<Real> c(rank, order, 3, n_pairs);
    std::vector<Real> weight(static_cast<std::size_t>(COMPONENTS * c.stride), Real(0));
    Numbers numbers(6);
    for (int component = 0; component < COMPONENTS; ++component) {
        for (int channel = 0; channel < rank; ++channel) {
            weight[static_cast<std::size_t>(component * c.stride + channel)] = static_cast<Real>(numbers.next(-1, 1));
        }
    }
    Guarded<Real> moments(weight);
    kernels.table.reverse_moments[COMPONENTS](c.table, c.begin, c.end, c.store.pairs, moments.data());
    const long double tolerance = rounding<Real>() * (COMPONENTS * kMostSlope + kMostPhi) * (3 * order + rank) * rank;
    for (int k = c.begin; k < c.end; ++k) {
        long double expected[COMPONENTS] = {};
        for (int channel = 0; channel < rank; ++channel) {
            long double slope;
            const long double phi = c.phi(k, channel, slope);
            for (int component = 0; component < COMPONENTS; ++component) {
                const long double w = weight[static_cast<std::size_t>(component * c.stride + channel)];
                expected[component] += COMPONENTS == 1 ? 0 : phi * w;  // the weight 1 does not depend on the pair
                expected[0] += slope * w * environment<COMPONENTS>(c, component, k);
            }
        }
        for (int component = 0; component < COMPONENTS; ++component) {
            const Real found = c.store.component(c.store.pairs.reverse_environment, component)[k];
            ASSERT_TRUE(is_near(found, expected[component], tolerance)) << "pair " << k << ", component " << component;
        }
    }
    for (int component = 0; component < COMPONENTS; ++component) {  // nobody else's pairs
        const Real* found = c.store.component(c.store.pairs.reverse_environment, component);
        ASSERT_EQ(found[c.begin - 1], Real(kUnwritten));
        ASSERT_EQ(found[c.end], Real(0));
    }
}

TEST_P(TableKernels, MomentsAreSumsOfPowers) {
    in_both_precisions([](const auto& kernels) {
        for (int order : {3, 5}) {
            for (int rank = 1; rank <= 40; ++rank) {
                check_moments<4>(kernels, rank, order, 1 + rank % 11);
                check_moments<1>(kernels, rank, order, 1 + rank % 23);
            }
            for (int rank = 1; rank <= 40; rank += 3) {
                check_moments<9>(kernels, rank, order, 1 + rank % 11);
                check_moments<16>(kernels, rank, order, 1 + rank % 7);
                check_moments<25>(kernels, rank, order, 1 + rank % 5);
            }
            check_moments<4>(kernels, 100, order, 150);
            check_moments<1>(kernels, 100, order, 150);
            check_moments<4>(kernels, 20, order, 0);
            check_moments<1>(kernels, 20, order, 0);
        }
    });
}

TEST_P(TableKernels, ReverseMomentsAreTheirGradient) {
    in_both_precisions([](const auto& kernels) {
        for (int order : {3, 5}) {
            for (int rank = 1; rank <= 40; ++rank) {
                check_reverse_moments<4>(kernels, rank, order, 1 + rank % 11);
                check_reverse_moments<1>(kernels, rank, order, 1 + rank % 23);
            }
            for (int rank = 1; rank <= 40; rank += 3) {
                check_reverse_moments<9>(kernels, rank, order, 1 + rank % 11);
                check_reverse_moments<16>(kernels, rank, order, 1 + rank % 7);
                check_reverse_moments<25>(kernels, rank, order, 1 + rank % 5);
            }
            check_reverse_moments<4>(kernels, 100, order, 150);
            check_reverse_moments<1>(kernels, 100, order, 150);
            check_reverse_moments<4>(kernels, 20, order, 0);
            check_reverse_moments<1>(kernels, 20, order, 0);
        }
    });
}

DPC_TEST_EVERY_INSTRUCTION_SET(TableKernels);

}  // namespace
