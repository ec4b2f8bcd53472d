// SPDX-License-Identifier: MIT
// Some centres of one type and their pairs: what the kernels know of the chunk that they work on.
#pragma once

#include <cstdint>

#include "dpc/kokkos/device_model.hpp"
#include "dpc/kokkos/loops.hpp"

namespace dpc::kokkos {

/// A centre's pairs have this many more slots than listed neighbours: for packs that begin at the last pair, and at least the
/// one that SoleThread::compact writes behind what it keeps.
constexpr int kSlotPadding = Pack<float>::width > 1 ? Pack<float>::width - 1 : 1;

/// Numbers (tile, row, lane), the atom as the fastest index.
template <class Real>
struct TiledRows {
    Real* data = nullptr;
    int n_rows = 0, lanes = 0;  // of a tile

    KOKKOS_INLINE_FUNCTION Real* at(int tile, int row, int lane) const {
        return data + (static_cast<std::int64_t>(tile) * n_rows + row) * lanes + lane;
    }
    /// Of atom k of the chunk.
    KOKKOS_INLINE_FUNCTION Real* of_atom(int row, int k) const { return at(k / lanes, row, k % lanes); }
    /// The same tiles, rows counted from another one on.
    KOKKOS_INLINE_FUNCTION TiledRows from(int row) const {
        return {data + static_cast<std::int64_t>(row) * lanes, n_rows, lanes};
    }
};

/// The pairs inside the largest cut-off, by centre, then neighbour type; a centre's first slot comes from prefix sums of listed counts.
struct GatheredPairs {
    int* neighbour = nullptr;   // atom index
    double* d[3] = {};          // r_j - r_i, angstrom
    double* r2 = nullptr;       // |d|^2
    int* candidates = nullptr;  // of gather_pairs, the memory of something that comes after it
    int* chosen = nullptr;      // of these where there are too many, the same
};

struct Chunk {
    int type = 0;
    Tiles tiles;
    int n_types = 0;
    double rcut2 = 0;                        // the largest
    const int* centres = nullptr;            // atom indices, from the chunk's first on
    const std::int64_t* slots = nullptr;     // prefix sums, from the chunk's first centre on
    const TypePairLimits* limits = nullptr;  // by neighbour type
    GatheredPairs pairs;
    int* counts = nullptr;      // (n_types, atoms): neighbours inside the cut-off that are kept
    int* within = nullptr;      // (n_types, atoms): all of them; of several descriptors those inside the cut-off of the
    int* within_sel = nullptr;  //     one that they exceed most, and its slots
    bool keeps_own = false;     // of several descriptors each keeps the nearest that it has slots for
    int* of_shared =
        nullptr;  // (descriptors, n_types + 1, atoms) of several whose slots are for neighbours of any type: how many it
                  //     keeps of each, at most, and how many of all it has inside its cut-off where that is too many
    int* firsts = nullptr;            // (n_types, atoms): first pair
    double* closest2 = nullptr;       // (n_types, atoms): smallest r2 of a pair, infinity: none
    double* virial = nullptr;         // (9, atoms)
    char* is_close = nullptr;         // (atoms): contributes nothing here, but with all columns and products later; null: no atom
    double* energy = nullptr;         // (atoms)
    const double* factors = nullptr;  // of the energies, by atom index; 0: left out; null: all are 1

    KOKKOS_INLINE_FUNCTION double factor(int k) const { return factors == nullptr ? 1 : factors[centres[k]]; }
    KOKKOS_INLINE_FUNCTION bool contributes(int k) const { return is_close == nullptr || is_close[k] == 0; }
    KOKKOS_INLINE_FUNCTION int segment(int b, int k) const { return b * tiles.n_atoms + k; }
    KOKKOS_INLINE_FUNCTION int* shared(int place, int b, int k) const {
        return of_shared + (place * (n_types + 1) + b) * tiles.n_atoms + k;
    }
    KOKKOS_INLINE_FUNCTION int first_slot(int k) const { return static_cast<int>(slots[k] - slots[0]); }
    /// Pairs of the segment that are in the pair arrays: others are counted only.
    KOKKOS_INLINE_FUNCTION int n_stored(int b, int k) const { return limits[b].is_stored ? counts[segment(b, k)] : 0; }
    /// The pairs of an atom in these arrays, of all types one after the other.
    KOKKOS_INLINE_FUNCTION int first_pair(int k) const { return firsts[segment(0, k)]; }
    KOKKOS_INLINE_FUNCTION int end_of_pairs(int k) const { return firsts[segment(n_types - 1, k)] + n_stored(n_types - 1, k); }
};

/// Of n pairs.
KOKKOS_INLINE_FUNCTION int count_inside(const double* r2, int n, double rcut2) {
    int inside = 0;
    for (int pair = 0; pair < n; ++pair) {
        inside += r2[pair] < rcut2 ? 1 : 0;
    }
    return inside;
}

}  // namespace dpc::kokkos
