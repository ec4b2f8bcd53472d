// SPDX-License-Identifier: MIT
// See pairs.hpp.
#include "host/kernels/pairs.hpp"

#include "dpc/simd.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using PackD = simd::DPC_ISA::Pack<double>;

/// Every listed neighbour is written to the next free slot, which is taken if it is inside: no branch has to be guessed, and of a
/// list with a skin a third or more are outside.
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
int narrow_pairs(const PairArrays<Real>& pairs, int begin, int n_pairs, double rcut2, int first, const PairArrays<Real>& others) {
    int n = first;
    for (int k = begin; k < begin + n_pairs; ++k) {
        others.neighbour[n] = pairs.neighbour[k];
        for (int c = 0; c < 3; ++c) {
            others.d[c][n] = pairs.d[c][k];
        }
        others.r2[n] = pairs.r2[k];
        n += pairs.r2[k] < rcut2 ? 1 : 0;
    }
    return n - first;
}

/// The least of packs of r2 that have run along with *closest.
template <int WIDTH>
DPC_FUNCTION void keep_closest(const double (&smallest)[WIDTH], double* closest) {
    for (const double r2 : smallest) {
        *closest = r2 < *closest ? r2 : *closest;
    }
}

}  // namespace
}  // namespace dpc::host::DPC_ISA

#if defined(__AVX512F__)
#include "host/kernels/pairs_avx512.hpp"
#elif defined(__AVX2__) && defined(__FMA__)
#include "host/kernels/pairs_avx2.hpp"
#endif

namespace dpc::host::DPC_ISA {
namespace {

/// All pairs of the block in one loop of full packs, whatever their types and centres: the environment of a pair depends on it
/// alone. Square root and divisions are what it costs, and packs of them are done while the polynomial of the switch is computed.
template <class Real, int COMPONENTS>
void compute_environment(const math::EnvParameters& parameters, int n_pairs, const PairArrays<Real>& pairs) {
    for (int k = 0; k < n_pairs; k += PackD::width) {
        math::compute_environment<COMPONENTS, PackD>(parameters, pairs, k).store(pairs.x + k);
    }
}

template <class Real, int COMPONENTS>
void follow_distance(double rcut, int n_pairs, const PairArrays<Real>& pairs) {
    for (int k = 0; k < n_pairs; k += PackD::width) {
        math::follow_distance<COMPONENTS, PackD>(rcut, pairs, k).store(pairs.x + k);
    }
}

template <class Real>
void follow_switch(const math::EnvParameters& parameters, int n_pairs, const PairArrays<Real>& pairs) {
    for (int k = 0; k < n_pairs; k += PackD::width) {
        math::follow_switch<PackD>(parameters, pairs, k);
    }
}

template <class Real, int COMPONENTS>
void compute_harmonics(const math::Harmonics& harmonics, int n_pairs, const PairArrays<Real>& pairs) {
    for (int k = 0; k < n_pairs; k += PackD::width) {
        math::compute_harmonics<COMPONENTS, PackD>(harmonics, pairs, k);
    }
}

template <class Real, int COMPONENTS>
void reverse_harmonics(const math::Harmonics& harmonics, bool over_distance, int n_pairs, const PairArrays<Real>& pairs) {
    for (int k = 0; k < n_pairs; k += PackD::width) {
        math::reverse_harmonics<COMPONENTS, PackD>(harmonics, over_distance, pairs, k);
    }
}

/// The environment the other way. The nine sums of the virial stay in registers over the block and are made single numbers once.
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

template <class Real>
constexpr PairKernels<Real> functions() {
    PairKernels<Real> table{};
#if defined(__AVX512F__)
    table.gather = gather_pairs_avx512<Real>;
    table.narrow = narrow_pairs_avx512<Real>;
#elif defined(__AVX2__) && defined(__FMA__)
    table.gather = gather_pairs_avx2<Real>;
    table.narrow = narrow_pairs_avx2<Real>;
#else
    table.gather = gather_pairs<Real>;
    table.narrow = narrow_pairs<Real>;
#endif
    table.compute_environment = {compute_environment<Real, 4>, compute_environment<Real, 1>};
    table.follow_distance = {follow_distance<Real, 4>, follow_distance<Real, 1>};
    table.follow_switch = follow_switch<Real>;
    table.compute_harmonics.nine = compute_harmonics<Real, 9>;
    table.compute_harmonics.sixteen = compute_harmonics<Real, 16>;
    table.compute_harmonics.twenty_five = compute_harmonics<Real, 25>;
    table.reverse_harmonics.nine = reverse_harmonics<Real, 9>;
    table.reverse_harmonics.sixteen = reverse_harmonics<Real, 16>;
    table.reverse_harmonics.twenty_five = reverse_harmonics<Real, 25>;
    table.reverse_environment = {reverse_environment<Real, 4>, reverse_environment<Real, 1>};
    return table;
}

}  // namespace

extern const InBoth<PairKernels> pair_kernels;
const InBoth<PairKernels> pair_kernels = {functions<double>(), functions<float>()};

}  // namespace dpc::host::DPC_ISA
