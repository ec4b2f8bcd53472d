// SPDX-License-Identifier: MIT
// See table_grid.hpp.
#include "table_grid.hpp"

#include <cmath>

#include "dpc/aligned_array.hpp"
#include "dpc/math/counts.hpp"

namespace dpc {
namespace {

/// Buckets per segment: where segments are of like lengths, an x has one or two of them to choose from.
constexpr int kBucketsPerSegment = 4;

}  // namespace

TableGrid::TableGrid(const Table& table) {
    const std::vector<Table::Segment>& from = table.segments;
    const Table::Segment& first = from.front();
    const Table::Segment& second = from[from.size() > 1 ? 1 : 0];
    grid_.lower = first.start;
    grid_.split = from.size() > 1 ? second.start : table.max();
    grid_.max = table.max();
    grid_.step = first.step;
    grid_.second_step = second.step;
    grid_.inverse_step = 1 / first.step;
    grid_.second_inverse_step = 1 / second.step;
    grid_.n_first = first.n_intervals;
    grid_.n_intervals = table.n_intervals;
    grid_.n_segments = static_cast<int>(from.size());
    grid_.is_of_middles = table.order == math::kHighOrder;
    if (grid_.is_of_middles) {
        for (const Table::Segment& s : from) {
            for (int k = 0; k < s.n_intervals; ++k) {
                segments_.push_back({s.start + k * s.step, s.step, 1 / s.step, static_cast<double>(segments_.size()), 0});
            }
        }
        grid_.n_segments = table.n_intervals;
        make_buckets();
    } else if (from.size() > 2) {
        int interval = 0;
        segments_.reserve(from.size());
        for (const Table::Segment& s : from) {
            segments_.push_back(
                {s.start, s.step, 1 / s.step, static_cast<double>(interval), static_cast<double>(s.n_intervals - 1)});
            interval += s.n_intervals;
        }
        make_buckets();
    }
}

void TableGrid::make_buckets() {
    const double length = grid_.max - grid_.lower;
    const int wanted = kBucketsPerSegment * grid_.n_segments, last = grid_.n_segments - 1;
    const bool usable = std::isfinite(length) && std::isfinite(wanted / length);
    grid_.n_buckets = usable ? wanted : 0;
    grid_.inverse_bucket = usable ? wanted / length : 0;
    int segment = 0;
    for (int k = 0; k < grid_.n_buckets + math::kBucketMargin; ++k) {
        // Differences from lower, as the look-up forms them: their rounding keeps the order of x and start.
        const double edge = usable ? (k - 1) / grid_.inverse_bucket : 0;
        while (usable && segment < last && segments_[static_cast<std::size_t>(segment) + 1].start - grid_.lower <= edge) {
            ++segment;
        }
        buckets_.push_back(usable || k == 0 ? segment : last);
    }
    grid_.segments = segments_.data();
    grid_.buckets = buckets_.data();
}

std::size_t TableGrid::bytes() const { return bytes_of(segments_) + bytes_of(buckets_); }

}  // namespace dpc
