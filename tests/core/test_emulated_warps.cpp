// SPDX-License-Identifier: MIT
// Warps of 8, 16, 32 and 64 threads, emulated: sums, votes and places of a group, whole steps against the host evaluator, and that the
// emulator sees what is wrong. With a sanitizer it sees more (tests/core/CMakeLists.txt).
#include <Kokkos_Core.hpp>

#include <numeric>

#include "descriptor_models.hpp"
#include "dpc/kokkos/loops.hpp"
#include "emulated_setting.hpp"
#include "kokkos_test.hpp"
#include "smooth_model.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::PairKind;
using Group = dpc::kokkos::ThreadGroup<dpc::kokkos::Warp<Kokkos::Serial>>;

class EmulatedWarps : public testing::TestWithParam<Shape> {
protected:
    static int size() { return GetParam().size; }

private:
    Emulated emulated_{GetParam()};
};

/// A number of each thread: whole ones, so that sums are exact in any order.
double of_thread(int thread, int k) { return 3 * thread + 7 * k * k + 1; }

double sum_of(int first, int n, int step, int k) {
    double sum = 0;
    for (int thread = first; thread < n; thread += step) {
        sum += of_thread(thread, k);
    }
    return sum;
}

TEST_P(EmulatedWarps, Sum) {
    EmulatedWarp::run([] {
        double values[3], smallest = of_thread(EmulatedWarp::thread(), 0);
        for (int k = 0; k < 3; ++k) {
            values[k] = of_thread(EmulatedWarp::thread(), k);
        }
        Group{}.sum(values);
        Group{}.smallest(smallest);
        for (int k = 0; k < 3; ++k) {
            EXPECT_EQ(values[k], sum_of(0, size(), 1, k));
        }
        EXPECT_EQ(smallest, of_thread(0, 0));
    });
}

/// Every sum is taken once, by one thread: N values, of all threads, of those with the same part, of those with the same pair.
template <int N>
void expect_each_sum() {
    constexpr int n_parts = dpc::kokkos::kPairThreads;
    const int size = EmulatedWarp::size();
    std::vector<double> of_all(N), of_part(N * n_parts), of_pair(static_cast<std::size_t>(N * size / n_parts));
    EmulatedWarp::run([&] {
        double values[3][N];
        for (auto& row : values) {
            for (int k = 0; k < N; ++k) {
                row[k] = of_thread(EmulatedWarp::thread(), k);
            }
        }
        const auto add_to = [](std::vector<double>& sums, int at) {
            return [&sums, at](int k, double sum) { sums[static_cast<std::size_t>(at * N + k)] += sum; };
        };
        Group{}.sum_each(values[0], add_to(of_all, 0));
        Group{}.sum_over_pairs(values[1], add_to(of_part, Group::part()));
        Group{}.sum_over_parts(values[2], add_to(of_pair, Group::pair()));
    });
    for (int k = 0; k < N; ++k) {
        EXPECT_EQ(of_all[static_cast<std::size_t>(k)], sum_of(0, size, 1, k)) << N;
        for (int part = 0; part < n_parts; ++part) {
            EXPECT_EQ(of_part[static_cast<std::size_t>(part * N + k)], sum_of(part, size, n_parts, k)) << N;
        }
        for (int pair = 0; pair < size / n_parts; ++pair) {
            const int first = pair * n_parts;
            EXPECT_EQ(of_pair[static_cast<std::size_t>(pair * N + k)], sum_of(first, first + n_parts, 1, k)) << N;
        }
    }
}

TEST_P(EmulatedWarps, SumEachOnce) {
    expect_each_sum<1>();
    expect_each_sum<4>();
    expect_each_sum<6>();
    expect_each_sum<12>();
    expect_each_sum<24>();
}

TEST_P(EmulatedWarps, CompactInOrder) {
    for (const int n : {0, 5, 64, 131}) {
        std::vector<int> kept(static_cast<std::size_t>(n), -1), found;
        EmulatedWarp::run([&] {
            const int total = Group{}.compact(
                n, [](int k) { return k % 3 == 1; }, [&](int k, int at) { kept[static_cast<std::size_t>(at)] = k; });
            EXPECT_EQ(total, (n + 1) / 3);
        });
        for (int at = 0; at < (n + 1) / 3; ++at) {
            EXPECT_EQ(kept[static_cast<std::size_t>(at)], 3 * at + 1);
        }
    }
}

/// One step on Kokkos Serial, with kernels as on a GPU.
Step step_of(const std::shared_ptr<const dpc::Model>& model, const OpenSystem& system, const dpc::EvaluatorOptions& options) {
    Evaluator evaluator(model, options);
    evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
    Step step;
    step.compute(evaluator, system.x);
    return step;
}

const OpenSystem& some_atoms() {
    static const OpenSystem system(100);
    return system;
}

bool have_same_forces(const Step& a, const Step& b) {
    const double allowed = 1e-3 * largest(b.forces);
    return std::equal(a.forces.begin(), a.forces.end(), b.forces.begin(), b.forces.end(),
                      [&](double of_a, double of_b) { return std::abs(of_a - of_b) <= allowed; });
}

void expect_as_host(const std::shared_ptr<const dpc::Model>& model) {
    for (const dpc::Precision precision : {dpc::Precision::float64, dpc::Precision::mixed}) {
        const Way way{dpc::Backend::kokkos_serial, 1, precision};
        dpc::EvaluatorOptions host;
        host.precision = precision;
        expect_same(step_of(model, some_atoms(), way.options()), step_of(model, some_atoms(), host), way);
    }
}

TEST_P(EmulatedWarps, EqualHost) {
    for (const DescriptorCase& c : descriptor_cases()) {
        SCOPED_TRACE(c.name);
        expect_as_host(c.model);
    }
}

/// Too many neighbours, of which the nearest stay.
TEST_P(EmulatedWarps, EqualHostWhereSlotsAreTooFew) {
    constexpr PairKind ordinary = PairKind::ordinary;
    for (const dpc::NeighbourRule rule : {dpc::NeighbourRule::per_type, dpc::NeighbourRule::total}) {
        auto model = std::make_shared<dpc::Model>(*angular_model({ordinary, ordinary, ordinary, ordinary}));
        model->neighbour_rule = rule;
        model->descriptors.front().sel = {10, 5};
        expect_as_host(model);
    }
}

INSTANTIATE_TEST_SUITE_P(All, EmulatedWarps,
                         testing::Values(Shape{8, false}, Shape{16, true}, Shape{32, false}, Shape{32, true}, Shape{64, false}),
                         testing::PrintToStringParamName());

/// Without the barrier some thread reads what another has not written yet: what a step of other positions has left there.
TEST(EmulatedWarp, AMissingBarrierGivesOtherForces) {
    const auto model = load(smooth_model());
    const Way way{dpc::Backend::kokkos_serial, 1, dpc::Precision::float64};
    const OpenSystem& system = some_atoms();
    Evaluator evaluator(model, way.options());
    evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
    const auto step_with = [&](const std::vector<double>& x, bool has_barrier) {
        const Emulated emulated(Shape{}, has_barrier);
        Step step;
        step.compute(evaluator, x);
        return step;
    };
    std::vector<double> elsewhere = system.x;
    for (double& coordinate : elsewhere) {
        coordinate *= 1.1;
    }
    const Step expected = step_with(system.x, true);
    EXPECT_FALSE(have_same_forces(step_with(elsewhere, true), expected));
    EXPECT_FALSE(have_same_forces(step_with(system.x, false), expected));
    EXPECT_TRUE(have_same_forces(step_with(system.x, true), expected));
}

TEST(EmulatedWarpDeathTest, ThreadsInDifferentCalls) {
    const auto differ = [] {
        EmulatedWarp::run([] {
            if (EmulatedWarp::thread() < 4) {
                EmulatedWarp::barrier();
            } else {
                EmulatedWarp::exchange(1.0, 1);
            }
        });
    };
    EXPECT_DEATH(differ(), "in different calls");
}

TEST(EmulatedWarpDeathTest, ExchangeWithAThreadThatHasReturned) {
    const auto ask = [] {
        EmulatedWarp::run([] {
            if (EmulatedWarp::thread() > 0) {
                EmulatedWarp::exchange(1.0, 1);
            }
        });
    };
    EXPECT_DEATH(ask(), "has returned");
}

}  // namespace
