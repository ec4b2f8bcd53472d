// SPDX-License-Identifier: MIT
// See block_evaluator.hpp.
#include "block_evaluator.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "dpc/math/slots.hpp"

namespace dpc::host {
namespace {

/// What is kept of the pairs of a block before each descriptor takes its own. Of several descriptors only a list of all keeps some.
NearestNeighbours nearest_of(const Model& model, NeighbourRule rule) {
    const int n_slots = count_slots(model, rule);
    if (rule == NeighbourRule::united || (rule == NeighbourRule::mixed && model.descriptors.size() > 1)) {
        return {model, united(model), rule == NeighbourRule::united ? NeighbourRule::total : rule, n_slots};
    }
    return {model, model.descriptors.front(), model.descriptors.size() == 1 ? rule : NeighbourRule::all, n_slots};
}

/// What the kernels read and write of the pairs.
template <class Real>
PairArrays<Real> arrays_of(const BlockPairs& pairs) {
    PairArrays<Real> arrays{};
    arrays.neighbour = pairs.neighbour;
    std::copy(pairs.d, pairs.d + 3, arrays.d);
    arrays.r2 = pairs.r2;
    return arrays;
}

int padded(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

}  // namespace

template <class Real>
BlockEvaluator<Real>::BlockEvaluator(const PackedModel<Real>& model, const Kernels<Real>& kernels, NeighbourRule rule)
    : model_(model), kernels_(kernels), nearest_(nearest_of(*model.model, rule)) {
    for (std::size_t d = 0; d < model.model->descriptors.size(); ++d) {
        descriptors_.push_back(make_descriptor(*model.model, static_cast<int>(d), kernels));
    }
    if (descriptors_.size() == 1) {
        return;
    }
    narrowed_.resize(descriptors_.size());
    is_crowded_.resize(descriptors_.size());
    for (std::size_t d = 0; rule != NeighbourRule::all && d < descriptors_.size(); ++d) {
        const Descriptor& descriptor = model.model->descriptors[d];
        own_nearest_.emplace_back(*model.model, descriptor,
                                  descriptor.shares_slots() ? NeighbourRule::mixed : NeighbourRule::per_type,
                                  count_slots(descriptor));
    }
}

template <class Real>
void BlockEvaluator<Real>::reserve(const NeighbourBlocks& list) {
    const std::size_t n_slots = (list.most_listed + kPairPadding + 7) / 8 * 8;
    int most_atoms = 0;
    for (const Block& block : list.blocks) {
        most_atoms = std::max(most_atoms, block.n_atoms);
    }
    const int lanes = padded(most_atoms, kLaneMultiple<Real>);
    const auto atoms = static_cast<std::size_t>(lanes);
    gathered_.reserve(model_.model->n_types(), atoms, n_slots);
    for (PairStore& store : narrowed_) {
        store.reserve(model_.model->n_types(), atoms, n_slots);
    }
    place(gradients_, n_slots, {&gradient_[0], &gradient_[1], &gradient_[2]});
    is_close_.resize(atoms);
    chosen_atoms_.resize(atoms);
    all_atoms_.resize(atoms);
    std::iota(all_atoms_.begin(), all_atoms_.end(), 0);
    const PackedSet<Real>& set = model_.close();  // has the most of everything
    for (const auto& descriptor : descriptors_) {
        descriptor->reserve(set, {n_slots, list.most_of_centre, lanes});
    }
    features_.reserve(static_cast<std::size_t>(set.most_features + kPanelRows - 1) * atoms);
    energy_.reserve(atoms);
    net_.reserve(model_, lanes);
    nearest_.reserve(list);
    for (NearestNeighbours& nearest : own_nearest_) {
        nearest.reserve(list);
    }
}

template <class Real>
std::size_t BlockEvaluator<Real>::bytes() const {
    std::size_t total = nearest_.bytes() + bytes_of(own_nearest_) + bytes_of(is_crowded_) + bytes_of(descriptors_) +
                        bytes_of(all_atoms_) + bytes_of(is_close_) + bytes_of(chosen_atoms_) + gathered_.bytes() +
                        bytes_of(narrowed_) + gradients_.bytes() + features_.bytes() + energy_.bytes() + net_.bytes();
    for (const auto& descriptor : descriptors_) {
        total += descriptor->bytes();
    }
    for (const PairStore& store : narrowed_) {
        total += store.bytes();
    }
    for (const NearestNeighbours& nearest : own_nearest_) {
        total += nearest.bytes();
    }
    return total;
}

template <class Real>
void BlockEvaluator<Real>::evaluate(const NeighbourBlocks& list, const Block& block, const Inputs& inputs, const double* factors,
                                    Sums& sums) {
    const Type& type = ordinary_type(block);
    const Units& units = inputs.units;
    sums.watch.start();
    factors_ = nullptr;
    if (factors != nullptr && sums.statistics != nullptr) {
        Sums of_all_centres;  // also those that are left out
        of_all_centres.statistics = sums.statistics;
        gather(list, block, inputs.x, units.length, of_all_centres);
    }
    factors_ = factors;
    gather(list, block, inputs.x, units.length, sums);
    if (type.descriptors.size() > 1) {
        keep_own(list, block, inputs.x, units.length, sums);
    }
    sums.watch.charge(&StageTimes::pairs);
    for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
        code_of(descriptor).compute_environment(descriptor, pairs_of(descriptor, type));
    }
    atoms_.atoms = all_atoms_.data();
    atoms_.n = block.n_atoms;
    if (any_close_) {
        evaluate_close(list, block, inputs, sums);
    }
    if (atoms_.n > 0) {
        evaluate_atoms(type, list, block, inputs, sums);
    }
    for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
        add_forces(descriptor, pairs_of(descriptor, type), list, block, units, sums);
    }
    sums.watch.charge(&StageTimes::forces);
}

/// The close centres of a block with all columns and products. Leaves the other ones as those that are evaluated next.
template <class Real>
void BlockEvaluator<Real>::evaluate_close(const NeighbourBlocks& list, const Block& block, const Inputs& inputs, Sums& sums) {
    atoms_.atoms = chosen_atoms_.data();
    for (const bool close : {true, false}) {
        atoms_.n = 0;
        for (int k = 0; k < block.n_atoms; ++k) {
            if ((is_close_[static_cast<std::size_t>(k)] != 0) == close) {
                chosen_atoms_[static_cast<std::size_t>(atoms_.n++)] = k;
            }
        }
        if (close) {
            evaluate_atoms(model_.close().types[static_cast<std::size_t>(block.type)], list, block, inputs, sums);
        }
    }
}

/// From the pairs of the present atoms to their energies and the gradient of these pairs.
template <class Real>
void BlockEvaluator<Real>::evaluate_atoms(const Type& type, const NeighbourBlocks& list, const Block& block, const Inputs& inputs,
                                          Sums& sums) {
    atoms_.lanes = padded(atoms_.n, kLaneMultiple<Real>);
    Real* features = features_.data();
    for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
        code_of(descriptor).compute(descriptor, atoms_, features);
        features += static_cast<std::ptrdiff_t>(descriptor.n_features) * atoms_.lanes;
    }
    place_parameters(list, block, inputs.aparam, features);
    sums.watch.charge(&StageTimes::descriptor);
    compute_energy(type, list, block, inputs.units, sums);
    reverse_fitting_net(kernels_, type.fitting.layers, {atoms_.lanes, atoms_.n}, net_, features_.data());
    const double* factors = factors_ == nullptr ? nullptr : place_factors(list, block);
    if (sums.fparam_gradient != nullptr) {
        add_fparam_gradient(type, block, factors, inputs.units, sums.fparam_gradient);
    }
    if (factors != nullptr) {
        multiply_gradient(factors, type.n_features);
    }
    sums.watch.charge(&StageTimes::fitting_net);
    const Real* reverse_features = features_.data();
    for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
        code_of(descriptor).reverse(descriptor, atoms_, reverse_features);
        reverse_features += static_cast<std::ptrdiff_t>(descriptor.n_features) * atoms_.lanes;
    }
    sums.watch.charge(&StageTimes::forces);
}

/// Of the present atoms: frame parameters are added to the sums of the first layer's neurons.
template <class Real>
void BlockEvaluator<Real>::add_fparam_gradient(const Type& type, const Block& block, const double* factors, const Units& units,
                                               double* gradient) const {
    const auto& layers = type.fitting.layers;
    const double* weights = model_.model->parameter_weights(block.type);
    const int n_out = layers.front().weight.n_out;
    for (int neuron = 0; neuron < n_out; ++neuron) {
        const double sum = units.energy * first_layer_gradient(layers, atoms_.lanes, atoms_.n, factors, net_, neuron);
        for (int k = 0; k < model_.model->n_fparam; ++k) {
            gradient[k] += weights[static_cast<std::ptrdiff_t>(k) * n_out + neuron] * sum;
        }
    }
}

/// The factors of the energies of the present atoms, in the place of these, which have been added.
template <class Real>
const double* BlockEvaluator<Real>::place_factors(const NeighbourBlocks& list, const Block& block) {
    for (int m = 0; m < atoms_.n; ++m) {
        energy_.data()[m] = factor_of(list.centres[static_cast<std::size_t>(block.first_centre + atoms_.atoms[m])]);
    }
    return energy_.data();
}

/// The gradient of the features of the present atoms, times their factors.
template <class Real>
void BlockEvaluator<Real>::multiply_gradient(const double* factors, int n_features) {
    for (int feature = 0; feature < n_features; ++feature) {
        Real* row = features_.data() + static_cast<std::ptrdiff_t>(feature) * atoms_.lanes;
        for (int m = 0; m < atoms_.n; ++m) {
            row[m] *= static_cast<Real>(factors[m]);
        }
    }
}

/// Atomic parameters behind the features, counted from those of the first atom (PackedModel::set_parameters).
template <class Real>
void BlockEvaluator<Real>::place_parameters(const NeighbourBlocks& list, const Block& block, const Span& aparam,
                                            Real* features) const {
    const int n = model_.model->n_aparam;
    for (int c = 0; c < n; ++c) {
        Real* row = features + static_cast<std::ptrdiff_t>(c) * atoms_.lanes;
        std::fill_n(row, atoms_.lanes, Real(0));
        for (int m = 0; m < atoms_.n; ++m) {
            const int i = list.centres[static_cast<std::size_t>(block.first_centre + atoms_.atoms[m])];
            row[m] = static_cast<Real>(aparam.values[static_cast<std::ptrdiff_t>(i) * n + c] - aparam.values[c]);
        }
    }
}

/// Pairs inside the largest cut-off by neighbour type, then atom, those that are kept of too many, and what is to be said of them.
template <class Real>
void BlockEvaluator<Real>::gather(const NeighbourBlocks& list, const Block& block, const double* x, double length, Sums& sums) {
    const Type& type = ordinary_type(block);
    BlockPairs& pairs = gathered_.pairs;
    const PairArrays<Real> arrays = arrays_of<Real>(pairs);
    pairs.n_atoms = block.n_atoms;
    pairs.n = 0;
    const double rcut2 = type.rcut * type.rcut;
    any_close_ = false;
    bool may_overflow = false;
    Overflow close;
    for (int b = 0; b < pairs.n_types; ++b) {
        const TypePairLimits& limits = type.limits[static_cast<std::size_t>(b)];
        for (int k = 0; k < block.n_atoms; ++k) {
            const Listed listed = list.listed(block, b, k);
            const std::size_t segment = pairs.segment(b, k);
            pairs.firsts[segment] = pairs.n;
            const int centre = list.centres[static_cast<std::size_t>(block.first_centre + k)];
            const bool is_left_out = factor_of(centre) == 0;
            if (!limits.is_counted || is_left_out) {
                pairs.counts[segment] = 0;
                may_overflow = may_overflow || (!is_left_out && nearest_.may_overflow(b, listed.count));
                continue;
            }
            double closest2 = rcut2;
            const int found = kernels_.pairs.gather(x, length, x + 3 * static_cast<std::ptrdiff_t>(centre), listed, rcut2,
                                                    pairs.n, arrays, &closest2);
            pairs.counts[segment] = found;
            count_crowd(block, centre, b, found, sums);
            may_overflow = may_overflow || nearest_.may_overflow(b, found);
            check_distances(block, centre, b, k, closest2, close, sums);
            pairs.n += limits.is_stored ? found : 0;
        }
    }
    if (type.descriptors.size() > 1) {
        narrow(type);
        count_crowds(list, block, sums);
        may_overflow = may_overflow || may_overflow_shared(list, block);
    } else if (type.descriptors.front().shares_slots) {
        count_shared_crowds(type.descriptors.front(), pairs, list, block, sums);
        may_overflow = may_overflow_shared(list, block);
    }
    if (sums.statistics != nullptr && factors_ == nullptr) {
        measure(block, *sums.statistics);
    }
    if (may_overflow) {
        keep_nearest(list, block, x, length, close, sums);
    }
    merge(sums.overflow, close);
    gathered_.pad(rcut2);
}

/// The rare case: some centre may have more neighbours than the model keeps. What was said of the pairs that go is taken back.
template <class Real>
void BlockEvaluator<Real>::keep_nearest(const NeighbourBlocks& list, const Block& block, const double* x, double length,
                                        Overflow& close, Sums& sums) {
    BlockPairs& pairs = gathered_.pairs;
    const bool is_united = ordinary_type(block).descriptors.size() > 1;
    Overflow of_shared_list;  // what is said of it each descriptor says
    nearest_.keep(list, block, factors_, x, length, pairs, is_united && nearest_.is_shared() ? of_shared_list : sums.overflow);
    if (is_united) {
        narrow(ordinary_type(block));
    }
    close = Overflow{};
    any_close_ = false;
    for (int b = 0; b < pairs.n_types; ++b) {
        for (int k = 0; k < block.n_atoms && ordinary_type(block).limits[static_cast<std::size_t>(b)].is_stored; ++k) {
            const double* r2 = pairs.r2 + pairs.first(b, k);
            const double* end = r2 + pairs.count(b, k);
            if (r2 != end) {
                const int centre = list.centres[static_cast<std::size_t>(block.first_centre + k)];
                check_distances(block, centre, b, k, *std::min_element(r2, end), close, sums);
            }
        }
    }
}

/// Note where the closest neighbour of a centre and type is closer than in the training data or beyond the table.
template <class Real>
void BlockEvaluator<Real>::check_distances(const Block& block, int centre, int b, int atom, double closest2, Overflow& found,
                                           Sums& sums) {
    const TypePairLimits& limits = ordinary_type(block).limits[static_cast<std::size_t>(b)];
    if (closest2 < limits.checked_distance2) {
        if (closest2 < limits.close_distance * limits.close_distance) {
            mark_close(block, atom);
        }
        const BlockPairs& pairs = gathered_.pairs;
        count_overflow(block, centre, b, pairs.first(b, atom), pairs.count(b, atom), closest2, found, sums);
    }
}

/// Of a type with several descriptors: of the pairs of each those that it keeps.
template <class Real>
void BlockEvaluator<Real>::keep_own(const NeighbourBlocks& list, const Block& block, const double* x, double length, Sums& sums) {
    for (const PackedDescriptor<Real>& descriptor : ordinary_type(block).descriptors) {
        const auto index = static_cast<std::size_t>(descriptor.index);
        if (!own_nearest_.empty() && is_crowded_[index] != 0) {
            own_nearest_[index].keep(list, block, factors_, x, length, narrowed_[index].pairs, sums.overflow);
            narrowed_[index].pad(descriptor.rcut * descriptor.rcut);
        }
    }
}

/// Of a type with several descriptors: the pairs of each.
template <class Real>
void BlockEvaluator<Real>::narrow(const Type& type) {
    for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
        PairStore& own = narrowed_[static_cast<std::size_t>(descriptor.index)];
        narrow_to(descriptor, own.pairs);
        own.pad(descriptor.rcut * descriptor.rcut);
    }
}

template <class Real>
void BlockEvaluator<Real>::narrow_to(const PackedDescriptor<Real>& descriptor, BlockPairs& own) const {
    const BlockPairs& all = gathered_.pairs;
    const double rcut2 = descriptor.rcut * descriptor.rcut;
    own.n_atoms = all.n_atoms;
    own.n = 0;
    for (int b = 0; b < all.n_types; ++b) {
        const PackedTypePair<Real>& pair = descriptor.type_pairs[static_cast<std::size_t>(b)];
        const bool is_counted = math::is_counted(pair.kind);
        for (int k = 0; k < all.n_atoms; ++k) {
            const int n = is_counted ? all.count(b, k) : 0;
            const int found = kernels_.pairs.narrow(arrays_of<Real>(all), all.first(b, k), n, rcut2, own.n, arrays_of<Real>(own));
            own.counts[own.segment(b, k)] = found;
            own.firsts[own.segment(b, k)] = own.n;
            own.n += pair.kind == PairKind::ordinary ? found : 0;
        }
    }
}

/// Of a type with several descriptors: centres with more neighbours than the slots of some, and the worst of them.
template <class Real>
void BlockEvaluator<Real>::count_crowds(const NeighbourBlocks& list, const Block& block, Sums& sums) {
    std::fill(is_crowded_.begin(), is_crowded_.end(), char(0));
    for (const PackedDescriptor<Real>& descriptor : ordinary_type(block).descriptors) {
        const auto index = static_cast<std::size_t>(descriptor.index);
        if (descriptor.shares_slots) {
            is_crowded_[index] = count_shared_crowds(descriptor, narrowed_[index].pairs, list, block, sums) ? 1 : 0;
        }
    }
    for (int b = 0; b < gathered_.pairs.n_types; ++b) {
        for (int k = 0; k < block.n_atoms; ++k) {
            Overflow found;
            for (const PackedDescriptor<Real>& descriptor : ordinary_type(block).descriptors) {
                const int sel = descriptor.type_pairs[static_cast<std::size_t>(b)].sel;
                const int n = narrowed_[static_cast<std::size_t>(descriptor.index)].pairs.count(b, k);
                const Overflow::Crowd crowd{list.centres[static_cast<std::size_t>(block.first_centre + k)], block.type, b, n,
                                            sel};
                if (n > sel && !descriptor.shares_slots) {
                    is_crowded_[static_cast<std::size_t>(descriptor.index)] = 1;
                    found.n_over_sel = 1;
                    found.crowd = is_worse(crowd, found.crowd) ? crowd : found.crowd;
                }
            }
            merge(sums.overflow, found);
        }
    }
}

/// How many pairs the centres of the block have, and the shortest ones.
template <class Real>
void BlockEvaluator<Real>::measure(const Block& block, NeighbourStatistics& statistics) const {
    const BlockPairs& pairs = gathered_.pairs;
    statistics.n_centres[static_cast<std::size_t>(block.type)] += block.n_atoms;
    for (int k = 0; k < block.n_atoms; ++k) {
        int of_all_types = 0;
        for (int b = 0; b < pairs.n_types; ++b) {
            const int n = pairs.count(b, k);
            const double* r2 = pairs.r2 + pairs.first(b, k);
            of_all_types += n;
            statistics.add_centre(block.type, b, n);
            if (n > 0 && ordinary_type(block).limits[static_cast<std::size_t>(b)].checked_distance2 > 0) {
                statistics.add_pair(block.type, b, std::sqrt(*std::min_element(r2, r2 + n)));
            }
        }
        statistics.add_centre(block.type, pairs.n_types, of_all_types);
    }
}

/// Close centres take all columns and products; that is nothing new where all do.
template <class Real>
void BlockEvaluator<Real>::mark_close(const Block& block, int atom) {
    if (ordinary_type(block).takes_all) {
        return;
    }
    if (!any_close_) {
        std::fill_n(is_close_.begin(), block.n_atoms, char(0));
        any_close_ = true;
    }
    is_close_[static_cast<std::size_t>(atom)] = 1;
}

/// The rare case: some pair of this centre is closer than the training data or beyond the table.
template <class Real>
void BlockEvaluator<Real>::count_overflow(const Block& block, int centre, int b, int begin, int n, double closest2, Overflow& all,
                                          Sums& sums) const {
    const TypePairLimits& limits = ordinary_type(block).limits[static_cast<std::size_t>(b)];
    const BlockPairs& pairs = gathered_.pairs;
    Overflow found;
    for (int k = begin; k < begin + n; ++k) {
        const double r = std::sqrt(pairs.r2[k]);
        found.n_close += r < limits.min_distance ? 1 : 0;
        found.n_beyond += r < limits.table_limit ? 1 : 0;
        if (pairs.r2[k] == closest2) {
            found.worst = {centre, pairs.neighbour[k], block.type, b, r, limits.min_distance, limits.table_limit};
        }
    }
    if (closest2 < kSamePlace * kSamePlace) {
        sums.coincident[0] = found.worst.i;
        sums.coincident[1] = found.worst.j;
    }
    merge(all, found);
}

template <class Real>
void BlockEvaluator<Real>::count_crowd(const Block& block, int centre, int b, int n, Sums& sums) const {
    const int sel = ordinary_type(block).limits[static_cast<std::size_t>(b)].sel;
    if (n > sel) {
        Overflow found;
        found.n_over_sel = 1;
        found.crowd = {centre, block.type, b, n, sel};
        merge(sums.overflow, found);
    }
}

/// Where neighbours of all types share the slots of a descriptor: note the centres that have too many among its pairs. Whether any may
/// have, those included that are listed only.
template <class Real>
bool BlockEvaluator<Real>::count_shared_crowds(const PackedDescriptor<Real>& descriptor, const BlockPairs& pairs,
                                               const NeighbourBlocks& list, const Block& block, Sums& sums) const {
    bool may_be_crowded = false;
    for (int k = 0; k < block.n_atoms; ++k) {
        int n = 0, n_uncounted = 0;
        for (int b = 0; b < pairs.n_types; ++b) {
            const bool is_counted = math::is_counted(descriptor.type_pairs[static_cast<std::size_t>(b)].kind);
            n += is_counted ? pairs.count(b, k) : 0;
            n_uncounted += is_counted ? 0 : list.listed(block, b, k).count;
        }
        if (n > descriptor.n_sel) {
            Overflow found;
            found.n_over_sel = 1;
            found.crowd = {list.centres[static_cast<std::size_t>(block.first_centre + k)], block.type, kEveryType, n,
                           descriptor.n_sel};
            merge(sums.overflow, found);
        }
        may_be_crowded = may_be_crowded || n + n_uncounted > descriptor.n_sel;
    }
    return may_be_crowded;
}

/// Whether the model may keep fewer than the neighbours of all types.
template <class Real>
bool BlockEvaluator<Real>::may_overflow_shared(const NeighbourBlocks& list, const Block& block) const {
    const BlockPairs& pairs = gathered_.pairs;
    bool may_overflow = false;
    for (int k = 0; k < block.n_atoms && nearest_.is_shared(); ++k) {
        int n = 0;
        for (int b = 0; b < pairs.n_types; ++b) {
            const bool is_counted = ordinary_type(block).limits[static_cast<std::size_t>(b)].is_counted;
            n += is_counted ? pairs.count(b, k) : list.listed(block, b, k).count;
        }
        may_overflow = may_overflow || nearest_.may_overflow_shared(n);
    }
    return may_overflow;
}

template <class Real>
void BlockEvaluator<Real>::compute_energy(const Type& type, const NeighbourBlocks& list, const Block& block, const Units& units,
                                          Sums& sums) {
    compute_fitting_net(kernels_, type.fitting.layers, {atoms_.lanes, atoms_.n}, features_.data(), net_, energy_.data());
    for (int m = 0; m < atoms_.n; ++m) {
        const int centre = list.centres[static_cast<std::size_t>(block.first_centre + atoms_.atoms[m])];
        const double energy = (energy_.data()[m] + type.fitting.energy_bias) * units.energy * factor_of(centre);
        sums.totals.energy += energy;
        if (sums.atom_energy != nullptr) {
            sums.atom_energy[centre] += energy;
        }
    }
}

/// Of the pairs of one descriptor: force dE/dd on the centre and its opposite on the neighbour, virial from pair vector and pair force.
template <class Real>
void BlockEvaluator<Real>::add_forces(const PackedDescriptor<Real>& descriptor, const BlockPairs& pairs,
                                      const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums) {
    double virial[9] = {};
    code_of(descriptor).reverse_environment(gradient_, virial);
    for (int c = 0; c < 9; ++c) {
        sums.totals.virial[c] += virial[c] * units.energy;
    }
    const double scale = units.energy * units.length;
    for (int b = 0; b < pairs.n_types; ++b) {
        if (descriptor.type_pairs[static_cast<std::size_t>(b)].kind != PairKind::ordinary) {
            continue;
        }
        for (int k = 0; k < block.n_atoms; ++k) {
            const int first = pairs.first(b, k), end = first + pairs.count(b, k);
            double centre[3] = {};
            for (int pair = first; pair < end; ++pair) {
                double* neighbour = sums.forces + 3 * static_cast<std::ptrdiff_t>(pairs.neighbour[pair]);
                for (int c = 0; c < 3; ++c) {
                    const double force = gradient_[c][pair] * scale;
                    centre[c] += force;
                    neighbour[c] -= force;
                }
            }
            double* to =
                sums.forces + 3 * static_cast<std::ptrdiff_t>(list.centres[static_cast<std::size_t>(block.first_centre + k)]);
            for (int c = 0; c < 3; ++c) {
                to[c] += centre[c];
            }
        }
    }
    if (sums.atom_virial == nullptr) {
        return;
    }
    for (int pair = 0; pair < pairs.n; ++pair) {  // assigned to the atom that the derivative is taken for: the neighbour
        double* to = sums.atom_virial + 9 * static_cast<std::ptrdiff_t>(pairs.neighbour[pair]);
        for (int a = 0; a < 3; ++a) {
            for (int c = 0; c < 3; ++c) {
                to[3 * a + c] -= pairs.d[a][pair] * gradient_[c][pair] * units.energy;
            }
        }
    }
}

template class BlockEvaluator<double>;
template class BlockEvaluator<float>;

}  // namespace dpc::host
