// SPDX-License-Identifier: MIT
// See pair_descriptor.hpp.
#include "pair_descriptor.hpp"

#include <algorithm>

#include "dpc/math/slots.hpp"

namespace dpc::host {

namespace {

/// Arrays of n components of n_slots numbers, one behind the other. Returns the end.
template <class Real>
Real* place_components(Real* memory, int n, std::size_t n_slots, Real* (&arrays)[4]) {
    for (std::size_t c = 0; c < 4; ++c) {
        arrays[c] = memory + c * n_slots;
    }
    return memory + static_cast<std::size_t>(n) * n_slots;
}

}  // namespace

template <class Real, int COMPONENTS>
void PairDescriptor<Real, COMPONENTS>::reserve_pairs(const PackedSet<Real>& set, std::size_t n_slots) {
    PairArrays<Real>& a = arrays_;
    if constexpr (COMPONENTS >= 4) {
        place(doubles_, n_slots, {&a.dx_over_r, &a.h, &a.dh_over_r, &a.x});
        a.distance = place_components(reals_.reserve((2 * COMPONENTS + 1) * n_slots), COMPONENTS, n_slots, a.environment);
        place_components(a.distance + n_slots, COMPONENTS, n_slots, a.reverse_environment);
        place(slopes_, set.looks_up_distance(index_) ? n_slots : 0, {&a.environment_slope});
    } else {
        place(doubles_, n_slots, {&a.dx_over_r, &a.x});
        place(reals_, n_slots, {&a.distance, &a.reverse_environment[0]});
    }
    place(intervals_, n_slots, {&a.interval});
    type_moments_.reserve(COMPONENTS * static_cast<std::size_t>(set.most_stride));
}

template <class Real, int COMPONENTS>
void PairDescriptor<Real, COMPONENTS>::compute_environment(const PackedDescriptor<Real>& descriptor, const BlockPairs& pairs) {
    block_ = &pairs;
    descriptor_ = &descriptor;
    arrays_.neighbour = pairs.neighbour;
    std::copy(pairs.d, pairs.d + 3, arrays_.d);
    arrays_.r2 = pairs.r2;
    for (int c = 0; c < COMPONENTS; ++c) {
        std::fill_n(math::component_of<COMPONENTS>(arrays_.reverse_environment, c) + pairs.n, kPairPadding, Real(0));
    }
    kernels_.pairs.compute_environment[kOfEnvironment](descriptor.environment, pairs.n, arrays_);
    if (descriptor.argument == TableArgument::r) {
        kernels_.pairs.follow_distance[kOfEnvironment](descriptor.rcut, pairs.n, arrays_);
    }
    if constexpr (COMPONENTS > 4) {
        kernels_.pairs.compute_harmonics[COMPONENTS](descriptor.harmonics, pairs.n, arrays_);
    }
    for (int b = 0; b < pairs.n_types; ++b) {
        const PackedTypePair<Real>& pair = descriptor.type_pairs[static_cast<std::size_t>(b)];
        if (pair.kind == PairKind::ordinary) {
            kernels_.table.locate(pair.table->grid, pairs.begin(b), pairs.end(b), arrays_);
        }
    }
}

/// type_moments_ of an atom with n neighbours of one type, and the slots that those do not fill.
template <class Real, int COMPONENTS>
void PairDescriptor<Real, COMPONENTS>::store(const PackedTypePair<Real>& pair, int n, Real inverse_n_sel, int lanes,
                                             Real* moments) const {
    const math::Slots slots = math::slots_of(pair.kind, pair.sel, n);
    const auto empty = static_cast<Real>(slots.empty), masked = static_cast<Real>(slots.masked);
    const bool adds_masked = slots.masked != 0 && !pair.masked.empty();
    const int stride = pair.table->stride;
    for (int channel = 0; channel < pair.table->rank; ++channel) {
        const auto at = static_cast<std::size_t>(channel);
        const int moment = pair.moment_of_channel[at];
        if (moment < 0) {
            continue;
        }
        Real* to = moments + static_cast<std::ptrdiff_t>(COMPONENTS * moment) * lanes;
        const Real* from = type_moments_.data() + channel;
        const Real filled = adds_masked ? from[0] + masked * pair.masked[at] : from[0];
        to[0] = (filled + empty * pair.padding[at]) * inverse_n_sel;
        for (int c = 1; c < COMPONENTS; ++c) {
            to[c * lanes] = from[c * stride] * inverse_n_sel;
        }
    }
}

template <class Real, int COMPONENTS>
void PairDescriptor<Real, COMPONENTS>::compute_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms,
                                                       Real* moments) {
    std::fill_n(moments, COMPONENTS * static_cast<std::size_t>(descriptor.n_moments) * static_cast<std::size_t>(atoms.lanes),
                Real(0));
    const Real inverse_n_sel = Real(1) / static_cast<Real>(descriptor.n_sel);
    for (int b = 0; b < block_->n_types; ++b) {
        const PackedTypePair<Real>& pair = descriptor.type_pairs[static_cast<std::size_t>(b)];
        if (pair.table == nullptr) {
            continue;
        }
        for (int m = 0; m < atoms.n; ++m) {
            const int k = atoms.atoms[m], n = block_->count(b, k), first = block_->first(b, k);
            const int contributing = pair.kind == PairKind::ordinary ? n : 0;
            kernels_.table.compute_moments[COMPONENTS](*pair.table, first, first + contributing, arrays_, type_moments_.data());
            store(pair, n, inverse_n_sel, atoms.lanes, moments + m);
        }
    }
    if (descriptor.padding_moment >= 0) {
        Real* to = moments + static_cast<std::ptrdiff_t>(COMPONENTS * descriptor.padding_moment) * atoms.lanes;
        for (int m = 0; m < atoms.n; ++m) {
            to[m] = static_cast<Real>(descriptor.n_sel - count_all(atoms.atoms[m])) * inverse_n_sel;
        }
    }
}

/// Neighbours of an atom that fill slots.
template <class Real, int COMPONENTS>
int PairDescriptor<Real, COMPONENTS>::count_all(int atom) const {
    int n = 0;
    for (int b = 0; b < block_->n_types; ++b) {
        n += block_->count(b, atom);
    }
    return n;
}

template <class Real, int COMPONENTS>
void PairDescriptor<Real, COMPONENTS>::reverse_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms,
                                                       const Real* gradient) {
    const Real inverse_n_sel = Real(1) / static_cast<Real>(descriptor.n_sel);
    const bool has_slopes = COMPONENTS > 1 && descriptor.argument == TableArgument::r;  // R is not the table's argument
    const auto& by_components = has_slopes ? kernels_.table.reverse_moments_over_r : kernels_.table.reverse_moments;
    const auto reverse = by_components[COMPONENTS];
    for (int b = 0; b < block_->n_types; ++b) {
        const PackedTypePair<Real>& pair = descriptor.type_pairs[static_cast<std::size_t>(b)];
        if (pair.kind != PairKind::ordinary) {
            continue;
        }
        const int stride = pair.table->stride;
        std::fill_n(type_moments_.data(), COMPONENTS * stride, Real(0));
        for (int m = 0; m < atoms.n; ++m) {
            for (int channel = 0; channel < pair.table->rank; ++channel) {
                const int moment = pair.moment_of_channel[static_cast<std::size_t>(channel)];
                if (moment < 0) {
                    continue;
                }
                const Real* from = gradient + static_cast<std::ptrdiff_t>(COMPONENTS * moment) * atoms.lanes + m;
                for (int c = 0; c < COMPONENTS; ++c) {
                    type_moments_.data()[c * stride + channel] = from[c * atoms.lanes] * inverse_n_sel;
                }
            }
            const int k = atoms.atoms[m], first = block_->first(b, k);
            reverse(*pair.table, first, first + block_->count(b, k), arrays_, type_moments_.data());
        }
    }
}

template class PairDescriptor<double, 4>;
template class PairDescriptor<float, 4>;
template class PairDescriptor<double, 9>;
template class PairDescriptor<float, 9>;
template class PairDescriptor<double, 16>;
template class PairDescriptor<float, 16>;
template class PairDescriptor<double, 25>;
template class PairDescriptor<float, 25>;
template class PairDescriptor<double, 1>;
template class PairDescriptor<float, 1>;

}  // namespace dpc::host
