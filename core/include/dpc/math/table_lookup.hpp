// SPDX-License-Identifier: MIT
// Where x lies on a table's knots, and the polynomial of one interval (docs/theory.md section 2).
#pragma once

#include "dpc/math/portable.hpp"

namespace dpc::math {

/// Intervals of equal length from start on.
struct Segment {
    double start, step, inverse_step;
    double first, last;  // first interval, and the last one counted from it: whole numbers
};

/// The knots of a table, in segments. Interval n_intervals is one more, the linear continuation beyond max; n_intervals + 1 that before lower, for
/// arguments that can lie there.
struct Grid {
    // One or two segments, as nearly all tables have: here alone.
    double lower, split, max;  // start, start of the second segment (max: there is none), end
    double step, second_step;
    double inverse_step, second_inverse_step;
    double n_first, n_intervals;  // whole numbers: intervals of the first segment, of all
    // More than two, or of middles: in each bucket of x, 1 / inverse_bucket wide from lower on, the segment before it or the first
    // that it meets.
    int n_segments;
    int n_buckets;
    double inverse_bucket;
    const Segment* segments;
    const int* buckets;  // (n_buckets + kBucketMargin)
    // Of order kHighOrder: every interval is a segment, and distances are from its middle.
    bool is_of_middles;
};

/// The segment of an x in bucket k is between those of the entries k and k + kBucketMargin - 1: a bucket more on both sides, so that
/// the rounding of k does not matter.
constexpr int kBucketMargin = 4;

/// The last segment that starts at or before x, or the first.
DPC_FUNCTION int find_segment(const Grid& g, double x) {
    const double bucket = (x - g.lower) * g.inverse_bucket;
    const int k = bucket > 0 ? (bucket < g.n_buckets ? static_cast<int>(bucket) : g.n_buckets) : 0;
    int low = g.buckets[k], high = g.buckets[k + kBucketMargin - 1];
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (x >= g.segments[middle].start) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/// locate among more than two segments, one x after the other.
DPC_FUNCTION double locate_in_many(const Grid& g, double x, double& distance) {
    if (x >= g.max) {
        distance = x - g.max;
        return g.n_intervals;
    }
    const Segment& s = g.segments[find_segment(g, x)];
    double interval = floor((x - s.start) * s.inverse_step);
    interval = interval >= 0.0 ? interval : 0.0;
    interval = interval > s.last ? s.last : interval;
    distance = x - (s.start + interval * s.step);
    return s.first + interval;
}

template <class V>
DPC_FUNCTION V locate_in_many(const Grid& g, V x, V& distance) {
    double of_x[V::width], of_distance[V::width], of_interval[V::width];
    x.store(of_x);
    for (int element = 0; element < V::width; ++element) {
        of_interval[element] = locate_in_many(g, of_x[element], of_distance[element]);
    }
    distance = V::load(of_distance);
    return V::load(of_interval);
}

/// Interval (a whole number in V) of x and the distance from its left knot. x below lower: interval 0, distance < 0. What is not a number
/// has interval 0 here and below: atoms in one place, which are reported after the step, must not lead outside a table.
template <class V>
DPC_FUNCTION V locate_in_two(const Grid& g, V x, V& distance) {
    const auto is_second = x >= g.split;
    const V origin = select(is_second, V(g.split), V(g.lower));
    const V first = select(is_second, V(g.n_first), V(0.0));
    const V last = select(is_second, V(g.n_intervals - 1.0), V(g.n_first - 1.0));
    const V step = select(is_second, V(g.second_step), V(g.step));
    const V inverse_step = select(is_second, V(g.second_inverse_step), V(g.inverse_step));
    V interval = floor((x - origin) * inverse_step);
    interval = select(interval >= 0.0, interval, V(0.0));
    interval = select(interval > last - first, last - first, interval);
    const auto is_beyond = x >= g.max;
    distance = select(is_beyond, x - g.max, x - (origin + interval * step));
    return select(is_beyond, V(g.n_intervals), first + interval);
}

/// Among three segments, for tables over products, which are fine around 0 and coarse on both sides.
template <class V>
DPC_FUNCTION V locate_in_three(const Segment (&s)[3], double lower, double max, double n_intervals, V x, V& distance) {
    const auto in_second = x >= s[1].start, in_third = x >= s[2].start;
    const auto of_segment = [&](double first, double second, double third) {
        return select(in_third, V(third), select(in_second, V(second), V(first)));
    };
    const V origin = of_segment(s[0].start, s[1].start, s[2].start);
    V interval = floor((x - origin) * of_segment(s[0].inverse_step, s[1].inverse_step, s[2].inverse_step));
    const V last = of_segment(s[0].last, s[1].last, s[2].last);
    interval = select(interval >= 0.0, interval, V(0.0));
    interval = select(interval > last, last, interval);
    const V found = of_segment(s[0].first, s[1].first, s[2].first) + interval;
    const auto is_beyond = x >= max, is_before = x < lower;
    distance = select(is_beyond, x - max, x - (origin + interval * of_segment(s[0].step, s[1].step, s[2].step)));
    return select(is_beyond, V(n_intervals), select(is_before, V(n_intervals + 1.0), found));
}

/// The same for any number of segments.
template <class V>
DPC_FUNCTION V locate(const Grid& g, V x, V& distance) {
    return g.n_segments > 2 ? locate_in_many(g, x, distance) : locate_in_two(g, x, distance);
}

/// Where the distance from interval k of a grid of middles is 0.
DPC_FUNCTION double middle_of(const Grid& g, int k) { return g.segments[k].start + 0.5 * g.segments[k].step; }

/// Interval of a product x, which may be below lower, and the distance from its left knot or middle.
DPC_FUNCTION double locate_product(const Grid& g, double x, double& distance) {
    if (g.is_of_middles) {
        const bool is_beyond = x >= g.max, is_before = x < g.lower;
        const int k = is_beyond || is_before ? 0 : find_segment(g, x);
        distance = x - (is_beyond ? g.max : is_before ? g.lower : middle_of(g, k));
        return is_beyond ? g.n_intervals : is_before ? g.n_intervals + 1 : k;
    }
    if (g.n_segments == 3) {
        const Segment segments[3] = {g.segments[0], g.segments[1], g.segments[2]};
        return locate_in_three(segments, g.lower, g.max, g.n_intervals, x, distance);
    }
    const double interval = locate(g, x, distance);
    return x < g.lower ? g.n_intervals + 1 : interval;
}

/// The same among few intervals, for N packs at once: each interval that begins before x is taken for a while.
template <int N, class V>
DPC_FUNCTION void locate_among_middles(const Grid& g, const V (&x)[N], V (&interval)[N], V (&distance)[N]) {
    V origin[N];
    for (int n = 0; n < N; ++n) {
        interval[n] = V(g.n_intervals + 1.0);
        origin[n] = V(g.lower);
    }
    for (int k = 0; k <= static_cast<int>(g.n_intervals); ++k) {
        const bool is_end = k == static_cast<int>(g.n_intervals);
        const V start(is_end ? g.max : g.segments[k].start), own(is_end ? g.max : middle_of(g, k)),
            number(static_cast<double>(k));
        for (int n = 0; n < N; ++n) {
            const auto is_behind = x[n] >= start;
            interval[n] = select(is_behind, number, interval[n]);
            origin[n] = select(is_behind, own, origin[n]);
        }
    }
    for (int n = 0; n < N; ++n) {
        distance[n] = x[n] - origin[n];
    }
}

/// Channels of an interval lie in groups of 64 bytes; of each group one power after the other.
template <class Real>
inline constexpr int kChannelGroup = 64 / static_cast<int>(sizeof(Real));

/// Where in an interval the coefficients of a channel begin; that of the next power lies kChannelGroup further.
template <class Real>
DPC_FUNCTION int place_of_channel(int channel, int n_powers) {
    const unsigned in_group = static_cast<unsigned>(channel) % kChannelGroup<Real>;
    return (channel - static_cast<int>(in_group)) * n_powers + static_cast<int>(in_group);
}

/// Value of the polynomial c[0] + c[1] t + .. + c[ORDER] t^ORDER.
template <int ORDER, class V, class Coefficient>
DPC_FUNCTION V polynomial(const Coefficient& c, V t) {
    V value = c(ORDER);
    for (int power = ORDER - 1; power >= 0; --power) {
        value = value * t + c(power);
    }
    return value;
}

/// Value and slope.
template <int ORDER, class V, class Coefficient>
DPC_FUNCTION V polynomial(const Coefficient& c, V t, V& slope) {
    slope = c(ORDER);
    V value = slope * t + c(ORDER - 1);
    for (int power = ORDER - 2; power >= 0; --power) {
        slope = slope * t + value;
        value = value * t + c(power);
    }
    return value;
}

}  // namespace dpc::math
