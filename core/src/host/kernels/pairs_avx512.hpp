// SPDX-License-Identifier: MIT
// gather_pairs and narrow_pairs with AVX-512, part of pairs.cpp.
#pragma once

namespace dpc::host::DPC_ISA {
namespace {

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

/// Those of eight pairs that are inside, from slot n on: compressed in a register and stored whole, the rest of the pack behind them
/// to be overwritten, since compressing stores are slow on some processors. Returns the next slot.
template <class Real>
DPC_FUNCTION int append(const PairArrays<Real>& pairs, int n, __mmask8 inside, __m256i neighbours, const __m512d (&d)[3],
                        __m512d r2) {
    for (int c = 0; c < 3; ++c) {
        _mm512_storeu_pd(pairs.d[c] + n, _mm512_maskz_compress_pd(inside, d[c]));
    }
    _mm512_storeu_pd(pairs.r2 + n, _mm512_maskz_compress_pd(inside, r2));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(pairs.neighbour + n), _mm256_maskz_compress_epi32(inside, neighbours));
    return n + __builtin_popcount(inside);
}

/// Of the eight from k on those before n.
DPC_FUNCTION __mmask8 valid_from(int k, int n) { return static_cast<__mmask8>(n - k >= 8 ? 0xFF : (1 << (n - k)) - 1); }

/// Eight neighbours at a time. Their positions are loaded as they lie, one load a neighbour, and transposed: gathering single
/// coordinates takes three loads each. The last pack of a list loads its first atom for those that are not there and masks them.
template <class Real>
int gather_pairs_avx512(const double* x, double length, const double* centre, Listed listed, double rcut2, int first,
                        const PairArrays<Real>& pairs, double* closest) {
    const __m512d scale = _mm512_set1_pd(length), limit = _mm512_set1_pd(rcut2);
    const __m512d origin[3] = {_mm512_set1_pd(centre[0]), _mm512_set1_pd(centre[1]), _mm512_set1_pd(centre[2])};
    __m512d smallest = _mm512_set1_pd(*closest);
    int n = first;
    for (int k = 0; k < listed.count; k += 8) {
        const __mmask8 valid = valid_from(k, listed.count);
        __m512d d[3];
        load_positions(x, listed.neighbour + k, valid, d);
        for (int c = 0; c < 3; ++c) {
            d[c] = _mm512_mul_pd(_mm512_sub_pd(d[c], origin[c]), scale);
        }
        const __m512d r2 = _mm512_fmadd_pd(d[2], d[2], _mm512_fmadd_pd(d[1], d[1], _mm512_mul_pd(d[0], d[0])));
        const __mmask8 inside = _mm512_mask_cmp_pd_mask(valid, r2, limit, _CMP_LT_OQ);
        smallest = _mm512_mask_min_pd(smallest, valid, smallest, r2);
        n = append(pairs, n, inside, _mm256_maskz_loadu_epi32(valid, listed.neighbour + k), d, r2);
    }
    double elements[8];
    _mm512_storeu_pd(elements, smallest);
    keep_closest(elements, closest);
    return n - first;
}

template <class Real>
int narrow_pairs_avx512(const PairArrays<Real>& pairs, int begin, int n_pairs, double rcut2, int first,
                        const PairArrays<Real>& others) {
    const __m512d limit = _mm512_set1_pd(rcut2);
    int n = first;
    for (int k = begin; k < begin + n_pairs; k += 8) {
        const __mmask8 valid = valid_from(k, begin + n_pairs);
        const __m512d r2 = _mm512_maskz_loadu_pd(valid, pairs.r2 + k);
        const __m512d d[3] = {_mm512_maskz_loadu_pd(valid, pairs.d[0] + k), _mm512_maskz_loadu_pd(valid, pairs.d[1] + k),
                              _mm512_maskz_loadu_pd(valid, pairs.d[2] + k)};
        n = append(others, n, _mm512_mask_cmp_pd_mask(valid, r2, limit, _CMP_LT_OQ),
                   _mm256_maskz_loadu_epi32(valid, pairs.neighbour + k), d, r2);
    }
    return n - first;
}

}  // namespace
}  // namespace dpc::host::DPC_ISA
