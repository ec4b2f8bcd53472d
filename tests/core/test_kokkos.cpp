// SPDX-License-Identifier: MIT
// The Kokkos backends against the host evaluator, which the tests of the kernels and of Python check against other oracles, and
// against their own energies. On models made here and, where the environment variable DPC_TEST_TABLES names a folder, on its tables.
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "kokkos_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::Model;
using dpc::Precision;

class KokkosEvaluator : public testing::TestWithParam<Way> {
protected:
    Step compute(const std::shared_ptr<const Model>& model, const OpenSystem& system, const std::vector<double>& x,
                 std::size_t scratch_bytes = 0) const {
        Evaluator evaluator(model, GetParam().options(scratch_bytes));
        evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
        Step step;
        step.compute(evaluator, x);
        return step;
    }
    Step compute_on_host(const std::shared_ptr<const Model>& model, const OpenSystem& system, const std::vector<double>& x) const {
        Evaluator evaluator(model, 1, GetParam().precision);
        evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
        Step step;
        step.compute(evaluator, x);
        return step;
    }
    void expect_as_host(const std::shared_ptr<const Model>& model, const OpenSystem& system) const {
        const Step found = compute(model, system, system.x), expected = compute_on_host(model, system, system.x);
        expect_same(found, expected, GetParam());
        expect_same(found.overflow, expected.overflow);
        EXPECT_NE(expected.totals.energy, 0);
    }
};

const OpenSystem& the_system() {
    static const OpenSystem system(300);
    return system;
}

TEST_P(KokkosEvaluator, EqualsHost) { expect_as_host(load(small_model()), the_system()); }

TEST_P(KokkosEvaluator, EqualsHostForEveryActivation) {
    for (int code = 0; code <= static_cast<int>(dpc::Activation::silut); ++code) {
        SCOPED_TRACE("activation " + std::to_string(code));
        TableBuilder file = small_model();
        file.i32("fitting.0.layers", {4, 2}, {code, 0, code, 1, code, 2, 0, 0});
        const double parameter = code == static_cast<int>(dpc::Activation::silut) ? 2.0 : 0.0;
        file.f64("fitting.0.activation_parameter", {4}, {parameter, parameter, parameter, 0.0});
        file.i32("fitting.1.layers", {2, 2}, {code, 0, 0, 0});
        file.f64("fitting.1.activation_parameter", {2}, {parameter, 0.0});
        expect_as_host(load(file), the_system());
    }
}

TEST_P(KokkosEvaluator, EqualsHostForEveryKindOfPair) {
    TableBuilder file = small_model();
    file.i32("descriptor.pair_kind", {2, 2}, {1, 0, 2, 0});
    expect_as_host(load(file), the_system());
    file.i32("descriptor.sel", {2}, {4, 0});  // the first type sees nothing of the second
    file.i32("descriptor.n_sel", {}, {4});
    file.i32("descriptor.pair_kind", {2, 2}, {0, 3, 0, 3});
    file.i32("descriptor.pair_table", {2, 2}, {0, -1, 0, -1});
    for (const char* section : {"table.1.grid", "table.1.rank", "table.1.coef", "table.1.basis"}) {
        file.remove(section);
    }
    file.i32("fitting.0.columns", {2, 2}, {0, 0, 0, 1});
    file.i32("fitting.0.row_end", {2}, {2, 2});
    file.i32("fitting.0.row_end_mixed", {2}, {2, 1});
    add_layer(file, "fitting.0.0.", 3, 3);
    expect_as_host(load(file), the_system());
}

/// Tables of so many channels that packs and warps take several passes, both orders.
TEST_P(KokkosEvaluator, EqualsHostForWideTables) {
    for (const std::uint64_t rank : {9U, 17U, 25U, 33U, 47U}) {
        SCOPED_TRACE(rank);
        TableBuilder file = small_model();
        const std::uint64_t width = 48, n_rows = 12, stride = (rank + 7) / 8 * 8;
        file.i32("descriptor.width", {}, {static_cast<std::int32_t>(width)});
        for (const std::string table : {"table.0.", "table.1."}) {
            const std::uint64_t n_powers = table == "table.0." ? 6 : 4;
            std::vector<double> coef = numbers(n_rows * n_powers * stride);
            for (std::size_t k = 0; k < coef.size(); ++k) {
                coef[k] = k % stride < rank ? coef[k] : 0.0;
            }
            file.i32(table + "rank", {}, {static_cast<std::int32_t>(rank)});
            file.f64(table + "coef", {n_rows, n_powers, stride}, coef);
            file.f64(table + "basis", {width, rank}, numbers(width * rank));
        }
        file.remove("fitting.0.columns");
        file.remove("fitting.0.row_end");
        file.remove("fitting.0.row_end_mixed");
        file.i32("fitting.0.form", {}, {0});
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
            expect_as_host(model, OpenSystem(400, model->n_types(), model->rcut + 1));
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

/// dE/dx by central differences of some atoms. In mixed precision rounding of the energy, 1e-7 of some eV, over 2 h is all there is.
TEST_P(KokkosEvaluator, ForcesAreDerivativesOfTheEnergy) {
    const bool mixed = GetParam().precision == Precision::mixed;
    const double h = mixed ? 1e-3 : 1e-5, tolerance = mixed ? 2e-2 : 2e-5;
    Evaluator evaluator(load(small_model()), GetParam().options());
    evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    Step here;
    here.compute(evaluator, the_system().x);
    int n_close = 0, n_looked_at = 0;
    for (std::size_t k = 1; k < the_system().x.size(); k += 37) {
        double energy[2];
        for (int side = 0; side < 2; ++side) {
            std::vector<double> x = the_system().x;
            x[k] += side == 0 ? -h : h;
            Step step;
            step.compute(evaluator, x);
            energy[side] = step.totals.energy;
        }
        const double found = here.forces[k] - Step::kForce, expected = -(energy[1] - energy[0]) / (2 * h);
        n_close += std::abs(found - expected) < tolerance * std::max(1.0, std::abs(found)) ? 1 : 0;
        ++n_looked_at;
    }
    // The made-up tables jump at their knots, which a difference now and then falls across.
    EXPECT_GE(n_close, n_looked_at - (mixed ? n_looked_at / 2 : 2)) << n_looked_at;
}

TEST_P(KokkosEvaluator, SizeOfChunksDoesNotChangeTheEnergy) {
    const std::shared_ptr<const Model> model = load(small_model());
    const OpenSystem many(900);
    const Step expected = compute(model, many, many.x);
    for (const std::size_t scratch_bytes : {std::size_t(1), std::size_t(200000), std::size_t(1) << 40U}) {
        const Step step = compute(model, many, many.x, scratch_bytes);
        EXPECT_EQ(step.totals.energy, expected.totals.energy) << scratch_bytes;  // bitwise
        EXPECT_EQ(step.atom_energy, expected.atom_energy);
        expect_same(step, expected, GetParam());
        expect_same(step.overflow, expected.overflow);
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
        evaluator.set_neighbours(n_atoms, system.types.data(), system.list());
        Step step;
        step.compute(evaluator, system.x);
        expect_same(step, compute_on_host(model, system, system.x), GetParam());
    }
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosEvaluator, testing::ValuesIn(all_ways()), way_name);

}  // namespace
