// SPDX-License-Identifier: MIT
// Tables as one precision evaluates them, which pairs and triples of types look up which, and where they end; see packed_model.hpp.
#include <algorithm>
#include <cmath>

#include "dpc/math/counts.hpp"
#include "dpc/math/slots.hpp"
#include "packed_parts.hpp"
#include "table_grid.hpp"
#include "taken.hpp"

namespace dpc {
namespace {

constexpr double kEndless = 1e300;

/// phi_k(x) of a table in double, by the same look-up as the kernels.
double channel_at(const Table& table, const math::Grid& grid, int channel, double x) {
    double distance = 0;
    const auto interval = static_cast<std::size_t>(math::locate(grid, x, distance));
    const std::size_t interval_size = static_cast<std::size_t>(table.order + 1) * static_cast<std::size_t>(table.rank);
    const double* first = table.coef + interval * interval_size + channel;
    const auto coefficient = [&](int power) { return first[power * table.rank]; };
    return math::with_order(table.order,
                            [&](auto order) { return math::polynomial<decltype(order)::value>(coefficient, distance); });
}

/// The distance at which R_0 reaches x_end: s(r) falls monotonically, so bisection finds it. 0 if it never does.
double distance_at(const math::EnvParameters& environment, double rcut, double x_end) {
    double low = 0, high = rcut;
    for (int step = 0; step < 200 && high - low > 0; ++step) {
        const double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high) {
            break;
        }
        (math::env_radial(environment, middle).x > x_end ? low : high) = middle;
    }
    return low;
}

/// The distance at which a table around a centre ends for neighbours of type b. Of three bodies: where the product of two vectors of
/// neighbours that are no closer stays in the table.
template <class Real>
double table_limit_of(const PackedDescriptor<Real>& descriptor, int b) {
    double x_end = 0;
    if (descriptor.argument == TableArgument::r) {
        return descriptor.rcut - descriptor.type_pairs[static_cast<std::size_t>(b)].table->grid.max;
    }
    if (!is_three_body(descriptor.kind)) {
        x_end = descriptor.type_pairs[static_cast<std::size_t>(b)].table->grid.max;
    } else {
        double shortest = kEndless;
        for (const PackedTriple<Real>& triple : descriptor.triples) {
            shortest = triple.b == b || triple.c == b ? std::min(shortest, triple.table->grid.max) : shortest;
        }
        x_end = std::sqrt(shortest);
    }
    return distance_at(descriptor.environment, descriptor.rcut, x_end);
}

/// Knot number k.
double knot_of(const Table& table, int k) {
    for (const Table::Segment& segment : table.segments) {
        if (k < segment.n_intervals) {
            return segment.start + k * segment.step;
        }
        k -= segment.n_intervals;
    }
    return table.max();
}

/// Of a table over products, which goes as far on both sides of 0: the two intervals nearest to it, or a wide one, where products of
/// vectors fall of which one is of a neighbour far from the centre.
template <class Real>
FrequentIntervals<Real> intervals_around_zero(const Table& table, const math::Grid& grid) {
    double distance = 0;
    const int with_zero = static_cast<int>(math::locate_product(grid, 0.0, distance));
    if (grid.is_of_middles) {
        const auto start = static_cast<Real>(grid.segments[with_zero].start),
                   end = static_cast<Real>(knot_of(table, with_zero + 1));
        const double tiny = std::is_same_v<Real, float> ? 0.5 * grid.segments[with_zero].step / 256 : 0;
        return {
            with_zero, {start, end, end}, {static_cast<Real>(math::middle_of(grid, with_zero)), end}, static_cast<Real>(tiny)};
    }
    const bool is_in_first_half = distance < knot_of(table, with_zero + 1);
    const int first = std::clamp(is_in_first_half ? with_zero - 1 : with_zero, 0, std::max(0, table.n_intervals - 2));
    const auto knot = [&](int k) { return static_cast<Real>(knot_of(table, std::min(k, table.n_intervals))); };
    return {first, {knot(first), knot(first + 1), knot(first + 2)}, {knot(first), knot(first + 1)}, Real(0)};
}

}  // namespace

template <class Real>
std::vector<int> PackedModel<Real>::used_ranks(Extent extent) const {
    std::vector<int> ranks(model->tables.size(), 1);
    for (int a = 0; a < model->n_types(); ++a) {
        for (const FittingInput& input : model->fittings[static_cast<std::size_t>(a)].inputs) {
            const Taken<Real> taken(*model, a, input, extent);
            taken.for_each_table([&](int group, int rank) {
                int& most = ranks[static_cast<std::size_t>(taken.descriptor().table_of(a, group))];
                most = std::max(most, rank);
            });
        }
    }
    return ranks;
}

template <class Real>
void PackedModel<Real>::pack_table(std::size_t t, int rank, PackedSet<Real>& set) {
    constexpr int multiple = kLaneMultiple<Real>;
    const Table& table = model->tables[t];
    const int stride = (rank + multiple - 1) / multiple * multiple;
    set.most_stride = std::max(set.most_stride, stride);
    if (&set != close_.get() && close_ && close_->tables[t].stride == stride) {
        set.tables.push_back(close_->tables[t]);  // its other channels are in no moment of C
        set.tables.back().rank = rank;
        return;
    }
    const int n_powers = table.order + 1;
    const auto interval_size = static_cast<std::size_t>(n_powers * stride);
    storage_.push_back(std::make_unique<AlignedArray<Real>>());
    Real* coef = storage_.back()->reserve(interval_size * static_cast<std::size_t>(table.n_intervals + kContinuations));
    static_assert(multiple == math::kChannelGroup<Real>, "an interval has whole groups of channels");
    const auto of_channel = [&](int interval, int channel) {
        return coef + (static_cast<std::size_t>(interval) * interval_size) + math::place_of_channel<Real>(channel, n_powers);
    };
    for (int interval = 0; interval < table.n_intervals; ++interval) {
        for (int power = 0; power < n_powers; ++power) {
            const double* from = table.coef + (static_cast<std::ptrdiff_t>(interval) * n_powers + power) * table.rank;
            for (int channel = 0; channel < rank; ++channel) {
                of_channel(interval, channel)[power * multiple] = narrowed<Real>(from[channel]);
            }
        }
    }
    // Value and slope in interval `from` at a distance.
    const auto continue_as = [&](int interval, int from, double distance) {
        const double* first = table.coef + static_cast<std::ptrdiff_t>(from) * n_powers * table.rank;
        for (int channel = 0; channel < rank; ++channel) {
            const auto coefficient = [&](int power) { return first[power * table.rank + channel]; };
            double slope = 0;
            const double value = math::with_order_of_products(
                table.order, [&](auto order) { return math::polynomial<decltype(order)::value>(coefficient, distance, slope); });
            Real* to = of_channel(interval, channel);
            to[0] = narrowed<Real>(value);
            to[multiple] = narrowed<Real>(slope);
        }
    };
    const double origin = grids_[t].grid().is_of_middles ? 0.5 : 0;
    continue_as(table.n_intervals, table.n_intervals - 1, (1 - origin) * table.segments.back().step);
    continue_as(table.n_intervals + 1, 0, -origin * table.segments.front().step);
    set.tables.push_back({grids_[t].grid(), table.order, rank, stride, coef});
}

template <class Real>
PackedTypePair<Real> PackedModel<Real>::pack_pair(const Descriptor& descriptor, int a, int b,
                                                  const math::EnvParameters& environment, const PackedSet<Real>& set) const {
    PackedTypePair<Real> packed;
    const TypePair& pair = descriptor.type_pair(a, b);
    packed.kind = pair.kind;
    packed.sel = descriptor.sel[static_cast<std::size_t>(b)];
    if (pair.table < 0 || descriptor.is_three_body()) {
        return packed;
    }
    const Table& table = model->tables[static_cast<std::size_t>(pair.table)];
    packed.table = &set.tables[static_cast<std::size_t>(pair.table)];
    packed.moment_of_channel.assign(static_cast<std::size_t>(packed.table->rank), -1);
    const bool has_vector = descriptor.kind == DescriptorKind::se_e2_a;
    if (descriptor.padding != nullptr) {  // counted for all types together
        packed.padding.assign(packed.moment_of_channel.size(), Real(0));
        packed.masked.assign(has_vector ? 0 : packed.moment_of_channel.size(), Real(0));
        return packed;
    }
    const double x_pad = -environment.mean * environment.inverse_std_radial;
    for (int channel = 0; channel < packed.table->rank; ++channel) {
        const auto phi = [&](double x) { return channel_at(table, packed.table->grid, channel, x); };
        packed.padding.push_back(narrowed<Real>(has_vector ? phi(x_pad) * x_pad : phi(x_pad)));
        if (!has_vector) {
            packed.masked.push_back(narrowed<Real>(phi(0)));
        }
    }
    return packed;
}

/// The groups whose neighbours, both, are ordinary.
template <class Real>
void PackedModel<Real>::pack_triples(PackedDescriptor<Real>& packed, const PackedSet<Real>& set) const {
    const Descriptor& descriptor = model->descriptors[static_cast<std::size_t>(packed.index)];
    const auto is_seen = [&](int b) { return packed.type_pairs[static_cast<std::size_t>(b)].kind == PairKind::ordinary; };
    for (int b = 0; b < model->n_types(); ++b) {
        for (int c = b; c < model->n_types(); ++c) {
            if (is_seen(b) && is_seen(c)) {
                const auto t = static_cast<std::size_t>(descriptor.type_pair(b, c).table);
                const PackedTable<Real>* table = &set.tables[t];
                const double divisor = static_cast<double>(descriptor.sel[static_cast<std::size_t>(b)]) *
                                       descriptor.sel[static_cast<std::size_t>(c)];
                const double times = descriptor.shares_slots() && b != c ? 2 : 1;  // both orders
                packed.triples.push_back({b, c, table, std::vector<int>(static_cast<std::size_t>(table->rank), -1),
                                          times / divisor, intervals_around_zero<Real>(model->tables[t], table->grid)});
            }
        }
    }
}

template <class Real>
void PackedModel<Real>::add_limits(int a, PackedType<Real>& type) const {
    type.limits.resize(model->type_map.size());
    for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
        type.rcut = std::max(type.rcut, descriptor.rcut);
    }
    for (int b = 0; b < model->n_types(); ++b) {
        TypePairLimits& limits = type.limits[static_cast<std::size_t>(b)];
        for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
            const PackedTypePair<Real>& pair = descriptor.type_pairs[static_cast<std::size_t>(b)];
            if (type.descriptors.size() == 1 && !descriptor.shares_slots) {
                limits.sel = pair.sel;  // also where only too many of all types are counted
            }
            if (!math::is_counted(pair.kind)) {
                continue;
            }
            limits.is_counted = true;
            limits.least_sel = std::min(limits.least_sel, pair.sel);
            // Where there are several descriptors, each finds its own among the pairs of all.
            limits.is_stored = limits.is_stored || pair.kind == PairKind::ordinary || type.descriptors.size() > 1;
            if (pair.kind == PairKind::ordinary) {
                limits.min_distance = model->of_types(model->min_distance, a, b);
                limits.close_distance = model->of_types(model->close_distance, a, b);
                limits.table_limit = std::max(limits.table_limit, table_limit_of(descriptor, b));
                const double checked = std::max(limits.min_distance, limits.table_limit);
                limits.checked_distance2 = checked * checked;
            }
        }
    }
}

template std::vector<int> PackedModel<double>::used_ranks(Extent) const;
template std::vector<int> PackedModel<float>::used_ranks(Extent) const;
template void PackedModel<double>::pack_table(std::size_t, int, PackedSet<double>&);
template void PackedModel<float>::pack_table(std::size_t, int, PackedSet<float>&);
template PackedTypePair<double> PackedModel<double>::pack_pair(const Descriptor&, int, int, const math::EnvParameters&,
                                                               const PackedSet<double>&) const;
template PackedTypePair<float> PackedModel<float>::pack_pair(const Descriptor&, int, int, const math::EnvParameters&,
                                                             const PackedSet<float>&) const;
template void PackedModel<double>::pack_triples(PackedDescriptor<double>&, const PackedSet<double>&) const;
template void PackedModel<float>::pack_triples(PackedDescriptor<float>&, const PackedSet<float>&) const;
template void PackedModel<double>::add_limits(int, PackedType<double>&) const;
template void PackedModel<float>::add_limits(int, PackedType<float>&) const;

}  // namespace dpc
