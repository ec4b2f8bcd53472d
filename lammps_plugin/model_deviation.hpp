// SPDX-License-Identifier: GPL-2.0-only
// How far the models of a pair style are apart in one step: the standard deviation over the models of the
// force on each atom and of the virial per atom, and what is printed of it.
#pragma once

#include <mpi.h>

#include <array>
#include <cstdint>
#include <vector>

#include "pair_settings.hpp"

namespace dpcompressed {

class ModelDeviation {
public:
    /// In the order of compute pair's vector and of the columns.
    enum Value { kMaxV, kMinV, kMeanV, kMaxF, kMinF, kMeanF, kValues };

    ModelDeviation(const DeviationSettings& settings, std::size_t n_models);

    /// A step with n_all atoms, those of this rank first. Then, for each model, forces and virial are to be set.
    void start(int n_all);
    double* forces(std::size_t model) { return forces_[model].data(); }  // (n_all, 3), ghosts of own atoms added up by the caller
    double* virial(std::size_t model) { return virials_.data() + kVirial * model; }  // (9), this rank's share

    /// Collective. ids: (n_local), read where each atom is printed.
    void measure(int n_local, const std::vector<std::int64_t>& ids, MPI_Comm world);

    // Of the last measure, on rank 0; units of the run.
    const std::array<double, kValues>& values() const { return values_; }
    /// Of all atoms in the order of their IDs; empty: not asked for.
    const std::vector<double>& of_atoms() const { return of_atoms_; }

    std::size_t bytes() const;

private:
    static constexpr std::size_t kVirial = 9;

    double of_atom(std::size_t i) const;
    void measure_forces(int n_local, long long n_atoms, MPI_Comm world);
    void measure_virial(long long n_atoms, MPI_Comm world);
    void gather(int n_local, const std::vector<std::int64_t>& ids, MPI_Comm world);

    DeviationSettings settings_;
    std::vector<std::vector<double>> forces_;
    std::vector<double> virials_;  // (models, 9)
    std::vector<double> own_;      // deviations of this rank's atoms
    std::vector<double> of_atoms_;
    std::array<double, kValues> values_{};
};

}  // namespace dpcompressed
