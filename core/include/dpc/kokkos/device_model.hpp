// SPDX-License-Identifier: MIT
// A PackedSet in the memory of an execution space. What kernels read are plain structs with device pointers; what only the
// launching code needs (layers, which form a type has) stays on the host.
#pragma once

#include <algorithm>
#include <map>
#include <stdexcept>
#include <vector>

#include "dpc/kokkos/pack.hpp"
#include "dpc/kokkos/split_net.hpp"
#include "dpc/kokkos/switches.hpp"
#include "dpc/math/slots.hpp"
#include "dpc/neighbour_rule.hpp"
#include "dpc/packed_model.hpp"

namespace dpc::kokkos {

/// PackedTypePair as kernels read it.
template <class Real>
struct DeviceTypePair {
    PairKind kind;
    bool has_table;
    PackedTable<Real> table;       // coef: device memory
    const int* moment_of_channel;  // (K)
    const Real* padding;           // (K)
    const Real* masked;            // (K), null: a masked slot adds nothing
    int sel;
};

/// PackedTriple as kernels read it.
template <class Real>
struct DeviceTriple {
    int b, c;
    DeviceTypePair<Real> sums;  // table and moment_of_channel
    Real inverse_divisor;
    FrequentIntervals<Real> frequent;
};

/// A matrix (n_out, n_in): panels of tile_rows rows, each (n_in, tile_rows), the last one padded with 0; on a GPU also (n_out, n_in)
/// for the vendor's library.
template <class Real>
struct DeviceMatrix {
    int n_out = 0, n_in = 0;
    const Real* panels = nullptr;
    const Real* rows = nullptr;
};

/// PackedLayer: y = act(W^T x + b) idt + skip(x).
template <class Real>
struct DeviceLayer {
    DeviceMatrix<Real> weight, reverse_weight;
    Activation activation = Activation::linear;
    double parameter = 0;
    Skip skip = Skip::none;
    const Real *bias = nullptr, *idt = nullptr;  // idt null: ones
};

/// ProductList with the place of each row's first product.
struct DeviceProducts {
    int n_factors = 0;
    const int *begin = nullptr, *end = nullptr, *first = nullptr;
};

/// PackedDescriptor. What is not device memory only the launching code reads.
template <class Real>
struct DeviceDescriptor {
    DescriptorKind kind = DescriptorKind::se_e2_a;
    int index = 0;  // into Model::descriptors
    int place = 0;  // among those of its centre type
    bool shares_slots = false;
    bool expands = false;
    double rcut2 = 0;
    Real inverse_n_sel{};
    math::EnvParameters environment{};
    int n_components = 4;  // se_e2_a: of R
    math::Harmonics harmonics{};
    const DeviceTypePair<Real>* type_pairs = nullptr;  // by neighbour type, device memory
    const DeviceTriple<Real>* triples = nullptr;
    int n_triples = 0;
    double table_rcut = 0;  // tables are looked up at table_rcut - r; 0: at x
    bool is_gated = false;
    int n_sel = 0, padding_moment = -1;
    int n_moments = 0, n_features = 0;
    DeviceMatrix<Real> basis, reverse_basis;
    DeviceProducts products;
};

/// What the scratch arrays of one descriptor of the model must have room for, around any centre.
struct DescriptorExtent {
    DescriptorKind kind = DescriptorKind::se_e2_a;
    int most_moments = 0;  // of C or what it is expanded to
    bool expands = false;  // around some type
    bool looks_up_distance = false;
    bool is_gated = false;
    int n_components = 4;
};

/// Slots for neighbours inside the cut-off of each of several descriptors, and of the list of all together, device memory.
struct CutoffSlots {
    int n = 0;                      // descriptors, 0 where there is one, whose slots are in TypePairLimits
    int shared = 0;                 // slots of that one for neighbours of any type, 0: each type has its own
    const double* rcut2 = nullptr;  // (n)
    const int* sel = nullptr;       // (n, n_types)
    int least_shared = 0;           // the fewest of several's slots for neighbours of any type, 0: there are none
    const int* of_any = nullptr;    // (n) these, 0: each type has its own
};

template <class Real>
struct DeviceType {
    std::vector<DeviceDescriptor<Real>> descriptors;  // in the order of their features
    const TypePairLimits* limits = nullptr;           // by neighbour type, device memory
    CutoffSlots slots;
    double rcut2 = 0;  // the largest
    int n_features = 0;
    std::vector<DeviceLayer<Real>> layers;
    bool takes_all = true;
    double energy_bias = 0;               // of the last layer and the type
    const Real* energy_weight = nullptr;  // of the last layer, (n_in)
    SplitNet split;                       // the hidden layers once more, where fused_net.hpp evaluates them
};

template <class ExecSpace, class Real>
class DeviceModel {
public:
    using Memory = typename ExecSpace::memory_space;

    /// before: another set of the same PackedModel, which outlives this one: what is the same there is not copied again.
    DeviceModel(const Model& model, const PackedSet<Real>& set, const ExecSpace& space, const DeviceModel* before = nullptr);
    DeviceModel(const DeviceModel&) = delete;
    DeviceModel& operator=(const DeviceModel&) = delete;

    std::vector<DeviceType<Real>> types;
    std::vector<DescriptorExtent> descriptors;  // of the model
    int n_types = 0, n_slots = 0;               // n_slots: of all types
    bool has_united_shared = false;             // several descriptors, and the slots of some are for neighbours of any type
    int most_rank = 0, most_features = 0, most_neurons = 0, most_layers = 1;

    /// The biases of the first layers as PackedModel::set_parameters left them.
    void update_biases(const PackedSet<Real>& set);

    std::size_t bytes() const { return bytes_; }

    /// Of some type.
    bool has_fused_net() const {
        return std::any_of(types.begin(), types.end(), [](const auto& type) { return type.split.n_layers > 0; });
    }

private:
    template <class T>
    const T* upload(const T* values, std::size_t n);
    template <class T>
    const T* upload(const std::vector<T>& values) {
        return upload(values.data(), values.size());
    }
    /// Of an array that both sets may have.
    template <class T>
    const T* share(const T* values, std::size_t n);
    DeviceMatrix<Real> share(const PackedMatrix<Real>& matrix);
    DeviceMatrix<Real> upload(const PackedMatrix<Real>& matrix);
    PackedTable<Real> upload(const PackedTable<Real>& table);
    DeviceTypePair<Real> upload(const PackedTypePair<Real>& pair, const std::vector<PackedTable<Real>>& host,
                                const std::vector<PackedTable<Real>>& device);
    DeviceTriple<Real> upload(const PackedTriple<Real>& triple, const std::vector<PackedTable<Real>>& host,
                              const std::vector<PackedTable<Real>>& device);
    DeviceProducts upload_products(const PackedDescriptor<Real>& descriptor);
    DeviceDescriptor<Real> upload(const PackedDescriptor<Real>& from, const std::vector<PackedTable<Real>>& host,
                                  const std::vector<PackedTable<Real>>& device);
    CutoffSlots upload_slots(const Model& model, int a, const PackedType<Real>& type);
    void upload_net(const PackedFitting<Real>& from, DeviceType<Real>& to);
    /// Without layers where matrix units cannot do them.
    SplitNet upload_split(const PackedFitting<Real>& from, const std::vector<DeviceLayer<Real>>& layers);
    SplitMatrix upload(const HostSplitMatrix& matrix);

    ExecSpace space_;
    const DeviceModel* before_;
    bool fuses_nets_ = wants_fused_net();
    std::map<const void*, const void*> shared_;  // host memory of the PackedModel -> device memory
    std::map<const Real*, DeviceMatrix<Real>> shared_matrices_;
    std::vector<Kokkos::View<unsigned char*, Memory>> storage_;
    std::size_t bytes_ = 0;
};

template <class ExecSpace, class Real>
template <class T>
const T* DeviceModel<ExecSpace, Real>::upload(const T* values, std::size_t n) {
    if (values == nullptr || n == 0) {
        return nullptr;
    }
    Kokkos::View<unsigned char*, Memory> memory(Kokkos::view_alloc(space_, Kokkos::WithoutInitializing, "dpc::model"),
                                                n * sizeof(T));
    const Kokkos::View<const unsigned char*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged> from(
        reinterpret_cast<const unsigned char*>(values), n * sizeof(T));
    Kokkos::deep_copy(space_, memory, from);
    space_.fence("dpc: the source of a copy may go");
    storage_.push_back(memory);
    bytes_ += n * sizeof(T);
    return reinterpret_cast<const T*>(memory.data());
}

template <class ExecSpace, class Real>
template <class T>
const T* DeviceModel<ExecSpace, Real>::share(const T* values, std::size_t n) {
    if (before_ != nullptr && before_->shared_.count(values) > 0) {
        return static_cast<const T*>(before_->shared_.at(values));
    }
    const T* copy = upload(values, n);
    shared_[values] = copy;
    return copy;
}

template <class ExecSpace, class Real>
DeviceMatrix<Real> DeviceModel<ExecSpace, Real>::share(const PackedMatrix<Real>& matrix) {
    if (before_ != nullptr && before_->shared_matrices_.count(matrix.panels) > 0) {
        return before_->shared_matrices_.at(matrix.panels);
    }
    return shared_matrices_[matrix.panels] = upload(matrix);
}

template <class ExecSpace, class Real>
DeviceMatrix<Real> DeviceModel<ExecSpace, Real>::upload(const PackedMatrix<Real>& matrix) {
    constexpr int panel = tile_rows<ExecSpace>;
    DeviceMatrix<Real> out{matrix.n_out, matrix.n_in};
    std::vector<Real> panels;
    panels.reserve(static_cast<std::size_t>((matrix.n_out + panel - 1) / panel * panel) * static_cast<std::size_t>(matrix.n_in));
    for (int first = 0; first < matrix.n_out; first += panel) {
        for (int column = 0; column < matrix.n_in; ++column) {
            for (int row = first; row < first + panel; ++row) {
                panels.push_back(row < matrix.n_out ? matrix.element(row, column) : Real(0));
            }
        }
    }
    out.panels = upload(panels);
    if constexpr (is_gpu<ExecSpace>) {
        std::vector<Real> rows;
        rows.reserve(static_cast<std::size_t>(matrix.n_out) * static_cast<std::size_t>(matrix.n_in));
        for (int row = 0; row < matrix.n_out; ++row) {
            for (int column = 0; column < matrix.n_in; ++column) {
                rows.push_back(matrix.element(row, column));
            }
        }
        out.rows = upload(rows);
    }
    return out;
}

template <class ExecSpace, class Real>
PackedTable<Real> DeviceModel<ExecSpace, Real>::upload(const PackedTable<Real>& table) {
    PackedTable<Real> out = table;
    const auto rows = static_cast<std::size_t>(table.grid.n_intervals) + kContinuations;
    out.coef = share(table.coef, rows * static_cast<std::size_t>((table.order + 1) * table.stride));
    if (table.grid.segments != nullptr) {
        out.grid.segments = share(table.grid.segments, static_cast<std::size_t>(table.grid.n_segments));
        out.grid.buckets = share(table.grid.buckets, static_cast<std::size_t>(table.grid.n_buckets + math::kBucketMargin));
    }
    return out;
}

template <class ExecSpace, class Real>
DeviceTypePair<Real> DeviceModel<ExecSpace, Real>::upload(const PackedTypePair<Real>& pair,
                                                          const std::vector<PackedTable<Real>>& host,
                                                          const std::vector<PackedTable<Real>>& device) {
    DeviceTypePair<Real> out{};
    out.kind = pair.kind;
    out.has_table = pair.table != nullptr;
    out.sel = pair.sel;
    if (out.has_table) {
        out.table = device[static_cast<std::size_t>(pair.table - host.data())];
        out.moment_of_channel = upload(pair.moment_of_channel);
        out.padding = upload(pair.padding);
        out.masked = upload(pair.masked);
    }
    return out;
}

template <class ExecSpace, class Real>
DeviceTriple<Real> DeviceModel<ExecSpace, Real>::upload(const PackedTriple<Real>& triple,
                                                        const std::vector<PackedTable<Real>>& host,
                                                        const std::vector<PackedTable<Real>>& device) {
    DeviceTriple<Real> out{};
    out.b = triple.b;
    out.c = triple.c;
    out.sums.has_table = true;
    out.sums.table = device[static_cast<std::size_t>(triple.table - host.data())];
    out.sums.moment_of_channel = upload(triple.moment_of_channel);
    out.inverse_divisor = static_cast<Real>(triple.inverse_divisor);
    out.frequent = triple.frequent;
    return out;
}

template <class ExecSpace, class Real>
DeviceProducts DeviceModel<ExecSpace, Real>::upload_products(const PackedDescriptor<Real>& descriptor) {
    if (descriptor.n_single > 0) {
        throw std::logic_error("devices take all products in one precision");
    }
    std::vector<int> first;
    int n = 0;
    for (std::size_t p = 0; p < descriptor.begin.size(); ++p) {
        first.push_back(n);
        n += std::max(0, descriptor.end[p] - descriptor.begin[p]);
    }
    return {descriptor.n_factors, upload(descriptor.begin), upload(descriptor.end), upload(first)};
}

template <class ExecSpace, class Real>
DeviceDescriptor<Real> DeviceModel<ExecSpace, Real>::upload(const PackedDescriptor<Real>& from,
                                                            const std::vector<PackedTable<Real>>& host,
                                                            const std::vector<PackedTable<Real>>& device) {
    DeviceDescriptor<Real> to;
    to.kind = from.kind;
    to.index = from.index;
    to.shares_slots = from.shares_slots;
    to.expands = from.expands();
    to.rcut2 = from.rcut * from.rcut;
    to.inverse_n_sel = Real(1) / static_cast<Real>(from.n_sel);
    to.environment = from.environment;
    to.n_components = from.n_components;
    to.harmonics = from.harmonics;
    std::vector<DeviceTypePair<Real>> pairs;
    for (const PackedTypePair<Real>& pair : from.type_pairs) {
        pairs.push_back(upload(pair, host, device));
    }
    to.type_pairs = upload(pairs);
    std::vector<DeviceTriple<Real>> triples;
    for (const PackedTriple<Real>& triple : from.triples) {
        triples.push_back(upload(triple, host, device));
    }
    to.triples = upload(triples);
    to.n_triples = static_cast<int>(triples.size());
    to.table_rcut = from.argument == TableArgument::r ? from.rcut : 0;
    to.is_gated = from.is_gated;
    to.n_sel = from.n_sel;
    to.padding_moment = from.padding_moment;
    to.n_moments = from.n_moments;
    to.n_features = from.n_features;
    to.basis = upload(from.basis);
    to.reverse_basis = upload(from.reverse_basis);
    to.products = upload_products(from);
    DescriptorExtent& extent = descriptors[static_cast<std::size_t>(from.index)];
    extent.most_moments = std::max({extent.most_moments, from.n_rows(), from.n_factors});
    extent.is_gated = from.is_gated;
    extent.n_components = from.n_components;
    extent.expands = extent.expands || to.expands;
    extent.looks_up_distance = to.table_rcut > 0;
    return to;
}

template <class ExecSpace, class Real>
CutoffSlots DeviceModel<ExecSpace, Real>::upload_slots(const Model& model, int a, const PackedType<Real>& type) {
    if (type.descriptors.size() == 1) {
        return {0, type.descriptors.front().shares_slots ? type.descriptors.front().n_sel : 0};
    }
    std::vector<double> rcut2;
    std::vector<int> sel, of_any;
    int least_shared = 0;
    for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
        rcut2.push_back(descriptor.rcut * descriptor.rcut);
        of_any.push_back(descriptor.shares_slots ? descriptor.n_sel : 0);
        if (descriptor.shares_slots) {
            least_shared = least_shared == 0 ? descriptor.n_sel : std::min(least_shared, descriptor.n_sel);
        }
        for (const PackedTypePair<Real>& pair : descriptor.type_pairs) {
            sel.push_back(math::is_counted(pair.kind) ? pair.sel : TypePairLimits::kUnlimited);
        }
    }
    if (model.neighbour_rule == NeighbourRule::united) {  // what none counts has its place in the list of all
        const Descriptor all = united(model);
        rcut2.push_back(all.rcut * all.rcut);
        of_any.push_back(0);
        for (int b = 0; b < n_types; ++b) {
            sel.push_back(math::is_counted(all.type_pair(a, b).kind) ? TypePairLimits::kUnlimited
                                                                     : all.sel[static_cast<std::size_t>(b)]);
        }
    }
    return {static_cast<int>(rcut2.size()), 0, upload(rcut2), upload(sel), least_shared, upload(of_any)};
}

template <class ExecSpace, class Real>
void DeviceModel<ExecSpace, Real>::upload_net(const PackedFitting<Real>& from, DeviceType<Real>& to) {
    for (const PackedLayer<Real>& layer : from.layers) {
        const auto n_out = static_cast<std::size_t>(layer.weight.n_out);
        to.layers.push_back({share(layer.weight), share(layer.reverse_weight), layer.activation, layer.parameter, layer.skip,
                             share(layer.bias, n_out), share(layer.idt, n_out)});
    }
    const PackedLayer<Real>& last = from.layers.back();
    std::vector<Real> weight;
    for (int neuron = 0; neuron < last.weight.n_in; ++neuron) {
        weight.push_back(last.weight.element(0, neuron));
    }
    to.energy_weight = upload(weight);
    if constexpr (can_fuse_net<ExecSpace, Real>()) {
        if (fuses_nets_ && Warp<ExecSpace>::size() == kUnitThreads && has_fusible_form(from)) {
            to.split = upload_split(from, to.layers);
        }
    }
    to.energy_bias = from.energy_bias + static_cast<double>(last.bias[0]);
}

template <class ExecSpace, class Real>
SplitMatrix DeviceModel<ExecSpace, Real>::upload(const HostSplitMatrix& matrix) {
    SplitMatrix out = matrix.sizes;
    out.fragments = upload(matrix.fragments);
    out.in_scales = upload(matrix.in_scales);
    out.out_scales = upload(matrix.out_scales);
    return out;
}

template <class ExecSpace, class Real>
SplitNet DeviceModel<ExecSpace, Real>::upload_split(const PackedFitting<Real>& from,
                                                    const std::vector<DeviceLayer<Real>>& layers) {
    SplitNet net;
    for (std::size_t l = 0; l + 1 < layers.size(); ++l) {
        const HostSplitMatrix weight(from.layers[l].weight), reverse_weight(from.layers[l].reverse_weight);
        const bool has_skip = layers[l].skip != Skip::none;
        if (!weight.is_exact || !reverse_weight.is_exact || (has_skip && !weight.keeps_inputs)) {
            return {};
        }
        net.layers[l] = {upload(weight), upload(reverse_weight), has_skip, layers[l].bias, layers[l].idt};
    }
    net.n_layers = static_cast<int>(layers.size()) - 1;
    return net;
}

template <class ExecSpace, class Real>
void DeviceModel<ExecSpace, Real>::update_biases(const PackedSet<Real>& set) {
    for (std::size_t a = 0; a < types.size(); ++a) {
        const PackedFitting<Real>& from = set.types[a].fitting;
        if (from.layers.empty()) {
            continue;
        }
        const auto n = static_cast<std::size_t>(from.layers.front().weight.n_out);
        Real* to = const_cast<Real*>(types[a].layers.front().bias);  // memory of this model, or of the one before it
        Kokkos::deep_copy(space_, Kokkos::View<Real*, Memory, Kokkos::MemoryUnmanaged>(to, n),
                          Kokkos::View<const Real*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>(from.layers.front().bias, n));
        types[a].energy_bias = from.energy_bias + static_cast<double>(from.layers.back().bias[0]);
    }
}

template <class ExecSpace, class Real>
DeviceModel<ExecSpace, Real>::DeviceModel(const Model& model, const PackedSet<Real>& set, const ExecSpace& space,
                                          const DeviceModel* before)
    : n_types(model.n_types()),
      n_slots(count_slots(model, model.neighbour_rule)),
      most_features(set.most_features),
      most_neurons(set.most_neurons),
      most_layers(std::max(1, set.most_layers)),
      space_(space),
      before_(before) {
    for (const Descriptor& descriptor : model.descriptors) {
        descriptors.push_back({descriptor.kind});
        has_united_shared = has_united_shared || (model.descriptors.size() > 1 && descriptor.shares_slots());
    }
    std::vector<PackedTable<Real>> tables;
    for (const PackedTable<Real>& table : set.tables) {
        tables.push_back(upload(table));
        most_rank = std::max(most_rank, table.rank);
    }
    types.resize(set.types.size());
    for (std::size_t a = 0; a < types.size(); ++a) {
        const PackedType<Real>& from = set.types[a];
        if (from.descriptors.empty()) {  // without energy
            continue;
        }
        for (const PackedDescriptor<Real>& descriptor : from.descriptors) {
            types[a].descriptors.push_back(upload(descriptor, set.tables, tables));
            types[a].descriptors.back().place = static_cast<int>(types[a].descriptors.size()) - 1;
        }
        types[a].limits = upload(from.limits);
        types[a].slots = upload_slots(model, static_cast<int>(a), from);
        types[a].rcut2 = from.rcut * from.rcut;
        types[a].n_features = from.n_features;
        types[a].takes_all = from.takes_all;
        upload_net(from.fitting, types[a]);
    }
}

}  // namespace dpc::kokkos
