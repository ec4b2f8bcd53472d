// SPDX-License-Identifier: GPL-2.0-only
// compute ID all dpcompressed/fparam/dedn: derivatives of the energy of pair_style dpcompressed along the frame parameters, at those
// that it uses. A global vector, and a scalar of a model with one frame parameter; energy units, extensive.
#ifndef LMP_COMPUTE_DPCOMPRESSED_FPARAM_DEDN_H
#define LMP_COMPUTE_DPCOMPRESSED_FPARAM_DEDN_H

#include <vector>

#include "compute.h"

namespace LAMMPS_NS {

class PairDPCompressedBase;

class ComputeFparamDedn : public Compute {
public:
    ComputeFparamDedn(LAMMPS* lammps, int narg, char** arg);

    void init() override;
    double compute_scalar() override;
    void compute_vector() override;
    double memory_usage() override { return static_cast<double>(values_.capacity() * sizeof(double)); }

private:
    [[noreturn]] void fail(const char* what);
    PairDPCompressedBase& pair();
    void take_size();

    std::vector<double> values_;  // (n_fparam)
};

}  // namespace LAMMPS_NS

#endif
