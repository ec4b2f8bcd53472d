// SPDX-License-Identifier: MIT
// What the tests of the Kokkos backends share: the ways to run, results of one step, comparison with the host evaluator.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "dpc/evaluator.hpp"
#include "open_system.hpp"
#include "table_builder.hpp"

namespace dpc::test {

// Against the host evaluator, relative to the largest number of the kind: both sum the same some hundred terms, in another order.
constexpr double kSameEnergyDouble = 1e-12, kSameForceDouble = 1e-11;
// The total energy in double is compared relative to itself, unless it is less than this part of the sum of |atomic energies|,
// whose roundings, some 1e-16 of that sum, then come near to the tolerance.
constexpr double kCancelled = 1e-3;
// Mixed: rounding of a single-precision number times the terms that are summed. Energies: some 32 pairs of a centre. Forces: an
// atom's 32 pairs times the 8 channels or neurons that each derivative is summed over.
constexpr double kSingleRounding = 6e-8;
constexpr double kSameEnergyMixed = 32 * kSingleRounding, kSameForceMixed = 32 * 8 * kSingleRounding;

struct Way {
    Backend backend;
    int n_threads;
    Precision precision;

    EvaluatorOptions options(std::size_t scratch_bytes = 0) const {
        EvaluatorOptions all;
        all.n_threads = n_threads;
        all.precision = precision;
        all.backend = backend;
        all.scratch_bytes = scratch_bytes;
        return all;
    }
    /// Forces are added atomically, in any order: no two steps have the same bits.
    bool adds_atomically() const {
#if defined(DPC_KOKKOS_LIKE_GPU)
        return n_threads > 1 || backend == Backend::gpu;
#else
        return backend == Backend::gpu;
#endif
    }
    double same_energy() const { return precision == Precision::mixed ? kSameEnergyMixed : kSameEnergyDouble; }
    double same_force() const { return precision == Precision::mixed ? kSameForceMixed : kSameForceDouble; }
};

inline std::string name_of(const Way& way) {
    const std::string backend = way.backend == Backend::kokkos_serial ? "serial" : way.backend == Backend::gpu ? "gpu" : "openmp";
    return backend + std::to_string(way.n_threads) + (way.precision == Precision::mixed ? "mixed" : "double");
}
inline void PrintTo(const Way& way, std::ostream* out) { *out << name_of(way); }
inline std::string way_name(const testing::TestParamInfo<Way>& info) { return name_of(info.param); }

/// Of this build and machine, in one precision.
inline std::vector<Way> ways_of(Precision precision) {
    std::vector<Way> ways;
    for (const Backend backend : available_backends()) {
        if (backend != Backend::host) {
            ways.push_back({backend, 1, precision});
        }
        if (backend == Backend::kokkos_openmp) {
            ways.push_back({backend, 2, precision});
            ways.push_back({backend, 3, precision});
        }
    }
    return ways;
}

inline std::vector<Way> all_ways() {
    std::vector<Way> ways = ways_of(Precision::float64);
    const std::vector<Way> mixed = ways_of(Precision::mixed);
    ways.insert(ways.end(), mixed.begin(), mixed.end());
    return ways;
}

/// One step, added to numbers that are not 0.
struct Step {
    Totals totals;
    Overflow overflow;
    std::vector<double> forces, atom_energy, atom_virial;
    static constexpr double kForce = 0.5, kAtomEnergy = 0.25, kAtomVirial = -0.125;

    void compute(Evaluator& evaluator, const std::vector<double>& x, const Units& units = {}, bool with_atoms = true) {
        compute(evaluator, Inputs{x.data(), units}, x.size() / 3, with_atoms);
    }
    void compute(Evaluator& evaluator, const Inputs& inputs, std::size_t n, bool with_atoms = true) {
        compute(evaluator, inputs, n, with_atoms, with_atoms, {});
    }
    void compute(Evaluator& evaluator, const Inputs& inputs, std::size_t n, bool with_energies, bool with_virials,
                 const Measures& measures) {
        forces.assign(3 * n, kForce);
        atom_energy.assign(n, kAtomEnergy);
        atom_virial.assign(9 * n, kAtomVirial);
        totals = evaluator.compute(inputs, {forces.data(), with_energies ? atom_energy.data() : nullptr,
                                            with_virials ? atom_virial.data() : nullptr, nullptr, measures});
        overflow = evaluator.overflow();
    }
};

/// The larger of two; not a number where one of them is none.
inline double larger(double a, double b) { return std::isnan(a) || b <= a ? a : b; }

inline double largest(const std::vector<double>& values) {
    double most = 1e-3;
    for (const double value : values) {
        most = std::max(most, std::abs(value));
    }
    return most;
}

inline void expect_same(const std::vector<double>& found, const std::vector<double>& expected, double tolerance,
                        const char* what) {
    ASSERT_EQ(found.size(), expected.size());
    const double allowed = tolerance * largest(expected);
    double worst = 0;
    for (std::size_t k = 0; k < found.size(); ++k) {
        ASSERT_TRUE(std::isfinite(found[k])) << what << " " << k;
        worst = std::max(worst, std::abs(found[k] - expected[k]));
    }
    EXPECT_LE(worst, allowed) << what;
}

inline void expect_same(const Step& found, const Step& expected, const Way& way) {
    double of_atoms = 1;
    for (const double energy : expected.atom_energy) {
        of_atoms += std::abs(energy - Step::kAtomEnergy);
    }
    const double total = std::abs(expected.totals.energy);
    const bool against_total = way.precision == Precision::float64 && total > kCancelled * of_atoms;
    EXPECT_NEAR(found.totals.energy, expected.totals.energy, way.same_energy() * (against_total ? total : of_atoms));
    const auto virial = [](const Step& step) { return std::vector<double>(step.totals.virial, step.totals.virial + 9); };
    expect_same(virial(found), virial(expected), way.same_force(), "virial");
    expect_same(found.forces, expected.forces, way.same_force(), "force");
    expect_same(found.atom_energy, expected.atom_energy, way.same_force(), "atomic energy");
    expect_same(found.atom_virial, expected.atom_virial, way.same_force(), "atomic virial");
}

inline void expect_same(const Overflow& found, const Overflow& expected) {
    EXPECT_EQ(found.n_close, expected.n_close);
    EXPECT_EQ(found.n_beyond, expected.n_beyond);
    EXPECT_EQ(found.n_over_sel, expected.n_over_sel);
    // Of i-j and j-i either may be named.
    EXPECT_EQ(std::min(found.worst.i, found.worst.j), std::min(expected.worst.i, expected.worst.j));
    EXPECT_EQ(std::max(found.worst.i, found.worst.j), std::max(expected.worst.i, expected.worst.j));
    EXPECT_DOUBLE_EQ(found.worst.distance, expected.worst.distance);
    EXPECT_EQ(found.worst.limit, expected.worst.limit);
    EXPECT_EQ(found.worst.table_limit, expected.worst.table_limit);
    EXPECT_EQ(found.crowd.count - found.crowd.sel, expected.crowd.count - expected.crowd.sel);
}

inline std::shared_ptr<const Model> load(const TableBuilder& file) {
    const Bytes bytes = file.bytes();
    return Model::from_bytes(bytes.data(), bytes.size());
}

}  // namespace dpc::test
