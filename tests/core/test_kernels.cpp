// SPDX-License-Identifier: MIT
// The kernels that work on pairs, for every instruction set in both precisions, against the formulas of docs/theory.md sections 1,
// 2 and 4 written out in long double here. Derivatives are compared with numerical ones.
#include <algorithm>
#include <type_traits>

#include "kernel_test.hpp"
#include "table_grid.hpp"

namespace {

using namespace dpc::test;
using dpc::PackedTable;
using dpc::host::kPairPadding;
using dpc::host::Listed;
using dpc::host::PairArrays;
using dpc::math::EnvParameters;
using Real3 = long double[3];

class PairKernels : public EveryInstructionSet {};

constexpr long double kDifferenceStep = 1e-4L;  // of numerical derivatives, angstrom: truncation and rounding below 1e-14
constexpr double kSmooth = 0.5, kCut = 6.0, kMean = 0.07, kStdRadial = 0.125, kStdAngular = 0.0625;

EnvParameters parameters(double protection) {
    return {kSmooth, 1 / (kCut - kSmooth), protection, kMean, 1 / kStdRadial, 1 / kStdAngular};
}

/// R of docs/theory.md section 1.
void environment_of(double protection, const Real3& d, long double (&environment)[4]) {
    const long double r = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    const long double u = (r - kSmooth) / (static_cast<long double>(kCut) - kSmooth);
    const long double sw = r < kSmooth ? 1 : r < kCut ? u * u * u * (-6 * u * u + 15 * u - 10) + 1 : 0;
    const long double q = r + protection;
    environment[0] = (sw / q - kMean) / kStdRadial;
    for (int c = 0; c < 3; ++c) {
        environment[c + 1] = sw / (q * q) * d[c] / kStdAngular;
    }
}

/// d(sum_c e_c R_c)/dd by a difference of fourth order.
void numerical_gradient(double protection, const Real3& d, const double (&e)[4], Real3& gradient) {
    const auto energy = [&](int axis, long double shift) {
        Real3 moved = {d[0], d[1], d[2]};
        moved[axis] += shift;
        long double environment[4];
        environment_of(protection, moved, environment);
        return e[0] * environment[0] + e[1] * environment[1] + e[2] * environment[2] + e[3] * environment[3];
    };
    const long double h = kDifferenceStep;
    for (int axis = 0; axis < 3; ++axis) {
        gradient[axis] = (8 * (energy(axis, h) - energy(axis, -h)) - energy(axis, 2 * h) + energy(axis, -2 * h)) / (12 * h);
    }
}

/// Pair vectors of given lengths in all directions.
template <class Real>
void set_pairs(const std::vector<double>& lengths, PairStore<Real>& store) {
    Numbers numbers(3);
    for (std::size_t k = 0; k < lengths.size(); ++k) {
        double v[3], norm2 = 0;
        for (double& component : v) {
            component = numbers.next(-1, 1);
            norm2 += component * component;
        }
        double r2 = 0;
        for (int c = 0; c < 3; ++c) {
            store.pairs.d[c][k] = v[c] * lengths[k] / std::sqrt(norm2);
            r2 += store.pairs.d[c][k] * store.pairs.d[c][k];
        }
        store.pairs.r2[k] = r2;
    }
}

/// From 0.3 A to the cut-off, not within the stencil of the switch function's ends, where the third derivative jumps.
std::vector<double> distances() {
    std::vector<double> out;
    Numbers numbers(2);
    while (out.size() < 203) {
        const double r = numbers.next(0.3, kCut - 1e-3);
        if (std::abs(r - kSmooth) > 1e-3) {
            out.push_back(r);
        }
    }
    return out;
}

template <class Real>
void check_environment(const Kernels<Real>& kernels, double protection) {
    const std::vector<double> lengths = distances();
    const int n = static_cast<int>(lengths.size());
    PairStore<Real> store(n);
    const PairArrays<Real>& pairs = store.pairs;
    set_pairs(lengths, store);
    kernels.pairs.compute_environment[4](parameters(protection), n, pairs);
    constexpr long double in_double = 100 * rounding<double>(), in_real = 2 * rounding<Real>();
    for (int k = 0; k < n; ++k) {
        const Real3 d = {pairs.d[0][k], pairs.d[1][k], pairs.d[2][k]};
        long double environment[4];
        environment_of(protection, d, environment);
        const long double scale = 1 + std::abs(environment[0]) + kMean / kStdRadial;
        EXPECT_TRUE(is_near(pairs.x[k], environment[0], in_double * scale)) << "r = " << lengths[static_cast<std::size_t>(k)];
        for (int c = 0; c < 4; ++c) {
            EXPECT_TRUE(
                is_near(pairs.environment[c][k], environment[c], (in_double + in_real) * (scale + std::abs(environment[c]))))
                << c;
        }
    }
}

template <class Real>
void check_reverse_environment(const Kernels<Real>& kernels, double protection) {
    const std::vector<double> lengths = distances();
    const int n = static_cast<int>(lengths.size());
    PairStore<Real> store(n);
    PairArrays<Real>& pairs = store.pairs;
    set_pairs(lengths, store);
    kernels.pairs.compute_environment[4](parameters(protection), n, pairs);
    Numbers numbers(4);
    for (int k = 0; k < n; ++k) {
        for (Real* component : pairs.reverse_environment) {
            component[k] = static_cast<Real>(numbers.next(-1, 1));
        }
    }
    for (int k = n; k < n + kPairPadding; ++k) {  // as the evaluator leaves them
        pairs.d[0][k] = pairs.d[1][k] = pairs.d[2][k] = 0;
    }
    Guarded<double> x(static_cast<std::size_t>(n + kPairPadding)), y(x.size()), z(x.size());
    double* const gradient[3] = {x.data(), y.data(), z.data()};
    double virial[9];
    std::fill_n(virial, 9, 1.0);
    kernels.pairs.reverse_environment[4](n, pairs, gradient, virial);

    long double expected_virial[9], virial_scale[9];
    std::fill_n(expected_virial, 9, 1.0L);
    std::fill_n(virial_scale, 9, 1.0L);
    for (int k = 0; k < n; ++k) {
        const Real3 d = {pairs.d[0][k], pairs.d[1][k], pairs.d[2][k]};
        const double e[4] = {pairs.reverse_environment[0][k], pairs.reverse_environment[1][k], pairs.reverse_environment[2][k],
                             pairs.reverse_environment[3][k]};
        Real3 expected;
        numerical_gradient(protection, d, e, expected);
        for (int a = 0; a < 3; ++a) {
            const long double r = lengths[static_cast<std::size_t>(k)];
            const long double tolerance = 1e-13L / kStdAngular * (1 + 1 / (r * r * r));
            EXPECT_TRUE(is_near(gradient[a][k], expected[a], tolerance)) << "r = " << static_cast<double>(r);
            for (int b = 0; b < 3; ++b) {
                expected_virial[3 * a + b] -= d[a] * expected[b];
                virial_scale[3 * a + b] += std::abs(d[a] * expected[b]);
            }
        }
    }
    for (int c = 0; c < 9; ++c) {
        EXPECT_TRUE(is_near(virial[c], expected_virial[c], 1e-13L * virial_scale[c])) << c;
    }
    EXPECT_TRUE(x.intact() && y.intact() && z.intact());
}

TEST_P(PairKernels, EnvironmentsFollowTheory) {
    in_both_precisions([](const auto& kernels) {
        check_environment(kernels, 0.0);
        check_environment(kernels, 0.3);
    });
}

TEST_P(PairKernels, ReverseEnvironmentIsTheNumericalGradient) {
    in_both_precisions([](const auto& kernels) {
        check_reverse_environment(kernels, 0.0);
        check_reverse_environment(kernels, 0.3);
    });
}

/// Below rcut_smth sw = 1, at rcut everything is the empty slot's, and the derivatives vanish there.
template <class Real>
void check_ends_of_switch(const Kernels<Real>& kernels) {
    const std::vector<double> lengths = {kSmooth, 0.25, std::nextafter(kCut, 0.0), kCut};
    PairStore<Real> store(static_cast<int>(lengths.size()));
    for (std::size_t k = 0; k < lengths.size(); ++k) {
        store.pairs.d[0][k] = lengths[k];
        store.pairs.r2[k] = lengths[k] * lengths[k];
    }
    kernels.pairs.compute_environment[4](parameters(0.0), static_cast<int>(lengths.size()), store.pairs);
    constexpr long double few = 20 * rounding<double>();
    for (int k = 0; k < 2; ++k) {
        const long double r = lengths[static_cast<std::size_t>(k)];
        const long double s = 1 / r, x = (s - kMean) / kStdRadial;
        EXPECT_TRUE(is_near(store.pairs.x[k], x, few * x));
        EXPECT_TRUE(is_near(store.pairs.dx_over_r[k], -s * s * s / kStdRadial, few * s * s * s / kStdRadial));
        EXPECT_TRUE(is_near(store.pairs.h[k], s * s / kStdAngular, few * s * s / kStdAngular));
        EXPECT_TRUE(is_near(store.pairs.dh_over_r[k], -2 * s * s * s * s / kStdAngular, 2 * few * s * s * s * s / kStdAngular));
    }
    for (int k = 2; k < 4; ++k) {
        EXPECT_TRUE(is_near(store.pairs.x[k], -static_cast<long double>(kMean) / kStdRadial, few));
        for (const double* derivative : {store.pairs.dx_over_r, store.pairs.h, store.pairs.dh_over_r}) {
            EXPECT_TRUE(is_near(derivative[k], 0, few / kStdAngular));
        }
    }
}

TEST_P(PairKernels, EnvironmentAtTheEndsOfTheSwitchFunction) {
    in_both_precisions([](const auto& kernels) { check_ends_of_switch(kernels); });
}

template <class Real>
void check_gather(const Kernels<Real>& kernels, int n_listed, double length) {
    Numbers numbers(static_cast<std::uint64_t>(n_listed) + 11);
    std::vector<double> x(3 * 50);
    numbers.fill(x, -4 / length, 4 / length);
    std::vector<int> listed;
    for (int k = 0; k < n_listed; ++k) {
        listed.push_back(static_cast<int>(numbers.next(0, 50)));
    }
    constexpr int first = 5;
    constexpr double rcut2 = 16;
    PairStore<Real> store(n_listed + first);
    std::fill_n(store.neighbour.begin(), first, -9);
    const double centre[3] = {0.25 / length, -0.5 / length, 0.125 / length};
    double closest = rcut2;
    const int found =
        kernels.pairs.gather(x.data(), length, centre, Listed{listed.data(), n_listed}, rcut2, first, store.pairs, &closest);

    int n = first;
    long double expected_closest = rcut2;
    for (const int j : listed) {
        long double d[3], r2 = 0;
        for (int c = 0; c < 3; ++c) {
            d[c] = (x[static_cast<std::size_t>(3 * j + c)] - static_cast<long double>(centre[c])) * length;
            r2 += d[c] * d[c];
        }
        ASSERT_GT(std::abs(r2 - rcut2), 1e-9L) << "the test's numbers are too close to the cut-off to tell";
        expected_closest = std::min(expected_closest, r2);
        if (r2 >= rcut2) {
            continue;
        }
        EXPECT_EQ(store.neighbour[static_cast<std::size_t>(n)], j);
        for (int c = 0; c < 3; ++c) {
            EXPECT_TRUE(is_near(store.pairs.d[c][n], d[c], 10 * rounding<double>()));
        }
        EXPECT_TRUE(is_near(store.pairs.r2[n], r2, 100 * rounding<double>()));
        ++n;
    }
    EXPECT_EQ(found, n - first);
    EXPECT_TRUE(is_near(closest, expected_closest, 100 * rounding<double>()));
    EXPECT_TRUE(std::all_of(store.neighbour.begin(), store.neighbour.begin() + first, [](int j) { return j == -9; }));
}

TEST_P(PairKernels, GatherKeepsThePairsInsideTheCutOffInOrder) {
    in_both_precisions([](const auto& kernels) {
        for (int n : {0, 1, 7, 8, 9, 16, 17, 40, 203}) {
            check_gather(kernels, n, 1.0);
        }
        check_gather(kernels, 40, 0.529);
    });
}

template <class Real>
void check_narrow(const Kernels<Real>& kernels, int n) {
    constexpr int begin = 3, first = 5;
    constexpr double rcut2 = 4;
    Numbers numbers(static_cast<std::uint64_t>(n) + 23);
    PairStore<Real> all(n + begin), own(n + first);
    for (std::size_t k = 0; k < static_cast<std::size_t>(n + begin + dpc::host::kPairPadding); ++k) {
        all.pairs.neighbour[k] = static_cast<int>(k);
        all.pairs.r2[k] = k == begin + 1 ? rcut2 : numbers.next(0, 8);  // one at the cut-off, which is outside
        for (double* d : all.pairs.d) {
            d[k] = numbers.next(-2, 2);
        }
    }
    std::fill_n(own.neighbour.begin(), first, -9);
    const int found = kernels.pairs.narrow(all.pairs, begin, n, rcut2, first, own.pairs);
    int slot = first;
    for (int k = begin; k < begin + n; ++k) {
        if (all.pairs.r2[k] < rcut2) {
            EXPECT_EQ(own.pairs.neighbour[slot], k);
            EXPECT_EQ(own.pairs.r2[slot], all.pairs.r2[k]);
            for (int c = 0; c < 3; ++c) {
                EXPECT_EQ(own.pairs.d[c][slot], all.pairs.d[c][k]);
            }
            ++slot;
        }
    }
    EXPECT_EQ(found, slot - first);
    EXPECT_TRUE(std::all_of(own.neighbour.begin(), own.neighbour.begin() + first, [](int j) { return j == -9; }));
}

TEST_P(PairKernels, NarrowKeepsThePairsInsideAShorterCutOffInOrder) {
    in_both_precisions([](const auto& kernels) {
        for (int n : {0, 1, 7, 8, 9, 16, 17, 40, 203}) {
            check_narrow(kernels, n);
        }
    });
}

dpc::Table table_of(const std::vector<dpc::Table::Segment>& segments) {
    dpc::Table table;
    table.segments = segments;
    for (const dpc::Table::Segment& s : segments) {
        table.n_intervals += s.n_intervals;
    }
    return table;
}

/// Knots in long double: those of the segments' own, and the end of the last.
std::vector<long double> knots_of(const dpc::Table& table) {
    std::vector<long double> knots;
    for (const dpc::Table::Segment& s : table.segments) {
        for (int k = 0; k < s.n_intervals; ++k) {
            knots.push_back(s.start + k * static_cast<long double>(s.step));
        }
    }
    knots.push_back(table.max());
    return knots;
}

/// The interval of a table where x lies: its left knot and the distance from there.
template <class Real>
void check_interval(const std::vector<long double>& knots, double x, int interval, long double distance) {
    const int n_intervals = static_cast<int>(knots.size()) - 1;
    const auto lower = static_cast<double>(knots.front()), end = static_cast<double>(knots.back());
    const long double knot_error =
        10 * rounding<double>() * std::max(std::abs(lower), std::abs(end));  // of a knot that the grid computes
    if (x >= end) {
        EXPECT_EQ(interval, n_intervals);
        EXPECT_TRUE(is_near(distance, x - static_cast<long double>(end), rounding<Real>() * (x - end) + knot_error));
        return;
    }
    ASSERT_GE(interval, 0);
    ASSERT_LT(interval, n_intervals);
    const long double left = knots[static_cast<std::size_t>(interval)],
                      step = knots[static_cast<std::size_t>(interval) + 1] - left;
    EXPECT_TRUE(is_near(left + distance, x, knot_error + rounding<Real>() * std::max(step, std::abs(distance))));
    if (x < lower) {
        EXPECT_EQ(interval, 0);
        return;
    }
    EXPECT_GE(distance, -knot_error);
    EXPECT_LE(distance, step * (1 + rounding<Real>()) + knot_error);
}

/// Knots as exactly as a double can and both sides of them, what is beyond the ends, and any other.
std::vector<double> arguments_of(const std::vector<long double>& knots) {
    std::vector<double> x;
    for (const long double knot : knots) {
        const auto at = static_cast<double>(knot);
        x.insert(x.end(), {std::nextafter(at, -HUGE_VAL), at, std::nextafter(at, HUGE_VAL)});
    }
    const auto lower = static_cast<double>(knots.front()), end = static_cast<double>(knots.back());
    x.insert(x.end(), {lower - 1e-12, lower - 0.5, lower - 100, end + 1e-9, end + 3.5, end + 1e6});
    Numbers numbers(5);
    for (int k = 0; k < 1000; ++k) {
        const double share = numbers.next(0, 1);
        x.push_back((1 - share) * lower + share * end);
    }
    return x;
}

template <class Real>
void check_locate(const Kernels<Real>& kernels, const std::vector<dpc::Table::Segment>& segments) {
    SCOPED_TRACE(testing::Message() << segments.size() << " segments");
    const dpc::Table table = table_of(segments);
    const dpc::TableGrid grid(table);
    const std::vector<long double> knots = knots_of(table);
    const std::vector<double> x = arguments_of(knots);
    constexpr int begin = 3;
    const int n = static_cast<int>(x.size());
    PairStore<Real> store(begin + n);
    std::fill(store.interval.begin(), store.interval.end(), -9);
    std::copy(x.begin(), x.end(), store.pairs.x + begin);
    kernels.table.locate(grid.grid(), begin, begin + n, store.pairs);
    for (int k = 0; k < n; ++k) {
        SCOPED_TRACE(testing::Message() << "x = " << x[static_cast<std::size_t>(k)]);
        check_interval<Real>(knots, x[static_cast<std::size_t>(k)], store.interval[static_cast<std::size_t>(begin + k)],
                             store.pairs.distance[begin + k]);
    }
    EXPECT_EQ(store.interval[begin - 1], -9);
    // The ends of segments are exact numbers.
    const auto interval_at = [&](double at) {
        return store.interval[static_cast<std::size_t>(begin + (std::find(x.begin(), x.end(), at) - x.begin()))];
    };
    int interval = 0;
    for (const dpc::Table::Segment& s : segments) {
        EXPECT_EQ(interval_at(s.start), interval);
        EXPECT_EQ(interval_at(std::nextafter(s.start, -HUGE_VAL)), std::max(interval - 1, 0));
        interval += s.n_intervals;
    }
    EXPECT_EQ(interval_at(table.max()), interval);
    EXPECT_EQ(interval_at(std::nextafter(table.max(), -HUGE_VAL)), interval - 1);
}

/// Segments of lengths over many orders of magnitude, as kinks that lie anywhere make them.
std::vector<dpc::Table::Segment> random_segments(int n, double start) {
    std::vector<dpc::Table::Segment> out;
    Numbers numbers(static_cast<std::uint64_t>(n));
    for (int k = 0; k < n; ++k) {
        const int count = 1 + static_cast<int>(numbers.next(0, 6));
        out.push_back({start, std::pow(10.0, numbers.next(-5, 0)) / count, count});
        start = out.back().end();
    }
    return out;
}

TEST_P(PairKernels, LocateFindsIntervalAndDistance) {
    in_both_precisions([](const auto& kernels) {
        check_locate(kernels, {{-2.0, 0.01, 300}, {1.0, 0.1, 40}});
        check_locate(kernels, {{-2.0, 0.01, 300}});
        check_locate(kernels, {{3.0, 1.0, 1}});
        check_locate(kernels, {{-2.0, 0.5, 4}, {0.0, 0.25, 3}, {0.75, 1.0, 2}});
        for (const int n : {3, 4, 17, 300}) {
            check_locate(kernels, random_segments(n, -2.0));
        }
    });
}

/// Products in wide intervals: which one, and the distance from its middle; beyond both ends from there.
template <class Real>
void check_locate_among_middles(const Kernels<Real>& kernels, const std::vector<dpc::Table::Segment>& segments) {
    dpc::Table table = table_of(segments);
    table.order = 11;
    const dpc::TableGrid grid(table);
    const std::vector<long double> knots = knots_of(table);
    const std::vector<double> all = arguments_of(knots);
    constexpr bool is_float = std::is_same_v<Real, float>;
    const auto lower = static_cast<Real>(knots.front()), end = static_cast<Real>(knots.back());
    constexpr Real none = std::numeric_limits<Real>::quiet_NaN(), endless = std::numeric_limits<Real>::infinity();
    std::vector<Real> odd = {none, endless, -endless};
    std::vector<std::int32_t> places(odd.size() + dpc::host::kPairPadding);
    odd.resize(places.size(), Real(0));
    kernels.triples.locate(grid.grid(), 3, {places.data(), odd.data()});
    EXPECT_TRUE(places[0] >= 0 && places[0] <= table.n_intervals + 1);
    EXPECT_EQ(places[1], table.n_intervals);
    EXPECT_EQ(places[2], table.n_intervals + 1);
    for (std::size_t n : {all.size(), std::size_t(1), std::size_t(77)}) {
        const std::vector<Real> x(all.end() - static_cast<std::ptrdiff_t>(n), all.end());
        std::vector<Real> distance = x;
        std::vector<std::int32_t> interval(n + dpc::host::kPairPadding, -9);
        distance.resize(interval.size());
        kernels.triples.locate(grid.grid(), static_cast<int>(n), {interval.data(), distance.data()});
        for (std::size_t k = 0; k < n; ++k) {
            SCOPED_TRACE(testing::Message() << "x = " << x[k]);
            double of_one = 0;
            const double one = dpc::math::locate_product(grid.grid(), static_cast<double>(x[k]), of_one);
            const long double near = 4 * rounding<Real>() * std::max({std::abs(x[k]), -lower, end});
            if (x[k] < lower || x[k] >= end) {
                const int expected = table.n_intervals + (x[k] < lower ? 1 : 0);
                ASSERT_EQ(interval[k], expected);
                ASSERT_EQ(one, expected);
                ASSERT_TRUE(is_near(distance[k], x[k] - (x[k] < lower ? knots.front() : knots.back()), near));
            } else {
                const auto at = static_cast<std::size_t>(interval[k]);
                ASSERT_LT(interval[k], table.n_intervals);
                ASSERT_TRUE(x[k] >= static_cast<Real>(knots[at]) && x[k] < static_cast<Real>(knots[at + 1]));
                ASSERT_TRUE(is_near(distance[k], x[k] - (knots[at] + knots[at + 1]) / 2, near));
                ASSERT_TRUE(is_float || one == interval[k]);  // a knot is another number in single precision
            }
            if (one == interval[k]) {
                ASSERT_TRUE(is_near(distance[k], of_one, near));
            }
        }
    }
}

TEST_P(PairKernels, LocateProductsInWideIntervals) {
    in_both_precisions([](const auto& kernels) {
        check_locate_among_middles(kernels, {{-6.0, 12.0, 1}});
        check_locate_among_middles(kernels, {{-6.0, 3.0, 2}});
        check_locate_among_middles(kernels, {{-6.0, 5.3, 1}, {-0.7, 1.4, 1}, {0.7, 5.3, 1}});
        check_locate_among_middles(kernels, {{-6.0, 3.0, 1}, {-3.0, 1.25, 2}, {-0.5, 1.0, 1}, {0.5, 1.0, 1}, {1.5, 2.25, 2}});
        check_locate_among_middles(kernels, {{-32.0, 1.0, 64}});
    });
}

/// Nearly all segments in one bucket, and numbers so far from 0 that steps are not much more than their rounding.
TEST_P(PairKernels, LocateInOddSegments) {
    std::vector<dpc::Table::Segment> crowded = random_segments(200, -1e-3);
    for (dpc::Table::Segment& s : crowded) {
        s = {1e-6 * s.start, 1e-6 * s.step, s.n_intervals};
    }
    crowded.push_back({crowded.back().end(), 1e3, 5});
    std::vector<dpc::Table::Segment> far;
    for (int k = 0; k < 40; ++k) {
        far.push_back({1e12 + k, 0.25, 4});
    }
    in_both_precisions([&](const auto& kernels) {
        check_locate(kernels, crowded);
        check_locate(kernels, far);
        if constexpr (std::is_same_v<std::decay_t<decltype(kernels)>, Kernels<double>>) {  // the length is no number: no buckets
            check_locate(kernels, {{-1e308, 1e307, 4}, {-6e307, 1e307, 6}, {0.0, 1e308, 1}});
        }
    });
}

DPC_TEST_EVERY_INSTRUCTION_SET(PairKernels);

}  // namespace
