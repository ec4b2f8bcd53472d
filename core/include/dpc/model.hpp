// SPDX-License-Identifier: MIT
// A compressed model in memory: validated, immutable, shared by all evaluators. Symbols as in docs/theory.md; sections of the
// file as in docs/tables-format.md. Once a Model exists nothing downstream checks it again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dpc/codes.hpp"

namespace dpc {

/// y = act(x W + b) * idt + skip(x).
struct Layer {
    int n_in = 0;
    int n_out = 0;
    Activation activation = Activation::linear;
    double activation_parameter = 0;
    Skip skip = Skip::none;
    const double* weight = nullptr;  // (n_in, n_out)
    const double* bias = nullptr;    // (n_out)
    const double* idt = nullptr;     // (n_out), null: ones
};

/// K functions phi(x) by piecewise polynomials on segments of equal intervals.
struct Table {
    struct Segment {
        double start, step;
        int n_intervals;
        double end() const { return start + step * n_intervals; }
    };
    std::vector<Segment> segments;  // at least one, each from the end of the one before
    double upper = 0;               // end of the range of the training data
    int n_intervals = 0;            // intervals of all segments
    int order = 5;                  // 3, 5 or 11
    int rank = 0;                   // K
    const double* coef = nullptr;   // (n_intervals, order + 1, K)
    const double* basis = nullptr;  // V, (M, K)
    TableArgument argument = TableArgument::x;

    double lower() const { return segments.front().start; }
    double max() const { return segments.back().end(); }
};

/// What a type pair does in a descriptor.
struct TypePair {
    PairKind kind = PairKind::ordinary;  // of centre and neighbour
    int table = -1;  // index into Model::tables, -1 where absent; of three bodies both types are of neighbours
};

/// Section 1 of docs/theory.md: what makes features of a centre's neighbours. N types.
struct Descriptor {
    DescriptorKind kind = DescriptorKind::se_e2_a;
    double rcut = 0, rcut_smth = 0, env_protection = 0;  // angstrom
    std::vector<int> sel;                                // (N)
    int n_sel = 1;                                       // divisor of the sum over neighbours; se_e3: none
    std::vector<double> mean;                            // (N); of three bodies 0
    std::vector<double> std_radial;                      // (N), empty where the kind has none
    std::vector<double> std_angular;                     // (N), the same
    int width = 0;                                       // M
    int axis_neuron = 0;                                 // A; 0 where the kind has none
    std::vector<TypePair> type_pairs;                    // (N, N)
    const double* padding = nullptr;  // (N, M) what one of the n_sel slots adds where it is empty; null: each type has its own
    const double* gates = nullptr;    // (N, N, M) of two neighbour types, in any order: g of se_e3_tebd; null: there is none
    TableArgument argument = TableArgument::x;  // of all its tables
    std::vector<double> degree_gains;           // se_e2_a: (lmax - 1) of components of degree 2 to lmax; empty: lmax is 1

    /// Every slot is for neighbours of any type.
    bool shares_slots() const;
    /// What an empty slot adds around centres of type a is not 0.
    bool has_padding(int a) const;
    const TypePair& type_pair(int centre, int neighbour) const {
        return type_pairs[static_cast<std::size_t>(centre) * sel.size() + static_cast<std::size_t>(neighbour)];
    }
    bool is_three_body() const { return dpc::is_three_body(kind); }
    int lmax() const { return 1 + static_cast<int>(degree_gains.size()); }
    /// se_e2_a: of R, those of degree 0 to lmax.
    int n_components() const { return (lmax() + 1) * (lmax() + 1); }
    /// Inputs that a first layer of linear form takes of each column.
    int n_per_column() const { return gates != nullptr ? 2 : 1; }
    /// Groups of neighbours, each with a sum of its own: of type g; of three bodies the pairs of neighbours of two types b <= c, g = b N + c.
    int n_groups() const { return static_cast<int>(is_three_body() ? sel.size() * sel.size() : sel.size()); }
    /// Of a group around a centre, -1: none.
    int table_of(int centre, int group) const {
        const int n = static_cast<int>(sel.size());
        if (!is_three_body()) {
            return type_pair(centre, group).table;
        }
        return group / n <= group % n ? type_pair(group / n, group % n).table : -1;
    }
    /// Numbers that it gives a fitting net.
    int n_features() const { return kind == DescriptorKind::se_e2_a ? width * axis_neuron : width; }
};

/// In place of a group.
constexpr int kEmptySlots = -1;

/// What the first layer of a fitting net takes of one descriptor.
struct FittingInput {
    struct Column {
        int group;  // of neighbours, see Descriptor; kEmptySlots: of the slots without neighbour
        int channel;
    };
    int descriptor = 0;  // index into Model::descriptors
    InputForm form = InputForm::direct;
    std::vector<Column> columns;          // square, linear: moments of C
    std::vector<int> row_end;             // square: products (p, q), q = p .. row_end[p] - 1, of P factors
    const double* combination = nullptr;  // square: (P, columns), the factors of these moments; null: the moments themselves
    // What an ordinary centre takes in double and in mixed precision; a close one takes all (docs/tables-format.md section 3).
    std::vector<int> row_end_double, row_end_mixed;  // square: the part of these products; empty: all
    std::vector<int> row_end_exact;                  // square: products beyond need no double precision; empty: all do
    std::vector<int> rank_double, rank_mixed;        // direct, by group: leading columns of its table; empty: all
    int n_double = 0, n_mixed = 0;                   // linear, and of combined moments: leading columns; 0: all
    int n_inputs = 0;                                // of the first layer
};

/// The fitting net of one centre type, and what its first layer takes: its inputs one after the other, frame and atomic parameters.
struct Fitting {
    std::vector<FittingInput> inputs;
    std::vector<Layer> layers;  // empty for a type without energy
};

/// Two parts of a model of several, of which each atom's energy takes what its closest neighbours say: E_i = w E_near + (1 - w) E_far, w(sigma)
/// 1 below rmin, 0 from rmax on, and sigma the mean distance of the neighbours weighted with exp(-r/alpha).
struct PartSwitch {
    int near = -1, far = -1;    // parts; -1: there is no switch. Whose neighbours they are: those that `near` sums over
    double rmin = 0, rmax = 0;  // angstrom
    double alpha = 0;           // angstrom
    double least_sum = 0;  // the sum of the weights is divided by where it is smaller: sigma falls where all neighbours are far
};

struct Model {
    std::vector<std::string> type_map;
    std::vector<double> energy_bias;     // (N) eV
    std::vector<char> has_energy;        // (N)
    std::vector<double> min_distance;    // (N, N) smallest distance of a pair of types in the training data, angstrom
    std::vector<double> close_distance;  // (N, N) of a centre with a closer neighbour all columns and products are taken
    int check_frequency = 10;
    NeighbourRule neighbour_rule = NeighbourRule::all;
    int n_fparam = 0, n_aparam = 0;      // frame and atomic parameters
    std::vector<double> default_fparam;  // (n_fparam) where a caller gives none; empty: it must

    /// Of a model of several, whose energies are added: each a whole one. What stands beside them here is what they have in common:
    /// evaluators look at the parts, and at the switch between two of them.
    std::vector<std::shared_ptr<const Model>> parts;
    PartSwitch part_switch;

    std::vector<Descriptor> descriptors;  // of all parts one after the other
    std::vector<Table> tables;
    std::vector<Fitting> fittings;  // (N)
    std::string provenance;         // JSON text, may be empty
    std::uint64_t n_bytes = 0;      // of the file
    std::uint32_t header_crc = 0;   // of the file's header, which holds the checksums of all arrays: tells contents apart

    int n_types() const { return static_cast<int>(type_map.size()); }
    int n_parameters() const { return n_fparam + n_aparam; }
    /// (n_parameters, n_out) of the first layer of the fitting net of type a, which has energy: its last rows, frame parameters first.
    const double* parameter_weights(int a) const;
    /// The largest of the descriptors', angstrom.
    double rcut() const;
    /// Of min_distance or close_distance.
    double of_types(const std::vector<double>& distances, int a, int b) const {
        return distances[static_cast<std::size_t>(a) * type_map.size() + static_cast<std::size_t>(b)];
    }

    /// Parse and validate the bytes of a tables.bin; the Model keeps its own aligned copy.
    /// Throws FormatError or ModelError.
    static std::shared_ptr<const Model> from_bytes(const void* data, std::size_t n_bytes);
    /// Read a whole file. Throws FormatError (also where it cannot be opened, or is a trained model rather than tables).
    static std::shared_ptr<const Model> from_file(const std::string& path);

    std::shared_ptr<const void> storage;  // owner of every pointer above
};

/// The bytes of a file. Throws FormatError naming the path. (LAMMPS reads on one rank and broadcasts.)
std::vector<unsigned char> read_file(const std::string& path);

}  // namespace dpc
