// SPDX-License-Identifier: MIT
// What becomes of the sel slots that a centre has for the neighbours of one type (docs/theory.md section 1).
#pragma once

#include "dpc/codes.hpp"
#include "dpc/math/portable.hpp"

namespace dpc::math {

/// Neighbours of such a pair of types are looked at in every step, even if only to be counted.
DPC_FUNCTION bool is_counted(PairKind kind) { return kind == PairKind::ordinary || kind == PairKind::descriptor_excluded; }

/// Slots beside those of neighbours that contribute. Of more neighbours than sel, `empty` is negative.
struct Slots {
    int empty;   // contribute as a neighbour at the cut-off does
    int masked;  // contribute 0, or what the embedding net makes of 0
};

/// n: neighbours inside the cut-off.
DPC_FUNCTION Slots slots_of(PairKind kind, int sel, int n) {
    switch (kind) {
        case PairKind::ordinary: return {sel - n, 0};
        case PairKind::descriptor_excluded: return {sel - n, n};
        case PairKind::model_excluded: return {sel, 0};
        case PairKind::section_excluded: return {0, sel};
        case PairKind::absent: break;
    }
    return {0, 0};
}

}  // namespace dpc::math
