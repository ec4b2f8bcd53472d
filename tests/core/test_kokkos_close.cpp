// SPDX-License-Identifier: MIT
// Close centres take all columns and products, others a part: the Kokkos evaluator on a model with such parts against the host evaluator
// on two models without (test_close_centres.cpp), whatever the chunks.
#include "close_models.hpp"
#include "kokkos_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::Precision;

/// Of the smallest chunks there are several, close centres in more than one of them.
const OpenSystem& the_system() {
    static const OpenSystem system(2400);
    return system;
}

void add(Step& into, const Step& from) {
    const auto add_all = [](std::vector<double>& to, const std::vector<double>& other, double start) {
        for (std::size_t k = 0; k < to.size(); ++k) {
            to[k] += other[k] - start;
        }
    };
    add_all(into.forces, from.forces, Step::kForce);
    add_all(into.atom_energy, from.atom_energy, Step::kAtomEnergy);
    add_all(into.atom_virial, from.atom_virial, Step::kAtomVirial);
    into.totals.energy += from.totals.energy;
    for (int c = 0; c < 9; ++c) {
        into.totals.virial[c] += from.totals.virial[c];
    }
    merge(into.overflow, from.overflow);
}

class KokkosCloseCentres : public testing::TestWithParam<Way> {
protected:
    static void compute(Evaluator& evaluator, const std::vector<int>& centres, const std::vector<double>& x, Step& step) {
        evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), with_centres(the_system(), centres));
        step.compute(evaluator, x);
    }
    static Step expected_at(const std::vector<double>& x, const double (&min_distance)[4] = kDefaultDistances) {
        const Kinds kinds(the_system(), x);
        const Precision precision = GetParam().precision;
        Evaluator all(load(full_model(min_distance)), 1, precision),
            part(load(part_model(precision, min_distance)), 1, precision);
        Step close, others;
        compute(all, kinds.close, x, close);
        compute(part, kinds.ordinary, x, others);
        add(close, others);
        return close;
    }
    /// So far apart that no pair is close, though some are inside the cut-off.
    static std::vector<double> apart() {
        std::vector<double> x = the_system().x;
        std::transform(x.begin(), x.end(), x.begin(), [](double value) { return 2.3 * value; });
        return x;
    }
};

TEST_P(KokkosCloseCentres, TakeAllAndOthersThePart) {
    const Step expected = expected_at(the_system().x);
    for (const std::size_t scratch_bytes : {std::size_t(0), std::size_t(1)}) {
        SCOPED_TRACE(scratch_bytes);
        Evaluator evaluator(load(nested_model()), GetParam().options(scratch_bytes));
        evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
        for (int repeat = 0; repeat < 2; ++repeat) {
            Step found;
            found.compute(evaluator, the_system().x);
            expect_same(found, expected, GetParam());
            expect_same(found.overflow, expected.overflow);
        }
    }
}

/// Smaller than that of which pairs are reported.
TEST_P(KokkosCloseCentres, HaveADistanceOfTheirOwn) {
    const Step expected = expected_at(the_system().x, kLargerDistances);
    Evaluator evaluator(load(apart_model()), GetParam().options());
    evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    Step found;
    found.compute(evaluator, the_system().x);
    expect_same(found, expected, GetParam());
    expect_same(found.overflow, expected.overflow);
}

/// A step with close centres leaves nothing behind for one without, nor the other way round.
TEST_P(KokkosCloseCentres, ComeAndGo) {
    Evaluator evaluator(load(nested_model()), GetParam().options());
    evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    const Step here = expected_at(the_system().x), elsewhere = expected_at(apart());
    EXPECT_EQ(elsewhere.overflow.n_close, 0);
    EXPECT_GT(here.overflow.n_close, 0);
    for (int repeat = 0; repeat < 2; ++repeat) {
        Step found;
        found.compute(evaluator, apart());
        expect_same(found, elsewhere, GetParam());
        found.compute(evaluator, the_system().x);
        expect_same(found, here, GetParam());
    }
}

/// Every step's memory is the same once there were close centres.
TEST_P(KokkosCloseCentres, AllocateOnceAtMost) {
    Evaluator evaluator(load(nested_model()), GetParam().options());
    evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    Step step;
    step.compute(evaluator, apart());
    const std::size_t before = evaluator.memory_bytes();
    step.compute(evaluator, the_system().x);
    const std::size_t after = evaluator.memory_bytes();
    EXPECT_GE(after, before);
    step.compute(evaluator, apart());
    step.compute(evaluator, the_system().x);
    EXPECT_EQ(evaluator.memory_bytes(), after);
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosCloseCentres, testing::ValuesIn(all_ways()), way_name);

}  // namespace
