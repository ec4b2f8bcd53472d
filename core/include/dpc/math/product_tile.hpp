// SPDX-License-Identifier: MIT
// The innermost loop of a matrix product: rows of a panel times packs of lanes, all sums in registers.
#pragma once

#include "dpc/math/portable.hpp"

namespace dpc::math {

/// Fetched: the panel behind this one comes to the second-level cache meanwhile. Processors look ahead within a page only.
enum class NextPanel { left_alone, fetched };

/// sum[row][v] = panel row . pack v of lanes. panel (n_in, ROWS); x (n_in, lanes) from the first of the N packs on.
template <NextPanel NEXT, int ROWS, int N, class P, class Real>
DPC_FUNCTION void product_tile(int n_in, const Real* panel, int lanes, const Real* x, P (&sum)[ROWS][N]) {
    for (auto& row : sum) {
        for (P& pack : row) {
            pack = P(0.0);
        }
    }
    for (int k = 0; k < n_in; ++k) {
        P column[N];
        for (int v = 0; v < N; ++v) {
            column[v] = P::load(x + v * P::width);
        }
        if constexpr (NEXT == NextPanel::fetched) {  // not in a function of its own, which would be empty to the compiler
            __builtin_prefetch(panel + ROWS * n_in, 0, 2);
        }
        for (int row = 0; row < ROWS; ++row) {
            const P weight(panel[row]);
            for (int v = 0; v < N; ++v) {
                sum[row][v] += weight * column[v];
            }
        }
        panel += ROWS;
        x += lanes;
    }
}

}  // namespace dpc::math
