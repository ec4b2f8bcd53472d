// SPDX-License-Identifier: MIT
// See block_evaluator.hpp.
#include "block_evaluator.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "dpc/math/slots.hpp"

namespace dpc::host {
namespace {

int padded(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

}  // namespace

template <class Real>
void BlockEvaluator<Real>::reserve(const NeighbourBlocks& list) {
    const std::size_t n = (list.most_listed + kPairPadding + 7) / 8 * 8;
    double* doubles = pair_doubles_.reserve(11 * n);
    Real* reals = pair_reals_.reserve(9 * n);
    int* integers = pair_integers_.reserve(2 * n);
    pairs_.neighbour = integers;
    pairs_.table_row = integers + n;
    double** double_arrays[] = {&pairs_.d[0], &pairs_.d[1], &pairs_.d[2], &pairs_.r2, &pairs_.dx_over_r, &pairs_.h,
                                &pairs_.dh_over_r, &pairs_.x, &gradient_[0], &gradient_[1], &gradient_[2]};
    for (double** array : double_arrays) {
        *array = doubles;
        doubles += n;
    }
    Real** real_arrays[] = {&pairs_.row[0], &pairs_.row[1], &pairs_.row[2], &pairs_.row[3], &pairs_.distance,
                            &pairs_.reverse_row[0], &pairs_.reverse_row[1], &pairs_.reverse_row[2], &pairs_.reverse_row[3]};
    for (Real** array : real_arrays) {
        *array = reals;
        reals += n;
    }

    int most_atoms = 0;
    for (const Block& block : list.blocks) {
        most_atoms = std::max(most_atoms, block.n_atoms);
    }
    const int lanes = padded(most_atoms, kLaneMultiple);
    const auto atoms = static_cast<std::size_t>(lanes);
    const PackedSet<Real>& set = model_.close();  // has the most of everything
    counts_.resize(set.types.size() * atoms);
    firsts_.resize(set.types.size() * atoms);
    is_close_.resize(atoms);
    chosen_atoms_.resize(atoms);
    all_atoms_.resize(atoms);
    std::iota(all_atoms_.begin(), all_atoms_.end(), 0);
    moments_.reserve(4 * static_cast<std::size_t>(set.most_stride));
    const std::size_t rows = static_cast<std::size_t>(panel_rows(set.most_rows));
    rows_.reserve(4 * rows * atoms);
    reverse_rows_.reserve(4 * rows * atoms);
    if (std::any_of(set.types.begin(), set.types.end(), [](const Type& t) { return t.basis.panels != nullptr; })) {
        expanded_.reserve(4 * rows * atoms);
        reverse_expanded_.reserve(4 * rows * atoms);
    }
    products_.reserve(static_cast<std::size_t>(panel_rows(set.most_products)) * atoms);
    energy_.reserve(atoms);
    lane_scratch_.reserve(8 * rows * kLaneMultiple);
    net_.reserve(set, lanes);
    nearest_.reserve(list);
}

template <class Real>
std::size_t BlockEvaluator<Real>::bytes() const {
    return nearest_.bytes() + bytes_of(counts_) + bytes_of(firsts_) + bytes_of(all_atoms_) + bytes_of(is_close_) + bytes_of(chosen_atoms_) +
           pair_doubles_.bytes() + pair_reals_.bytes() + pair_integers_.bytes() + moments_.bytes() + rows_.bytes() + reverse_rows_.bytes() +
           expanded_.bytes() + reverse_expanded_.bytes() + products_.bytes() + lane_scratch_.bytes() + energy_.bytes() + net_.bytes();
}

template <class Real>
void BlockEvaluator<Real>::evaluate(
    const NeighbourBlocks& list, const Block& block, const double* x, const Units& units, Sums& sums) {
    compute_environment(list, block, x, units.length, sums);
    atoms_ = all_atoms_.data();
    n_atoms_ = block.n_atoms;
    if (any_close_) {
        evaluate_close(list, block, units, sums);
    }
    if (n_atoms_ > 0) {
        evaluate_atoms(model_.ordinary.types[static_cast<std::size_t>(block.type)], list, block, units, sums);
    }
    add_forces(list, block, units, sums);
}

/// The close centres of a block with all columns and products. Leaves the other ones as those that are evaluated next.
template <class Real>
void BlockEvaluator<Real>::evaluate_close(const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums) {
    atoms_ = chosen_atoms_.data();
    for (const bool close : {true, false}) {
        n_atoms_ = 0;
        for (int k = 0; k < block.n_atoms; ++k) {
            if ((is_close_[static_cast<std::size_t>(k)] != 0) == close) {
                chosen_atoms_[static_cast<std::size_t>(n_atoms_++)] = k;
            }
        }
        if (close) {
            evaluate_atoms(model_.close().types[static_cast<std::size_t>(block.type)], list, block, units, sums);
        }
    }
}

/// From the pairs of the present atoms to their energies and dE/dR.
template <class Real>
void BlockEvaluator<Real>::evaluate_atoms(
    const Type& type, const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums) {
    lanes_ = padded(n_atoms_, kLaneMultiple);
    compute_rows(type, block);
    if (!type.folded) {
        kernels_.multiply(type.basis, 4 * lanes_, rows_.data(), expanded_.data());
    }
    kernels_.compute_products(type.products(), lanes_, type.folded ? rows_.data() : expanded_.data(), lane_scratch_.data(), products_.data());
    compute_energy(type, list, block, units, sums);
    reverse_fitting_net(kernels_, type.layers, lanes_, net_, products_.data());
    reverse_rows(type);
    reverse_moments(type, block);
}

/// Pairs inside rcut by neighbour type, then atom; their rows R and where they lie in the tables.
template <class Real>
void BlockEvaluator<Real>::compute_environment(
    const NeighbourBlocks& list, const Block& block, const double* x, double length, Sums& sums) {
    const Type& type = model_.ordinary.types[static_cast<std::size_t>(block.type)];
    const double rcut2 = model_.model->descriptors.front().rcut * model_.model->descriptors.front().rcut;
    gather(list, block, x, length, sums);
    for (int k = n_pairs_; k < n_pairs_ + kPairPadding; ++k) {  // what the kernels touch beyond the last pair: neutral
        pairs_.d[0][k] = pairs_.d[1][k] = pairs_.d[2][k] = 0;
        pairs_.r2[k] = rcut2;
        for (Real* component : pairs_.reverse_row) {
            component[k] = Real(0);
        }
    }
    kernels_.compute_environment(type.environment, n_pairs_, pairs_);
    for (int b = 0; b < model_.model->n_types(); ++b) {
        if (type.pairs[static_cast<std::size_t>(b)].kind == PairKind::ordinary) {
            const int begin = firsts_[static_cast<std::size_t>(b * block.n_atoms)];
            const int last = block.n_atoms - 1;
            kernels_.locate(type.pairs[static_cast<std::size_t>(b)].table->grid, begin,
                            firsts_[static_cast<std::size_t>(b * block.n_atoms + last)] + count(b, block, last), pairs_);
        }
    }
}

/// Pairs inside rcut, those that are kept of too many, and what is to be said of them.
template <class Real>
void BlockEvaluator<Real>::gather(const NeighbourBlocks& list, const Block& block, const double* x, double length, Sums& sums) {
    const Type& type = model_.ordinary.types[static_cast<std::size_t>(block.type)];
    const double rcut2 = model_.model->descriptors.front().rcut * model_.model->descriptors.front().rcut;
    n_pairs_ = 0;
    any_close_ = false;
    bool may_overflow = false;
    Overflow close;
    for (int b = 0; b < model_.model->n_types(); ++b) {
        const PairKind kind = type.pairs[static_cast<std::size_t>(b)].kind;
        for (int k = 0; k < block.n_atoms; ++k) {
            const Listed listed = list.listed(block, b, k);
            firsts_[static_cast<std::size_t>(b * block.n_atoms + k)] = n_pairs_;
            if (!math::is_counted(kind)) {
                count(b, block, k) = 0;
                may_overflow = may_overflow || nearest_.may_overflow(b, listed.count);
                continue;
            }
            const int centre = list.centres[static_cast<std::size_t>(block.first_centre + k)];
            double closest2 = rcut2;
            const int found = kernels_.gather_pairs(x, length, x + 3 * static_cast<std::ptrdiff_t>(centre), listed, rcut2, n_pairs_,
                                                    pairs_, &closest2);
            count(b, block, k) = found;
            count_crowd(block, centre, b, found, sums);
            may_overflow = may_overflow || nearest_.may_overflow(b, found);
            if (kind == PairKind::ordinary) {
                check_distances(block, centre, b, k, closest2, close, sums);
                n_pairs_ += found;
            }
        }
    }
    if (may_overflow) {
        keep_nearest(list, block, x, length, close, sums);
    }
    merge(sums.overflow, close);
}

/// The rare case: some centre may have more neighbours than the model keeps. What was said of the pairs that go is taken back.
template <class Real>
void BlockEvaluator<Real>::keep_nearest(
    const NeighbourBlocks& list, const Block& block, const double* x, double length, Overflow& close, Sums& sums) {
    GatheredPairs gathered{pairs_.neighbour, {pairs_.d[0], pairs_.d[1], pairs_.d[2]}, pairs_.r2, counts_.data(), firsts_.data(), n_pairs_};
    nearest_.keep(list, block, x, length, gathered, sums.overflow);
    n_pairs_ = gathered.n;
    close = Overflow{};
    any_close_ = false;
    const Type& type = model_.ordinary.types[static_cast<std::size_t>(block.type)];
    for (int b = 0; b < model_.model->n_types(); ++b) {
        for (int k = 0; k < block.n_atoms && type.pairs[static_cast<std::size_t>(b)].kind == PairKind::ordinary; ++k) {
            const double* r2 = pairs_.r2 + firsts_[static_cast<std::size_t>(b * block.n_atoms + k)];
            const double* end = r2 + count(b, block, k);
            if (r2 != end) {
                const int centre = list.centres[static_cast<std::size_t>(block.first_centre + k)];
                check_distances(block, centre, b, k, *std::min_element(r2, end), close, sums);
            }
        }
    }
}

/// Note where the closest neighbour of a centre and type is closer than in the training data or beyond the table.
template <class Real>
void BlockEvaluator<Real>::check_distances(
    const Block& block, int centre, int b, int atom, double closest2, Overflow& found, Sums& sums) {
    const PackedPair<Real>& pair = model_.ordinary.types[static_cast<std::size_t>(block.type)].pairs[static_cast<std::size_t>(b)];
    if (closest2 < pair.checked_distance2) {
        if (closest2 < pair.min_distance * pair.min_distance) {
            mark_close(block, atom);
        }
        const auto segment = static_cast<std::size_t>(b * block.n_atoms + atom);
        count_overflow(block, centre, b, firsts_[segment], counts_[segment], closest2, found, sums);
    }
}

/// Close centres take all columns and products; that is nothing new where all do.
template <class Real>
void BlockEvaluator<Real>::mark_close(const Block& block, int atom) {
    if (model_.ordinary.types[static_cast<std::size_t>(block.type)].takes_all) {
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
void BlockEvaluator<Real>::count_overflow(
    const Block& block, int centre, int b, int begin, int n, double closest2, Overflow& all, Sums& sums) const {
    const PackedPair<Real>& pair = model_.ordinary.types[static_cast<std::size_t>(block.type)].pairs[static_cast<std::size_t>(b)];
    Overflow found;
    for (int k = begin; k < begin + n; ++k) {
        const double r = std::sqrt(pairs_.r2[k]);
        found.n_close += r < pair.min_distance ? 1 : 0;
        found.n_beyond += r < pair.table_limit ? 1 : 0;
        if (pairs_.r2[k] == closest2) {
            found.worst = {centre, pairs_.neighbour[k], block.type, b, r, pair.min_distance, pair.table_limit};
        }
    }
    if (closest2 == 0) {
        sums.coincident[0] = found.worst.i;
        sums.coincident[1] = found.worst.j;
    }
    merge(all, found);
}

template <class Real>
void BlockEvaluator<Real>::count_crowd(const Block& block, int centre, int b, int n, Sums& sums) const {
    const int sel = model_.model->descriptors.front().sel[static_cast<std::size_t>(b)];
    if (n > sel) {
        Overflow found;
        found.n_over_sel = 1;
        found.crowd = {centre, block.type, b, n, sel};
        merge(sums.overflow, found);
    }
}

/// C: the moments of every atom and neighbour type with the empty slots, over n_sel, one row a channel.
template <class Real>
void BlockEvaluator<Real>::compute_rows(const Type& type, const Block& block) {
    std::fill_n(rows_.data(), 4 * static_cast<std::size_t>(type.n_rows) * static_cast<std::size_t>(lanes_), Real(0));
    const Real inverse_n_sel = Real(1) / static_cast<Real>(model_.model->descriptors.front().n_sel);
    for (int b = 0; b < model_.model->n_types(); ++b) {
        const PackedPair<Real>& pair = type.pairs[static_cast<std::size_t>(b)];
        if (pair.table == nullptr) {
            continue;
        }
        const int stride = pair.table->stride;
        for (int m = 0; m < n_atoms_; ++m) {
            const int k = atoms_[m];
            const int n = count(b, block, k);
            const int first = firsts_[static_cast<std::size_t>(b * block.n_atoms + k)];
            const int contributing = pair.kind == PairKind::ordinary ? n : 0;
            kernels_.compute_moments(*pair.table, first, first + contributing, pairs_, moments_.data());
            const int sel = model_.model->descriptors.front().sel[static_cast<std::size_t>(b)];
            const auto empty = static_cast<Real>(math::slots_of(pair.kind, sel, n).empty);
            for (int channel = 0; channel < pair.table->rank; ++channel) {
                const int row = pair.row_of_channel[static_cast<std::size_t>(channel)];
                if (row < 0) {
                    continue;
                }
                Real* to = rows_.data() + static_cast<std::ptrdiff_t>(4 * row) * lanes_ + m;
                const Real* from = moments_.data() + channel;
                to[0] = (from[0] + empty * pair.padding[static_cast<std::size_t>(channel)]) * inverse_n_sel;
                to[lanes_] = from[stride] * inverse_n_sel;
                to[2 * lanes_] = from[2 * stride] * inverse_n_sel;
                to[3 * lanes_] = from[3 * stride] * inverse_n_sel;
            }
        }
    }
}

template <class Real>
void BlockEvaluator<Real>::compute_energy(
    const Type& type, const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums) {
    compute_fitting_net(kernels_, type.layers, lanes_, products_.data(), net_, energy_.data());
    for (int m = 0; m < n_atoms_; ++m) {
        const double energy = (energy_.data()[m] + type.energy_bias) * units.energy;
        sums.totals.energy += energy;
        if (sums.atom_energy != nullptr) {
            sums.atom_energy[list.centres[static_cast<std::size_t>(block.first_centre + atoms_[m])]] += energy;
        }
    }
}

/// dE/dC from dE/dS (or dE/dD through dE/dT).
template <class Real>
void BlockEvaluator<Real>::reverse_rows(const Type& type) {
    if (type.folded) {
        kernels_.reverse_products(type.products(), lanes_, rows_.data(), products_.data(), lane_scratch_.data(), reverse_rows_.data());
        return;
    }
    kernels_.reverse_products(type.products(), lanes_, expanded_.data(), products_.data(), lane_scratch_.data(), reverse_expanded_.data());
    kernels_.multiply(type.reverse_basis, 4 * lanes_, reverse_expanded_.data(), reverse_rows_.data());
}

/// dE/dR of every pair of the present atoms.
template <class Real>
void BlockEvaluator<Real>::reverse_moments(const Type& type, const Block& block) {
    const Real inverse_n_sel = Real(1) / static_cast<Real>(model_.model->descriptors.front().n_sel);
    for (int b = 0; b < model_.model->n_types(); ++b) {
        const PackedPair<Real>& pair = type.pairs[static_cast<std::size_t>(b)];
        if (pair.kind != PairKind::ordinary) {
            continue;
        }
        const int stride = pair.table->stride;
        std::fill_n(moments_.data(), 4 * stride, Real(0));
        for (int m = 0; m < n_atoms_; ++m) {
            const int k = atoms_[m];
            for (int channel = 0; channel < pair.table->rank; ++channel) {
                const int row = pair.row_of_channel[static_cast<std::size_t>(channel)];
                if (row < 0) {
                    continue;
                }
                const Real* from = reverse_rows_.data() + static_cast<std::ptrdiff_t>(4 * row) * lanes_ + m;
                for (int c = 0; c < 4; ++c) {
                    moments_.data()[c * stride + channel] = from[c * lanes_] * inverse_n_sel;
                }
            }
            const int first = firsts_[static_cast<std::size_t>(b * block.n_atoms + k)];
            kernels_.reverse_moments(*pair.table, first, first + count(b, block, k), pairs_, moments_.data());
        }
    }
}

/// Force dE/dd on the centre and its opposite on the neighbour, virial from pair vector and pair force.
template <class Real>
void BlockEvaluator<Real>::add_forces(const NeighbourBlocks& list, const Block& block, const Units& units, Sums& sums) {
    double virial[9] = {};
    kernels_.reverse_environment(n_pairs_, pairs_, gradient_, virial);
    for (int c = 0; c < 9; ++c) {
        sums.totals.virial[c] += virial[c] * units.energy;
    }
    const Type& type = model_.ordinary.types[static_cast<std::size_t>(block.type)];
    const double scale = units.energy * units.length;
    for (int b = 0; b < model_.model->n_types(); ++b) {
        if (type.pairs[static_cast<std::size_t>(b)].kind != PairKind::ordinary) {
            continue;
        }
        for (int k = 0; k < block.n_atoms; ++k) {
            const int first = firsts_[static_cast<std::size_t>(b * block.n_atoms + k)];
            double centre[3] = {};
            for (int pair = first; pair < first + count(b, block, k); ++pair) {
                double* neighbour = sums.forces + 3 * static_cast<std::ptrdiff_t>(pairs_.neighbour[pair]);
                for (int c = 0; c < 3; ++c) {
                    const double force = gradient_[c][pair] * scale;
                    centre[c] += force;
                    neighbour[c] -= force;
                }
            }
            double* to = sums.forces + 3 * static_cast<std::ptrdiff_t>(list.centres[static_cast<std::size_t>(block.first_centre + k)]);
            for (int c = 0; c < 3; ++c) {
                to[c] += centre[c];
            }
        }
    }
    if (sums.atom_virial == nullptr) {
        return;
    }
    for (int pair = 0; pair < n_pairs_; ++pair) {  // assigned to the atom that the derivative is taken for: the neighbour
        double* to = sums.atom_virial + 9 * static_cast<std::ptrdiff_t>(pairs_.neighbour[pair]);
        for (int a = 0; a < 3; ++a) {
            for (int c = 0; c < 3; ++c) {
                to[3 * a + c] -= pairs_.d[a][pair] * gradient_[c][pair] * units.energy;
            }
        }
    }
}

template class BlockEvaluator<double>;
template class BlockEvaluator<float>;

}  // namespace dpc::host
