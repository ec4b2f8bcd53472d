// SPDX-License-Identifier: MIT
// See se_e3.hpp. Of neighbours of one type every pair of two different ones counts twice and every neighbour with itself once.
#include "se_e3.hpp"

#include <algorithm>

namespace dpc::host {
template <class Real>
void SeE3<Real>::reserve(const PackedSet<Real>& set, std::size_t n_slots, int lanes) {
    PairArrays<Real>& a = pairs_;
    place(doubles_, n_slots, {&a.dx_over_r, &a.h, &a.dh_over_r, &a.x});
    place(reals_, n_slots,
          {&a.environment[0], &a.environment[1], &a.environment[2], &a.environment[3], &a.reverse_environment[0],
           &a.reverse_environment[1], &a.reverse_environment[2], &a.reverse_environment[3]});
    const std::size_t n_listed = kPairPadding + kMostBundled + kPairPadding;
    place(listed_, n_listed,
          {&products_.distance, &products_.environment[1], &products_.reverse_environment[0], &products_.reverse_environment[1]});
    products_.reverse_environment[0] += kPairPadding;  // kernels read before the first one, too
    products_.reverse_environment[1] += kPairPadding;
    place(intervals_, n_listed, {&products_.interval});
    rows_.reserve(kMostBundled);
    const auto stride = static_cast<std::size_t>(set.most_stride);
    const std::size_t most_components = set.is_gated(index_) ? 2 : 1;
    bundles_.reserve(set, static_cast<int>(most_components));
    sums_.reserve(2 * most_components * stride);
    weights_.reserve(most_components * stride);
    if (set.expands(index_)) {
        moments_.reserve(static_cast<std::size_t>(panel_rows(set.most_moments)) * static_cast<std::size_t>(lanes));
    }
}

template <class Real>
void SeE3<Real>::compute_environment(const PackedDescriptor<Real>& descriptor, const BlockPairs& pairs) {
    block_ = &pairs;
    is_gated_ = descriptor.is_gated;
    pairs_.neighbour = pairs.neighbour;
    std::copy(pairs.d, pairs.d + 3, pairs_.d);
    pairs_.r2 = pairs.r2;
    const int padded = pairs.n + kPairPadding;
    for (int c = 0; c < 4; ++c) {
        std::fill_n(pairs_.reverse_environment[c], padded, Real(0));
        std::fill_n(pairs_.environment[c] + pairs.n, kPairPadding, Real(0));  // what packs of products touch must be finite
    }
    kernels_.pairs.compute_environment[4](descriptor.environment, pairs.n, pairs_);
    if (is_gated_) {
        kernels_.pairs.follow_switch(descriptor.environment, pairs.n, pairs_);
    }
}

/// use(n) for lists of n products of different neighbours of an atom, whose places and rows are set.
template <class Real>
template <class Use>
void SeE3<Real>::in_lists(const PackedTriple<Real>& triple, int atom, const Use& use) {
    const Range first = range(triple.b, atom), second = range(triple.c, atom);
    int n = 0;
    rows_.clear();
    const auto use_list = [&] {
        kernels_.triples.multiply(vectors(), rows_.data(), n_rows(), products_.distance);
        if (is_gated_) {
            kernels_.triples.weigh(pairs_.environment[0], rows_.data(), n_rows(), products_.environment[1]);
        }
        kernels_.triples.locate(triple.table->grid, n, {products_.interval, products_.distance});
        use(n);
        n = 0;
        rows_.clear();
    };
    for (int j = first.begin; j < first.end; ++j) {
        for (int k = triple.b == triple.c ? j + 1 : second.begin; k < second.end;) {
            const int end = std::min(second.end, k + kMostBundled - n);
            rows_.push_back({j, k, end, n});
            n += end - k;
            k = end;
            if (n == kMostBundled) {
                use_list();
            }
        }
    }
    if (n > 0) {
        use_list();
    }
}

/// use(begin, n) for lists of n neighbours from `begin` on, each with itself.
template <class Real>
template <class Use>
void SeE3<Real>::squares_in_lists(const PackedTriple<Real>& triple, int atom, const Use& use) {
    const Range neighbours = range(triple.b, atom);
    for (int begin = neighbours.begin; triple.b == triple.c && begin < neighbours.end; begin += kMostBundled) {
        const int end = std::min(neighbours.end, begin + kMostBundled);
        kernels_.triples.square(vectors(), begin, end, products_.distance);
        kernels_.triples.locate(triple.table->grid, end - begin, {products_.interval, products_.distance});
        if (is_gated_) {
            kernels_.triples.weigh_squares(pairs_.environment[0], begin, end, products_.environment[1]);
        }
        use(begin, end - begin);
    }
}

/// sums_ += weight times the sums over the list.
template <class Real>
void SeE3<Real>::add_moments(const PackedTable<Real>& table, int n, Real weight) {
    Real* of_list = sums_.data() + n_components() * table.stride;
    kernels_.bundles.compute_moments[n_components()](table, arguments(), n, bundles_.scratch(), of_list);
    for (int c = 0; c < n_components(); ++c) {
        for (int channel = c * table.stride; channel < c * table.stride + table.rank; ++channel) {
            sums_.data()[channel] += weight * of_list[channel];
        }
    }
}

template <class Real>
void SeE3<Real>::compute_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* moments) {
    std::fill_n(moments, static_cast<std::size_t>(descriptor.n_rows()) * static_cast<std::size_t>(atoms.lanes), Real(0));
    for (const PackedTriple<Real>& triple : descriptor.triples) {
        const PackedTable<Real>& table = *triple.table;
        const Real different = triple.b == triple.c ? Real(2) : Real(1);
        for (int m = 0; m < atoms.n; ++m) {
            std::fill_n(sums_.data(), n_components() * table.stride, Real(0));
            in_lists(triple, atoms.atoms[m], [&](int n) { add_moments(table, n, different); });
            squares_in_lists(triple, atoms.atoms[m], [&](int, int n) { add_moments(table, n, Real(1)); });
            for (int channel = 0; channel < table.rank; ++channel) {
                const int moment = triple.moment_of_channel[static_cast<std::size_t>(channel)];
                for (int c = 0; moment >= 0 && c < n_components(); ++c) {
                    moments[(static_cast<std::ptrdiff_t>(moment) * n_components() + c) * atoms.lanes + m] =
                        sums_.data()[c * table.stride + channel] * static_cast<Real>(triple.inverse_divisor);
                }
            }
        }
    }
}

/// weights_ = dE/dsums of an atom from dE/dC, from that atom's lane on; of channels that are in no moment they stay 0.
template <class Real>
void SeE3<Real>::load_weights(const PackedTriple<Real>& triple, const Real* gradient, int lanes) {
    for (int channel = 0; channel < triple.table->rank; ++channel) {
        const int moment = triple.moment_of_channel[static_cast<std::size_t>(channel)];
        for (int c = 0; moment >= 0 && c < n_components(); ++c) {
            weights_.data()[c * triple.table->stride + channel] =
                gradient[(static_cast<std::ptrdiff_t>(moment) * n_components() + c) * lanes] *
                static_cast<Real>(triple.inverse_divisor);
        }
    }
}

template <class Real>
void SeE3<Real>::reverse_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* gradient) {
    for (const PackedTriple<Real>& triple : descriptor.triples) {
        const PackedTable<Real>& table = *triple.table;
        const int size = n_components() * table.stride;
        std::fill_n(weights_.data(), size, Real(0));
        for (int m = 0; m < atoms.n; ++m) {
            load_weights(triple, gradient + m, atoms.lanes);
            squares_in_lists(triple, atoms.atoms[m], [&](int begin, int n) {
                reverse_list(table, n);
                kernels_.triples.reverse_squares(vectors(), begin, begin + n, products_.reverse_environment[0]);
                if (is_gated_) {
                    kernels_.triples.reverse_weighted_squares(pairs_.environment[0], pairs_.reverse_environment[0], begin,
                                                              begin + n, products_.reverse_environment[1]);
                }
            });
            for (int channel = 0; triple.b == triple.c && channel < size; ++channel) {
                weights_.data()[channel] *= 2;
            }
            in_lists(triple, atoms.atoms[m], [&](int n) {
                reverse_list(table, n);
                kernels_.triples.reverse(vectors(), rows_.data(), n_rows(), products_.reverse_environment[0]);
                if (is_gated_) {
                    kernels_.triples.reverse_weights(pairs_.environment[0], pairs_.reverse_environment[0], rows_.data(), n_rows(),
                                                     products_.reverse_environment[1]);
                }
            });
        }
    }
}

/// dE/dx and, of gates, dE/dw of the listed products from weights_.
template <class Real>
void SeE3<Real>::reverse_list(const PackedTable<Real>& table, int n) {
    kernels_.bundles.reverse_moments[n_components()](table, arguments(), n, bundles_.scratch(), weights_.data(),
                                                     products_.reverse_environment[0], products_.reverse_environment[1]);
}

template <class Real>
void SeE3<Real>::compute(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* features) {
    if (!descriptor.expands()) {
        compute_moments(descriptor, atoms, features);
        return;
    }
    compute_moments(descriptor, atoms, moments_.data());
    kernels_.net.multiply(descriptor.basis, atoms.lanes, moments_.data(), features);
}

template <class Real>
void SeE3<Real>::reverse(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* reverse_features) {
    if (!descriptor.expands()) {
        reverse_moments(descriptor, atoms, reverse_features);
        return;
    }
    kernels_.net.multiply(descriptor.reverse_basis, atoms.lanes, reverse_features, moments_.data());
    reverse_moments(descriptor, atoms, moments_.data());
}

template <class Real>
std::size_t SeE3<Real>::bytes() const {
    return sizeof(*this) + doubles_.bytes() + reals_.bytes() + listed_.bytes() + intervals_.bytes() + bundles_.bytes() +
           bytes_of(rows_) + sums_.bytes() + weights_.bytes() + moments_.bytes();
}

template class SeE3<double>;
template class SeE3<float>;

}  // namespace dpc::host
