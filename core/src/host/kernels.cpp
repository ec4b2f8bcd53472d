// SPDX-License-Identifier: MIT
// The inner loops, compiled once per instruction set (DPC_ISA names it). Nothing here may use inline functions of the standard
// library other than <cmath>'s and memcpy: they would be shared between the copies.
#include "kernels.hpp"

#include "dpc/simd.hpp"
#include "kernels_net.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using PackD = Pack<double>;

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

template <class Real>
DPC_FUNCTION void store_as(PackD value, Real* to) {
    if constexpr (std::is_same_v<Real, double>) {
        value.store(to);
    } else {
        for (int lane = 0; lane < PackD::width; ++lane) {
            to[lane] = static_cast<Real>(value.v[lane]);
        }
    }
}

template <class Real>
DPC_FUNCTION PackD load_as(const Real* from) {
    if constexpr (std::is_same_v<Real, double>) {
        return PackD::load(from);
    } else {
        PackD value;
        for (int lane = 0; lane < PackD::width; ++lane) {
            value.v[lane] = static_cast<double>(from[lane]);
        }
        return value;
    }
}

template <class Real>
void compute_environment(const math::EnvParameters& parameters, int n_pairs, const PairArrays<Real>& pairs) {
    for (int k = 0; k < n_pairs; k += PackD::width) {
        const PackD r = sqrt(PackD::load(pairs.r2 + k));
        const math::EnvRadial<PackD> radial = math::env_radial(parameters, r);
        radial.dx_over_r.store(pairs.dx_over_r + k);
        radial.h.store(pairs.h + k);
        radial.dh_over_r.store(pairs.dh_over_r + k);
        radial.x.store(pairs.x + k);
        store_as(radial.x, pairs.row[0] + k);
        for (int c = 0; c < 3; ++c) {
            store_as(radial.h * PackD::load(pairs.d[c] + k), pairs.row[c + 1] + k);
        }
    }
}

template <class Real>
void locate(const math::Grid& grid, int begin, int end, const PairArrays<Real>& pairs) {
    for (int k = begin; k < end; k += PackD::width) {
        PackD distance;
        const PackD row = math::locate(grid, PackD::load(pairs.x + k), distance);
        store_integers(row, pairs.table_row + k);
        store_as(distance, pairs.distance + k);
    }
}

/// Coefficients of one channel pack of one table row.
template <class Real>
struct RowCoefficients {
    const Real* first;
    int stride;
    DPC_FUNCTION Pack<Real> operator()(int power) const { return Pack<Real>::load(first + power * stride); }
};

template <class Real, int ORDER, int N>
void moments_chunk(const PackedTable<Real>& table, int channel, int begin, int end, const PairArrays<Real>& pairs, Real* moments) {
    using P = Pack<Real>;
    P sum[4][N];
    for (auto& component : sum) {
        for (P& pack : component) {
            pack = P(0.0);
        }
    }
    const std::ptrdiff_t row_size = static_cast<std::ptrdiff_t>(ORDER + 1) * table.stride;
    for (int k = begin; k < end; ++k) {
        const Real* row = table.coef + pairs.table_row[k] * row_size + channel;
        const P t(pairs.distance[k]);
        P phi[N];
        for (int v = 0; v < N; ++v) {
            phi[v] = math::polynomial<ORDER>(RowCoefficients<Real>{row + v * P::width, table.stride}, t);
        }
        for (int c = 0; c < 4; ++c) {
            const P r(pairs.row[c][k]);
            for (int v = 0; v < N; ++v) {
                sum[c][v] += phi[v] * r;
            }
        }
    }
    for (int c = 0; c < 4; ++c) {
        for (int v = 0; v < N; ++v) {
            sum[c][v].store(moments + c * table.stride + channel + v * P::width);
        }
    }
}

/// Sums over the lanes of four packs into the four arrays at slot k; added where the slot already holds earlier channels.
DPC_FUNCTION void store_sums(const Pack<double> (&e)[4], bool add, double* const (&to)[4], int k) {
#if defined(__AVX512F__)
    __m256d half[4];
    for (int c = 0; c < 4; ++c) {
        half[c] = _mm256_add_pd(__builtin_shufflevector(e[c].v, e[c].v, 0, 1, 2, 3), __builtin_shufflevector(e[c].v, e[c].v, 4, 5, 6, 7));
    }
#elif defined(__AVX__)
    const __m256d half[4] = {e[0].v, e[1].v, e[2].v, e[3].v};
#endif
#if defined(__AVX__)
    const __m256d ab = _mm256_hadd_pd(half[0], half[1]);
    const __m256d cd = _mm256_hadd_pd(half[2], half[3]);
    const __m256d total = _mm256_add_pd(_mm256_permute2f128_pd(ab, cd, 0x21), _mm256_blend_pd(ab, cd, 0xC));
    double value[4];
    _mm256_storeu_pd(value, total);
#else
    const double value[4] = {sum(e[0]), sum(e[1]), sum(e[2]), sum(e[3])};
#endif
    for (int c = 0; c < 4; ++c) {
        to[c][k] = add ? to[c][k] + value[c] : value[c];
    }
}

DPC_FUNCTION void store_sums(const Pack<float> (&e)[4], bool add, float* const (&to)[4], int k) {
#if defined(__AVX512F__)
    __m256 half[4];
    for (int c = 0; c < 4; ++c) {
        half[c] = __builtin_shufflevector(e[c].v, e[c].v, 0, 1, 2, 3, 4, 5, 6, 7) +
                  __builtin_shufflevector(e[c].v, e[c].v, 8, 9, 10, 11, 12, 13, 14, 15);
    }
#elif defined(__AVX__)
    const __m256 half[4] = {e[0].v, e[1].v, e[2].v, e[3].v};
#endif
#if defined(__AVX__)
    const __m256 total = _mm256_hadd_ps(_mm256_hadd_ps(half[0], half[1]), _mm256_hadd_ps(half[2], half[3]));
    float value[4];
    _mm_storeu_ps(value, _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps(total, 1)));
#else
    const float value[4] = {sum(e[0]), sum(e[1]), sum(e[2]), sum(e[3])};
#endif
    for (int c = 0; c < 4; ++c) {
        to[c][k] = add ? to[c][k] + value[c] : value[c];
    }
}

template <class Real, int ORDER, int N>
void reverse_moments_chunk(const PackedTable<Real>& table, int channel, int begin, int end, const PairArrays<Real>& pairs,
                           const Real* moments) {
    using P = Pack<Real>;
    P weight[4][N];
    for (int c = 0; c < 4; ++c) {
        for (int v = 0; v < N; ++v) {
            weight[c][v] = P::load(moments + c * table.stride + channel + v * P::width);
        }
    }
    const std::ptrdiff_t row_size = static_cast<std::ptrdiff_t>(ORDER + 1) * table.stride;
    for (int k = begin; k < end; ++k) {
        const Real* row = table.coef + pairs.table_row[k] * row_size + channel;
        const P t(pairs.distance[k]);
        P e[4] = {P(0.0), P(0.0), P(0.0), P(0.0)};
        for (int v = 0; v < N; ++v) {
            P slope;
            const P phi = math::polynomial<ORDER>(RowCoefficients<Real>{row + v * P::width, table.stride}, t, slope);
            P along = weight[0][v] * P(pairs.row[0][k]);
            for (int c = 1; c < 4; ++c) {
                along += weight[c][v] * P(pairs.row[c][k]);
                e[c] += phi * weight[c][v];
            }
            e[0] += phi * weight[0][v];
            e[0] += slope * along;
        }
        store_sums(e, channel > 0, pairs.reverse_row, k);
    }
}

/// Packs of channels that fit the registers at once: 4 N sums and what the polynomials need.
constexpr int kPacksAtOnce = DPC_PACK_BYTES == 64 ? 4 : 2;

/// Call chunk<N>(channel) over all channels, in as few and as equal pieces as fit.
template <int MOST, class Chunk>
DPC_FUNCTION void in_chunks(int n_packs, int width, const Chunk& chunk) {
    int channel = 0;
    for (int left = n_packs; left > 0;) {
        const int pieces = (left + MOST - 1) / MOST;
        const int n = (left + pieces - 1) / pieces;
        chunk(n, channel);
        channel += n * width;
        left -= n;
    }
}

template <class Real>
DPC_FUNCTION int packs_of(const PackedTable<Real>& table) {
    return (table.rank + Pack<Real>::width - 1) / Pack<Real>::width;
}

template <class Real, int ORDER>
void moments_of_order(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, Real* moments) {
    in_chunks<kPacksAtOnce>(packs_of(table), Pack<Real>::width, [&](int n, int channel) {
        switch (n) {
            case 1: return moments_chunk<Real, ORDER, 1>(table, channel, begin, end, pairs, moments);
            case 2: return moments_chunk<Real, ORDER, 2>(table, channel, begin, end, pairs, moments);
            case 3: return moments_chunk<Real, ORDER, 3>(table, channel, begin, end, pairs, moments);
            default: return moments_chunk<Real, ORDER, 4>(table, channel, begin, end, pairs, moments);
        }
    });
}

template <class Real>
void compute_moments(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, Real* moments) {
    if (table.order == 5) {
        moments_of_order<Real, 5>(table, begin, end, pairs, moments);
    } else {
        moments_of_order<Real, 3>(table, begin, end, pairs, moments);
    }
}

template <class Real, int ORDER>
void reverse_moments_of_order(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs,
                              const Real* moments) {
    in_chunks<kPacksAtOnce>(packs_of(table), Pack<Real>::width, [&](int n, int channel) {
        switch (n) {
            case 1: return reverse_moments_chunk<Real, ORDER, 1>(table, channel, begin, end, pairs, moments);
            case 2: return reverse_moments_chunk<Real, ORDER, 2>(table, channel, begin, end, pairs, moments);
            case 3: return reverse_moments_chunk<Real, ORDER, 3>(table, channel, begin, end, pairs, moments);
            default: return reverse_moments_chunk<Real, ORDER, 4>(table, channel, begin, end, pairs, moments);
        }
    });
}

template <class Real>
void reverse_moments(const PackedTable<Real>& table, int begin, int end, const PairArrays<Real>& pairs, const Real* moments) {
    if (table.order == 5) {
        reverse_moments_of_order<Real, 5>(table, begin, end, pairs, moments);
    } else {
        reverse_moments_of_order<Real, 3>(table, begin, end, pairs, moments);
    }
}

template <class Real>
void reverse_environment(int n_pairs, const PairArrays<Real>& pairs, double* const gradient[3], double* virial) {
    PackD total[9];
    for (PackD& t : total) {
        t = PackD(0.0);
    }
    for (int k = 0; k < n_pairs; k += PackD::width) {
        const PackD d[3] = {PackD::load(pairs.d[0] + k), PackD::load(pairs.d[1] + k), PackD::load(pairs.d[2] + k)};
        math::EnvRadial<PackD> radial;
        radial.dx_over_r = PackD::load(pairs.dx_over_r + k);
        radial.h = PackD::load(pairs.h + k);
        radial.dh_over_r = PackD::load(pairs.dh_over_r + k);
        const PackD e[4] = {load_as(pairs.reverse_row[0] + k), load_as(pairs.reverse_row[1] + k),
                            load_as(pairs.reverse_row[2] + k), load_as(pairs.reverse_row[3] + k)};
        PackD g[3];
        math::reverse_env_row(radial, d, e, g);
        for (int a = 0; a < 3; ++a) {
            g[a].store(gradient[a] + k);
            for (int b = 0; b < 3; ++b) {
                total[3 * a + b] += d[a] * g[b];
            }
        }
    }
    for (int c = 0; c < 9; ++c) {
        virial[c] -= sum(total[c]);
    }
}

template <class Real>
constexpr Kernels<Real> kernels(const char* name) {
    return {name,
            gather_pairs<Real>,
            compute_environment<Real>,
            locate<Real>,
            compute_moments<Real>,
            reverse_moments<Real>,
            compute_products<Real>,
            reverse_products<Real>,
            multiply<Real>,
            compute_layer<Real>,
            reverse_layer<Real>,
            reverse_environment<Real>};
}

#define DPC_TEXT_OF(x) #x
#define DPC_TEXT(x) DPC_TEXT_OF(x)

}  // namespace

extern const Kernels<double> double_kernels;
extern const Kernels<float> float_kernels;
const Kernels<double> double_kernels = kernels<double>(DPC_TEXT(DPC_ISA));
const Kernels<float> float_kernels = kernels<float>(DPC_TEXT(DPC_ISA));

}  // namespace dpc::host::DPC_ISA
