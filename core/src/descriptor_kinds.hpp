// SPDX-License-Identifier: MIT
// What the sections of each kind of descriptor are (docs/tables-format.md section 3); a new kind is one line here.
#pragma once

#include <cstddef>

#include "dpc/codes.hpp"
#include "dpc/math/harmonics.hpp"

namespace dpc {

struct KindRules {
    DescriptorKind kind;
    const char* name;
    int n_bodies;            // 3: sums over pairs of neighbours, whose tables are over the product of two vectors
    std::size_t n_std;       // columns of std: radial, angular; of three bodies angular
    bool has_axis;           // axis_neuron
    bool has_padding;        // of slots that are counted for all types together
    InputForm folded;        // of the first layer of a fitting net, beside direct
    bool looks_excluded_up;  // excluded neighbours count as x = 0; otherwise they add nothing
    bool has_gates;          // may have; its slots are for neighbours of any type
    int most_lmax;           // the highest degree of its components
};

inline constexpr KindRules kKinds[] = {
    {DescriptorKind::se_e2_a, "se_e2_a", 2, 2, true, true, InputForm::square, false, false, math::kMostLmax},
    {DescriptorKind::se_e2_r, "se_e2_r", 2, 1, false, true, InputForm::linear, true, false, 1},
    {DescriptorKind::se_e3, "se_e3", 3, 1, false, false, InputForm::linear, false, false, 1},
    {DescriptorKind::se_e3_tebd, "se_e3_tebd", 3, 1, false, false, InputForm::linear, false, true, 1},
};

/// In the order of the enumeration.
inline const KindRules& rules_of(DescriptorKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

}  // namespace dpc
