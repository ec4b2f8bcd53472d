// SPDX-License-Identifier: MIT
// The inner loops of the host evaluator, one such set per instruction set. Step names as in docs/theory.md section 4; every
// compute_x has its reverse_x.
#pragma once

#include "host/kernels/bundles.hpp"
#include "host/kernels/net.hpp"
#include "host/kernels/pairs.hpp"
#include "host/kernels/products.hpp"
#include "host/kernels/table.hpp"
#include "host/kernels/triples.hpp"

namespace dpc::host {

template <class Real>
struct Kernels {
    const char* name;  // of the instruction set
    PairKernels<Real> pairs;
    TableKernels<Real> table;
    BundleKernels<Real> bundles;
    TripleKernels<Real> triples;
    ProductKernels<Real> products;
    NetKernels<Real> net;
};

/// The kernels for the best instruction set of this processor, or the one that the environment variable DPC_ISA names.
template <class Real>
const Kernels<Real>& select_kernels();

}  // namespace dpc::host
