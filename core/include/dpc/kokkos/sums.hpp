// SPDX-License-Identifier: MIT
// What one step hands back to the host in one copy: energy, virial, what left the range of the training data, and faults.
#pragma once

#include "dpc/evaluator.hpp"
#include "dpc/kokkos/chunk.hpp"

namespace dpc::kokkos {

constexpr int kNone = 0x7fffffff;

/// Of a chunk, or of all.
struct ChunkSums {
    double virial[9] = {};
    int n_close = 0;  // centres that did not contribute
    Overflow overflow;
    int coincident[2] = {-1, -1};  // atom indices of a pair at distance 0: the results are void
};

struct StepSums {
    double energy = 0;
    ChunkSums chunks;
    int not_finite = kNone;  // index of the first atom whose position is not a number
};

KOKKOS_INLINE_FUNCTION void merge(ChunkSums& into, const ChunkSums& from) {
    for (int c = 0; c < 9; ++c) {
        into.virial[c] += from.virial[c];
    }
    into.n_close += from.n_close;
    merge(into.overflow, from.overflow);
    if (into.coincident[0] < 0 || (from.coincident[0] >= 0 && from.coincident[0] < into.coincident[0])) {
        into.coincident[0] = from.coincident[0];
        into.coincident[1] = from.coincident[1];
    }
}

/// Over the atoms of a chunk.
struct CollectChunk {
    Chunk chunk;
    CutoffSlots slots;

    KOKKOS_FUNCTION void operator()(int k, ChunkSums& sums) const {
        for (int c = 0; c < 9; ++c) {
            sums.virial[c] += chunk.virial[c * chunk.tiles.n_atoms + k];
        }
        sums.n_close += chunk.contributes(k) ? 0 : 1;
        if (slots.shared > 0) {
            count_shared_crowd(k, sums);
        }
        for (int d = 0; cutoffs_are_shared() && d < slots.n; ++d) {
            note_crowd(k, slots.of_any[d] > 0 ? *chunk.shared(d, chunk.n_types, k) : 0, slots.of_any[d], sums);
        }
        for (int b = 0; b < chunk.n_types; ++b) {
            const TypePairLimits& limits = chunk.limits[b];
            const int count = chunk.within[chunk.segment(b, k)];
            const int sel = slots.n > 0 ? chunk.within_sel[chunk.segment(b, k)] : limits.sel;
            if (count > sel) {
                Overflow crowded;
                crowded.n_over_sel = 1;
                crowded.crowd = {chunk.centres[k], chunk.type, b, count, sel};
                merge(sums.overflow, crowded);
            }
            if (chunk.closest2[chunk.segment(b, k)] < limits.checked_distance2) {
                count_overflow(limits, b, k, sums);
            }
        }
    }

    /// Where all types share the slots.
    KOKKOS_FUNCTION void count_shared_crowd(int k, ChunkSums& sums) const {
        int count = 0;
        for (int b = 0; b < chunk.n_types; ++b) {
            count += chunk.within[chunk.segment(b, k)];
        }
        note_crowd(k, count, slots.shared, sums);
    }

    KOKKOS_FUNCTION bool cutoffs_are_shared() const { return slots.n > 0 && slots.least_shared > 0; }

    /// Neighbours of all types in slots that these share.
    KOKKOS_FUNCTION void note_crowd(int k, int count, int most, ChunkSums& sums) const {
        if (count > most) {
            Overflow crowded;
            crowded.n_over_sel = 1;
            crowded.crowd = {chunk.centres[k], chunk.type, kEveryType, count, most};
            merge(sums.overflow, crowded);
        }
    }

    /// The rare case: some pair of this centre is closer than the training data or beyond the table.
    KOKKOS_FUNCTION void count_overflow(const TypePairLimits& limits, int b, int k, ChunkSums& sums) const {
        Overflow found;
        const int begin = chunk.firsts[chunk.segment(b, k)], n = chunk.counts[chunk.segment(b, k)];
        for (int slot = begin; slot < begin + n; ++slot) {
            const double r = Kokkos::sqrt(chunk.pairs.r2[slot]);
            found.n_close += r < limits.min_distance ? 1 : 0;
            found.n_beyond += r < limits.table_limit ? 1 : 0;
            const int i = chunk.centres[k], j = chunk.pairs.neighbour[slot];
            const Overflow::Pair candidate = {i, j, chunk.type, b, r, limits.min_distance, limits.table_limit};
            found.worst = is_worse(candidate, found.worst) ? candidate : found.worst;
        }
        if (found.worst.distance < kSamePlace) {
            ChunkSums fault;
            fault.coincident[0] = found.worst.i;
            fault.coincident[1] = found.worst.j;
            merge(sums, fault);
        }
        merge(sums.overflow, found);
    }
};

/// Over the atoms of chunks that are evaluated together.
struct CollectSums {
    using value_type = ChunkSums;
    struct Part {
        CollectChunk body;
        int n;
    };

    explicit CollectSums(const CollectChunk& chunk) : chunks(Part{chunk, chunk.chunk.tiles.n_atoms}) {}
    bool join(const CollectSums& other) { return chunks.join(other.chunks); }
    int n() const { return chunks.n(); }

    KOKKOS_INLINE_FUNCTION void init(ChunkSums& sums) const { sums = ChunkSums{}; }
    KOKKOS_INLINE_FUNCTION void join(ChunkSums& into, const ChunkSums& from) const { merge(into, from); }
    KOKKOS_FUNCTION void operator()(int k, ChunkSums& sums) const {
        const Part& part = chunks.part_of(k);
        part.body(k, sums);
    }

    Together<Part> chunks;
};

/// Over the sums of chunks.
struct CollectChunks {
    using value_type = ChunkSums;
    const ChunkSums* of_chunk;
    KOKKOS_INLINE_FUNCTION void init(ChunkSums& sums) const { sums = ChunkSums{}; }
    KOKKOS_INLINE_FUNCTION void join(ChunkSums& into, const ChunkSums& from) const { merge(into, from); }
    KOKKOS_FUNCTION void operator()(int chunk, ChunkSums& sums) const { merge(sums, of_chunk[chunk]); }
};

/// Over all centres that contribute, whatever their chunk: the size of the chunks does not change the sum. Writes what an atom's energy is.
template <class Output>
struct SumCentreEnergies {
    const double* energies;
    const int* centres;
    const char* is_close;  // null: all contribute
    Output output;
    double scale;
    const double* factors;  // by atom index, null: all are 1
    KOKKOS_FUNCTION void operator()(int c, double& total) const {
        if (is_close != nullptr && is_close[c] != 0) {
            return;
        }
        const double energy = energies[c] * scale * (factors != nullptr ? factors[centres[c]] : 1);
        total += energy;
        if (output.atom_energy.data() != nullptr) {
            output.atom_energy(centres[c]) += energy;
        }
    }
};

template <class Positions>
struct FindNotFinite {
    Positions x;
    KOKKOS_FUNCTION void operator()(int i, int& first) const {
        const bool is_finite = Kokkos::isfinite(x(i, 0)) && Kokkos::isfinite(x(i, 1)) && Kokkos::isfinite(x(i, 2));
        first = !is_finite && i < first ? i : first;
    }
};

}  // namespace dpc::kokkos
