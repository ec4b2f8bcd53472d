// SPDX-License-Identifier: MIT
// What is counted as outside the range of the training data, against the formula of x applied to every pair; and which pair is the worst.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "dpc/evaluator.hpp"
#include "open_system.hpp"
#include "table_builder.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::Overflow;
using dpc::Precision;

// The model of table_builder.hpp: O has the type 0, H 1; tables end at x = 1; the descriptor excludes H-H.
constexpr double kRcut = 6.0, kRcutSmooth = 0.5, kTableMax = 1.0;
constexpr double kMean[2] = {0.05, 0.04}, kStd[2] = {0.125, 0.1};

/// The argument of the table, docs/theory.md section 1.
double argument(int centre_type, double r) {
    const double u = std::clamp((r - kRcutSmooth) / (kRcut - kRcutSmooth), 0.0, 1.0);
    const double sw = u * u * u * (-6 * u * u + 15 * u - 10) + 1;
    return (sw / r - kMean[centre_type]) / kStd[centre_type];
}

struct Expected {
    std::int64_t n_close = 0, n_beyond = 0;
    double closest = 1e300;  // of all pairs beyond the table, relative to where it ends for their centre
};

/// Distance at which x reaches the end, by Newton's rule from a bracketing point: another way than the evaluator's.
double table_limit(int centre_type) {
    double r = 3.0;
    for (int step = 0; step < 50; ++step) {
        const double h = 1e-6, slope = (argument(centre_type, r + h) - argument(centre_type, r - h)) / (2 * h);
        r -= (argument(centre_type, r) - kTableMax) / slope;
    }
    return r;
}

Expected count_pairs(const OpenSystem& system, const std::vector<double>& min_distance) {
    Expected found;
    const double limit[2] = {table_limit(0), table_limit(1)};
    for (int i = 0; i < system.n_atoms(); ++i) {
        for (int j = 0; j < system.n_atoms(); ++j) {
            const int a = system.types[static_cast<std::size_t>(i)], b = system.types[static_cast<std::size_t>(j)];
            const double* x = system.x.data();
            const double r = std::hypot(x[3 * i] - x[3 * j], x[3 * i + 1] - x[3 * j + 1], x[3 * i + 2] - x[3 * j + 2]);
            if (i == j || a < 0 || b < 0 || (a == 1 && b == 1) || r >= kRcut) {
                continue;
            }
            found.n_close += r < min_distance[static_cast<std::size_t>(2 * a + b)] ? 1 : 0;
            if (argument(a, r) > kTableMax) {
                ++found.n_beyond;
                found.closest = std::min(found.closest, r / limit[a]);
            }
        }
    }
    return found;
}

const OpenSystem& the_system() {
    static const OpenSystem system(300);
    return system;
}

class OverflowCounts : public testing::TestWithParam<Precision> {
protected:
    static Overflow compute(const std::vector<double>& min_distance, int n_threads) {
        TableBuilder file = small_model();
        file.f64("model.min_distance", {2, 2}, min_distance);
        const Bytes bytes = file.bytes();
        Evaluator evaluator(dpc::Model::from_bytes(bytes.data(), bytes.size()), n_threads, GetParam());
        evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
        std::vector<double> forces(the_system().x.size(), 0.0);
        evaluator.compute({the_system().x.data()}, {forces.data(), nullptr, nullptr});
        return evaluator.overflow();
    }
};

/// Tables end at about 3.1 angstrom: below, near and above the smallest distances of the training data.
TEST_P(OverflowCounts, EqualTheFormula) {
    for (const std::vector<double>& min_distance :
         {std::vector<double>{0.5, 0.5, 0.5, 0.5}, {2.2, 0.9, 0.9, 1.4}, {3.15, 3.2, 3.2, 3.0}, {4.0, 5.5, 5.5, 4.5}}) {
        SCOPED_TRACE(min_distance[0]);
        const Expected expected = count_pairs(the_system(), min_distance);
        ASSERT_GT(expected.n_beyond, 0);
        for (const int n_threads : {1, 2, 3}) {
            const Overflow found = compute(min_distance, n_threads);
            EXPECT_EQ(found.n_close, expected.n_close);
            EXPECT_EQ(found.n_beyond, expected.n_beyond);
            EXPECT_NEAR(found.worst.table_limit, table_limit(found.worst.type_i), 1e-9);
            EXPECT_NEAR(found.worst.distance / found.worst.table_limit, expected.closest, 1e-9);
        }
    }
}

TEST_P(OverflowCounts, TheWorstPairDoesNotDependOnTheThreads) {
    const Overflow one = compute({2.2, 0.9, 0.9, 1.4}, 1);
    for (const int n_threads : {2, 3, 4}) {
        const Overflow other = compute({2.2, 0.9, 0.9, 1.4}, n_threads);
        EXPECT_EQ(other.worst.i, one.worst.i);
        EXPECT_EQ(other.worst.j, one.worst.j);
        EXPECT_EQ(other.crowd.i, one.crowd.i);
        EXPECT_EQ(other.crowd.type_j, one.crowd.type_j);
    }
}

std::string precision_name(const testing::TestParamInfo<Precision>& info) {
    return info.param == Precision::mixed ? "mixed" : "double";
}

INSTANTIATE_TEST_SUITE_P(Each, OverflowCounts, testing::Values(Precision::float64, Precision::mixed), precision_name);

Overflow::Pair pair_at(int i, double distance, double limit, double table_limit) {
    return {i, 9, 0, 0, distance, limit, table_limit};
}

/// From the worst on: beyond the table, however small the part of the other limit that is left; then what is merely close.
TEST(OverflowOrder, BeyondTheTableIsWorseThanClose) {
    const std::vector<Overflow::Pair> order = {
        pair_at(7, 0.0, 1.0, 0.5),  pair_at(6, 0.2, 1.0, 0.5), pair_at(5, 1.0, 0.9, 1.2),  pair_at(4, 1.19, 0.9, 1.2),
        pair_at(3, 0.51, 2.0, 0.5), pair_at(2, 0.8, 1.0, 0.5), pair_at(1, 0.99, 1.0, 0.0), Overflow::Pair{},
    };
    for (std::size_t a = 0; a < order.size(); ++a) {
        for (std::size_t b = 0; b < order.size(); ++b) {
            EXPECT_EQ(is_worse(order[a], order[b]), a < b) << a << " and " << b;
            Overflow merged, other;
            merged.worst = order[a];
            other.worst = order[b];
            merge(merged, other);
            EXPECT_EQ(merged.worst.i, order[std::min(a, b)].i);
        }
    }
}

TEST(OverflowOrder, TheFullestIsTheWorst) {
    const std::vector<Overflow::Crowd> order = {{5, 0, 0, 30, 10}, {4, 0, 0, 5, 0}, {3, 0, 0, 104, 100}, {4, 0, 0, 14, 10}, {}};
    for (std::size_t a = 0; a < order.size(); ++a) {
        for (std::size_t b = 0; b < order.size(); ++b) {
            EXPECT_EQ(is_worse(order[a], order[b]), a < b) << a << " and " << b;
        }
    }
}

TEST(OverflowOrder, SumsCounts) {
    Overflow sum, other;
    sum.n_close = 1;
    sum.n_beyond = 2;
    sum.n_over_sel = 3;
    other.n_close = 10;
    other.n_beyond = 20;
    other.n_over_sel = 30;
    merge(sum, other);
    EXPECT_EQ(sum.n_close, 11);
    EXPECT_EQ(sum.n_beyond, 22);
    EXPECT_EQ(sum.n_over_sel, 33);
}

}  // namespace
