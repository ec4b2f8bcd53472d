// SPDX-License-Identifier: MIT
// The kernels that look tables up, for every instruction set in both precisions: moments of phi and their gradient, against sums
// of powers in long double. All ranks that make one or several pieces of channels, every order, no pairs, first pairs that are
// not aligned.
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <limits>
#include <set>

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
            const bool is_linear = row / (order + 1) >= kIntervals - dpc::kContinuations;
            for (int channel = 0; channel < rank && !(is_linear && row % (order + 1) > 1); ++channel) {
                at(coefficients, row / (order + 1), row % (order + 1), order + 1, channel) =
                    static_cast<Real>(numbers.next(-1, 1));
            }
        }
        packed = Guarded<Real>(coefficients);
        table = {{}, order, rank, stride, packed.data()};
        table.grid.n_intervals = kIntervals - dpc::kContinuations;
        for (int k = 0; k < end; ++k) {
            store.interval[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(numbers.next(0, kIntervals));
            store.pairs.distance[k] = static_cast<Real>(numbers.next(-0.1, kWidth));
            for (int c = 0; c < 25; ++c) {
                store.component(store.pairs.environment, c)[k] = static_cast<Real>(numbers.next(-1, 1));
                store.component(store.pairs.reverse_environment, c)[k] = Real(kUnwritten);
            }
        }
    }

    /// An element of (interval, group of 64 bytes of channels, power, channel of the group).
    template <class Array>
    auto& at(Array& array, int interval, int power, int n_powers, int channel) const {
        const int group = 64 / static_cast<int>(sizeof(Real));
        const int place = ((interval * (stride / group) + channel / group) * n_powers + power) * group + channel % group;
        return array[static_cast<std::size_t>(place)];
    }

    /// phi of a channel at pair k and its slope.
    long double phi(int k, int channel, long double& slope) const {
        const int n_powers = table.order + 1;
        const int interval = store.interval[static_cast<std::size_t>(k)];
        const long double t = store.pairs.distance[k];
        long double value = 0;
        slope = 0;
        for (int power = 0; power < n_powers; ++power) {
            const Real coefficient = at(coefficients, interval, power, n_powers, channel);
            value += coefficient * std::pow(t, static_cast<long double>(power));
            if (power > 0) {
                slope += power * coefficient * std::pow(t, static_cast<long double>(power - 1));
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

/// dE/dmoments (components, stride), 0 behind the channels in use.
template <int COMPONENTS, class Real>
std::vector<Real> random_weights(const Case<Real>& c, int rank, std::uint64_t seed) {
    std::vector<Real> weight(static_cast<std::size_t>(COMPONENTS * c.stride), Real(0));
    Numbers numbers(seed);
    for (int component = 0; component < COMPONENTS; ++component) {
        for (int channel = 0; channel < rank; ++channel) {
            weight[static_cast<std::size_t>(component * c.stride + channel)] = static_cast<Real>(numbers.next(-1, 1));
        }
    }
    return weight;
}

template <int COMPONENTS, class Real>
void check_reverse_moments(const dpc::host::Kernels<Real>& kernels, int rank, int order, int n_pairs) {
    SCOPED_TRACE(testing::Message() << "rank " << rank << ", order " << order << ", " << n_pairs << " pairs");
    Case<Real> c(rank, order, 3, n_pairs);
    const std::vector<Real> weight = random_weights<COMPONENTS>(c, rank, 6);
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

/// A case whose arguments belong to owners one after the other, who have rows of the moments in another order; a third of each one's
/// arguments counts once, the others `weight` times. All in bundles, with scratch of the kernels for tables of kIntervals.
template <int COMPONENTS, class Real>
struct Bundled {
    Bundled(const dpc::host::Kernels<Real>& kernels, Case<Real>& c, int n_owners, Real weight)
        : n(c.end), most(static_cast<std::size_t>(n) + dpc::host::kPairPadding) {
        constexpr int first = 3;
        const bool is_wide = c.table.order == 11;  // one interval is frequent, and distances are from a point inside
        const Real inside = is_wide ? Real(kWidth / 4) : Real(0);
        frequent = {first,
                    {knot(first), knot(first + 1), knot(is_wide ? first + 1 : first + 2)},
                    {knot(first) + inside, knot(first + 1)},
                    is_wide ? Real(kWidth / 512) : Real(0)};
        for (int k = 0; k < n; ++k) {
            const int where = c.store.interval[static_cast<std::size_t>(k)];
            Real& t = c.store.pairs.distance[k];
            const bool is_near = where >= first && where <= first + 2;
            x[static_cast<std::size_t>(k)] = knot(where) + (is_near ? std::abs(t) : t);
            t = x[static_cast<std::size_t>(k)] - (knot(where) + inside);
        }
        for (int owner = 0; owner < n_owners; ++owner) {
            const int from = n * owner / n_owners, to = n * (owner + 1) / n_owners;
            owners.push_back({from, from + (to - from) / 3, to, (owner + 1) % n_owners});
        }
        list = {owners.data(),
                n_owners,
                x.data(),
                COMPONENTS == 2 ? c.store.pairs.environment[1] : nullptr,
                weight,
                &frequent,
                {argument.data(), distance.data(), w.data(), key.data(), begin.data()},
                0};
        const dpc::host::OtherArguments<Real> others = {other.data(), tag.data(), other_distance.data(), interval.data()};
        int n_others = 0;
        for (int owner = 0; owner < n_owners; ++owner) {
            n_others =
                kernels.bundles.find_others(frequent, x.data(), owners[static_cast<std::size_t>(owner)], owner, n_others, others);
        }
        for (std::size_t k = 0; k < static_cast<std::size_t>(n_others); ++k) {
            const auto argument_of = static_cast<std::size_t>(other[k]);
            EXPECT_EQ(other_distance[k], x[argument_of]);
            interval[k] = c.store.interval[argument_of];
            other_distance[k] = c.store.pairs.distance[argument_of];
        }
        list.n_bundles = kernels.bundles.bundle[COMPONENTS](others, n_others, list.w, scratch(), list.bundled);
    }
    dpc::host::BundleScratch<Real> scratch() {
        return {of_interval.data(), rank.data(),    found.data(), sorted.data(), {reverse.data(), reverse.data() + most},
                tile.data(),        numbers.data(), count.data()};
    }
    static Real knot(int interval) { return static_cast<Real>(interval * kWidth); }
    bool is_frequent(int k) const {
        return x[static_cast<std::size_t>(k)] >= frequent.knot[0] && x[static_cast<std::size_t>(k)] < frequent.knot[2];
    }
    const dpc::host::Owner& owner_of(int k) const {
        return *std::find_if(owners.begin(), owners.end(), [&](const dpc::host::Owner& owner) { return k < owner.end; });
    }

    static constexpr std::size_t kTile = dpc::host::BundleScratch<Real>::kTile;
    int n;
    std::size_t most;
    dpc::FrequentIntervals<Real> frequent{};
    std::vector<dpc::host::Owner> owners;
    std::vector<std::int32_t> of_interval = std::vector<std::int32_t>(kIntervals, 0), rank = integers(), found = integers(),
                              other = integers(), tag = integers(), interval = integers(), argument = integers(),
                              begin = integers();
    std::vector<dpc::host::BundleKey> sorted = std::vector<dpc::host::BundleKey>(most), key = sorted,
                                      tile = std::vector<dpc::host::BundleKey>(kTile);
    std::vector<Real> numbers = std::vector<Real>(2 * kTile * dpc::host::BundleScratch<Real>::kNumbers),
                      count = std::vector<Real>(kTile),
                      distance = std::vector<Real>(most, std::numeric_limits<Real>::quiet_NaN()), w = distance, x = distance,
                      other_distance = distance, reverse = std::vector<Real>(2 * most);
    dpc::host::BundleList<Real> list{};

private:
    std::vector<std::int32_t> integers() const { return std::vector<std::int32_t>(most); }
};

/// Every argument that is in no frequent interval lies in the bundle of its interval, owner and weight, in the order in which they were
/// given; bundles of an interval lie together; scratch is clean again.
template <int COMPONENTS, class Real>
void check_order(const Case<Real>& c, const Bundled<COMPONENTS, Real>& bundled) {
    const dpc::host::BundledArguments<Real>& found = bundled.list.bundled;
    std::set<std::pair<int, int>> keys;
    std::set<int> intervals, arguments;
    int n_others = 0;
    for (int bundle = 0; bundle < bundled.list.n_bundles; ++bundle) {
        const dpc::host::BundleKey key = found.key[bundle];
        ASSERT_TRUE(keys.insert({key.interval, key.tag}).second);
        ASSERT_EQ(bundle == 0 || found.key[bundle - 1].interval != key.interval, intervals.insert(key.interval).second);
        ASSERT_LT(found.begin[bundle], found.begin[bundle + 1]);
        for (int at = found.begin[bundle], before = -1; at < found.begin[bundle + 1]; ++at, ++n_others) {
            const int k = found.argument[at];
            ASSERT_GT(k, before);
            before = k;
            ASSERT_TRUE(arguments.insert(k).second);
            ASSERT_FALSE(bundled.is_frequent(k));
            const dpc::host::Owner& owner = bundled.owners[static_cast<std::size_t>(key.tag / 2)];
            ASSERT_TRUE(k >= owner.begin && k < owner.end);
            ASSERT_EQ(k >= owner.begin_weighted, key.tag % 2 == 1);
            ASSERT_EQ(c.store.interval[static_cast<std::size_t>(k)], key.interval);
            ASSERT_EQ(found.distance[at], c.store.pairs.distance[k]);
            if (COMPONENTS == 2) {
                ASSERT_EQ(found.w[at], c.store.pairs.environment[1][k]);
            }
        }
    }
    ASSERT_EQ(found.begin[bundled.list.n_bundles], n_others);
    int expected = 0;
    for (int k = 0; k < bundled.n; ++k) {
        expected += bundled.is_frequent(k) ? 0 : 1;
    }
    ASSERT_EQ(n_others, expected);
    ASSERT_EQ(bundled.of_interval, std::vector<std::int32_t>(kIntervals, 0));
}

/// Of two components the sums of phi and of w phi, of one the former.
template <int COMPONENTS, class Real>
void check_bundles(const dpc::host::Kernels<Real>& kernels, int rank, int order, int n) {
    const Real weight = 2;
    const int n_owners = n < 60 ? 3 : 60;  // more than a tile has bundles
    SCOPED_TRACE(testing::Message() << "rank " << rank << ", order " << order << ", " << n << " arguments");
    Case<Real> c(rank, order, 0, n);
    Bundled<COMPONENTS, Real> bundled(kernels, c, n_owners, weight);
    check_order(c, bundled);
    constexpr Real before = 0.25;  // what moments held
    const auto n_numbers = static_cast<std::size_t>(n_owners * COMPONENTS * c.stride),
               n_written = static_cast<std::size_t>(n + dpc::kLaneMultiple<Real>);
    Guarded<Real> moments(std::vector<Real>(n_numbers, before)), reverse_x(n_written), reverse_w(n_written);
    kernels.bundles.compute_moments[COMPONENTS](c.table, bundled.list, bundled.scratch(), moments.data());
    std::vector<Real> weights;
    for (int owner = 0; owner < n_owners; ++owner) {
        const std::vector<Real> own = random_weights<COMPONENTS>(c, rank, 7 + static_cast<std::uint64_t>(owner));
        weights.insert(weights.end(), own.begin(), own.end());
    }
    Guarded<Real> gradient(weights);
    kernels.bundles.reverse_moments[COMPONENTS](c.table, bundled.list, bundled.scratch(), gradient.data(), reverse_x.data(),
                                                COMPONENTS == 2 ? reverse_w.data() : nullptr);
    std::vector<long double> expected(n_numbers, before);
    for (int k = 0; k < n; ++k) {
        const dpc::host::Owner& owner = bundled.owner_of(k);
        const long double w = c.store.pairs.environment[1][k], times = k < owner.begin_weighted ? 1 : weight;
        long double of_x = 0, of_w = 0;
        for (int channel = 0; channel < rank; ++channel) {
            long double slope;
            const long double phi = times * c.phi(k, channel, slope);
            const auto at = static_cast<std::size_t>(owner.row * COMPONENTS * c.stride + channel);
            expected[at] += phi;
            of_x += times * slope * weights[at];
            if (COMPONENTS == 2) {
                const std::size_t second = at + static_cast<std::size_t>(c.stride);
                expected[second] += w * phi;
                of_x += times * w * slope * weights[second];
                of_w += phi * weights[second];
            }
        }
        const long double tolerance =
            rounding<Real>() * weight * (COMPONENTS * kMostSlope + kMostPhi) * (3 * order + rank) * rank;
        ASSERT_TRUE(is_near(reverse_x[static_cast<std::size_t>(k)], of_x, tolerance)) << "argument " << k;
        if (COMPONENTS == 2) {
            ASSERT_TRUE(is_near(reverse_w[static_cast<std::size_t>(k)], of_w, tolerance)) << "argument " << k;
        }
    }
    const long double tolerance = rounding<Real>() * (weight * kMostPhi * (2 * order + n) * n + 1);
    for (std::size_t at = 0; at < n_numbers; ++at) {
        if (static_cast<int>(at) % c.stride < rank) {
            ASSERT_TRUE(is_near(moments[at], expected[at], tolerance)) << "number " << at;
        }
    }
    EXPECT_TRUE(moments.intact() && reverse_x.intact() && reverse_w.intact());
}

TEST_P(TableKernels, BundlesAreSumsOverTheirArguments) {
    in_both_precisions([](const auto& kernels) {
        for (int order : {3, 5, 11}) {
            for (int rank = 1; rank <= 40; ++rank) {
                check_bundles<1>(kernels, rank, order, 1 + rank % 23);
                check_bundles<2>(kernels, rank, order, 1 + rank % 19);
            }
            check_bundles<1>(kernels, 150, order, 300);
            check_bundles<2>(kernels, 150, order, 300);
            check_bundles<1>(kernels, 20, order, 3000);
            check_bundles<2>(kernels, 20, order, 3000);
            check_bundles<2>(kernels, 20, order, 0);
        }
    });
}

/// Of a very close pair of neighbours: powers of the distance beyond the table are no floats.
TEST_P(TableKernels, BundlesBeyondTheTableAreLinear) {
    in_both_precisions([](const auto& kernels) {
        using Real = RealOf<decltype(kernels)>;
        for (int order : {5, 11}) {
            Case<Real> c(5, order, 0, 2);
            c.store.interval[0] = c.store.interval[1] = kIntervals - 1;
            c.store.pairs.distance[0] = Real(1e12);
            c.store.pairs.distance[1] = Real(2e12);
            Bundled<1, Real> bundled(kernels, c, 1, Real(1));
            Guarded<Real> moments(std::vector<Real>(static_cast<std::size_t>(c.stride))), reverse_x(2 + dpc::kLaneMultiple<Real>);
            kernels.bundles.compute_moments[1](c.table, bundled.list, bundled.scratch(), moments.data());
            Guarded<Real> gradient(std::vector<Real>(static_cast<std::size_t>(c.stride), Real(1)));
            kernels.bundles.reverse_moments[1](c.table, bundled.list, bundled.scratch(), gradient.data(), reverse_x.data(),
                                               nullptr);
            long double slopes = 0;
            for (int channel = 0; channel < 5; ++channel) {
                long double slope;
                const long double sum = c.phi(0, channel, slope) + c.phi(1, channel, slope);
                ASSERT_TRUE(is_near(moments[static_cast<std::size_t>(channel)], sum, rounding<Real>() * 1e13));
                slopes += slope;
            }
            ASSERT_TRUE(is_near(reverse_x[0], slopes, rounding<Real>() * 50));
            ASSERT_TRUE(is_near(reverse_x[1], slopes, rounding<Real>() * 50));
        }
    });
}

/// Half of all products are next to the middle of their interval: their high powers would be denormal numbers.
TEST_P(TableKernels, PowersOfTinyDistancesAreNoDenormalNumbers) {
    const dpc::host::Kernels<float>& kernels = in_float();
    constexpr int n = 64;
    Case<float> c(20, 11, 0, n);
    for (int k = 0; k < n; ++k) {
        c.store.interval[static_cast<std::size_t>(k)] = 3;
        c.store.pairs.distance[k] = static_cast<float>(kWidth / 4 + std::pow(10.0, -6 + 4.0 * k / n));
    }
    Bundled<1, float> bundled(kernels, c, 1, 1.0F);
    ASSERT_EQ(bundled.list.n_bundles, 0);
    Guarded<float> moments(std::vector<float>(static_cast<std::size_t>(c.stride)));
    std::feclearexcept(FE_ALL_EXCEPT);
    kernels.bundles.compute_moments[1](c.table, bundled.list, bundled.scratch(), moments.data());
    EXPECT_EQ(std::fetestexcept(FE_UNDERFLOW), 0);
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

/// dE/dv of n neighbours from the products of different ones, of any number that fills packs or does not; the gradients around these
/// are no numbers.
template <class Real>
void check_reverse_triples(const dpc::host::Kernels<Real>& kernels, int n) {
    constexpr int padding = dpc::host::kPairPadding, begin = 3;  // neighbours of others before them
    const int n_products = n * (n - 1) / 2, end = begin + n;
    const auto most = static_cast<std::size_t>(end + padding);
    std::vector<Real> v(3 * most), gradient(3 * most, Real(0.5));
    std::vector<Real> of_products(static_cast<std::size_t>(n_products + 2 * padding), std::numeric_limits<Real>::quiet_NaN());
    Numbers numbers(static_cast<std::uint64_t>(n));
    numbers.fill(v, -1, 1);
    std::vector<long double> expected(3 * most, 0.5L);
    std::vector<dpc::host::ProductRow> rows;
    Real* const of_first = of_products.data() + padding;
    for (int j = begin, place = 0; j < end - 1; place += end - 1 - j, ++j) {
        rows.push_back({j, j + 1, end, place});
        for (int k = j + 1; k < end; ++k) {
            Real& e = of_first[place + k - j - 1];
            e = static_cast<Real>(numbers.next(-1, 1));
            for (std::size_t c = 0; c < 3 * most; c += most) {
                expected[c + static_cast<std::size_t>(j)] += static_cast<long double>(e) * v[c + static_cast<std::size_t>(k)];
                expected[c + static_cast<std::size_t>(k)] += static_cast<long double>(e) * v[c + static_cast<std::size_t>(j)];
            }
        }
    }
    const dpc::host::NeighbourVectors<Real> vectors = {{v.data(), v.data() + most, v.data() + 2 * most},
                                                       {gradient.data(), gradient.data() + most, gradient.data() + 2 * most}};
    kernels.triples.reverse(vectors, rows.data(), static_cast<int>(rows.size()), of_first);
    for (std::size_t k = 0; k < 3 * most; ++k) {
        ASSERT_TRUE(is_near(gradient[k], expected[k], rounding<Real>() * (n + 4))) << n << " neighbours, " << k;
    }
}

TEST_P(TableKernels, GradientsOfProductsGoToBothNeighbours) {
    in_both_precisions([](const auto& kernels) {
        for (int n = 1; n <= 40; ++n) {
            check_reverse_triples(kernels, n);
        }
    });
}

DPC_TEST_EVERY_INSTRUCTION_SET(TableKernels);

}  // namespace
