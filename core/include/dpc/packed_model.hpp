// SPDX-License-Identifier: MIT
// A Model laid out for the kernels in one precision: tables with an interval for the linear continuation, reciprocals instead of
// divisors; by centre type the descriptors that its fitting net takes, each with its pairs, moments of C and products, and the net. Once
// with the columns and products that an ordinary centre takes in this precision, and, where those are not all, once with all for
// close centres (docs/tables-format.md section 3). Built once per Evaluator, read only afterwards.
#pragma once

#include <memory>
#include <vector>

#include "dpc/aligned_array.hpp"
#include "dpc/math/environment.hpp"
#include "dpc/math/harmonics.hpp"
#include "dpc/model.hpp"
#include "dpc/packed_layout.hpp"
#include "dpc/span.hpp"

namespace dpc {

class TableGrid;

/// Rows of an array that a product with n rows writes: n rounded up to whole panels.
constexpr int panel_rows(int n) { return (n + kPanelRows - 1) / kPanelRows * kPanelRows; }

/// What one pair of types (centre a, neighbour b) adds to the moments of C of one descriptor.
template <class Real>
struct PackedTypePair {
    PairKind kind = PairKind::ordinary;
    int sel = 0;                               // slots for the neighbours
    const PackedTable<Real>* table = nullptr;  // null: absent
    std::vector<int> moment_of_channel;        // (K) of C, -1: not used
    std::vector<Real> padding;  // (K) what one empty slot adds to component 0: phi(x_pad) x_pad, se_e2_r: phi(x_pad)
    std::vector<Real> masked;   // (K) what one masked slot adds, se_e2_r: phi(0); empty: nothing
};

/// What the pairs of neighbours of two types b <= c add to the moments of C of a descriptor of three bodies.
template <class Real>
struct PackedTriple {
    int b = 0, c = 0;
    const PackedTable<Real>* table = nullptr;
    std::vector<int> moment_of_channel;  // (K) of C, -1: not used
    double inverse_divisor = 0;          // 1/(sel_b sel_c), or of shared slots, times 2 for two types
    FrequentIntervals<Real> frequent{};

    bool is_alike() const { return b == c; }
};

/// Atoms closer than that, angstrom, are in the same place: squares of 1/r would leave the range of single precision.
constexpr double kSamePlace = 1e-10;

/// What all descriptors of a centre type together have to say of the neighbours of one type: the worst of each.
struct TypePairLimits {
    double min_distance = 0;       // of the training data, angstrom
    double close_distance = 0;     // a centre with a closer neighbour takes all columns and products
    double table_limit = 0;        // the largest distance at which a table ends
    double checked_distance2 = 0;  // square of the larger of the two: closer pairs are counted. 0: no descriptor has such pairs
    int sel = kUnlimited;        // slots of the only descriptor, if types do not share them; of several each has its own cut-off
    int least_sel = kUnlimited;  // slots of the descriptor that has the fewest, of those that count them
    bool is_counted = false;     // some descriptor counts them
    bool is_stored = false;      // some descriptor needs the pairs themselves, not only their number

    static constexpr int kUnlimited = 1 << 30;
};

/// One descriptor around centres of one type, as the fitting net takes it.
template <class Real>
struct PackedDescriptor {
    DescriptorKind kind = DescriptorKind::se_e2_a;
    int index = 0;  // into Model::descriptors
    InputForm form = InputForm::direct;
    double rcut = 0;                               // angstrom
    int n_sel = 0;                                 // divisor of the sum over neighbours
    math::EnvParameters environment{};             // of three bodies R_0 is s/std', the length of the vector in R
    int n_components = 4;                          // se_e2_a: of R
    math::Harmonics harmonics{};                   // those of degree 2 and more
    std::vector<PackedTypePair<Real>> type_pairs;  // by neighbour type; of three bodies without tables
    std::vector<PackedTriple<Real>> triples;       // of three bodies: those that centres of this type see
    TableArgument argument = TableArgument::x;
    bool shares_slots = false;  // n_sel of them, for neighbours of any type
    bool is_gated = false;      // moments of three bodies have two components, without and with sw_j sw_k
    int padding_moment = -1;    // moment of C: (empty slots)/n_sel in its first component; -1: none
    int n_moments = 0;          // of C
    // What expands the moments, and its transpose; direct: Vs (M, n_rows), T = Vs C; se_e2_r: Vs/5, D = Vs C/5; of combined
    // moments (n_factors, n_moments).
    PackedMatrix<Real> basis, reverse_basis;
    // se_e2_a: what the products are made of: moments of C, or combinations of them, in the direct form the rows of T.
    int n_factors = 0;
    std::vector<int> factor, begin, end;  // se_e2_a: products, see ProductList; a row of each factor, then those of single ones
    int n_features = 0;                   // inputs of the first layer
    int n_single = 0;                     // the last of them, which it takes in single precision
    bool takes_all = true;                // every column and product that the file has

    ProductList products() const { return {n_factors, static_cast<int>(factor.size()), factor.data(), begin.data(), end.data()}; }
    void add_products(int of, int first, int last) {
        factor.push_back(of);
        begin.push_back(first);
        end.push_back(last);
        n_features += last - first;
    }
    /// Rows of C where it is the features.
    int n_rows() const { return is_gated ? 2 * n_moments : n_moments; }
    bool is_direct() const { return form == InputForm::direct; }
    bool expands() const { return basis.n_out > 0; }
};

template <class Real>
struct PackedFitting {
    std::vector<PackedLayer<Real>> layers;
    double energy_bias = 0;
};

/// One centre type. Without energy: nothing.
template <class Real>
struct PackedType {
    std::vector<PackedDescriptor<Real>> descriptors;  // in the order of their features in the first layer's input
    std::vector<TypePairLimits> limits;               // by neighbour type
    PackedFitting<Real> fitting;
    double rcut = 0;        // the largest of the descriptors, angstrom
    int n_features = 0;     // inputs of the first layer: of all descriptors, then atomic parameters
    bool takes_all = true;  // all descriptors do: close centres need nothing else
};

/// What one kind of centre is evaluated with.
template <class Real>
struct PackedSet {
    std::vector<PackedTable<Real>> tables;
    std::vector<PackedType<Real>> types;
    int most_stride = 0;    // channels of the widest table, padded
    int most_moments = 0;   // of C (or rows that it is expanded to) of any descriptor of any type
    int most_features = 0;  // inputs of any first layer
    int most_single = 0;    // of these in single precision
    int most_neurons = 0;   // width of any hidden layer
    int most_layers = 0;

    PackedSet() = default;
    PackedSet(const PackedSet&) = delete;  // types point into tables

    /// Around some type descriptor `index` expands its moments.
    bool expands(int index) const;

    /// Tables of descriptor `index` are over the distance.
    bool looks_up_distance(int index) const;

    /// Moments of descriptor `index` have two components.
    bool is_gated(int index) const;

    /// Of what is allocated here, without coefficients, weights and biases, which the PackedModel has.
    std::size_t bytes() const;
};

/// Which columns and products.
enum class Extent { ordinary, all };

/// Whose model it is. The host evaluator in double precision has products that need no double precision behind the others, in single
/// precision, and multiplies few atoms by wide panels; Kokkos' does neither.
enum class Evaluated { by_kokkos, by_host };

template <class Real>
struct PackedModel {
    explicit PackedModel(std::shared_ptr<const Model> source, Evaluated how);
    ~PackedModel();
    PackedModel(const PackedModel&) = delete;

    std::shared_ptr<const Model> model;
    PackedSet<Real> ordinary;
    /// Of close centres; what is the same as in ordinary is there once, ordinary itself where everything is.
    const PackedSet<Real>& close() const { return close_ ? *close_ : ordinary; }

    /// Frame parameters into the biases of the first layers, and the atomic parameters that those in their inputs are counted from: what all
    /// atoms have in common is added in double precision. Of as many as the model takes; aparam empty: there are no atoms. Throws
    /// InputError for numbers that Real does not hold.
    void set_parameters(const Span& fparam, const Span& aparam);

    /// Of what is allocated here; the Model, which others may share, has the file's bytes.
    std::size_t bytes() const;

private:
    void pack_set(Extent extent, PackedSet<Real>& set);
    /// Channels of each table that are evaluated.
    std::vector<int> used_ranks(Extent extent) const;
    void pack_table(std::size_t t, int rank, PackedSet<Real>& set);
    void pack_type(int a, Extent extent, PackedSet<Real>& set);
    PackedDescriptor<Real> pack_descriptor(int a, const FittingInput& input, Extent extent, const PackedSet<Real>& set) const;
    void add_limits(int a, PackedType<Real>& type) const;
    void pack_triples(PackedDescriptor<Real>& packed, const PackedSet<Real>& set) const;
    PackedTypePair<Real> pack_pair(const Descriptor& descriptor, int a, int b, const math::EnvParameters& environment,
                                   const PackedSet<Real>& set) const;
    bool has_single(int a, Extent extent) const;
    void pack_listed(const FittingInput& input, int a, Extent extent, PackedDescriptor<Real>& packed);
    void pack_direct(const FittingInput& input, int a, Extent extent, PackedDescriptor<Real>& packed);
    template <class Element>
    void pack_basis(int n_rows, const Element& element, PackedDescriptor<Real>& packed);
    void pack_layers(int a, const std::vector<int>& inputs, int n_single, PackedSet<Real>& set);
    PackedLayer<Real> pack_layer(const Layer& layer, const std::vector<int>* inputs, int n_single);
    const Real* keep(const double* values, std::size_t n);
    /// element(row, column) for row < n_out, column < n_in.
    template <class Number = Real, class Element>
    PackedMatrix<Number> pack_matrix(int n_out, int n_in, const Element& element);

    const Evaluated how_;
    std::vector<TableGrid> grids_;            // of the tables
    std::vector<AlignedArray<Real>> biases_;  // by type: of the first layer, with parameters; none of models without them
    std::unique_ptr<PackedSet<Real>> close_;
    std::vector<std::unique_ptr<AlignedArray<Real>>> storage_;
    std::vector<std::unique_ptr<AlignedArray<float>>> single_storage_;  // beside double precision
};

}  // namespace dpc
