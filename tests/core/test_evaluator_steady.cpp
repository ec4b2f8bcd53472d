// SPDX-License-Identifier: MIT
// A simulation calls Evaluator::compute some 10^8 times: once a list is set, a step must not allocate, must give the same bits
// every time, and must not depend on the number of threads but for the order of sums.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "allocation_counter.hpp"
#include "descriptor_models.hpp"
#include "dpc/errors.hpp"
#include "dpc/evaluator.hpp"
#include "host_blocks.hpp"
#include "open_system.hpp"
#include "table_builder.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::Precision;
using dpc::Totals;

constexpr int kAtoms = 300;
// Sums of another order: some hundred numbers of order 1 to 10, with forces up to 10^3 between the closest pairs.
constexpr double kSameEnergy = 1e-10, kSameForce = 1e-9;
// Where a few atoms are all of a block, inputs are summed in another order: of energies of 4 eV and forces of 40 eV/A 2^-24 or two.
constexpr double kSameEnergyMixed = 2e-7, kSameForceMixed = 1e-5;

const OpenSystem& the_system() {
    static const OpenSystem system(kAtoms);
    return system;
}

/// Ordinary centres take less than close ones, in both precisions and both forms.
std::shared_ptr<const dpc::Model> the_model() {
    TableBuilder file = small_model();
    file.i32("fitting.0.input.0.row_end_double", {4}, {3, 2, 2, 3});
    file.i32("fitting.1.input.0.rank_double", {2}, {1, 2});
    file.i32("fitting.1.input.0.rank_mixed", {2}, {1, 2});
    const Bytes bytes = file.bytes();
    return dpc::Model::from_bytes(bytes.data(), bytes.size());
}

/// Results of one step in memory that is made beforehand.
struct Results {
    Totals totals;
    std::vector<double> forces = std::vector<double>(3 * kAtoms), atom_energy = std::vector<double>(kAtoms),
                        atom_virial = std::vector<double>(9 * kAtoms);

    void compute(Evaluator& evaluator, const std::vector<double>& x, bool with_atom_virial) {
        for (std::vector<double>* array : {&forces, &atom_energy, &atom_virial}) {
            std::fill(array->begin(), array->end(), 0.0);
        }
        totals =
            evaluator.compute({x.data()}, {forces.data(), atom_energy.data(), with_atom_virial ? atom_virial.data() : nullptr});
    }
};

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

struct Way {
    Precision precision;
    int n_threads;
    bool with_atom_virial;
};

void PrintTo(const Way& way, std::ostream* out) {
    *out << (way.precision == Precision::mixed ? "mixed, " : "double, ") << way.n_threads << " threads"
         << (way.with_atom_virial ? ", atomic virials" : "");
}

class SteadyStep : public testing::TestWithParam<Way> {
protected:
    SteadyStep() : evaluator_(the_model(), GetParam().n_threads, GetParam().precision) {
        evaluator_.set_neighbours(kAtoms, the_system().types.data(), the_system().list());
    }
    void compute(const std::vector<double>& x, Results& results) { results.compute(evaluator_, x, GetParam().with_atom_virial); }

    Evaluator evaluator_;
};

TEST_P(SteadyStep, AllocatesNothing) {
    std::vector<std::vector<double>> steps;
    for (int n = 0; n < 5; ++n) {
        steps.push_back(the_system().positions(n));
    }
    Results results;
    compute(steps[0], results);  // the first step may
    const long before = allocations();
    for (const std::vector<double>& x : steps) {
        compute(x, results);
    }
    EXPECT_EQ(allocations() - before, 0);
}

/// The first pair that comes close, long after the first step, finds all its memory there.
TEST_P(SteadyStep, AllocatesNothingForTheFirstClosePair) {
    const std::vector<double> close = the_system().positions(0);
    std::vector<double> apart = close;
    std::transform(apart.begin(), apart.end(), apart.begin(), [](double value) { return 2.5 * value; });
    Results results;
    compute(apart, results);
    EXPECT_EQ(evaluator_.overflow().n_close, 0);
    const std::size_t bytes = evaluator_.memory_bytes();
    const long before = allocations();
    compute(apart, results);
    compute(close, results);
    EXPECT_EQ(allocations() - before, 0);
    EXPECT_GT(evaluator_.overflow().n_close, 0);
    EXPECT_EQ(evaluator_.memory_bytes(), bytes);
}

TEST_P(SteadyStep, RepeatsBitwise) {
    const std::vector<double> here = the_system().positions(0), elsewhere = the_system().positions(3);
    Results first, other, again;
    compute(here, first);
    for (int repeat = 0; repeat < 5; ++repeat) {
        compute(elsewhere, other);
        compute(here, again);
        EXPECT_EQ(std::memcmp(&first.totals, &again.totals, sizeof(Totals)), 0);
        EXPECT_TRUE(same_bits(first.forces, again.forces));
        EXPECT_TRUE(same_bits(first.atom_energy, again.atom_energy));
        EXPECT_TRUE(same_bits(first.atom_virial, again.atom_virial));
    }
    EXPECT_NE(first.totals.energy, other.totals.energy);
}

/// Of three bodies: all memory is there before the first block, when threads have begun.
TEST(ProductsOfNeighbours, FirstStepAllocatesNothing) {
    const auto model = triple_model({0, 0, 0, 0});
    const dpc::PackedModel<double> packed(model, dpc::Evaluated::by_host);
    dpc::host::NeighbourBlocks list;
    list.build({*model, 1, dpc::NeighbourRule::all}, kAtoms, the_system().types.data(), the_system().list(), 64);
    dpc::host::BlockEvaluator<double> evaluator(packed, dpc::host::select_kernels<double>());
    evaluator.reserve(list);
    Results results;
    const std::size_t bytes = evaluator.bytes();
    const long before = allocations();
    evaluate_blocks(evaluator, list, the_system().x, results);
    EXPECT_EQ(allocations() - before, 0);
    EXPECT_EQ(evaluator.bytes(), bytes);
}

std::string way_name(const testing::TestParamInfo<Way>& info) {
    const Way& way = info.param;
    return (way.precision == Precision::mixed ? "mixed" : "double") + std::to_string(way.n_threads) +
           (way.with_atom_virial ? "virials" : "");
}

INSTANTIATE_TEST_SUITE_P(Each, SteadyStep,
                         testing::Values(Way{Precision::float64, 1, false}, Way{Precision::float64, 1, true},
                                         Way{Precision::float64, 2, false}, Way{Precision::float64, 2, true},
                                         Way{Precision::mixed, 1, false}, Way{Precision::mixed, 1, true},
                                         Way{Precision::mixed, 2, false}, Way{Precision::mixed, 2, true}),
                         way_name);

/// The counter sees what a step could do: new, and memory aligned to cache lines.
TEST(AllocationCounter, SeesAllocationsOfTheCore) {
    long before = allocations();
    Evaluator evaluator(the_model(), 1);
    EXPECT_GT(allocations() - before, 0);
    before = aligned_allocations();
    evaluator.set_neighbours(kAtoms, the_system().types.data(), the_system().list());
    EXPECT_GT(aligned_allocations() - before, 0);
}

/// Wherever it stands, by itself and beside others.
TEST(PositionsThatAreNotFinite, AreFound) {
    Evaluator evaluator(the_model(), 1);
    evaluator.set_neighbours(kAtoms, the_system().types.data(), the_system().list());
    Results results;
    const auto index_found = [&](const std::vector<double>& x) {
        try {
            results.compute(evaluator, x, false);
        } catch (const dpc::InputError& error) {
            EXPECT_NE(std::string(error.what()).find("not a finite number"), std::string::npos) << error.what();
            return error.atom_i;
        }
        return -1;
    };
    std::vector<double> x = the_system().positions(0);
    EXPECT_EQ(index_found(x), -1);
    for (std::size_t k = 0; k < x.size(); ++k) {
        std::vector<double> changed = x;
        changed[k] = k % 3 == 0 ? NAN : k % 3 == 1 ? HUGE_VAL : -HUGE_VAL;
        EXPECT_EQ(index_found(changed), static_cast<int>(k / 3));
    }
    x[500] = HUGE_VAL;
    x[500 - 64] = -HUGE_VAL;
    EXPECT_EQ(index_found(x), (500 - 64) / 3);
}

/// Finite numbers of a model that single precision does not hold.
TEST(NumbersBeyondSinglePrecision, AreAnErrorThere) {
    for (const auto& [name, n] : {std::pair("fitting.0.0.bias", 3U), {"fitting.1.0.bias", 5U}}) {
        TableBuilder file = small_model();
        std::vector<double> values(n, 0.5);
        values.back() = -1e39;
        file.f64(name, {n}, values);
        const Bytes bytes = file.bytes();
        const auto model = dpc::Model::from_bytes(bytes.data(), bytes.size());
        EXPECT_NO_THROW(Evaluator(model, 1, Precision::float64));
        try {
            Evaluator(model, 1, Precision::mixed);
            ADD_FAILURE() << name;
        } catch (const dpc::ModelError& error) {
            EXPECT_NE(std::string(error.what()).find("beyond those of single precision"), std::string::npos);
        }
    }
}

class AnyPrecision : public testing::TestWithParam<Precision> {};

/// The sums over atoms are in double in both precisions, and an atom's share does not depend on who computes it.
TEST_P(AnyPrecision, NumberOfThreadsChangesRoundingOnly) {
    const std::vector<double> x = the_system().positions(1);
    std::vector<Results> all(4);
    for (int n = 1; n <= 4; ++n) {
        Evaluator evaluator(the_model(), n, GetParam());
        evaluator.set_neighbours(kAtoms, the_system().types.data(), the_system().list());
        all[static_cast<std::size_t>(n - 1)].compute(evaluator, x, true);
    }
    const bool is_mixed = GetParam() == Precision::mixed;
    const double same_force = is_mixed ? kSameForceMixed : kSameForce, same_energy = is_mixed ? kSameEnergyMixed : kSameEnergy;
    for (const Results& other : all) {
        EXPECT_NEAR(other.totals.energy, all[0].totals.energy, same_energy * kAtoms);
        for (int c = 0; c < 9; ++c) {
            EXPECT_NEAR(other.totals.virial[c], all[0].totals.virial[c], same_force * kAtoms);
        }
        for (std::size_t k = 0; k < other.forces.size(); ++k) {
            EXPECT_NEAR(other.forces[k], all[0].forces[k], same_force);
        }
        for (std::size_t k = 0; k < other.atom_virial.size(); ++k) {
            EXPECT_NEAR(other.atom_virial[k], all[0].atom_virial[k], 10 * same_force);
        }
    }
    EXPECT_NE(all[0].totals.energy, 0);
}

std::string precision_name(const testing::TestParamInfo<Precision>& info) {
    return info.param == Precision::mixed ? "mixed" : "double";
}

INSTANTIATE_TEST_SUITE_P(Each, AnyPrecision, testing::Values(Precision::float64, Precision::mixed), precision_name);

constexpr auto kPlain = dpc::PairKind::ordinary, kGone = dpc::PairKind::model_excluded;

/// A model of another descriptor on a list that is grouped once.
TEST(SharedNeighbours, GiveWhatOwnOnesGive) {
    const auto one = angular_model({kPlain, kPlain, kPlain, kPlain}), other = radial_model({kPlain, kPlain, kPlain, kPlain});
    for (const int n_threads : {1, 3}) {
        Evaluator first(one, n_threads), own(other, n_threads), shares(other, n_threads);
        first.set_neighbours(kAtoms, the_system().types.data(), the_system().list());
        own.set_neighbours(kAtoms, the_system().types.data(), the_system().list());
        ASSERT_TRUE(shares.share_neighbours(first));
        Results expected, found;
        expected.compute(own, the_system().x, true);
        found.compute(shares, the_system().x, true);
        EXPECT_TRUE(same_bits(found.forces, expected.forces));
        EXPECT_TRUE(same_bits(found.atom_virial, expected.atom_virial));

        std::vector<int> types = the_system().types;
        std::fill(types.begin() + kAtoms / 2, types.end(), -1);
        first.set_neighbours(kAtoms, types.data(), the_system().list());
        found.compute(shares, the_system().x, true);  // keeps the list that it has
        EXPECT_TRUE(same_bits(found.forces, expected.forces));
    }
}

TEST(SharedNeighbours, AreRefusedWhereOwnOnesWouldDiffer) {
    const auto model = angular_model({kPlain, kPlain, kPlain, kPlain}), excludes = angular_model({kPlain, kPlain, kGone, kPlain});
    Evaluator first(model, 2), threads(model, 1), pairs(excludes, 2), mixed(model, 2, Precision::mixed), same(model, 2);
    EXPECT_FALSE(same.share_neighbours(first));  // which has none yet
    first.set_neighbours(kAtoms, the_system().types.data(), the_system().list());
    for (Evaluator* evaluator : {&threads, &pairs, &mixed}) {
        EXPECT_FALSE(evaluator->share_neighbours(first));
        Results results;
        EXPECT_THROW(results.compute(*evaluator, the_system().x, false), dpc::InputError);
    }
    EXPECT_TRUE(same.share_neighbours(first));
}

}  // namespace
