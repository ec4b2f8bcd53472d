// SPDX-License-Identifier: MIT
// The kinds of descriptors, alone and together, in the Kokkos evaluator: against the host evaluator, and energies and forces against
// plain loops over all atoms (plain_model.hpp).
#include <functional>
#include <numeric>

#include "kokkos_test.hpp"
#include "plain_model.hpp"
#include "smooth_model.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::Model;
using dpc::Precision;

// Of a central difference, angstrom and eV/angstrom, as in test_kokkos.cpp; of two plain sums of double numbers, whose terms are some
// hundred and in another order.
constexpr double kDisplacement = 1e-5, kSameDerivative = 1e-7, kSamePlain = 1e-11;

/// Some pairs are closer than these; not all centres are.
void set_close(TableBuilder& file) { file.f64("model.min_distance", {2, 2}, {2.2, 1.6, 1.6, 3.0}); }

/// Whatever the file says, everything for every centre.
TableBuilder radial() {
    TableBuilder file = smooth_radial_model();
    file.remove("fitting.0.input.0.n_mixed");
    return file;
}

/// Ordinary centres take less than close ones, in each precision something else.
TableBuilder radial_with_parts() {
    TableBuilder file = radial();
    set_close(file);
    file.i32("fitting.0.input.0.n_double", {}, {3});
    file.i32("fitting.0.input.0.n_mixed", {}, {2});
    file.i32("fitting.1.input.0.rank_double", {2}, {1, 3});
    file.i32("fitting.1.input.0.rank_mixed", {2}, {2, 1});
    return file;
}

TableBuilder radial_of_kinds(const std::vector<std::int32_t>& kinds) {
    TableBuilder file = radial();
    file.i32("descriptor.0.pair_kind", {2, 2}, kinds);
    return file;
}

/// se_e2_a and se_e2_r of different cut-offs; kinds: of the pairs of the one with the smaller.
TableBuilder two(const std::vector<std::int32_t>& kinds) {
    TableBuilder file = made_smooth(two_descriptors(), kTwoSegments);
    add_smooth_table(file, "table.2.", 1, 6);
    file.i32("descriptor.1.pair_kind", {2, 2}, kinds);
    return file;
}

struct Named {
    const char* name;
    std::function<TableBuilder()> make;
};

/// Kinds 0 ordinary, 1 excluded by slots, 2 by the model, 4 by section.
const std::vector<Named>& models() {
    static const std::vector<Named> all = {
        {"se_e2_r, excluded by slots and section", radial},
        {"se_e2_r, parts for ordinary centres", radial_with_parts},
        {"se_e2_r, all pairs ordinary", [] { return radial_of_kinds({0, 0, 0, 0}); }},
        {"se_e2_r, excluded by the model", [] { return radial_of_kinds({0, 2, 2, 0}); }},
        {"se_e2_a, excluded by slots and section",
         [] {
             TableBuilder file = smooth_model();
             file.i32("descriptor.0.pair_kind", {2, 2}, {1, 0, 0, 4});
             return file;
         }},
        {"both, all pairs of the second ordinary", [] { return two({0, 0, 0, 0}); }},
        {"both, pairs of the second excluded by slots", [] { return two({1, 0, 1, 1}); }},
        {"both, close centres",
         [] {
             TableBuilder file = two({0, 1, 2, 4});
             set_close(file);
             file.i32("fitting.0.input.1.n_double", {}, {1});
             return file;
         }},
    };
    return all;
}

Step compute(Evaluator& evaluator, const OpenSystem& system) {
    evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
    Step step;
    step.compute(evaluator, system.x);
    return step;
}

class KokkosDescriptors : public testing::TestWithParam<Way> {};

TEST_P(KokkosDescriptors, EqualHost) {
    const OpenSystem system(300);
    for (const Named& each : models()) {
        SCOPED_TRACE(each.name);
        const std::shared_ptr<const Model> model = load(each.make());
        Evaluator evaluator(model, GetParam().options()), host(model, 1, GetParam().precision);
        const Step found = compute(evaluator, system), expected = compute(host, system);
        expect_same(found, expected, GetParam());
        expect_same(found.overflow, expected.overflow);
    }
}

/// In chunks of as few atoms as there can be.
TEST_P(KokkosDescriptors, EqualHostInSmallChunks) {
    const OpenSystem system(2400);
    for (const Named& each : models()) {
        SCOPED_TRACE(each.name);
        const std::shared_ptr<const Model> model = load(each.make());
        Evaluator evaluator(model, GetParam().options(1)), host(model, 1, GetParam().precision);
        expect_same(compute(evaluator, system), compute(host, system), GetParam());
    }
}

TEST_P(KokkosDescriptors, HaveTheEnergiesOfPlainLoops) {
    const OpenSystem system(120);
    const bool is_double = GetParam().precision == Precision::float64;
    for (const Named& each : models()) {
        SCOPED_TRACE(each.name);
        const std::shared_ptr<const Model> model = load(each.make());
        Evaluator evaluator(model, GetParam().options());
        const Step found = compute(evaluator, system);
        const std::vector<double> expected = PlainModel(*model, GetParam().precision).energies(system.types, system.x);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const double tolerance = (is_double ? kSamePlain : kSameEnergyMixed) * (1 + std::abs(expected[i]));
            EXPECT_NEAR(found.atom_energy[i] - Step::kAtomEnergy, expected[i], tolerance) << "atom " << i;
        }
        EXPECT_NEAR(found.totals.energy, std::accumulate(expected.begin(), expected.end(), 0.0),
                    (is_double ? kSamePlain : kSameEnergyMixed) * 10 * static_cast<double>(expected.size()));
    }
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosDescriptors, testing::ValuesIn(all_ways()), way_name);

class KokkosDescriptorForces : public testing::TestWithParam<Way> {};

TEST_P(KokkosDescriptorForces, AreDerivativesOfPlainLoops) {
    const OpenSystem system(40);
    for (const Named& each : models()) {
        SCOPED_TRACE(each.name);
        const std::shared_ptr<const Model> model = load(each.make());
        Evaluator evaluator(model, GetParam().options());
        const Step found = compute(evaluator, system);
        const PlainModel plain(*model, GetParam().precision);
        double largest_force = 0;
        for (std::size_t k = 0; k < system.x.size(); ++k) {
            double energy[2];
            for (int side = 0; side < 2; ++side) {
                std::vector<double> x = system.x;
                x[k] += side == 0 ? -kDisplacement : kDisplacement;
                const std::vector<double> of_atoms = plain.energies(system.types, x);
                energy[side] = std::accumulate(of_atoms.begin(), of_atoms.end(), 0.0);
            }
            const double force = found.forces[k] - Step::kForce, expected = (energy[0] - energy[1]) / (2 * kDisplacement);
            EXPECT_NEAR(force, expected, kSameDerivative) << "component " << k;
            largest_force = std::max(largest_force, std::abs(force));
        }
        EXPECT_GT(largest_force, 1e-3);
    }
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosDescriptorForces, testing::ValuesIn(ways_of(Precision::float64)), way_name);

}  // namespace
