// SPDX-License-Identifier: MIT
// Numbers known at run time only, made constants of what is compiled for each of them.
#pragma once

#include "dpc/math/portable.hpp"

namespace dpc::math {

template <int N>
struct Count {
    static constexpr int value = N;
};

/// call(Count<n>) for 1 <= n <= MOST.
template <int MOST, class Call>
DPC_FUNCTION void with_count(int n, const Call& call) {
    if constexpr (MOST > 1) {
        if (n < MOST) {
            with_count<MOST - 1>(n, call);
            return;
        }
    }
    call(Count<MOST>{});
}

/// call(Count<n>) for n = 0 .. N - 1, one after the other.
template <int N, class Call>
DPC_FUNCTION void for_each_count(const Call& call) {
    if constexpr (N > 0) {
        for_each_count<N - 1>(call);
        call(Count<N - 1>{});
    }
}

/// call(Count<order>) for the orders that tables of pairs have, 3 and 5; returns what it returns.
template <class Call>
DPC_FUNCTION auto with_order(int order, const Call& call) {
    if (order == 5) {
        return call(Count<5>{});
    }
    return call(Count<3>{});
}

/// Of tables over products, whose intervals may be few and wide.
constexpr int kHighOrder = 11;

/// The same for the orders that these have.
template <class Call>
DPC_FUNCTION auto with_order_of_products(int order, const Call& call) {
    if (order == kHighOrder) {
        return call(Count<kHighOrder>{});
    }
    return with_order(order, call);
}

/// pass(Count<n>, first) over packs 0 .. n_packs - 1, as many as the registers hold: in as few and as equal passes of at most
/// MOST as do.
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
