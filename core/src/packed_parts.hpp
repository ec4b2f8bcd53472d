// SPDX-License-Identifier: MIT
// What the sources of PackedModel share: packed_model.cpp (descriptors, centre types), packed_tables.cpp, packed_fitting.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "dpc/errors.hpp"
#include "dpc/packed_model.hpp"

namespace dpc {

constexpr const char* kBeyond = " beyond those of single precision: evaluate it in double precision";

/// A number of the model as evaluators have it.
template <class To>
To narrowed(double value) {
    const auto number = static_cast<To>(value);
    if (!std::isfinite(number)) {
        throw ModelError(std::string("the model has numbers") + kBeyond);
    }
    return number;
}

template <class Real>
template <class Number, class Element>
PackedMatrix<Number> PackedModel<Real>::pack_matrix(int n_out, int n_in, const Element& element) {
    const auto in_panels = [&](int rows_of_panel, int multiple) {
        const int n_rows = (n_out + multiple - 1) / multiple * multiple;
        auto array = std::make_unique<AlignedArray<Number>>();
        Number* const panels = array->reserve(static_cast<std::size_t>(n_rows) * static_cast<std::size_t>(n_in));
        if constexpr (std::is_same_v<Number, Real>) {
            storage_.push_back(std::move(array));
        } else {
            single_storage_.push_back(std::move(array));
        }
        Number* to = panels;
        for (int first = 0; first < n_rows; first += rows_of_panel) {
            for (int column = 0; column < n_in; ++column) {
                for (int row = first; row < std::min(first + rows_of_panel, n_rows); ++row) {
                    *to++ = row < n_out ? narrowed<Number>(element(row, column)) : Number(0);
                }
            }
        }
        return panels;
    };
    const Number* panels = in_panels(kPanelRows, kPanelRows);
    const bool are_wide = how_ == Evaluated::by_host;
    return {n_out, n_in, panels, are_wide ? in_panels(kWideRows<Number>, kLaneMultiple<Number>) : nullptr};
}

}  // namespace dpc
