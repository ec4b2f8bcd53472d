// SPDX-License-Identifier: MIT
// Which columns and products of one descriptor a centre takes in one precision (docs/tables-format.md section 3).
#pragma once

#include <algorithm>
#include <type_traits>
#include <vector>

#include "dpc/packed_model.hpp"

namespace dpc {

template <class Real>
class Taken {
public:
    /// By centres of type a.
    Taken(const Model& model, int a, const FittingInput& input, Extent extent)
        : model_(model),
          descriptor_(model.descriptors[static_cast<std::size_t>(input.descriptor)]),
          a_(a),
          input_(input),
          extent_(extent) {}

    const FittingInput& input() const { return input_; }
    const Descriptor& descriptor() const { return descriptor_; }

    /// square: ends of the rows of products.
    const std::vector<int>& row_end() const { return part(input_.row_end_double, input_.row_end_mixed, input_.row_end); }

    /// square, linear: leading entries of the list of columns that are in use.
    int n_columns() const {
        if (input_.form == InputForm::square && input_.combination == nullptr) {
            return n_factors();
        }
        const int n = kIsDouble ? input_.n_double : input_.n_mixed;
        return extent_ == Extent::all || n == 0 ? static_cast<int>(input_.columns.size()) : n;
    }

    /// square: leading factors that are in some product.
    int n_factors() const {
        int n = 0;
        for (int p = 0; p < static_cast<int>(row_end().size()); ++p) {
            const int end = row_end()[static_cast<std::size_t>(p)];
            n = end > p ? std::max(n, end) : n;
        }
        return n;
    }

    /// direct: leading columns of the table of a group of neighbours. 0: no table.
    int rank(int group) const {
        const std::vector<int>& ranks = kIsDouble ? input_.rank_double : input_.rank_mixed;
        return extent_ == Extent::all || ranks.empty() ? full_rank(group) : ranks[static_cast<std::size_t>(group)];
    }

    /// use(group, rank) for the tables of which channels 0 .. rank - 1 are in use.
    template <class Use>
    void for_each_table(const Use& use) const {
        if (input_.form != InputForm::direct) {
            for (int p = 0; p < n_columns(); ++p) {
                const FittingInput::Column& column = input_.columns[static_cast<std::size_t>(p)];
                if (column.group != kEmptySlots) {
                    use(column.group, column.channel + 1);
                }
            }
            return;
        }
        for (int group = 0; group < descriptor_.n_groups(); ++group) {
            if (full_rank(group) > 0) {
                use(group, rank(group));
            }
        }
    }

    /// Every column and product that the file has.
    bool is_all() const {
        switch (input_.form) {
            case InputForm::square: return row_end() == input_.row_end && (input_.combination == nullptr || takes_all_columns());
            case InputForm::linear: return takes_all_columns();
            default: break;
        }
        for (int group = 0; group < descriptor_.n_groups(); ++group) {
            if (rank(group) < full_rank(group)) {
                return false;
            }
        }
        return true;
    }

private:
    static constexpr bool kIsDouble = std::is_same_v<Real, double>;

    const std::vector<int>& part(const std::vector<int>& in_double, const std::vector<int>& in_mixed,
                                 const std::vector<int>& all) const {
        const std::vector<int>& ordinary = kIsDouble ? in_double : in_mixed;
        return extent_ == Extent::all || ordinary.empty() ? all : ordinary;
    }
    bool takes_all_columns() const { return n_columns() == static_cast<int>(input_.columns.size()); }
    int full_rank(int group) const {
        const int table = descriptor_.table_of(a_, group);
        return table < 0 ? 0 : model_.tables[static_cast<std::size_t>(table)].rank;
    }

    const Model& model_;
    const Descriptor& descriptor_;
    int a_;
    const FittingInput& input_;
    Extent extent_;
};

}  // namespace dpc
