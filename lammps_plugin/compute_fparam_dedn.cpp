// SPDX-License-Identifier: GPL-2.0-only
// See compute_fparam_dedn.h. The pair style evaluates them with the forces.
#include "compute_fparam_dedn.h"

#include "comm.h"
#include "error.h"
#include "force.h"
#include "pair_dpcompressed_base.h"
#include "text.hpp"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;

namespace {

constexpr char kCompute[] = "compute dpcompressed/fparam/dedn: ";
constexpr int kWords = 3, kMostWords = 5;  // ID, group, style; of the command of pair_style deepmd also a source and a step

}  // namespace

ComputeFparamDedn::ComputeFparamDedn(LAMMPS* lammps, int narg, char** arg) : Compute(lammps, narg, arg) {
    if (narg > kMostWords) {
        fail("too many words: compute ID all dpcompressed/fparam/dedn");
    }
    if (igroup != 0) {
        fail("the group must be all: the energy is that of all atoms of the model");
    }
    if (narg > kWords && comm->me == 0) {
        utils::logmesg(lmp, dpcompressed::text("WARNING: ", kCompute,
                                               "the words after the style have no effect: the derivatives are "
                                               "analytic, at the frame parameters that pair_style uses\n"));
    }
    scalar_flag = vector_flag = 1;
    extscalar = extvector = 1;
    take_size();
}

void ComputeFparamDedn::fail(const char* what) { error->all(FLERR, dpcompressed::text(kCompute, what)); }

/// Looked up every time: the input script may replace the pair style, and ask, between runs.
PairDPCompressedBase& ComputeFparamDedn::pair() {
    auto* found = dynamic_cast<PairDPCompressedBase*>(force->pair_match("dpcompressed", 0));
    if (found == nullptr) {
        fail("needs a pair_style dpcompressed before it, and not more than one in pair_style hybrid");
    }
    return *found;
}

/// Not known before the models are read, after read_restart.
void ComputeFparamDedn::take_size() {
    const int n = pair().n_fparam();
    if (n == 0) {
        fail("the model takes no frame parameters");
    }
    size_vector_variable = n < 0;
    size_vector = n < 0 ? 0 : n;
    values_.assign(static_cast<std::size_t>(size_vector), 0.0);
    vector = values_.data();
}

void ComputeFparamDedn::init() {
    take_size();
    pair().want_fparam_gradient();
}

void ComputeFparamDedn::compute_vector() {
    invoked_vector = update->ntimestep;
    PairDPCompressedBase& now = pair();
    if (now.n_fparam() != size_vector) {
        fail("the pair style is another one than in the last run: run again first");
    }
    values_ = now.fparam_gradient();
    vector = values_.data();
}

double ComputeFparamDedn::compute_scalar() {
    if (size_vector != 1) {
        fail("the model takes several frame parameters: use the elements of the vector");
    }
    invoked_scalar = update->ntimestep;
    compute_vector();
    scalar = values_.front();
    return scalar;
}
