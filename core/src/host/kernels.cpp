// SPDX-License-Identifier: MIT
// The inner loops, compiled once per instruction set (DPC_ISA names it). Nothing here may use inline functions of the standard
// library other than <cmath>'s and memcpy: they would be shared between the copies.
#include "kernels.hpp"

#include "dpc/math/moments.hpp"
#include "dpc/math/passes.hpp"
#include "dpc/simd.hpp"
#include "kernels_net.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using PackD = Pack<double>;
using simd::DPC_ISA::sum_lanes;

#if defined(__AVX512F__)

/// Positions of eight atoms as eight packs x0 y0 z0 0 .. -> x, y, z of all: three fourths of a transposition.
DPC_FUNCTION void load_positions(const double* x, const int* atoms, __mmask8 valid, __m512d (&out)[3]) {
    __m512d two[4];  // atoms k and k + 4
    for (int k = 0; k < 4; ++k) {
        const int low = (valid >> k & 1) != 0 ? atoms[k] : atoms[0], high = (valid >> (k + 4) & 1) != 0 ? atoms[k + 4] : atoms[0];
        const __m256d a = _mm256_maskz_loadu_pd(7, x + 3 * static_cast<std::ptrdiff_t>(low));
        const __m256d b = _mm256_maskz_loadu_pd(7, x + 3 * static_cast<std::ptrdiff_t>(high));
        two[k] = _mm512_insertf64x4(_mm512_castpd256_pd512(a), b, 1);
    }
    // In each 256-bit half: rows of a 4 x 4 matrix.
    const __m512d xy01 = _mm512_unpacklo_pd(two[0], two[1]);  // x0 x1 | z0 z1
    const __m512d xy23 = _mm512_unpacklo_pd(two[2], two[3]);
    const __m512d yw01 = _mm512_unpackhi_pd(two[0], two[1]);  // y0 y1 | 0 0
    const __m512d yw23 = _mm512_unpackhi_pd(two[2], two[3]);
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), second = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    out[0] = _mm512_permutex2var_pd(xy01, first, xy23);
    out[1] = _mm512_permutex2var_pd(yw01, first, yw23);
    out[2] = _mm512_permutex2var_pd(xy01, second, xy23);
}

template <class Real>
int gather_pairs(const double* x, double length, const double* centre, Listed listed, double rcut2, int first,
                 const PairArrays<Real>& pairs, double* closest) {
    const __m512d scale = _mm512_set1_pd(length), limit = _mm512_set1_pd(rcut2);
    const __m512d origin[3] = {_mm512_set1_pd(centre[0]), _mm512_set1_pd(centre[1]), _mm512_set1_pd(centre[2])};
    __m512d smallest = _mm512_set1_pd(*closest);
    int n = first;
    for (int k = 0; k < listed.count; k += 8) {
        const int left = listed.count - k;
        const auto valid = static_cast<__mmask8>(left >= 8 ? 0xFF : (1 << left) - 1);
        __m512d d[3];
        load_positions(x, listed.neighbour + k, valid, d);
        for (int c = 0; c < 3; ++c) {
            d[c] = _mm512_mul_pd(_mm512_sub_pd(d[c], origin[c]), scale);
        }
        const __m512d r2 = _mm512_fmadd_pd(d[2], d[2], _mm512_fmadd_pd(d[1], d[1], _mm512_mul_pd(d[0], d[0])));
        const __mmask8 inside = _mm512_mask_cmp_pd_mask(valid, r2, limit, _CMP_LT_OQ);
        smallest = _mm512_mask_min_pd(smallest, valid, smallest, r2);
        for (int c = 0; c < 3; ++c) {
            _mm512_storeu_pd(pairs.d[c] + n, _mm512_maskz_compress_pd(inside, d[c]));
        }
        _mm512_storeu_pd(pairs.r2 + n, _mm512_maskz_compress_pd(inside, r2));
        const __m256i atoms = _mm256_maskz_loadu_epi32(valid, listed.neighbour + k);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(pairs.neighbour + n), _mm256_maskz_compress_epi32(inside, atoms));
        n += __builtin_popcount(inside);
    }
    double lanes[8];
    _mm512_storeu_pd(lanes, smallest);
    for (const double r2 : lanes) {
        *closest = r2 < *closest ? r2 : *closest;
    }
    return n - first;
}

#else

template <class Real>
int gather_pairs(const double* x, double length, const double* centre, Listed listed, double rcut2, int first,
                 const PairArrays<Real>& pairs, double* closest) {
    const double xi = centre[0], yi = centre[1], zi = centre[2];
    double smallest = *closest;
    int n = first;
    for (int k = 0; k < listed.count; ++k) {
        const int j = listed.neighbour[k];
        const double* xj = x + 3 * static_cast<std::ptrdiff_t>(j);
        const double dx = (xj[0] - xi) * length;
        const double dy = (xj[1] - yi) * length;
        const double dz = (xj[2] - zi) * length;
        const double r2 = dx * dx + dy * dy + dz * dz;
        pairs.neighbour[n] = j;
        pairs.d[0][n] = dx;
        pairs.d[1][n] = dy;
        pairs.d[2][n] = dz;
        pairs.r2[n] = r2;
        n += r2 < rcut2 ? 1 : 0;
        smallest = r2 < smallest ? r2 : smallest;
    }
    *closest = smallest;
    return n - first;
}

#endif

template <class Real, int COMPONENTS>
void compute_environment(const math::EnvParameters& parameters, int n_pairs, const PairArrays<Real>& pairs) {
    for (int k = 0; k < n_pairs; k += PackD::width) {
        math::compute_environment<COMPONENTS, PackD>(parameters, pairs, k).store(pairs.x + k);
    }
}

template <class Real, class Look>
DPC_FUNCTION void locate_with(const Look& look, int begin, int end, const PairArrays<Real>& pairs) {
    for (int k = begin; k < end; k += PackD::width) {
        PackD distance;
        const PackD interval = look(PackD::load(pairs.x + k), distance);
        store_integers(interval, pairs.table_row + k);
        math::store_from_double(distance, pairs.distance + k);
    }
}

template <class Real>
void locate(const math::Grid& grid, int begin, int end, const PairArrays<Real>& pairs) {
    if (grid.n_segments > 2) {
        locate_with([&](PackD x, PackD& distance) { return math::locate_in_many(grid, x, distance); }, begin, end, pairs);
    } else {
        locate_with([&](PackD x, PackD& distance) { return math::locate_in_two(grid, x, distance); }, begin, end, pairs);
    }
}

template <int ORDER, class Real>
DPC_FUNCTION math::TablePlace<Real> place_of(const PackedTable<Real>& table, const PairArrays<Real>& pairs, int k, int channel) {
    const std::ptrdiff_t row_size = static_cast<std::ptrdiff_t>(ORDER + 1) * table.stride;
    return {table.coef + pairs.table_row[k] * row_size + channel, table.stride, pairs.distance[k]};
}

template <class Real, int COMPONENTS, int ORDER, int N>
void moments_chunk(const PackedTable<Real>& table, int channel, int begin, int end, const PairArrays<Real>& pairs, Real* moments) {
    using P = Pack<Real>;
    P sum[COMPONENTS][N];
    for (auto& component : sum) {
        for (P& pack : component) {
            pack = P(0.0);
        }
    }
    for (int k = begin; k < end; ++k) {
        math::add_moments<ORDER>(place_of<ORDER>(table, pairs, k, channel), [&](int c) { return pairs.row[c][k]; }, sum);
    }
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < N; ++v) {
            sum[c][v].store(moments + c * table.stride + channel + v * P::width);
        }
    }
}

/// Sums over channels that are made together: one for each component of some pairs.
constexpr int kSumsAtOnce = 16;

template <class Real, int COMPONENTS, int ORDER, int N>
void reverse_moments_chunk(const PackedTable<Real>& table, int channel, int begin, int end, const PairArrays<Real>& pairs,
                           const Real* moments) {
    using P = Pack<Real>;
    constexpr int pairs_at_once = kSumsAtOnce / COMPONENTS;
    P weight[COMPONENTS][N];
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < N; ++v) {
            weight[c][v] = P::load(moments + c * table.stride + channel + v * P::width);
        }
    }
    P partial[kSumsAtOnce];  // (component, pair): sums that are still spread over the lanes
    for (P& p : partial) {
        p = P(0.0);
    }
    for (int first = begin; first < end; first += pairs_at_once) {
        const int n = end - first < pairs_at_once ? end - first : pairs_at_once;
        for (int pair = 0; pair < n; ++pair) {
            const int k = first + pair;
            P e[COMPONENTS];
            math::reverse_moments<ORDER>(place_of<ORDER>(table, pairs, k, channel), [&](int c) { return pairs.row[c][k]; }, weight, e);
            for (int c = 0; c < COMPONENTS; ++c) {
                partial[c * pairs_at_once + pair] = e[c];
            }
        }
        Real sums[kSumsAtOnce];
        sum_lanes<kSumsAtOnce>(partial, sums);
        for (int c = 0; c < COMPONENTS; ++c) {
            Real* to = pairs.reverse_row[c] + first;
            const Real* from = sums + c * pairs_at_once;
            if (n == pairs_at_once && channel == 0) {
                std::memcpy(to, from, pairs_at_once * sizeof(Real));
            } else {
                for (int pair = 0; pair < n; ++pair) {
                    to[pair] = channel > 0 ? to[pair] + from[pair] : from[pair];
                }
            }
        }
    }
}

/// Packs of channels that fit the registers at once: 4 N sums and what the polynomials need.
constexpr int kPacksAtOnce = DPC_PACK_BYTES == 64 ? 4 : 2;

template <class Real>
DPC_FUNCTION int packs_of(const PackedTable<Real>& table) {
    return (table.rank + Pack<Real>::width - 1) / Pack<Real>::width;
}

template <class Real, int COMPONENTS, int ORDER>
void moments_of_order(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, Real* moments) {
    math::in_passes<kPacksAtOnce>(packs_of(table), [&](auto count, int first) {
        moments_chunk<Real, COMPONENTS, ORDER, decltype(count)::value>(table, first * Pack<Real>::width, begin, end, pairs, moments);
    });
}

template <class Real, int COMPONENTS>
void compute_moments(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, Real* moments) {
    if (table.order == 5) {
        moments_of_order<Real, COMPONENTS, 5>(table, begin, end, pairs, moments);
    } else {
        moments_of_order<Real, COMPONENTS, 3>(table, begin, end, pairs, moments);
    }
}

template <class Real, int COMPONENTS, int ORDER>
void reverse_moments_of_order(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs,
                              const Real* moments) {
    math::in_passes<kPacksAtOnce>(packs_of(table), [&](auto count, int first) {
        reverse_moments_chunk<Real, COMPONENTS, ORDER, decltype(count)::value>(table, first * Pack<Real>::width, begin, end, pairs, moments);
    });
}

template <class Real, int COMPONENTS>
void reverse_moments(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, const Real* moments) {
    if (table.order == 5) {
        reverse_moments_of_order<Real, COMPONENTS, 5>(table, begin, end, pairs, moments);
    } else {
        reverse_moments_of_order<Real, COMPONENTS, 3>(table, begin, end, pairs, moments);
    }
}

template <class Real, int COMPONENTS>
void reverse_environment(int n_pairs, const PairArrays<Real>& pairs, double* const gradient[3], double* virial) {
    PackD total[9];
    for (PackD& t : total) {
        t = PackD(0.0);
    }
    for (int k = 0; k < n_pairs; k += PackD::width) {
        PackD g[3];
        math::reverse_environment<COMPONENTS>(pairs, k, g, total);
        for (int a = 0; a < 3; ++a) {
            g[a].store(gradient[a] + k);
        }
    }
    for (int c = 0; c < 9; ++c) {
        virial[c] -= sum(total[c]);
    }
}

template <class Real, int COMPONENTS>
constexpr MomentKernels<Real, COMPONENTS> moment_kernels() {
    return {compute_environment<Real, COMPONENTS>, compute_moments<Real, COMPONENTS>, reverse_moments<Real, COMPONENTS>,
            reverse_environment<Real, COMPONENTS>};
}

template <class Real>
constexpr Kernels<Real> kernels(const char* name) {
    return {name,
            gather_pairs<Real>,
            locate<Real>,
            moment_kernels<Real, 4>(),
            moment_kernels<Real, 1>(),
            compute_products<Real>,
            reverse_products<Real>,
            multiply<Real>,
            compute_layer<Real>,
            reverse_layer<Real>};
}

#define DPC_TEXT_OF(x) #x
#define DPC_TEXT(x) DPC_TEXT_OF(x)

}  // namespace

extern const Kernels<double> double_kernels;
extern const Kernels<float> float_kernels;
const Kernels<double> double_kernels = kernels<double>(DPC_TEXT(DPC_ISA));
const Kernels<float> float_kernels = kernels<float>(DPC_TEXT(DPC_ISA));

}  // namespace dpc::host::DPC_ISA
