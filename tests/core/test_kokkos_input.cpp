// SPDX-License-Identifier: MIT
// The Kokkos backends on lists and positions at the edge of what is allowed, and beyond: the same errors as the host evaluator.
#include <algorithm>
#include <limits>

#include "dpc/errors.hpp"
#include "kokkos_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Backend;
using dpc::Evaluator;
using dpc::EvaluatorOptions;
using dpc::InputError;
using dpc::Model;
using dpc::NeighbourRows;

/// A few atoms, everyone a neighbour of everyone.
struct Few {
    Few(std::vector<double> positions, std::vector<int> model_types) : x(std::move(positions)), types(std::move(model_types)) {
        const int n = static_cast<int>(types.size());
        rows.resize(types.size());
        for (int i = 0; i < n; ++i) {
            for (int j = 0; j < n; ++j) {
                if (j != i) {
                    rows[static_cast<std::size_t>(i)].push_back(j);
                }
            }
            centres.push_back(i);
        }
    }
    NeighbourRows list() {
        counts.clear();
        pointers.clear();
        for (const std::vector<int>& row : rows) {
            counts.push_back(static_cast<int>(row.size()));
            pointers.push_back(row.data());
        }
        return {static_cast<int>(centres.size()), centres.data(), counts.data(), pointers.data(), ~0};
    }
    int n_all() const { return static_cast<int>(types.size()); }

    std::vector<double> x;
    std::vector<int> types;
    std::vector<std::vector<int>> rows;
    std::vector<int> centres;

private:
    std::vector<int> counts;
    std::vector<const int*> pointers;
};

class KokkosInput : public testing::TestWithParam<Way> {
protected:
    std::shared_ptr<const Model> model_ = load(small_model());

    std::unique_ptr<Evaluator> make() const { return std::make_unique<Evaluator>(model_, GetParam().options()); }
    std::unique_ptr<Evaluator> make_host() const { return std::make_unique<Evaluator>(model_, 1, GetParam().precision); }

    static Step compute(Evaluator& evaluator, Few& few) {
        evaluator.set_neighbours(few.n_all(), few.types.data(), few.list());
        Step step;
        step.compute(evaluator, few.x);
        return step;
    }
    void expect_as_host(Few few) {
        const auto evaluator = make(), host = make_host();
        const Step found = compute(*evaluator, few), expected = compute(*host, few);
        expect_same(found, expected, GetParam());
        expect_same(found.overflow, expected.overflow);
    }
    /// The same message and atoms from both.
    void expect_same_error(Few few) {
        const auto evaluator = make(), host = make_host();
        std::string expected;
        int atom_i = -2, atom_j = -2;
        try {
            compute(*host, few);
        } catch (const InputError& error) {
            expected = error.what();
            atom_i = error.atom_i;
            atom_j = error.atom_j;
        }
        ASSERT_NE(expected, "");
        try {
            compute(*evaluator, few);
            ADD_FAILURE() << "no error, expected " << expected;
        } catch (const InputError& error) {
            EXPECT_EQ(error.what(), expected);
            EXPECT_EQ(error.atom_i, atom_i);
            EXPECT_EQ(error.atom_j, atom_j);
        }
    }
};

Few three() { return Few({0, 0, 0, 1.5, 0, 0, 0, 2, 0.5}, {0, 1, 1}); }

TEST_P(KokkosInput, NoAtoms) { expect_as_host(Few({}, {})); }

TEST_P(KokkosInput, NoCentres) {
    Few few = three();
    few.centres.clear();
    expect_as_host(few);
}

TEST_P(KokkosInput, LoneAtom) { expect_as_host(Few({1, 2, 3}, {1})); }

TEST_P(KokkosInput, NeighboursBeyondTheCutOffOnly) { expect_as_host(Few({0, 0, 0, 6.5, 0, 0, 0, 7, 0}, {0, 1, 0})); }

TEST_P(KokkosInput, SomeCentresOnly) {
    Few few = three();
    few.centres = {1};
    expect_as_host(few);
}

TEST_P(KokkosInput, AtomsOfNoType) {
    Few few = three();
    few.types = {-1, 1, -1};
    expect_as_host(few);
}

TEST_P(KokkosInput, TypeWithoutEnergy) {
    TableBuilder file = small_model();
    file.i32("model.energy_mask", {2}, {0, 1});
    file.remove_all("fitting.0.");
    model_ = load(file);
    expect_as_host(three());
}

TEST_P(KokkosInput, MasksBitsOfTheIndices) {
    Few few = three();
    const auto evaluator = make();
    const Step expected = compute(*evaluator, few);
    few.rows[0][1] |= 1 << 30;
    NeighbourRows list = few.list();
    list.index_mask = 0x1FFFFFFF;
    evaluator->set_neighbours(few.n_all(), few.types.data(), list);
    Step step;
    step.compute(*evaluator, few.x);
    EXPECT_EQ(step.totals.energy, expected.totals.energy);
}

TEST_P(KokkosInput, ManyCloseAndCrowdedPairs) {
    std::vector<double> x;
    std::vector<int> types;
    for (int k = 0; k < 64; ++k) {  // a lattice far denser than the model allows
        x.insert(x.end(), {0.8 * (k % 4) + 0.001 * k, 0.8 * (k / 4 % 4), 0.8 * (k / 16) + 0.0007 * k});
        types.push_back(k % 3 == 0);
    }
    Few dense(x, types);
    const auto evaluator = make();
    const Step step = compute(*evaluator, dense);
    EXPECT_GT(step.overflow.n_close, 0);
    EXPECT_GT(step.overflow.n_beyond, 0);
    EXPECT_GT(step.overflow.n_over_sel, 0);
    expect_as_host(dense);
}

/// Of the pair either atom may be named first.
TEST_P(KokkosInput, CoincidentAtoms) {
    Few few({0, 0, 0, 1.5, 0, 0, 1.5, 0, 0}, {0, 1, 0});
    const auto evaluator = make();
    try {
        compute(*evaluator, few);
        ADD_FAILURE() << "no error";
    } catch (const InputError& error) {
        EXPECT_EQ(std::min(error.atom_i, error.atom_j), 1);
        EXPECT_EQ(std::max(error.atom_i, error.atom_j), 2);
        EXPECT_STREQ(error.what(), ("the atoms with indices " + std::to_string(error.atom_i) + " and " +
                                    std::to_string(error.atom_j) + " are in the same place")
                                       .c_str());
    }
    few.types = {0, 1, 1};  // pairs that the descriptor leaves out may coincide
    expect_as_host(few);
}

TEST_P(KokkosInput, PositionsThatAreNotFinite) {
    for (const double value : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        for (std::size_t k : {0U, 4U, 8U}) {
            Few few = three();
            few.x[k] = value;
            expect_same_error(few);
        }
    }
}

/// After an error the evaluator is as good as before.
TEST_P(KokkosInput, ErrorsAreForgotten) {
    const auto evaluator = make();
    Few few = three();
    const Step expected = compute(*evaluator, few);
    few.x[3] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_THROW(compute(*evaluator, few), InputError);
    Few coincident = three();
    std::copy_n(coincident.x.begin(), 3, coincident.x.begin() + 3);
    EXPECT_THROW(compute(*evaluator, coincident), InputError);
    Few again = three();
    expect_same(compute(*evaluator, again), expected, GetParam());
}

TEST_P(KokkosInput, TypeOutOfRange) {
    Few few = three();
    few.types[1] = 2;
    expect_same_error(few);
}

TEST_P(KokkosInput, IndicesOutOfRange) {
    for (const int index : {-1, 3}) {
        Few few = three();
        few.rows[1][0] = index;
        expect_same_error(few);
        few = three();
        few.centres[2] = index;
        expect_same_error(few);
    }
}

TEST_P(KokkosInput, ComputeBeforeAList) {
    const auto evaluator = make();
    double x[3] = {}, forces[3] = {};
    EXPECT_THROW(evaluator->compute({x}, {forces, nullptr, nullptr}), InputError);
}

TEST_P(KokkosInput, SaysWhatItIs) {
    const std::string text = make()->describe();
    EXPECT_NE(text.find("Kokkos"), std::string::npos) << text;
    EXPECT_NE(text.find(GetParam().precision == dpc::Precision::mixed ? "mixed" : "double"), std::string::npos) << text;
#if !defined(DPC_KOKKOS_LIKE_GPU)
    if (GetParam().backend == Backend::kokkos_openmp) {
        EXPECT_NE(text.find(std::to_string(GetParam().n_threads) + " thread"), std::string::npos) << text;
    }
#endif
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosInput, testing::ValuesIn(all_ways()), way_name);

TEST(KokkosBackends, OnesThatAreMissingAreRefused) {
    const std::vector<Backend> there = dpc::available_backends();
    EXPECT_EQ(there.front(), Backend::host);
    EXPECT_GT(there.size(), 1U);
    for (const Backend backend : {Backend::kokkos_serial, Backend::kokkos_openmp, Backend::gpu}) {
        EvaluatorOptions options;
        options.backend = backend;
        if (std::find(there.begin(), there.end(), backend) == there.end()) {
            EXPECT_THROW(Evaluator(load(small_model()), options), InputError);
        }
    }
    EXPECT_EQ(std::find(there.begin(), there.end(), Backend::gpu) != there.end(), dpc::gpu_count() > 0);
}

TEST(KokkosBackends, GpuNumbersAreChecked) {
    EvaluatorOptions options;
    options.backend = Backend::gpu;
    options.device = dpc::gpu_count();
    EXPECT_THROW(Evaluator(load(small_model()), options), InputError);
}

}  // namespace
