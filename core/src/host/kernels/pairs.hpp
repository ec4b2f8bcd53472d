// SPDX-License-Identifier: MIT
// Kernels over pairs: which are inside the cut-off, their environments, and the way back from these to pair forces.
#pragma once

#include "host/kernels/component.hpp"
#include "host/kernels/pair_arrays.hpp"
#include "host/listed.hpp"

namespace dpc::host {

template <class Real>
struct PairKernels {
    /// Append the neighbours closer than rcut to pairs, from slot `first` on; smallest r2 seen is kept in *closest. Returns how
    /// many.
    int (*gather)(const double* x, double length, const double* centre, Listed listed, double rcut2, int first,
                  const PairArrays<Real>& pairs, double* closest);
    /// Those of n pairs from `begin` on that are closer than rcut, from slot `first` of others on. Returns how many.
    int (*narrow)(const PairArrays<Real>& pairs, int begin, int n, double rcut2, int first, const PairArrays<Real>& others);
    /// x and R of the pairs, and their derivatives.
    ByComponents<void (*)(const math::EnvParameters& parameters, int n_pairs, const PairArrays<Real>& pairs)> compute_environment;
    /// After compute_environment: tables are looked up at rcut - r instead of x.
    ByComponents<void (*)(double rcut, int n_pairs, const PairArrays<Real>& pairs)> follow_distance;
    /// After compute_environment: R_0 is the switch function.
    void (*follow_switch)(const math::EnvParameters& parameters, int n_pairs, const PairArrays<Real>& pairs);
    /// After compute_environment of 4 components: those of higher degree.
    ByComponents<void (*)(const math::Harmonics& harmonics, int n_pairs, const PairArrays<Real>& pairs)> compute_harmonics;
    /// Before reverse_environment of 4 components: dE/dR of the others becomes part of theirs. over_distance: tables are.
    ByComponents<void (*)(const math::Harmonics& harmonics, bool over_distance, int n_pairs, const PairArrays<Real>& pairs)>
        reverse_harmonics;
    /// gradient (3, n_pairs) = dE/dd of every pair; virial (9) += -d (x) gradient.
    ByComponents<void (*)(int n_pairs, const PairArrays<Real>& pairs, double* const gradient[3], double* virial)>
        reverse_environment;
};

}  // namespace dpc::host
