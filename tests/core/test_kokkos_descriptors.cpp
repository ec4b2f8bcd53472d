// SPDX-License-Identifier: MIT
// The kinds of descriptors, alone and together, in the Kokkos evaluator: against the host evaluator, whatever the chunks, and against
// plain loops over the definitions and numerical derivatives of these.
#include <algorithm>
#include <cmath>

#include "descriptor_models.hpp"
#include "kokkos_test.hpp"
#include "plain_evaluator.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;

// Of the energy of an atom: a few hundred sums in double; in mixed precision tables and sums in float, as in test_descriptors.cpp.
constexpr double kPlainDouble = 1e-12, kPlainMixed = 2e-5;
// Of a central difference in long double, angstrom; of the largest force: third derivatives of the cubic tables jump by 1e-3 at the
// knots; what float loses.
constexpr double kStep = 1e-4, kDerivativeDouble = 1e-6, kDerivativeMixed = 1e-3;

bool is_mixed(const Way& way) { return way.precision == dpc::Precision::mixed; }

Step compute(Evaluator& evaluator, const OpenSystem& system) {
    evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
    Step step;
    step.compute(evaluator, system.x);
    return step;
}

class KokkosDescriptors : public testing::TestWithParam<Way> {
protected:
    static Step compute_on_host(const DescriptorCase& c, const OpenSystem& system) {
        Evaluator evaluator(c.model, 1, GetParam().precision);
        return compute(evaluator, system);
    }
};

/// Of several chunks, and of as few atoms as a chunk can have.
TEST_P(KokkosDescriptors, EqualHost) {
    const OpenSystem system(1200);
    for (const DescriptorCase& c : descriptor_cases()) {
        SCOPED_TRACE(c.name);
        const Step expected = compute_on_host(c, system);
        for (const std::size_t scratch_bytes : {std::size_t(0), std::size_t(1)}) {
            Evaluator evaluator(c.model, GetParam().options(scratch_bytes));
            const Step found = compute(evaluator, system);
            expect_same(found, expected, GetParam());
            expect_same(found.overflow, expected.overflow);
            EXPECT_GT(found.overflow.n_close, 0);
            EXPECT_GT(found.overflow.n_over_sel, 0);
        }
    }
}

TEST_P(KokkosDescriptors, HaveTheEnergiesOfPlainLoops) {
    const OpenSystem system(120);
    for (const DescriptorCase& c : descriptor_cases()) {
        SCOPED_TRACE(c.name);
        const PlainEvaluator plain(*c.model, GetParam().precision);
        Evaluator evaluator(c.model, GetParam().options());
        const Step found = compute(evaluator, system);
        for (int i = 0; i < system.n_atoms(); ++i) {
            const auto expected = static_cast<double>(plain.energy(system.types, system.x, i));
            const double energy = found.atom_energy[static_cast<std::size_t>(i)] - Step::kAtomEnergy;
            EXPECT_NEAR(energy, expected, (is_mixed(GetParam()) ? kPlainMixed : kPlainDouble) * (1 + std::abs(expected)))
                << "atom " << i;
        }
    }
}

TEST_P(KokkosDescriptors, HaveTheForcesOfPlainLoops) {
    const OpenSystem system(40);
    const int n = system.n_atoms();
    for (const DescriptorCase& c : descriptor_cases()) {
        SCOPED_TRACE(c.name);
        const PlainEvaluator plain(*c.model, GetParam().precision);
        Evaluator evaluator(c.model, GetParam().options());
        const Step found = compute(evaluator, system);
        const auto energy_at = [&](std::size_t k, double displacement) {
            std::vector<double> x = system.x;
            x[k] += displacement;
            long double sum = 0;
            for (int i = 0; i < n; ++i) {
                sum += plain.energy(system.types, x, i, plain.is_close(system.types, system.x, i));
            }
            return sum;
        };
        double most = 0;
        for (const double force : found.forces) {
            most = std::max(most, std::abs(force - Step::kForce));
        }
        EXPECT_GT(most, 0);
        for (std::size_t k = 0; k < 15; ++k) {
            const auto slope = static_cast<double>((energy_at(k, kStep) - energy_at(k, -kStep)) / (2 * kStep));
            EXPECT_NEAR(found.forces[k] - Step::kForce, -slope,
                        (is_mixed(GetParam()) ? kDerivativeMixed : kDerivativeDouble) * most)
                << k;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosDescriptors, testing::ValuesIn(all_ways()), way_name);

}  // namespace
