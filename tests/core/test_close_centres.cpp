// SPDX-License-Identifier: MIT
// Close centres take all columns and products, others a part (docs/tables-format.md section 3): the host evaluator on a model with
// such parts against two models without, one of the part and one of all, each with the centres that are its own.
#include "close_models.hpp"
#include "dpc/evaluator.hpp"
#include "host_blocks.hpp"
#include "kernel_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::Model;
using dpc::Precision;

constexpr int kAtoms = 300;
// Relative to the largest number of the kind. Every centre is computed by the same operations; what differs is the order in which some
// hundred numbers are summed in double, and in mixed precision how many zeros there are between the products.
constexpr double kSameDouble = 1e-12, kSameMixed = 1e-6;
// Part and whole are no two versions of the same number: their forces differ by at least this part of the largest.
constexpr double kDiffers = 1e-2;

const OpenSystem& the_system() {
    static const OpenSystem system(kAtoms);
    return system;
}

std::shared_ptr<const Model> load(const TableBuilder& file) {
    const Bytes bytes = file.bytes();
    return Model::from_bytes(bytes.data(), bytes.size());
}

struct Results {
    dpc::Totals totals;
    dpc::Overflow overflow;
    std::vector<double> forces = std::vector<double>(3 * kAtoms), atom_energy = std::vector<double>(kAtoms),
                        atom_virial = std::vector<double>(9 * kAtoms);

    /// As one list of numbers of a kind each.
    std::vector<std::vector<double>> kinds() const {
        return {{totals.energy}, std::vector<double>(totals.virial, totals.virial + 9), forces, atom_energy, atom_virial};
    }
};

double largest(const std::vector<double>& values) {
    double most = 0;
    for (const double value : values) {
        most = std::max(most, std::abs(value));
    }
    return most;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> difference(a);
    for (std::size_t k = 0; k < a.size(); ++k) {
        difference[k] -= b[k];
    }
    return largest(difference);
}

void expect_same(const Results& found, const Results& expected, double tolerance) {
    const char* const names[] = {"energy", "virial", "force", "atomic energy", "atomic virial"};
    const auto a = found.kinds(), b = expected.kinds();
    const double of_atoms = largest(b[3]) * kAtoms;
    for (std::size_t kind = 0; kind < a.size(); ++kind) {
        EXPECT_LE(largest_difference(a[kind], b[kind]), tolerance * (kind == 0 ? of_atoms : largest(b[kind]))) << names[kind];
        EXPECT_GT(largest(b[kind]), 0) << names[kind];
    }
    EXPECT_EQ(found.overflow.n_close, expected.overflow.n_close);
    EXPECT_EQ(found.overflow.n_beyond, expected.overflow.n_beyond);
    EXPECT_EQ(found.overflow.n_over_sel, expected.overflow.n_over_sel);
}

/// Added to what is there.
void compute(Evaluator& evaluator, const dpc::NeighbourRows& rows, const std::vector<double>& x, Results& results) {
    evaluator.set_neighbours(kAtoms, the_system().types.data(), rows);
    const dpc::Totals totals =
        evaluator.compute({x.data()}, {results.forces.data(), results.atom_energy.data(), results.atom_virial.data()});
    results.totals.energy += totals.energy;
    for (int c = 0; c < 9; ++c) {
        results.totals.virial[c] += totals.virial[c];
    }
    merge(results.overflow, evaluator.overflow());
}

/// Close centres by the model of all, the others by that of the part.
Results expected_of(Precision precision, const Kinds& kinds, const std::vector<double>& x,
                    const double (&min_distance)[4] = kDefaultDistances) {
    Results results;
    Evaluator all(load(full_model(min_distance)), 1, precision), part(load(part_model(precision, min_distance)), 1, precision);
    compute(all, with_centres(the_system(), kinds.close), x, results);
    compute(part, with_centres(the_system(), kinds.ordinary), x, results);
    return results;
}

Results found_of(Precision precision, int n_threads, const double (&min_distance)[4] = kDefaultDistances) {
    Results results;
    Evaluator evaluator(load(nested_model(min_distance)), n_threads, precision);
    compute(evaluator, the_system().list(), the_system().x, results);
    return results;
}

class CloseCentres : public testing::TestWithParam<Precision> {
protected:
    double tolerance() const { return GetParam() == Precision::mixed ? kSameMixed : kSameDouble; }
};

/// Without this none of the other tests could fail.
TEST_P(CloseCentres, AreOfBothTypesAndNotAlike) {
    const Kinds kinds(the_system(), the_system().x);
    int n[2][2] = {};
    for (const int i : kinds.close) {
        ++n[1][the_system().types[static_cast<std::size_t>(i)]];
    }
    for (const int i : kinds.ordinary) {
        const int type = the_system().types[static_cast<std::size_t>(i)];
        n[0][type < 0 ? 0 : type] += type < 0 ? 0 : 1;
    }
    EXPECT_GT(n[0][0], 20);
    EXPECT_GT(n[0][1], 20);
    EXPECT_GT(n[1][0], 20);
    EXPECT_GT(n[1][1], 5);
    EXPECT_GT(kinds.n_excluded, 0);
    Results all, part;
    Evaluator of_all(load(full_model()), 1, GetParam()), of_part(load(part_model(GetParam())), 1, GetParam());
    for (const std::vector<int>& centres : {kinds.close, kinds.ordinary}) {
        compute(of_all, with_centres(the_system(), centres), the_system().x, all);
        compute(of_part, with_centres(the_system(), centres), the_system().x, part);
        EXPECT_GT(largest_difference(all.forces, part.forces), kDiffers * largest(all.forces));
        EXPECT_GT(largest_difference(all.atom_energy, part.atom_energy), kDiffers * largest(all.atom_energy));
    }
}

TEST_P(CloseCentres, TakeAllAndOthersThePart) {
    const Results expected = expected_of(GetParam(), Kinds(the_system(), the_system().x), the_system().x);
    for (const int n_threads : {1, 2, 3}) {
        SCOPED_TRACE(n_threads);
        expect_same(found_of(GetParam(), n_threads), expected, tolerance());
    }
}

TEST_P(CloseCentres, AreNoneWhereNoPairIsClose) {
    constexpr double none[4] = {0.5, 0.5, 0.5, 0.5};
    Results expected;
    Evaluator part(load(part_model(GetParam(), none)), 1, GetParam());
    compute(part, the_system().list(), the_system().x, expected);
    expect_same(found_of(GetParam(), 1, none), expected, tolerance());
}

TEST_P(CloseCentres, AreAllWhereEveryPairIsClose) {
    constexpr double every[4] = {6.5, 6.5, 6.5, 6.5};
    Results expected;
    Evaluator all(load(full_model(every)), 1, GetParam());
    compute(all, the_system().list(), the_system().x, expected);
    expect_same(found_of(GetParam(), 1, every), expected, tolerance());
}

/// Products that need no double precision are in single precision for ordinary centres, where others are in double.
TEST_P(CloseCentres, TakeNoProductsInSinglePrecision) {
    TableBuilder file = nested_model();
    file.i32("fitting.0.input.0.row_end_exact", {4}, {2, 1, 2, 3});  // products (0, 2) and (1, 1) are not
    Evaluator plain(load(nested_model()), 1, GetParam()), split(load(file), 1, GetParam());
    const Kinds kinds(the_system(), the_system().x);
    for (const bool is_close : {true, false}) {
        Results expected, found;
        compute(plain, with_centres(the_system(), is_close ? kinds.close : kinds.ordinary), the_system().x, expected);
        compute(split, with_centres(the_system(), is_close ? kinds.close : kinds.ordinary), the_system().x, found);
        expect_same(found, expected, 1e-6);
        EXPECT_EQ(largest_difference(found.forces, expected.forces) > 0, !is_close && GetParam() == Precision::float64);
    }
}

/// Smaller than that of which pairs are reported.
TEST_P(CloseCentres, HaveADistanceOfTheirOwn) {
    const std::vector<double>& x = the_system().x;
    const Results expected = expected_of(GetParam(), Kinds(the_system(), x), x, kLargerDistances);
    EXPECT_GT(Kinds(the_system(), x, kLargerDistances).close.size(), Kinds(the_system(), x).close.size());
    Results found;
    Evaluator evaluator(load(apart_model()), 1, GetParam());
    compute(evaluator, the_system().list(), x, found);
    expect_same(found, expected, tolerance());
}

/// One of the two types has parts, whichever.
TEST_P(CloseCentres, MayBeOfOneTypeOnly) {
    for (const int type : {0, 1}) {
        SCOPED_TRACE(type);
        TableBuilder nested = nested_model();
        const std::string prefix = "fitting." + std::to_string(1 - type) + ".input.0.";
        for (const char* name : {"row_end_double", "row_end_mixed", "rank_double", "rank_mixed"}) {
            nested.remove(prefix + name);
        }
        Kinds kinds(the_system(), the_system().x);
        std::vector<int> stay;
        for (const int i : kinds.ordinary) {
            (the_system().types[static_cast<std::size_t>(i)] == type ? stay : kinds.close).push_back(i);
        }
        kinds.ordinary = stay;
        Results found;
        Evaluator evaluator(load(nested), 1, GetParam());
        compute(evaluator, the_system().list(), the_system().x, found);
        expect_same(found, expected_of(GetParam(), kinds, the_system().x), tolerance());
    }
}

std::string precision_name(const testing::TestParamInfo<Precision>& info) {
    return info.param == Precision::mixed ? "mixed" : "double";
}
INSTANTIATE_TEST_SUITE_P(Each, CloseCentres, testing::Values(Precision::float64, Precision::mixed), precision_name);

class CloseCentresOfBlocks : public EveryInstructionSet {};

/// Whatever the blocks: alone, together with ordinary ones, whole blocks of either kind.
TEST_P(CloseCentresOfBlocks, DoNotDependOnTheBlocks) {
    const Results by_definition[] = {expected_of(Precision::float64, Kinds(the_system(), the_system().x), the_system().x),
                                     expected_of(Precision::mixed, Kinds(the_system(), the_system().x), the_system().x)};
    const std::shared_ptr<const Model> model = load(nested_model());
    in_both_precisions([&](const auto& kernels) {
        using Real = std::conditional_t<std::is_same_v<decltype(kernels), const Kernels<double>&>, double, float>;
        constexpr bool is_double = std::is_same_v<Real, double>;
        const dpc::PackedModel<Real> packed(model, dpc::Evaluated::by_host);
        for (const int block_atoms : {1, 5, 64, kAtoms}) {
            SCOPED_TRACE(block_atoms);
            dpc::host::NeighbourBlocks list;
            list.build({*model, 1, dpc::NeighbourRule::all}, kAtoms, the_system().types.data(), the_system().list(), block_atoms);
            dpc::host::BlockEvaluator<Real> evaluator(packed, kernels);
            evaluator.reserve(list);
            Results found;
            const dpc::host::Sums sums = evaluate_blocks(evaluator, list, the_system().x, found);
            found.totals = sums.totals;
            found.overflow = sums.overflow;
            expect_same(found, by_definition[is_double ? 0 : 1], is_double ? kSameDouble : kSameMixed);
        }
    });
}

DPC_TEST_EVERY_INSTRUCTION_SET(CloseCentresOfBlocks);

template <class Real>
void expect_shared(const Model& model, const dpc::PackedModel<Real>& packed) {
    const dpc::PackedSet<Real>& part = packed.ordinary;
    const dpc::PackedSet<Real>& all = packed.close();
    ASSERT_NE(&part, &all);
    for (std::size_t t = 0; t < model.tables.size(); ++t) {
        EXPECT_EQ(part.tables[t].coef, all.tables[t].coef);  // of one stride
        EXPECT_EQ(all.tables[t].rank, model.tables[t].rank);
    }
    for (std::size_t a = 0; a < 2; ++a) {
        for (std::size_t l = 0; l < all.types[a].fitting.layers.size(); ++l) {
            const bool is_folded_input = a == 0 && l == 0;
            EXPECT_EQ(part.types[a].fitting.layers[l].weight.panels == all.types[a].fitting.layers[l].weight.panels,
                      !is_folded_input);
        }
        EXPECT_FALSE(part.types[a].takes_all);
    }
    EXPECT_LT(part.types[0].n_features, all.types[0].n_features);
    EXPECT_LT(part.types[1].descriptors.front().n_moments, all.types[1].descriptors.front().n_moments);
}

TEST(PackedModel, HoldsOnceWhatBothKindsOfCentresTake) {
    const std::shared_ptr<const Model> model = load(nested_model());
    expect_shared(*model, dpc::PackedModel<double>(model, dpc::Evaluated::by_host));
    expect_shared(*model, dpc::PackedModel<float>(model, dpc::Evaluated::by_host));
}

TEST(PackedModel, HasOneSetWhereOrdinaryCentresTakeAll) {
    TableBuilder file = full_model();
    file.i32("fitting.0.input.0.row_end_double", {4}, {4, 3, 3, 3});
    file.i32("fitting.1.input.0.rank_double", {2}, {2, 3});
    const dpc::PackedModel<double> same(load(file), dpc::Evaluated::by_host),
        without(load(full_model()), dpc::Evaluated::by_host);
    EXPECT_EQ(&same.close(), &same.ordinary);
    EXPECT_EQ(&without.close(), &without.ordinary);
    EXPECT_EQ(same.bytes(), without.bytes());
}

}  // namespace
