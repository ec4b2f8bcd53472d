// SPDX-License-Identifier: MIT
// The scratch arrays of a chunk: its pairs, what every descriptor makes of them, and everything up to the energy. One set of arrays
// serves all chunks, one after the other; some that are evaluated together have one each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "dpc/kokkos/descriptors/kinds.hpp"

namespace dpc::kokkos {

/// Those of one chunk.
template <class Real>
class ScratchArrays {
public:
    template <class ExecSpace>
    void place(ArrayPlaces& places, const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes, std::size_t n_slots);

    /// Pointers into the chunk's arrays.
    void attach(Chunk& chunk) const;
    /// Of descriptor `index` of the model.
    const DescriptorArrays<Real>& descriptor(int index) const { return descriptors_[static_cast<std::size_t>(index)]; }
    TiledRows<Real> features(int n_rows, int lanes) const { return {features_, n_rows, lanes}; }
    TiledRows<Real> output(std::size_t layer, int n_rows, int lanes) const { return {outputs_[layer], n_rows, lanes}; }
    TiledRows<Real> slope(std::size_t layer, int n_rows, int lanes) const { return {slopes_[layer], n_rows, lanes}; }

private:
    Chunk arrays_;
    std::vector<DescriptorArrays<Real>> descriptors_;
    Real* features_ = nullptr;
    std::vector<Real*> outputs_, slopes_;
};

template <class ExecSpace, class Real>
class Scratch {
public:
    using Memory = typename ExecSpace::memory_space;

    /// Bytes that reserve takes for each chunk.
    static std::size_t bytes_of(const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes, std::size_t n_slots);
    /// Room for this many chunks together, of so many atoms (lanes of all tiles) and pair slots. Never shrinks. is_bounded: does not
    /// grow by more than that, as it otherwise does, since nearly every list of a run has another length.
    void reserve(const ExecSpace& space, const DeviceModel<ExecSpace, Real>& model, int n_chunks, std::size_t n_lanes,
                 std::size_t n_slots, bool is_bounded);
    std::size_t bytes() const { return memory_.size(); }
    const void* data() const { return memory_.data(); }
    const ScratchArrays<Real>& of_chunk(std::size_t n) const { return chunks_[n]; }

private:
    Kokkos::View<unsigned char*, Memory> memory_;
    std::vector<ScratchArrays<Real>> chunks_;
};

template <class Real>
template <class ExecSpace>
void ScratchArrays<Real>::place(ArrayPlaces& places, const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes,
                                std::size_t n_slots) {
    GatheredPairs& pairs = arrays_.pairs;
    places.add(n_slots, {&pairs.neighbour});
    places.add(n_slots, {&pairs.d[0], &pairs.d[1], &pairs.d[2], &pairs.r2});
    const std::size_t n_segments = n_lanes * static_cast<std::size_t>(model.n_types);
    places.add(n_segments, {&arrays_.counts, &arrays_.within, &arrays_.within_sel, &arrays_.firsts});
    places.add(model.has_united_shared ? model.descriptors.size() * (n_segments + n_lanes) : 0, {&arrays_.of_shared});
    places.add(n_segments, {&arrays_.closest2});
    places.add(9 * n_lanes, {&arrays_.virial});
    descriptors_.resize(model.descriptors.size());
    for (std::size_t index = 0; index < descriptors_.size(); ++index) {
        const DescriptorExtent& extent = model.descriptors[index];
        DescriptorArrays<Real>& arrays = descriptors_[index];
        with_kind<ExecSpace, Real>(extent, [&](auto kind) { kind.place(places, extent, n_lanes, n_slots, arrays); });
        arrays.pairs.neighbour = pairs.neighbour;
        std::copy(pairs.d, pairs.d + 3, arrays.pairs.d);
        arrays.pairs.r2 = pairs.r2;
    }
    pairs.candidates = descriptors_.front().pairs.interval;
    pairs.chosen = reinterpret_cast<int*>(descriptors_.front().pairs.dx_over_r);
    places.add(n_lanes * static_cast<std::size_t>(model.most_features), {&features_});
    outputs_.resize(static_cast<std::size_t>(model.most_layers - 1));  // the last layer gives the energy
    slopes_.resize(outputs_.size());
    for (std::size_t l = 0; l < outputs_.size(); ++l) {
        places.add(n_lanes * static_cast<std::size_t>(model.most_neurons), {&outputs_[l], &slopes_[l]});
    }
}

template <class Real>
void ScratchArrays<Real>::attach(Chunk& chunk) const {
    chunk.pairs = arrays_.pairs;
    chunk.counts = arrays_.counts;
    chunk.within = arrays_.within;
    chunk.within_sel = arrays_.within_sel;
    chunk.of_shared = arrays_.of_shared;
    chunk.firsts = arrays_.firsts;
    chunk.closest2 = arrays_.closest2;
    chunk.virial = arrays_.virial;
}

template <class ExecSpace, class Real>
std::size_t Scratch<ExecSpace, Real>::bytes_of(const DeviceModel<ExecSpace, Real>& model, std::size_t n_lanes,
                                               std::size_t n_slots) {
    ArrayPlaces places;
    ScratchArrays<Real>().place(places, model, n_lanes, n_slots);
    return places.used;
}

template <class ExecSpace, class Real>
void Scratch<ExecSpace, Real>::reserve(const ExecSpace& space, const DeviceModel<ExecSpace, Real>& model, int n_chunks,
                                       std::size_t n_lanes, std::size_t n_slots, bool is_bounded) {
    const std::size_t n_bytes = static_cast<std::size_t>(n_chunks) * bytes_of(model, n_lanes, n_slots);
    if (n_bytes > memory_.size()) {
        const std::size_t n_spare = memory_.size() == 0 || is_bounded ? 0 : n_bytes / 16;
        memory_ = {};  // first, so that both never exist together
        memory_ = decltype(memory_)(Kokkos::view_alloc(space, "dpc::scratch"), n_bytes + n_spare);
    }
    ArrayPlaces places;
    places.base = reinterpret_cast<std::uintptr_t>(memory_.data());
    chunks_.resize(static_cast<std::size_t>(n_chunks));
    for (ScratchArrays<Real>& chunk : chunks_) {
        chunk.place(places, model, n_lanes, n_slots);
    }
}

}  // namespace dpc::kokkos
