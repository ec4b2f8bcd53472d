// SPDX-License-Identifier: MIT
// A Model laid out for the kernels in one precision: tables with a row for the linear continuation, reciprocals instead of
// divisors, product lists with their row order, weights; once with the columns and products that an ordinary centre takes in this
// precision, and, where those are not all, once with all for close centres (docs/tables-format.md section 3). Built once per
// Evaluator, read only afterwards.
#pragma once

#include <memory>
#include <vector>

#include "dpc/aligned_array.hpp"
#include "dpc/math/env_matrix.hpp"
#include "dpc/model.hpp"
#include "dpc/packed_layout.hpp"
#include "dpc/table_grid.hpp"

namespace dpc {

/// What one pair of types (centre a, neighbour b) adds to the rows of C.
template <class Real>
struct PackedPair {
    PairKind kind = PairKind::ordinary;
    const PackedTable<Real>* table = nullptr;  // null: absent
    std::vector<int> row_of_channel;           // (K) row of C, -1: not used
    std::vector<Real> padding;                 // (K) phi(x_pad) x_pad, what one empty slot adds to component 0
    double min_distance = 0;                   // of the training data, angstrom
    double table_limit = 0;                    // distance at which the table ends
    double checked_distance2 = 0;              // square of the larger of the two: closer pairs are counted
};

/// One centre type.
template <class Real>
struct PackedType {
    math::EnvParameters environment{};
    std::vector<PackedPair<Real>> pairs;  // by neighbour type
    int n_rows = 0;                       // rows of C
    bool folded = false;
    PackedMatrix<Real> basis, reverse_basis;  // direct: Vs (M, n_rows), T = Vs C, and its transpose
    std::vector<int> begin, end;          // products, see ProductList
    int n_products = 0;
    std::vector<PackedLayer<Real>> layers;
    double energy_bias = 0;
    bool takes_all = true;                // every column and product that the file has: close centres need nothing else

    ProductList products() const { return {static_cast<int>(begin.size()), begin.data(), end.data()}; }
    /// Rows that the products are made of: those of C, or of T in the direct form.
    int n_product_rows() const { return static_cast<int>(begin.size()); }
};

/// What one kind of centre is evaluated with.
template <class Real>
struct PackedSet {
    std::vector<PackedTable<Real>> tables;
    std::vector<PackedType<Real>> types;
    int most_stride = 0;     // channels of the widest table, padded
    int most_rows = 0;       // rows of C (or T) of any type
    int most_products = 0;   // inputs of any first layer
    int most_neurons = 0;    // width of any hidden layer
    int most_layers = 0;

    PackedSet() = default;
    PackedSet(const PackedSet&) = delete;  // types point into tables

    /// Of what is allocated here, without coefficients, weights and biases, which the PackedModel has.
    std::size_t bytes() const;
};

template <class Real>
struct PackedModel {
    explicit PackedModel(std::shared_ptr<const Model> source);
    PackedModel(const PackedModel&) = delete;

    std::shared_ptr<const Model> model;
    PackedSet<Real> ordinary;
    /// Of close centres; what is the same as in ordinary is there once, ordinary itself where everything is.
    const PackedSet<Real>& close() const { return close_ ? *close_ : ordinary; }

    /// Of what is allocated here; the Model, which others may share, has the file's bytes.
    std::size_t bytes() const;

private:
    /// Which columns and products.
    enum class Extent { ordinary, all };

    void pack_set(Extent extent, PackedSet<Real>& set);
    /// Channels of each table that are evaluated.
    std::vector<int> used_ranks(Extent extent) const;
    void pack_table(std::size_t t, int rank, PackedSet<Real>& set);
    PackedPair<Real> pack_pair(int a, int b, const PackedSet<Real>& set) const;
    void pack_type(int a, Extent extent, PackedSet<Real>& set);
    /// Returns which inputs of the fitting's first layer, in the order of the file, the products are.
    std::vector<int> pack_folded(const FittingInput& fitting, Extent extent, PackedType<Real>& type) const;
    void pack_direct(int a, Extent extent, PackedType<Real>& type);
    PackedLayer<Real> pack_layer(const Layer& layer, const std::vector<int>* inputs);
    const Real* keep(const double* values, std::size_t n);
    /// element(row, column) for row < n_out, column < n_in.
    template <class Element>
    PackedMatrix<Real> pack_matrix(int n_out, int n_in, const Element& element);

    std::vector<TableGrid> grids_;  // of the tables
    std::unique_ptr<PackedSet<Real>> close_;
    std::vector<std::unique_ptr<AlignedArray<Real>>> storage_;
};

}  // namespace dpc
