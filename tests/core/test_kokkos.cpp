// SPDX-License-Identifier: MIT
// The Kokkos backends against the host evaluator, which the tests of the kernels and of Python check against other oracles, and
// against their own energies. On models made here and, where the environment variable DPC_TEST_TABLES names a folder, on its tables.
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "kokkos_test.hpp"
#include "smooth_model.hpp"
#if defined(DPC_KOKKOS_LIKE_GPU)
#include "emulated_warp.hpp"
#endif

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::Model;
using dpc::Precision;

// Of a central difference, angstrom and eV/angstrom: rounding of some hundred eV, a few times 1e-14 eV, over twice the
// displacement is 1e-8; third derivatives of some 100 eV/angstrom^3 times displacement^2 / 6 are less.
constexpr double kDisplacement = 1e-5, kSameDerivative = 1e-7;

class KokkosEvaluator : public testing::TestWithParam<Way> {
protected:
    static Step compute(Evaluator& evaluator, const OpenSystem& system) {
        evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
        Step step;
        step.compute(evaluator, system.x);
        return step;
    }
    static Step compute_on_host(const std::shared_ptr<const Model>& model, const OpenSystem& system) {
        Evaluator evaluator(model, 1, GetParam().precision);
        return compute(evaluator, system);
    }
    static void expect_as_host(const std::shared_ptr<const Model>& model, const OpenSystem& system) {
        Evaluator evaluator(model, GetParam().options());
        const Step found = compute(evaluator, system), expected = compute_on_host(model, system);
        expect_same(found, expected, GetParam());
        expect_same(found.overflow, expected.overflow);
        EXPECT_NE(expected.totals.energy, 0);
    }
};

const OpenSystem& the_system() {
    static const OpenSystem system(300);
    return system;
}

TEST_P(KokkosEvaluator, EqualsHost) {
    expect_as_host(load(small_model()), the_system());
    expect_as_host(load(smooth_model()), the_system());
    expect_as_host(load(smooth_model(kManySegments)), the_system());
}

/// Tables that end below, near and above the smallest distances of the training data.
TEST_P(KokkosEvaluator, CountsWhatTheHostCounts) {
    for (const std::vector<double>& min_distance :
         {std::vector<double>{0.5, 0.5, 0.5, 0.5}, {3.15, 3.2, 3.2, 3.0}, {4.0, 5.5, 5.5, 4.5}}) {
        TableBuilder file = small_model();
        file.f64("model.min_distance", {2, 2}, min_distance);
        expect_as_host(load(file), the_system());
    }
}

TEST_P(KokkosEvaluator, EqualsHostForEveryActivation) {
    for (int code = 0; code <= static_cast<int>(dpc::Activation::gelu_erf); ++code) {
        SCOPED_TRACE("activation " + std::to_string(code));
        TableBuilder file = small_model();
        file.i32("fitting.0.layers", {4, 2}, {code, 0, code, 1, code, 2, 0, 0});
        const auto kind = static_cast<dpc::Activation>(code);
        const double parameter = kind == dpc::Activation::silut ? 2.0 : kind == dpc::Activation::gelu ? 0.05 : 0.0;
        file.f64("fitting.0.activation_parameter", {4}, {parameter, parameter, parameter, 0.0});
        file.i32("fitting.1.layers", {2, 2}, {code, 0, 0, 0});
        file.f64("fitting.1.activation_parameter", {2}, {parameter, 0.0});
        expect_as_host(load(file), the_system());
    }
}

TEST_P(KokkosEvaluator, EqualsHostForEveryKindOfPair) {
    TableBuilder file = small_model();
    file.i32("descriptor.0.pair_kind", {2, 2}, {1, 0, 2, 0});
    expect_as_host(load(file), the_system());
    file.i32("descriptor.0.sel", {2}, {4, 0});  // the first type sees nothing of the second
    file.i32("descriptor.0.n_sel", {}, {4});
    file.i32("descriptor.0.pair_kind", {2, 2}, {0, 3, 0, 3});
    file.i32("descriptor.0.pair_table", {2, 2}, {0, -1, 0, -1});
    file.remove_all("table.1.");
    file.i32("fitting.0.input.0.columns", {2, 2}, {0, 0, 0, 1});
    file.i32("fitting.0.input.0.row_end", {2}, {2, 2});
    file.i32("fitting.0.input.0.row_end_mixed", {2}, {2, 1});
    add_layer(file, "fitting.0.0.", 3, 3);
    expect_as_host(load(file), the_system());
}

/// Tables of so many channels that packs and warps take several passes, both orders. Smooth ones: what coefficients drawn at
/// random sum to cancels so far that single precision has little to compare.
TEST_P(KokkosEvaluator, EqualsHostForWideTables) {
    for (const std::uint64_t rank : {9U, 17U, 25U, 33U, 47U}) {
        SCOPED_TRACE(rank);
        TableBuilder file = small_model();
        const std::uint64_t width = 48;
        file.i32("descriptor.0.width", {}, {static_cast<std::int32_t>(width)});
        for (const std::string table : {"table.0.", "table.1."}) {
            add_smooth_table(file, table, rank, table == "table.0." ? 6 : 4);
            file.f64(table + "basis", {width, rank}, numbers(width * rank));
        }
        file.remove("fitting.0.input.0.columns");
        file.remove("fitting.0.input.0.row_end");
        file.remove("fitting.0.input.0.row_end_mixed");
        file.i32("fitting.0.input.0.form", {}, {0});
        add_layer(file, "fitting.0.0.", 2 * width, 3);
        add_layer(file, "fitting.1.0.", 2 * width, 5);
        expect_as_host(load(file), the_system());
    }
}

TEST_P(KokkosEvaluator, EqualsHostOnTablesOfAFolder) {
    const char* folder = std::getenv("DPC_TEST_TABLES");
    if (folder == nullptr) {
        GTEST_SKIP() << "DPC_TEST_TABLES names no folder of tables";
    }
    int n_found = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        if (file.path().extension() == ".bin") {
            SCOPED_TRACE(file.path().string());
            const std::shared_ptr<const Model> model = Model::from_file(file.path().string());
            expect_as_host(model, OpenSystem(400, model->n_types(), model->rcut() + 1));
            ++n_found;
        }
    }
    EXPECT_GT(n_found, 0);
}

TEST_P(KokkosEvaluator, TakesUnits) {
    const dpc::Units bohr_and_hartree{0.529177210903, 1 / 27.211386245988};
    std::vector<double> x = the_system().x;
    std::transform(x.begin(), x.end(), x.begin(), [&](double value) { return value / bohr_and_hartree.length; });
    Evaluator evaluator(load(small_model()), GetParam().options()), host(load(small_model()), 1, GetParam().precision);
    Step found, expected;
    evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    host.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    found.compute(evaluator, x, bohr_and_hartree);
    expected.compute(host, x, bohr_and_hartree);
    expect_same(found, expected, GetParam());
}

TEST_P(KokkosEvaluator, LeavesOutAtomArraysThatAreNotThere) {
    Evaluator evaluator(load(small_model()), GetParam().options());
    evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    Step with, without;
    with.compute(evaluator, the_system().x);
    without.compute(evaluator, the_system().x, {}, false);
    EXPECT_EQ(with.totals.energy, without.totals.energy);
    if (!GetParam().adds_atomically()) {
        EXPECT_EQ(with.forces, without.forces);
    }
}

TEST_P(KokkosEvaluator, OneOfEachThread) {
    const auto run = [](std::vector<Step>& steps, int first) {
        Evaluator evaluator(load(small_model()), GetParam().options());
        for (std::size_t k = 0; k < steps.size(); ++k) {
            evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
            steps[k].compute(evaluator, the_system().positions(first + static_cast<int>(k)));
        }
    };
    constexpr int n_threads = 3, n_steps = 4;
    std::vector<std::vector<Step>> alone(n_threads, std::vector<Step>(n_steps)), at_once = alone;
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < n_threads; ++thread) {
        run(alone[thread], n_steps * static_cast<int>(thread));
    }
#if defined(DPC_KOKKOS_LIKE_GPU)
    EmulatedWarp::most_at_once() = 0;
#endif
    for (std::size_t thread = 0; thread < n_threads; ++thread) {
        threads.emplace_back([&, thread] { run(at_once[thread], n_steps * static_cast<int>(thread)); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
#if defined(DPC_KOKKOS_LIKE_GPU)
    EXPECT_LE(EmulatedWarp::most_at_once(), GetParam().n_threads);  // a GPU has one stream for all
#endif
    for (std::size_t thread = 0; thread < n_threads; ++thread) {
        for (std::size_t k = 0; k < n_steps; ++k) {
            expect_same(at_once[thread][k], alone[thread][k], GetParam());
        }
    }
}

TEST_P(KokkosEvaluator, RepeatsBitwise) {
    if (GetParam().adds_atomically()) {
        GTEST_SKIP() << "atomic additions come in any order";
    }
    Evaluator evaluator(load(small_model()), GetParam().options());
    evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    Step first, other, again;
    first.compute(evaluator, the_system().positions(0));
    for (int repeat = 0; repeat < 3; ++repeat) {
        other.compute(evaluator, the_system().positions(repeat + 1));
        again.compute(evaluator, the_system().positions(0));
        EXPECT_EQ(std::memcmp(&first.totals, &again.totals, sizeof first.totals), 0);
        EXPECT_EQ(first.forces, again.forces);
        EXPECT_EQ(first.atom_virial, again.atom_virial);
    }
    EXPECT_NE(first.totals.energy, other.totals.energy);
}

/// A list replaces the one before, whatever its size.
TEST_P(KokkosEvaluator, TakesOneListAfterAnother) {
    const std::shared_ptr<const Model> model = load(small_model());
    Evaluator evaluator(model, GetParam().options());
    for (const int n_atoms : {300, 40, 700}) {
        const OpenSystem system(n_atoms);
        expect_same(compute(evaluator, system), compute_on_host(model, system), GetParam());
    }
}

/// Another model on a list that is taken to the device once; it keeps that list when the first takes another.
TEST_P(KokkosEvaluator, SharesAList) {
    Evaluator first(load(small_model()), GetParam().options()), shares(load(smooth_model()), GetParam().options());
    EXPECT_FALSE(shares.share_neighbours(first));  // which has none yet
    first.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    ASSERT_TRUE(shares.share_neighbours(first));
    const Step expected = compute_on_host(load(smooth_model()), the_system());
    Step found;
    found.compute(shares, the_system().x);
    expect_same(found, expected, GetParam());
    const OpenSystem other(40);
    expect_same(compute(first, other), compute_on_host(load(small_model()), other), GetParam());
    found.compute(shares, the_system().x);
    expect_same(found, expected, GetParam());
    Evaluator on_host(load(smooth_model()), 1, GetParam().precision);
    EXPECT_FALSE(on_host.share_neighbours(first));
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosEvaluator, testing::ValuesIn(all_ways()), way_name);

/// In double precision only: the roundings of a mixed energy are as large as its differences, and mixed forces are compared
/// with the host's above.
class KokkosForces : public testing::TestWithParam<Way> {};

TEST_P(KokkosForces, AreDerivativesOfTheEnergy) {
    const OpenSystem system(60);
    Evaluator evaluator(load(smooth_model(kManySegments)), GetParam().options());
    evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
    Step here;
    here.compute(evaluator, system.x);
    EXPECT_GT(here.overflow.n_beyond, 0);  // some pairs are on the linear continuation
    double largest_force = 0;
    for (std::size_t k = 0; k < system.x.size(); ++k) {
        double energy[2];
        for (int side = 0; side < 2; ++side) {
            std::vector<double> x = system.x;
            x[k] += side == 0 ? -kDisplacement : kDisplacement;
            Step step;
            step.compute(evaluator, x, {}, false);
            energy[side] = step.totals.energy;
        }
        const double force = here.forces[k] - Step::kForce, expected = (energy[0] - energy[1]) / (2 * kDisplacement);
        EXPECT_NEAR(force, expected, kSameDerivative) << "component " << k;
        largest_force = std::max(largest_force, std::abs(force));
    }
    EXPECT_GT(largest_force, 0.1);
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosForces, testing::ValuesIn(ways_of(Precision::float64)), way_name);

}  // namespace
