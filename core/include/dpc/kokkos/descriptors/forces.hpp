// SPDX-License-Identifier: MIT
// Step reverse_environment: dE/dR of one descriptor to forces and virials. A centre's own force is summed in registers. Forces on
// neighbours are added atomically on a GPU; on a processor each worker but the first has an array of its own, and these are added in
// the order of the workers, so that the same number of threads gives the same bits.
#pragma once

#include <cstdint>

#include "dpc/kokkos/descriptors/described_chunk.hpp"

namespace dpc::kokkos {

/// Where results are added; views may be empty. Forces: any view (n_all, 3) of double or float.
template <class Memory, class Forces = Kokkos::View<double* [3], Kokkos::LayoutRight, Memory, Kokkos::MemoryUnmanaged>>
struct DeviceOutput {
    Forces forces;
    Kokkos::View<double*, Memory, Kokkos::MemoryUnmanaged> atom_energy;                           // centres only
    Kokkos::View<double* [9], Kokkos::LayoutRight, Memory, Kokkos::MemoryUnmanaged> atom_virial;  // position component first
};

/// The arrays of the workers beyond the first, (worker - 1, atom, component).
struct WorkerSums {
    double* forces = nullptr;
    double* atom_virial = nullptr;
    std::int64_t n_all = 0;

    KOKKOS_FORCEINLINE_FUNCTION double* of(double* array, int worker, int atom, int n_components) const {
        return array + ((worker - 1) * n_all + atom) * n_components;
    }
};

/// Where the descriptors of a chunk add forces and virials.
template <class Output>
struct ForceSums {
    Output output;
    WorkerSums workers;
    double length = 1, energy = 1;  // Units
};

/// How a centre's pairs are shared out: on a GPU a group takes those of one neighbour type, on a processor all at once.
template <class ExecSpace>
int force_segments(const Chunk& chunk) {
    return is_gpu<ExecSpace> ? chunk.n_types : 1;
}

template <class ExecSpace, class Real, int COMPONENTS, class Output>
struct ReverseEnvironment {
    using P = Pack<double>;
    DescribedChunk<Real> described;
    ForceSums<Output> to;

    struct Sums {
        P force[3], virial[9];
    };

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int worker, int b, int k) const {
        const Chunk& chunk = described.common;
        const int begin = is_gpu<ExecSpace> ? described.begin(b, k) : chunk.first_pair(k);
        const int end = !chunk.contributes(k) ? begin : is_gpu<ExecSpace> ? begin + chunk.n_stored(b, k) : chunk.end_of_pairs(k);
        if (begin == end) {
            return;
        }
        Sums sums;
        for (P& component : sums.force) {
            component = P(0.0);
        }
        for (P& component : sums.virial) {
            component = P(0.0);
        }
        group.for_each((end - begin + P::width - 1) / P::width, [&](int pack) {
            const int first = begin + pack * P::width;
            if constexpr (P::width == 1) {
                add_pairs(worker, first, 1, sums);
            } else {
                add_pairs(worker, first, end - first < P::width ? end - first : P::width, sums);
            }
        });
        double total[12];
        for (int c = 0; c < 3; ++c) {
            total[c] = sum(sums.force[c]) * (to.energy * to.length);
        }
        for (int c = 0; c < 9; ++c) {
            total[3 + c] = sum(sums.virial[c]);
        }
        group.sum_each(total, [&](int n, double of_all) {
            if (n < 3) {
                add_force(worker, chunk.centres[k], n, of_all);
            } else {
                add(chunk.virial[(n - 3) * chunk.tiles.n_atoms + k], -of_all * to.energy);
            }
        });
    }

    /// A pack of pairs, n of them real; the rest is neutral but has no neighbour.
    KOKKOS_FORCEINLINE_FUNCTION void add_pairs(int worker, int first, int n, Sums& sums) const {
        const PairArrays<Real>& pairs = described.pairs;
        P gradient[3];
        math::reverse_environment<COMPONENTS>(pairs, first, gradient, sums.virial);
        double of_pairs[3][P::width];
        for (int a = 0; a < 3; ++a) {
            gradient[a].store(of_pairs[a]);
            sums.force[a] += gradient[a];
        }
        const double scale = to.energy * to.length;
        for (int m = 0; m < n; ++m) {
            for (int c = 0; c < 3; ++c) {
                add_force(worker, pairs.neighbour[first + m], c, -of_pairs[c][m] * scale);
            }
        }
        if (to.output.atom_virial.data() != nullptr) {
            add_atom_virials(worker, first, n, of_pairs);
        }
    }

    /// Assigned to the atom that the derivative is taken for: the neighbour.
    KOKKOS_FORCEINLINE_FUNCTION void add_atom_virials(int worker, int first, int n, const double (&gradient)[3][P::width]) const {
        for (int m = 0; m < n; ++m) {
            const int j = described.pairs.neighbour[first + m];
            for (int a = 0; a < 3; ++a) {
                for (int b = 0; b < 3; ++b) {
                    add_atom_virial(worker, j, 3 * a + b, -described.pairs.d[a][first + m] * gradient[b][m] * to.energy);
                }
            }
        }
    }

    /// To a number of the centre, which on a GPU several groups may have.
    KOKKOS_FORCEINLINE_FUNCTION static void add(double& to, double value) {
        if constexpr (is_gpu<ExecSpace>) {
            Kokkos::atomic_add(&to, value);
        } else {
            to += value;
        }
    }

    KOKKOS_FORCEINLINE_FUNCTION void add_atom_virial(int worker, int atom, int c, double value) const {
        if constexpr (is_gpu<ExecSpace>) {
            Kokkos::atomic_add(&to.output.atom_virial(atom, c), value);
        } else if (worker == 0) {
            to.output.atom_virial(atom, c) += value;
        } else {
            to.workers.of(to.workers.atom_virial, worker, atom, 9)[c] += value;
        }
    }

    KOKKOS_FORCEINLINE_FUNCTION void add_force(int worker, int atom, int c, double value) const {
        using Force = typename decltype(to.output.forces)::non_const_value_type;
        if constexpr (is_gpu<ExecSpace>) {
            Kokkos::atomic_add(&to.output.forces(atom, c), static_cast<Force>(value));
        } else if (worker == 0) {
            to.output.forces(atom, c) += static_cast<Force>(value);
        } else {
            to.workers.of(to.workers.forces, worker, atom, 3)[c] += value;
        }
    }
};

/// What the other workers summed, in their order.
template <class Output>
struct AddWorkerSums {
    Output output;
    WorkerSums workers;
    int n_workers;

    KOKKOS_FUNCTION void operator()(int atom) const {
        using Force = typename decltype(output.forces)::non_const_value_type;
        for (int worker = 1; worker < n_workers; ++worker) {
            const double* force = workers.of(workers.forces, worker, atom, 3);
            for (int c = 0; c < 3; ++c) {
                output.forces(atom, c) += static_cast<Force>(force[c]);
            }
            if (workers.atom_virial != nullptr) {
                const double* virial = workers.of(workers.atom_virial, worker, atom, 9);
                for (int c = 0; c < 9; ++c) {
                    output.atom_virial(atom, c) += virial[c];
                }
            }
        }
    }
};

}  // namespace dpc::kokkos
