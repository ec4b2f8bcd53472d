// SPDX-License-Identifier: MIT
// The scratch arrays of one chunk: some centres of one type, their pairs, and everything between the moments and the fitting net.
// One set of arrays serves all chunks, one after the other.
#pragma once

#include <cstdint>
#include <vector>

#include "dpc/kokkos/device_model.hpp"
#include "dpc/kokkos/loops.hpp"
#include "dpc/math/pair_arrays.hpp"
#include "dpc/math/slots.hpp"

namespace dpc::kokkos {

/// A centre's pairs have this many more slots than listed neighbours: for packs that begin at the last pair, and at least the
/// one that SoleLane::compact writes behind what it keeps.
constexpr int kSlotPadding = Pack<float>::width > 1 ? Pack<float>::width - 1 : 1;

/// Numbers (tile, row, lane), the atom as the fastest index.
template <class Real>
struct Rows {
    Real* data = nullptr;
    int n_rows = 0, lanes = 0;

    KOKKOS_INLINE_FUNCTION Real* at(int tile, int row, int lane) const {
        return data + (static_cast<std::int64_t>(tile) * n_rows + row) * lanes + lane;
    }
    /// Of atom k of the chunk.
    KOKKOS_INLINE_FUNCTION Real* of_atom(int row, int k) const { return at(k / lanes, row, k % lanes); }
};

/// By centre, then neighbour type; a centre's first slot comes from prefix sums of listed counts. table_row holds the candidates of
/// gather_pairs at first.
using math::PairArrays;

/// What the kernels know of the chunk that they work on.
template <class Real>
struct Chunk {
    int type = 0;
    Tiles tiles;
    int n_types = 0;
    const int* centres = nullptr;            // atom indices, from the chunk's first on
    const std::int64_t* slots = nullptr;     // prefix sums, from the chunk's first centre on
    const DevicePair<Real>* model_pairs = nullptr;
    PairArrays<Real> pairs{};
    int* counts = nullptr;                   // (n_types, atoms): neighbours inside the cut-off that are kept
    int* within = nullptr;                   // (n_types, atoms): all of them
    int* firsts = nullptr;                   // (n_types, atoms): first pair
    double* closest2 = nullptr;              // (n_types, atoms): smallest r2 of a pair, infinity: none
    double* virial = nullptr;                // (9, atoms)
    char* is_close = nullptr;                // (atoms): contributes nothing here, but with all columns and products later; null: no atom
    double* energy = nullptr;                // (atoms)

    KOKKOS_INLINE_FUNCTION bool contributes(int k) const { return is_close == nullptr || is_close[k] == 0; }
    KOKKOS_INLINE_FUNCTION int segment(int b, int k) const { return b * tiles.n_atoms + k; }
    KOKKOS_INLINE_FUNCTION int first_slot(int k) const { return static_cast<int>(slots[k] - slots[0]); }
    /// Pairs of the segment that are in the pair arrays: those of other kinds are counted only.
    KOKKOS_INLINE_FUNCTION int n_pairs(int b, int k) const {
        return model_pairs[b].kind == PairKind::ordinary ? counts[segment(b, k)] : 0;
    }
};

template <class ExecSpace, class Real>
class Scratch {
public:
    using Memory = typename ExecSpace::memory_space;

    /// Bytes that reserve takes.
    static std::size_t bytes_of(const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes, std::size_t n_slots);
    /// Room for chunks of this many atoms (lanes of all tiles) and pair slots. Grows, never shrinks.
    void reserve(const ExecSpace& space, const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes, std::size_t n_slots);
    std::size_t bytes() const { return memory_.size(); }

    /// Pointers into the chunk's arrays.
    void attach(Chunk<Real>& chunk) const;
    Rows<Real> rows(int n_rows, int lanes) const { return {rows_, 4 * n_rows, lanes}; }
    Rows<Real> reverse_rows(int n_rows, int lanes) const { return {reverse_rows_, 4 * n_rows, lanes}; }
    Rows<Real> expanded(int n_rows, int lanes) const { return {expanded_, 4 * n_rows, lanes}; }
    Rows<Real> reverse_expanded(int n_rows, int lanes) const { return {reverse_expanded_, 4 * n_rows, lanes}; }
    Rows<Real> products(int n_rows, int lanes) const { return {products_, n_rows, lanes}; }
    Rows<Real> output(std::size_t layer, int n_rows, int lanes) const { return {outputs_[layer], n_rows, lanes}; }
    Rows<Real> slope(std::size_t layer, int n_rows, int lanes) const { return {slopes_[layer], n_rows, lanes}; }

private:
    template <class T>
    void place(T*& array, std::size_t n);
    void place_all(const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes, std::size_t n_slots);

    Kokkos::View<unsigned char*, Memory> memory_;
    std::size_t used_ = 0;
    std::uintptr_t base_ = 0;
    Chunk<Real> arrays_;
    Real *rows_ = nullptr, *reverse_rows_ = nullptr, *expanded_ = nullptr, *reverse_expanded_ = nullptr, *products_ = nullptr;
    std::vector<Real*> outputs_, slopes_;
};

template <class ExecSpace, class Real>
template <class T>
void Scratch<ExecSpace, Real>::place(T*& array, std::size_t n) {
    constexpr std::size_t alignment = 256;
    array = reinterpret_cast<T*>(base_ + used_);
    used_ += (n * sizeof(T) + alignment - 1) / alignment * alignment;
}

template <class ExecSpace, class Real>
void Scratch<ExecSpace, Real>::place_all(const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes, std::size_t n_slots) {
    used_ = 0;
    PairArrays<Real>& pairs = arrays_.pairs;
    place(pairs.neighbour, n_slots);
    place(pairs.table_row, n_slots);
    for (double** array : {&pairs.d[0], &pairs.d[1], &pairs.d[2], &pairs.r2, &pairs.dx_over_r, &pairs.h, &pairs.dh_over_r}) {
        place(*array, n_slots);
    }
    for (Real** array : {&pairs.row[0], &pairs.row[1], &pairs.row[2], &pairs.row[3], &pairs.distance, &pairs.reverse_row[0],
                         &pairs.reverse_row[1], &pairs.reverse_row[2], &pairs.reverse_row[3]}) {
        place(*array, n_slots);
    }
    const std::size_t n_segments = n_lanes * static_cast<std::size_t>(model.n_types);
    place(arrays_.counts, n_segments);
    place(arrays_.within, n_segments);
    place(arrays_.firsts, n_segments);
    place(arrays_.closest2, n_segments);
    place(arrays_.virial, 9 * n_lanes);
    const std::size_t rows = 4 * n_lanes * static_cast<std::size_t>(model.most_rows);
    place(rows_, rows);
    place(reverse_rows_, rows);
    place(expanded_, model.has_direct ? rows : 0);
    place(reverse_expanded_, model.has_direct ? rows : 0);
    place(products_, n_lanes * static_cast<std::size_t>(model.most_products));
    outputs_.resize(static_cast<std::size_t>(model.most_layers - 1));  // the last layer gives the energy
    slopes_.resize(outputs_.size());
    for (std::size_t l = 0; l < outputs_.size(); ++l) {
        place(outputs_[l], n_lanes * static_cast<std::size_t>(model.most_neurons));
        place(slopes_[l], n_lanes * static_cast<std::size_t>(model.most_neurons));
    }
}

template <class ExecSpace, class Real>
std::size_t Scratch<ExecSpace, Real>::bytes_of(const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes,
                                               std::size_t n_slots) {
    Scratch dry;
    dry.place_all(model, n_lanes, n_slots);
    return dry.used_;
}

template <class ExecSpace, class Real>
void Scratch<ExecSpace, Real>::reserve(const ExecSpace& space, const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes,
                                       std::size_t n_slots) {
    const std::size_t n_bytes = bytes_of(model, n_lanes, n_slots);
    if (n_bytes > memory_.size()) {
        memory_ = {};  // first, so that both never exist together
        memory_ = decltype(memory_)(Kokkos::view_alloc(space, "dpc::scratch"), n_bytes);
    }
    base_ = reinterpret_cast<std::uintptr_t>(memory_.data());
    place_all(model, n_lanes, n_slots);
}

template <class ExecSpace, class Real>
void Scratch<ExecSpace, Real>::attach(Chunk<Real>& chunk) const {
    chunk.pairs = arrays_.pairs;
    chunk.counts = arrays_.counts;
    chunk.within = arrays_.within;
    chunk.firsts = arrays_.firsts;
    chunk.closest2 = arrays_.closest2;
    chunk.virial = arrays_.virial;
}

}  // namespace dpc::kokkos
