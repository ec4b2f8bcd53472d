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
    of_group_.reserve(kGroup * most_components * stride);
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

/// use(n) for lists of n products around an atom: squares_ and rows_ say of what.
template <class Real>
template <class Use>
void SeE3<Real>::in_lists(const PackedTriple<Real>& triple, int atom, const Use& use) {
    const Range first = range(triple.b, atom), second = range(triple.c, atom);
    const bool is_alike = triple.b == triple.c;
    int n = 0;
    squares_ = {first.begin, first.begin};
    n_rows_ = 0;
    const auto end_of = [&](int begin, int end) {  // of what still has room in the list
        return std::min(end, begin + kMostBundled - n);
    };
    const auto add = [&](int n_products) {
        n += n_products;
        if (n == kMostBundled) {
            use(n);
            n = 0;
            squares_.begin = squares_.end;
            n_rows_ = 0;
        }
    };
    while (is_alike && squares_.end < first.end) {
        squares_.end = end_of(squares_.begin, first.end);
        add(squares_.end - squares_.begin);
    }
    for (int j = first.begin; j < first.end; ++j) {
        for (int k = is_alike ? j + 1 : second.begin; k < second.end;) {
            const int begin = k;
            k = end_of(begin, second.end);
            ProductRow& row = rows_.data()[n_rows_++];
            row.j = j;
            row.begin = begin;
            row.end = k;
            row.place = n;
            add(k - begin);
        }
    }
    if (n > 0) {
        use(n);
    }
}

/// The n products of squares_ and rows_ in bundles.
template <class Real>
BundleList<Real> SeE3<Real>::make_list(const PackedTriple<Real>& triple, int n) {
    const int n_squares = squares_.end - squares_.begin;
    kernels_.triples.square(vectors(), squares_.begin, squares_.end, products_.distance);
    kernels_.triples.multiply(vectors(), rows_.data(), n_rows_, products_.distance);
    if (is_gated_) {
        kernels_.triples.weigh_squares(pairs_.environment[0], squares_.begin, squares_.end, products_.environment[1]);
        kernels_.triples.weigh(pairs_.environment[0], rows_.data(), n_rows_, products_.environment[1]);
    }
    kernels_.triples.locate(triple.table->grid, n, {products_.interval, products_.distance});
    const Arguments<Real> arguments = {products_.interval, products_.distance, products_.environment[1]};
    const BundledArguments<Real> bundled = bundles_.room();
    const auto bundle = kernels_.bundles.bundle[n_components()];
    const int n_single = bundle(arguments, 0, n_squares, 0, bundles_.scratch(), bundled);
    const int n_bundles = bundle(arguments, n_squares, n, n_single, bundles_.scratch(), bundled);
    return {bundled, n_bundles, n_single, triple.b == triple.c ? Real(2) : Real(1)};
}

template <class Real>
void SeE3<Real>::compute_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* moments) {
    std::fill_n(moments, static_cast<std::size_t>(descriptor.n_rows()) * static_cast<std::size_t>(atoms.lanes), Real(0));
    bundles_.forget();
    for (const PackedTriple<Real>& triple : descriptor.triples) {
        const int size = n_components() * triple.table->stride;
        for (int first = 0; first < atoms.n; first += kGroup) {
            const int n_group = std::min(kGroup, atoms.n - first);
            std::fill_n(of_group_.data(), n_group * size, Real(0));
            for (int m = 0; m < n_group; ++m) {
                Real* sums = of_group_.data() + m * size;
                in_lists(triple, atoms.atoms[first + m], [&](int n) {
                    const BundleList<Real> list = make_list(triple, n);
                    bundles_.keep(list, n);
                    kernels_.bundles.compute_moments[n_components()](*triple.table, list, bundles_.scratch(), sums);
                });
            }
            for_each_row(triple, [&](int row, int number) {
                Real* of_row = moments + static_cast<std::ptrdiff_t>(row) * atoms.lanes + first;
                for (int m = 0; m < n_group; ++m) {
                    of_row[m] = of_group_.data()[m * size + number] * static_cast<Real>(triple.inverse_divisor);
                }
            });
        }
    }
}

/// use(row, number) for the rows of C that a group of neighbours has: which of the numbers (components, stride) of an atom it holds.
template <class Real>
template <class Use>
void SeE3<Real>::for_each_row(const PackedTriple<Real>& triple, const Use& use) const {
    for (int channel = 0; channel < triple.table->rank; ++channel) {
        const int moment = triple.moment_of_channel[static_cast<std::size_t>(channel)];
        for (int c = 0; moment >= 0 && c < n_components(); ++c) {
            use(moment * n_components() + c, c * triple.table->stride + channel);
        }
    }
}

template <class Real>
void SeE3<Real>::reverse_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, const Real* gradient) {
    for (const PackedTriple<Real>& triple : descriptor.triples) {
        const int size = n_components() * triple.table->stride;
        std::fill_n(of_group_.data(), kGroup * size, Real(0));  // of channels that are in no moment it stays 0
        for (int first = 0; first < atoms.n; first += kGroup) {
            const int n_group = std::min(kGroup, atoms.n - first);
            for_each_row(triple, [&](int row, int number) {
                const Real* of_row = gradient + static_cast<std::ptrdiff_t>(row) * atoms.lanes + first;
                for (int m = 0; m < n_group; ++m) {
                    of_group_.data()[m * size + number] = of_row[m] * static_cast<Real>(triple.inverse_divisor);
                }
            });
            for (int m = 0; m < n_group; ++m) {
                in_lists(triple, atoms.atoms[first + m], [&](int n) {
                    BundleList<Real> list;
                    if (!bundles_.take_kept(list)) {
                        list = make_list(triple, n);
                    }
                    reverse_list(*triple.table, list, of_group_.data() + m * size);
                });
            }
        }
    }
}

/// dE/dv and, of gates, dE/dsw of the neighbours += what the listed products add; weights (components, stride): dE/dsums.
template <class Real>
void SeE3<Real>::reverse_list(const PackedTable<Real>& table, const BundleList<Real>& list, const Real* weights) {
    Real *of_products = products_.reverse_environment[0], *of_weights = products_.reverse_environment[1];
    kernels_.bundles.reverse_moments[n_components()](table, list, bundles_.scratch(), weights, of_products, of_weights);
    kernels_.triples.reverse_squares(vectors(), squares_.begin, squares_.end, of_products);
    kernels_.triples.reverse(vectors(), rows_.data(), n_rows_, of_products);
    if (is_gated_) {
        Real *sw = pairs_.environment[0], *reverse_sw = pairs_.reverse_environment[0];
        kernels_.triples.reverse_weighted_squares(sw, reverse_sw, squares_.begin, squares_.end, of_weights);
        kernels_.triples.reverse_weights(sw, reverse_sw, rows_.data(), n_rows_, of_weights);
    }
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
           rows_.bytes() + of_group_.bytes() + moments_.bytes();
}

template class SeE3<double>;
template class SeE3<float>;

}  // namespace dpc::host
