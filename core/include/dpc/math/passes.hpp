// SPDX-License-Identifier: MIT
// A number of packs known at run time only, in passes of as many as the registers hold, each compiled for its number.
#pragma once

#include "dpc/math/portable.hpp"

namespace dpc::math {

template <int N>
struct Count {
    static constexpr int value = N;
};

/// call(Count<n>) for 1 <= n <= MOST, MOST at most 4.
template <int MOST, class Call>
DPC_FUNCTION void with_count(int n, const Call& call) {
    static_assert(MOST >= 1 && MOST <= 4);
    if (MOST == 1 || n == 1) {
        call(Count<1>{});
    } else if (MOST == 2 || n == 2) {
        call(Count<(MOST < 2 ? MOST : 2)>{});
    } else if (MOST == 3 || n == 3) {
        call(Count<(MOST < 3 ? MOST : 3)>{});
    } else {
        call(Count<MOST>{});
    }
}

/// pass(Count<n>, first) over all of 0 .. n_packs - 1, in as few and as equal passes of at most MOST as do.
template <int MOST, class Pass>
DPC_FUNCTION void in_passes(int n_packs, const Pass& pass) {
    int first = 0;
    for (int left = n_packs; left > 0;) {
        const int pieces = (left + MOST - 1) / MOST;
        const int n = (left + pieces - 1) / pieces;
        with_count<MOST>(n, [&](auto count) { pass(count, first); });
        first += n;
        left -= n;
    }
}

}  // namespace dpc::math
