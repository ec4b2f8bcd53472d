// SPDX-License-Identifier: MIT
// The knots of a table for the look-up, with the memory that a table of more than two segments needs.
#pragma once

#include <cstddef>
#include <vector>

#include "dpc/math/table_lookup.hpp"
#include "dpc/model.hpp"

namespace dpc {

class TableGrid {
public:
    explicit TableGrid(const Table& table);
    TableGrid(TableGrid&&) = default;
    TableGrid(const TableGrid&) = delete;

    /// Points into this object's memory, which moves with it.
    const math::Grid& grid() const { return grid_; }
    std::size_t bytes() const;

private:
    void make_buckets();

    std::vector<math::Segment> segments_;
    std::vector<int> buckets_;
    math::Grid grid_{};
};

}  // namespace dpc
