// SPDX-License-Identifier: MIT
// See se_e3.hpp. Of neighbours of one type every pair of two different ones counts twice and every neighbour with itself once.
#include "se_e3.hpp"

#include <algorithm>

namespace dpc::host {

template <class Real>
void SeE3<Real>::reserve(const PackedSet<Real>& set, const BlockRoom& room) {
    const std::size_t n_slots = room.n_slots;
    const auto lanes = static_cast<std::size_t>(room.lanes);
    PairArrays<Real>& a = pairs_;
    place(doubles_, n_slots, {&a.dx_over_r, &a.h, &a.dh_over_r, &a.x});
    place(reals_, n_slots,
          {&a.environment[0], &a.environment[1], &a.environment[2], &a.environment[3], &a.reverse_environment[0],
           &a.reverse_environment[1], &a.reverse_environment[2], &a.reverse_environment[3]});
    const auto stride = static_cast<std::size_t>(set.most_stride);
    const std::size_t most_components = set.is_gated(index_) ? 2 : 1;
    bundles_.reserve(set, static_cast<int>(most_components), room);
    const std::size_t n_products = kPairPadding + static_cast<std::size_t>(bundles_.most()) + kPairPadding;
    reverse_x_ = reverse_.reserve(most_components * n_products) + kPairPadding;  // kernels read before the first one, too
    reverse_w_ = most_components == 2 ? reverse_x_ + n_products : nullptr;
    rows_.reserve(static_cast<std::size_t>(room.n_neighbours));
    owners_.reserve(lanes);
    firsts_.reserve(lanes);
    of_block_.reserve(lanes * most_components * stride);
    if (set.expands(index_)) {
        moments_.reserve(static_cast<std::size_t>(panel_rows(set.most_moments)) * lanes);
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

/// use() for lists of products around the atoms: owners_ and firsts_ say of what. A list ends where the next neighbour's products have no
/// more room in it, also in the middle of an atom's; it has each atom once.
template <class Real>
template <class Use>
void SeE3<Real>::for_each_list(const PackedTriple<Real>& triple, const BlockAtoms& atoms, const Use& use) {
    int n = 0;
    owners_.clear();
    firsts_.clear();
    const auto finish = [&] {
        if (n > 0) {
            use();
        }
        n = 0;
        owners_.clear();
        firsts_.clear();
    };
    for (int m = 0; m < atoms.n; ++m) {
        const Range first = range(triple.b, atoms.atoms[m]);
        const int n_second = block_->count(triple.c, atoms.atoms[m]);
        const auto n_products = [&](int j) { return triple.is_alike() ? first.end - j : n_second; };
        for (int j = first.begin; j < first.end && n_second > 0;) {
            const int begin = j;
            int end = n;
            for (; j < first.end && end + n_products(j) <= bundles_.most(); ++j) {
                end += n_products(j);
            }
            if (end > n) {
                owners_.push_back({n, n + (triple.is_alike() ? j - begin : 0), end, m});
                firsts_.push_back({begin, j});
                n = end;
            }
            if (j < first.end) {
                finish();
            }
        }
    }
    finish();
}

/// use(number, owner, squares) for the owners of a list: the products of squares, neighbours with themselves, come first, then those of
/// rows_.
template <class Real>
template <class Use>
void SeE3<Real>::for_each_owner(const PackedTriple<Real>& triple, const BlockAtoms& atoms, const Use& use) {
    for (std::size_t number = 0; number < owners_.size(); ++number) {
        make_rows(triple, atoms, owners_[number], firsts_[number]);
        use(static_cast<int>(number), owners_[number], triple.is_alike() ? firsts_[number] : Range{0, 0});
    }
}

/// rows_ for an owner of products: those of some first neighbours. Squares, if there are any, lie before them.
template <class Real>
void SeE3<Real>::make_rows(const PackedTriple<Real>& triple, const BlockAtoms& atoms, const Owner& owner, Range first) {
    const Range second = range(triple.c, atoms.atoms[owner.row]);
    n_rows_ = 0;
    int place = owner.begin_weighted;
    for (int j = first.begin; j < first.end; ++j) {
        const int begin = triple.is_alike() ? j + 1 : second.begin;
        rows_.data()[n_rows_++] = {j, begin, second.end, place};
        place += second.end - begin;
    }
}

/// The products of owners_ and firsts_ in bundles.
template <class Real>
BundleList<Real> SeE3<Real>::make_list(const PackedTriple<Real>& triple, const BlockAtoms& atoms) {
    BundleList<Real> list = bundles_.room(owners_, triple.frequent, triple.is_alike() ? Real(2) : Real(1));
    const OtherArguments<Real>& others = bundles_.others();
    int n_others = 0;
    for_each_owner(triple, atoms, [&](int number, const Owner& owner, Range squares) {
        kernels_.triples.square(vectors(), squares.begin, squares.end, list.x + owner.begin);
        kernels_.triples.multiply(vectors(), rows_.data(), n_rows_, list.x);
        if (is_gated_) {
            kernels_.triples.weigh_squares(pairs_.environment[0], squares.begin, squares.end, list.w + owner.begin);
            kernels_.triples.weigh(pairs_.environment[0], rows_.data(), n_rows_, list.w);
        }
        n_others = kernels_.bundles.find_others(triple.frequent, list.x, owner, number, n_others, others);
    });
    kernels_.triples.locate(triple.table->grid, n_others, {others.interval, others.distance});
    list.n_bundles = kernels_.bundles.bundle[n_components()](others, n_others, list.w, bundles_.scratch(), list.bundled);
    return list;
}

template <class Real>
void SeE3<Real>::compute_moments(const PackedDescriptor<Real>& descriptor, const BlockAtoms& atoms, Real* moments) {
    std::fill_n(moments, static_cast<std::size_t>(descriptor.n_rows()) * static_cast<std::size_t>(atoms.lanes), Real(0));
    bundles_.forget();
    for (const PackedTriple<Real>& triple : descriptor.triples) {
        const int size = n_components() * triple.table->stride;
        std::fill_n(of_block_.data(), atoms.n * size, Real(0));
        for_each_list(triple, atoms, [&] {
            const BundleList<Real> list = make_list(triple, atoms);
            kernels_.bundles.compute_moments[n_components()](*triple.table, list, bundles_.scratch(), of_block_.data());
            bundles_.keep(list);
        });
        for (int first = 0; first < atoms.n; first += kGroup) {
            const int n_group = std::min(kGroup, atoms.n - first);
            for_each_row(triple, [&](int row, int number) {
                Real* of_row = moments + static_cast<std::ptrdiff_t>(row) * atoms.lanes + first;
                for (int m = 0; m < n_group; ++m) {
                    of_row[m] = of_block_.data()[(first + m) * size + number] * static_cast<Real>(triple.inverse_divisor);
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
        std::fill_n(of_block_.data(), atoms.n * size, Real(0));  // of channels that are in no moment it stays 0
        for (int first = 0; first < atoms.n; first += kGroup) {
            const int n_group = std::min(kGroup, atoms.n - first);
            for_each_row(triple, [&](int row, int number) {
                const Real* of_row = gradient + static_cast<std::ptrdiff_t>(row) * atoms.lanes + first;
                for (int m = 0; m < n_group; ++m) {
                    of_block_.data()[(first + m) * size + number] = of_row[m] * static_cast<Real>(triple.inverse_divisor);
                }
            });
        }
        for_each_list(triple, atoms, [&] {
            const BundleList<Real>* kept = bundles_.take_kept();
            reverse_list(triple, atoms, kept == nullptr ? make_list(triple, atoms) : *kept);
        });
    }
}

/// dE/dv and, of gates, dE/dsw of the neighbours += what the products of a list add; of_block_: dE/dsums.
template <class Real>
void SeE3<Real>::reverse_list(const PackedTriple<Real>& triple, const BlockAtoms& atoms, const BundleList<Real>& list) {
    kernels_.bundles.reverse_moments[n_components()](*triple.table, list, bundles_.scratch(), of_block_.data(), reverse_x_,
                                                     reverse_w_);
    for_each_owner(triple, atoms, [&](int, const Owner& owner, Range squares) {
        kernels_.triples.reverse_squares(vectors(), squares.begin, squares.end, reverse_x_ + owner.begin);
        kernels_.triples.reverse(vectors(), rows_.data(), n_rows_, reverse_x_);
        if (is_gated_) {
            Real *sw = pairs_.environment[0], *reverse_sw = pairs_.reverse_environment[0];
            kernels_.triples.reverse_weighted_squares(sw, reverse_sw, squares.begin, squares.end, reverse_w_ + owner.begin);
            kernels_.triples.reverse_weights(sw, reverse_sw, rows_.data(), n_rows_, reverse_w_);
        }
    });
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
    return sizeof(*this) + doubles_.bytes() + reals_.bytes() + reverse_.bytes() + bundles_.bytes() + rows_.bytes() +
           of_block_.bytes() + moments_.bytes() + bytes_of(owners_) + bytes_of(firsts_);
}

template class SeE3<double>;
template class SeE3<float>;

}  // namespace dpc::host
