// SPDX-License-Identifier: MIT
// gather_pairs and narrow_pairs with AVX2, part of pairs.cpp.
#pragma once

namespace dpc::host::DPC_ISA {
namespace {

constexpr int kFour = 4;

/// (mask of four, place): which of four elements comes there when those in the mask are put one behind the other; and the same for the
/// halves of double numbers. Not std::array, whose functions are inline (component.hpp).
struct Chosen {
    alignas(32) int halves[1 << kFour][2 * kFour];
    alignas(16) int elements[1 << kFour][kFour];
};
constexpr Chosen kChosen = [] {
    Chosen chosen{};
    for (int mask = 0; mask < 1 << kFour; ++mask) {
        int n = 0;
        for (int element = 0; element < kFour; ++element) {
            if ((mask >> element & 1) != 0) {
                chosen.halves[mask][2 * n] = 2 * element;
                chosen.halves[mask][2 * n + 1] = 2 * element + 1;
                chosen.elements[mask][n++] = element;
            }
        }
    }
    return chosen;
}();

/// Positions of four atoms as four packs x0 y0 z0 0 -> x, y, z of all: three fourths of a transposition.
DPC_FUNCTION void load_positions(const double* x, const int* atoms, __m256d (&out)[3]) {
    const __m256i three = _mm256_setr_epi64x(-1, -1, -1, 0);
    __m256d atom[kFour];
    for (int k = 0; k < kFour; ++k) {
        atom[k] = _mm256_maskload_pd(x + 3 * static_cast<std::ptrdiff_t>(atoms[k]), three);
    }
    const __m256d xz01 = _mm256_unpacklo_pd(atom[0], atom[1]), y01 = _mm256_unpackhi_pd(atom[0], atom[1]);  // x0 x1 | z0 z1
    const __m256d xz23 = _mm256_unpacklo_pd(atom[2], atom[3]), y23 = _mm256_unpackhi_pd(atom[2], atom[3]);  // y2 y3 | 0 0
    out[0] = _mm256_insertf128_pd(xz01, _mm256_castpd256_pd128(xz23), 1);
    out[1] = _mm256_insertf128_pd(y01, _mm256_castpd256_pd128(y23), 1);
    out[2] = _mm256_permute2f128_pd(xz01, xz23, 0x31);
}

/// Those of four pairs that are inside, from slot n on; the rest of a pack behind them is overwritten. Returns the next slot.
template <class Real>
DPC_FUNCTION int append(const PairArrays<Real>& pairs, int n, unsigned inside, __m128i neighbours, const __m256d (&d)[3],
                        __m256d r2) {
    const __m256i halves = _mm256_load_si256(reinterpret_cast<const __m256i*>(kChosen.halves[inside]));
    const auto store = [&](double* to, __m256d from) {
        _mm256_storeu_pd(to + n, _mm256_castsi256_pd(_mm256_permutevar8x32_epi32(_mm256_castpd_si256(from), halves)));
    };
    for (int c = 0; c < 3; ++c) {
        store(pairs.d[c], d[c]);
    }
    store(pairs.r2, r2);
    const __m128i elements = _mm_load_si128(reinterpret_cast<const __m128i*>(kChosen.elements[inside]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(pairs.neighbour + n),
                     _mm_castps_si128(_mm_permutevar_ps(_mm_castsi128_ps(neighbours), elements)));
    return n + __builtin_popcount(inside);
}

/// Of the four from k on those that are before n and closer.
DPC_FUNCTION unsigned inside_of_four(int k, int n, __m256d r2, __m256d rcut2) {
    const unsigned valid = n - k >= kFour ? 0xFU : (1U << (n - k)) - 1U;
    return static_cast<unsigned>(_mm256_movemask_pd(_mm256_cmp_pd(r2, rcut2, _CMP_LT_OQ))) & valid;
}

/// Four neighbours at a time; the last pack of a list has its first atom for those that are not there.
template <class Real>
int gather_pairs_avx2(const double* x, double length, const double* centre, Listed listed, double rcut2, int first,
                      const PairArrays<Real>& pairs, double* closest) {
    const __m256d scale = _mm256_set1_pd(length), limit = _mm256_set1_pd(rcut2);
    const __m256d origin[3] = {_mm256_set1_pd(centre[0]), _mm256_set1_pd(centre[1]), _mm256_set1_pd(centre[2])};
    __m256d smallest = _mm256_set1_pd(*closest);
    int n = first;
    for (int k = 0; k < listed.count; k += kFour) {
        const int* atoms = listed.neighbour + k;
        int last[kFour];
        if (listed.count - k < kFour) {
            for (int m = 0; m < kFour; ++m) {
                last[m] = atoms[k + m < listed.count ? m : 0];
            }
            atoms = last;
        }
        __m256d d[3];
        load_positions(x, atoms, d);
        for (int c = 0; c < 3; ++c) {
            d[c] = _mm256_mul_pd(_mm256_sub_pd(d[c], origin[c]), scale);
        }
        const __m256d r2 = _mm256_fmadd_pd(d[2], d[2], _mm256_fmadd_pd(d[1], d[1], _mm256_mul_pd(d[0], d[0])));
        smallest = _mm256_min_pd(r2, smallest);
        n = append(pairs, n, inside_of_four(k, listed.count, r2, limit), _mm_loadu_si128(reinterpret_cast<const __m128i*>(atoms)),
                   d, r2);
    }
    double elements[kFour];
    _mm256_storeu_pd(elements, smallest);
    keep_closest(elements, closest);
    return n - first;
}

/// Reads up to three pairs behind the last one: arrays of pairs have room there (kPairPadding).
template <class Real>
int narrow_pairs_avx2(const PairArrays<Real>& pairs, int begin, int n_pairs, double rcut2, int first,
                      const PairArrays<Real>& others) {
    const __m256d limit = _mm256_set1_pd(rcut2);
    int n = first;
    for (int k = begin; k < begin + n_pairs; k += kFour) {
        const __m256d r2 = _mm256_loadu_pd(pairs.r2 + k);
        const __m256d d[3] = {_mm256_loadu_pd(pairs.d[0] + k), _mm256_loadu_pd(pairs.d[1] + k), _mm256_loadu_pd(pairs.d[2] + k)};
        n = append(others, n, inside_of_four(k, begin + n_pairs, r2, limit),
                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(pairs.neighbour + k)), d, r2);
    }
    return n - first;
}

}  // namespace
}  // namespace dpc::host::DPC_ISA
