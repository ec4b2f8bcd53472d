// SPDX-License-Identifier: MIT
// See triples.hpp.
#include "host/kernels/triples.hpp"

#include "dpc/simd.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using simd::DPC_ISA::Pack;

constexpr int kTogether = 4;  // packs of products to locate

/// N packs of products from k on.
template <int N, class Real>
DPC_FUNCTION void locate_among_middles(const math::Grid& grid, int k, const ProductPlaces<Real>& places) {
    using P = Pack<Real>;
    P x[N], interval[N], distance[N];
    for (int pack = 0; pack < N; ++pack) {
        x[pack] = P::load(places.distance + k + pack * P::width);
    }
    math::locate_among_middles(grid, x, interval, distance);
    for (int pack = 0; pack < N; ++pack) {
        store_integers(interval[pack], places.interval + k + pack * P::width);
        distance[pack].store(places.distance + k + pack * P::width);
    }
}

/// Packs run over products. The usual grid has some twenty intervals, which are gone through; one of three segments, fine around 0
/// and coarse on both sides, takes a dozen operations; another one, of an activation with corners, is searched product by product.
template <class Real>
void locate(const math::Grid& grid, int n, const ProductPlaces<Real>& places) {
    using P = Pack<Real>;
    if (grid.is_of_middles) {
        int k = 0;
        for (; k + kTogether * P::width <= n; k += kTogether * P::width) {
            locate_among_middles<kTogether>(grid, k, places);
        }
        for (; k < n; k += P::width) {
            locate_among_middles<1>(grid, k, places);
        }
        return;
    }
    if (grid.n_segments == 3) {
        const math::Segment segments[3] = {grid.segments[0], grid.segments[1], grid.segments[2]};
        const double lower = grid.lower, max = grid.max, n_intervals = grid.n_intervals;
        for (int k = 0; k < n; k += P::width) {
            P distance;
            const P interval = math::locate_in_three(segments, lower, max, n_intervals, P::load(places.distance + k), distance);
            store_integers(interval, places.interval + k);
            distance.store(places.distance + k);
        }
        return;
    }
    for (int k = 0; k < n; ++k) {
        double distance = 0;
        places.interval[k] = static_cast<std::int32_t>(math::locate_product(grid, places.distance[k], distance));
        places.distance[k] = static_cast<Real>(distance);
    }
}

template <class Real>
void multiply(const NeighbourVectors<Real>& neighbours, const ProductRow* rows, int n_rows, Real* x) {
    using P = Pack<Real>;
    for (const ProductRow* row = rows; row < rows + n_rows; ++row) {
        const P a(neighbours.v[0][row->j]), b(neighbours.v[1][row->j]), c(neighbours.v[2][row->j]);
        Real* of_row = x + row->place;
        for (int k = row->begin; k < row->end; k += P::width) {
            (a * P::load(neighbours.v[0] + k) + b * P::load(neighbours.v[1] + k) + c * P::load(neighbours.v[2] + k))
                .store(of_row + (k - row->begin));
        }
    }
}

template <class Real>
void square(const NeighbourVectors<Real>& neighbours, int begin, int end, Real* x) {
    using P = Pack<Real>;
    for (int k = begin; k < end; k += P::width) {
        const P a = P::load(neighbours.v[0] + k), b = P::load(neighbours.v[1] + k), c = P::load(neighbours.v[2] + k);
        (a * a + b * b + c * c).store(x + (k - begin));
    }
}

/// The numbers from begin to end - 1 of a pack, 0 before and behind them: products that are not there add nothing to whatever
/// neighbour comes next.
template <class Real>
DPC_FUNCTION Pack<Real> load_between(const Real* from, int begin, int end) {
    using P = Pack<Real>;
    constexpr Real place[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static_assert(P::width <= 16);
    return select(P::load(place) < P(Real(begin)), P(0.0), simd::DPC_ISA::load_first(from, end));
}

/// x_k += e_jk y_j and x_j += sum e_jk y_k of vectors y of N components and their gradients x. Packs over the neighbours k lie in the
/// same places for all rows, so that a row finds what the one before has written as it was written. What goes to the neighbours j
/// is summed over the elements of packs, and written, for many rows together: a single number in the middle of a pack that the next
/// row reads would make that row wait.
template <int N, class Real>
DPC_FUNCTION void reverse_products(const Real* const (&y)[N], Real* const (&x)[N], const ProductRow* rows, int n_rows,
                                   const Real* of_products) {
    using P = Pack<Real>;
    constexpr int together = 16;
    P of_rows[N][together];
    for (int first = 0; first < n_rows; first += together) {
        const int n = n_rows - first < together ? n_rows - first : together;
        for (int r = 0; r < together; ++r) {
            for (int c = 0; c < N; ++c) {
                of_rows[c][r] = P(0.0);
            }
        }
        for (int r = 0; r < n; ++r) {
            const ProductRow& row = rows[first + r];
            P of_j[N], sum[N];
            for (int c = 0; c < N; ++c) {
                of_j[c] = P(y[c][row.j]);
                sum[c] = P(0.0);
            }
            for (int k = row.begin - row.begin % P::width; k < row.end; k += P::width) {
                const P e = load_between(of_products + row.place + (k - row.begin), row.begin - k, row.end - k);
                for (int c = 0; c < N; ++c) {
                    sum[c] += e * P::load(y[c] + k);
                    (P::load(x[c] + k) + e * of_j[c]).store(x[c] + k);
                }
            }
            for (int c = 0; c < N; ++c) {
                of_rows[c][r] = sum[c];
            }
        }
        for (int c = 0; c < N; ++c) {
            Real sums[together];
            simd::DPC_ISA::sum_elements<together>(of_rows[c], sums);
            for (int r = 0; r < n; ++r) {
                x[c][rows[first + r].j] += sums[r];
            }
        }
    }
}

/// x_k += 2 e_k y_k.
template <int N, class Real>
DPC_FUNCTION void reverse_own_products(const Real* const (&y)[N], Real* const (&x)[N], int begin, int end, const Real* of_pairs) {
    using P = Pack<Real>;
    for (int k = begin; k < end; k += P::width) {
        const P e = load_between(of_pairs + (k - begin), 0, end - k) * P(2.0);
        for (int c = 0; c < N; ++c) {
            (P::load(x[c] + k) + e * P::load(y[c] + k)).store(x[c] + k);
        }
    }
}

template <class Real>
void reverse(const NeighbourVectors<Real>& neighbours, const ProductRow* rows, int n_rows, const Real* reverse_x) {
    const Real* const v[3] = {neighbours.v[0], neighbours.v[1], neighbours.v[2]};
    reverse_products<3>(v, neighbours.reverse_v, rows, n_rows, reverse_x);
}

template <class Real>
void reverse_squares(const NeighbourVectors<Real>& neighbours, int begin, int end, const Real* reverse_x) {
    const Real* const v[3] = {neighbours.v[0], neighbours.v[1], neighbours.v[2]};
    reverse_own_products<3>(v, neighbours.reverse_v, begin, end, reverse_x);
}

template <class Real>
void reverse_weights(const Real* sw, Real* reverse_sw, const ProductRow* rows, int n_rows, const Real* reverse_w) {
    const Real* const from[1] = {sw};
    Real* const to[1] = {reverse_sw};
    reverse_products<1>(from, to, rows, n_rows, reverse_w);
}

template <class Real>
void reverse_weighted_squares(const Real* sw, Real* reverse_sw, int begin, int end, const Real* reverse_w) {
    const Real* const from[1] = {sw};
    Real* const to[1] = {reverse_sw};
    reverse_own_products<1>(from, to, begin, end, reverse_w);
}

template <class Real>
void weigh(const Real* sw, const ProductRow* rows, int n_rows, Real* w) {
    using P = Pack<Real>;
    for (const ProductRow* row = rows; row < rows + n_rows; ++row) {
        const P of_j(sw[row->j]);
        for (int k = row->begin; k < row->end; k += P::width) {
            (of_j * P::load(sw + k)).store(w + row->place + (k - row->begin));
        }
    }
}

template <class Real>
void weigh_squares(const Real* sw, int begin, int end, Real* w) {
    using P = Pack<Real>;
    for (int k = begin; k < end; k += P::width) {
        const P of_k = P::load(sw + k);
        (of_k * of_k).store(w + (k - begin));
    }
}

template <class Real>
constexpr TripleKernels<Real> functions() {
    TripleKernels<Real> table{};
    table.multiply = multiply<Real>;
    table.square = square<Real>;
    table.locate = locate<Real>;
    table.reverse = reverse<Real>;
    table.weigh = weigh<Real>;
    table.weigh_squares = weigh_squares<Real>;
    table.reverse_weights = reverse_weights<Real>;
    table.reverse_weighted_squares = reverse_weighted_squares<Real>;
    table.reverse_squares = reverse_squares<Real>;
    return table;
}

}  // namespace

extern const InBoth<TripleKernels> triple_kernels;
const InBoth<TripleKernels> triple_kernels = {functions<double>(), functions<float>()};

}  // namespace dpc::host::DPC_ISA
