// SPDX-License-Identifier: MIT
// How the kernels read tables, weights and product lists. Plain data without a constructor or destructor, for the kernels are
// compiled once per instruction set and must not share inline functions. packed_model.hpp owns what these point to.
#pragma once

#include <cstddef>

#include "dpc/codes.hpp"
#include "dpc/math/table_lookup.hpp"

namespace dpc {

/// Atoms of a block and channels of a table are padded to this: a pack of 512 bits.
template <class Real>
constexpr int kLaneMultiple = 64 / static_cast<int>(sizeof(Real));
constexpr int kPanelRows = 6;  // rows of a matrix that one product tile covers: 6 x 4 packs of sums fill 32 registers

template <class Real>
constexpr int kWideRows = 3 * kLaneMultiple<Real>;  // of a matrix times few atoms: 3 packs of rows x 8 atoms are 24 sums

constexpr int kContinuations = 2;  // intervals of a table behind its own: beyond its end, and before its start

/// One table as kernels read it: intervals of (stride / kLaneMultiple, order + 1, kLaneMultiple) Reals, the linear continuations
/// last.
template <class Real>
struct PackedTable {
    math::Grid grid;
    int order;
    int rank;
    int stride;  // channels, a multiple of kLaneMultiple
    const Real* coef;
};

/// Two intervals of a table, side by side, into which many of the arguments of a centre fall: those from knot[0] to knot[2]. A table of
/// one interval, or of order kHighOrder, whose intervals are wide, has none for the second.
template <class Real>
struct FrequentIntervals {
    int first;
    Real knot[3];
    Real origin[2];  // where the distance is 0
    Real tiny;       // distances below this have no high powers (math::without_tiny)
};

/// A matrix (n_out, n_in) as the products read it: panels of kPanelRows rows, each (n_in, kPanelRows), the last one padded with 0; and,
/// where there are any, wide panels of kWideRows rows, the last one of what is left, rounded up to kLaneMultiple.
template <class Real>
struct PackedMatrix {
    int n_out = 0, n_in = 0;
    const Real* panels = nullptr;
    const Real* wide_panels = nullptr;

    const Real& element(int row, int column) const {
        return panels[static_cast<std::ptrdiff_t>(row / kPanelRows) * kPanelRows * n_in + column * kPanelRows + row % kPanelRows];
    }
};

/// y = act(W^T x + b) idt + skip(x). weight is W^T; reverse_weight is W. Inputs behind those of weight have theirs in single and
/// reverse_single, which have wide panels: a block of double has lanes for half a pack of theirs.
template <class Real>
struct PackedLayer {
    PackedMatrix<Real> weight, reverse_weight;
    Activation activation = Activation::linear;
    double parameter = 0;
    Skip skip = Skip::none;
    const Real *bias = nullptr, *idt = nullptr;  // idt null: ones
    PackedMatrix<float> single{}, reverse_single{};
};

/// A list of products S_pq of factors, in rows: of factor[row] with begin[row] .. end[row] - 1.
struct ProductList {
    int n_factors, n_rows;
    const int* factor;
    const int* begin;
    const int* end;
};

}  // namespace dpc
