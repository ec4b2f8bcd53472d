// SPDX-License-Identifier: MIT
// How the Kokkos evaluator cuts the centres into chunks (dpc/kokkos/plan.hpp): every centre is in one chunk, scratch stays
// within its bound, and what is computed does not depend on it.
#include <Kokkos_Core.hpp>

#include "dpc/kokkos/plan.hpp"
#include "dpc/kokkos/sums.hpp"
#include "kokkos_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Backend;
using dpc::Evaluator;
using dpc::Model;
using dpc::Precision;
using dpc::kokkos::Plan;

/// Everyone is a centre. Who the neighbours are does not matter to the chunks, only how many.
template <class Memory>
struct CountedList {
    int n_centres = 0;
    Kokkos::View<const int*, Memory> counts;
    KOKKOS_FUNCTION int centre(int c) const { return c; }
    KOKKOS_FUNCTION int count(int i) const { return counts(i); }
    KOKKOS_FUNCTION int neighbour(int i, int) const { return i; }
    KOKKOS_FUNCTION long long tag(int i) const { return i; }
};

struct Chunks {
    Plan plan;
    std::size_t scratch_bytes = 0;
    int n_centres = 0;
    int fewest_atoms = 0, most_atoms = 0;  // that any bound of the memory leads to

    bool can_shrink() const { return fewest_atoms < most_atoms; }
    /// Of everything that depends on the chunks: their sums, and where they begin.
    std::size_t bytes() const { return scratch_bytes + plan.chunks.size() * (sizeof(dpc::kokkos::ChunkSums) + sizeof(int)); }
};

template <class ExecSpace, class Real>
Chunks chunks_in(const ExecSpace& space, const OpenSystem& system, std::size_t scratch_bytes) {
    using Memory = typename ExecSpace::memory_space;
    using HostInts = Kokkos::View<const int*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>;
    const auto n = static_cast<std::size_t>(system.n_atoms());
    const dpc::PackedModel<Real> packed(load(small_model()), dpc::Evaluated::by_kokkos);
    const dpc::kokkos::DeviceModel<ExecSpace, Real> model(*packed.model, packed.ordinary, space);
    const auto to_device = [&](const int* values) { return Kokkos::create_mirror_view_and_copy(Memory(), HostInts(values, n)); };
    const CountedList<Memory> list{system.n_atoms(), to_device(system.list().count)};
    const Kokkos::View<const int*, Memory> types = to_device(system.types.data());
    dpc::kokkos::Centres<ExecSpace> centres;
    centres.build(space, model, packed.model->has_energy, system.n_atoms(), types, list, dpc::kokkos::kSlotPadding);

    Chunks out;
    out.plan = dpc::kokkos::make_plan(space, model, centres, scratch_bytes, 0);
    out.n_centres = centres.n_centres();
    out.fewest_atoms = dpc::kokkos::fewest_atoms<ExecSpace, Real>();
    out.most_atoms = dpc::kokkos::default_most_atoms(space);
    dpc::kokkos::Scratch<ExecSpace, Real> scratch;
    scratch.reserve(space, model, out.plan.together, out.plan.most_lanes, out.plan.most_slots, scratch_bytes > 0);
    out.scratch_bytes = scratch.bytes();
    return out;
}

template <class ExecSpace>
Chunks chunks_in(const ExecSpace& space, Precision precision, const OpenSystem& system, std::size_t scratch_bytes) {
    return precision == Precision::mixed ? chunks_in<ExecSpace, float>(space, system, scratch_bytes)
                                         : chunks_in<ExecSpace, double>(space, system, scratch_bytes);
}

class KokkosChunks : public testing::TestWithParam<Way> {
protected:
    std::shared_ptr<const Model> model_ = load(small_model());
    Evaluator kokkos_runs_{model_, GetParam().options()};

    /// More atoms of the first type than the smallest chunk of a GPU has.
    static const OpenSystem& the_system() {
        static const OpenSystem system(2400);
        return system;
    }
    static Chunks chunks(std::size_t scratch_bytes) {
        const Way& way = GetParam();
#if defined(KOKKOS_ENABLE_SERIAL)
        if (way.backend == Backend::kokkos_serial) {
            return chunks_in(Kokkos::Serial(), way.precision, the_system(), scratch_bytes);
        }
#endif
#if defined(KOKKOS_ENABLE_OPENMP)
        if (way.backend == Backend::kokkos_openmp) {
            return chunks_in(Kokkos::OpenMP(way.n_threads), way.precision, the_system(), scratch_bytes);
        }
#endif
        return chunks_in(Kokkos::DefaultExecutionSpace(), way.precision, the_system(), scratch_bytes);
    }
    Step compute(std::size_t scratch_bytes, std::size_t& memory_bytes) const {
        Evaluator evaluator(model_, GetParam().options(scratch_bytes));
        evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
        memory_bytes = evaluator.memory_bytes();
        Step step;
        step.compute(evaluator, the_system().x);
        return step;
    }
};

TEST_P(KokkosChunks, HoldEveryCentreOnce) {
    for (const std::size_t bound : {std::size_t(0), std::size_t(1)}) {
        const Chunks found = chunks(bound);
        const int most = bound == 0 ? found.most_atoms : found.fewest_atoms;
        int next = 0, type = 0;
        for (const dpc::kokkos::PlannedChunk& planned : found.plan.chunks) {
            EXPECT_EQ(planned.first_centre, next);
            EXPECT_GE(planned.type, type);
            EXPECT_GT(planned.tiles.n_atoms, 0);
            EXPECT_LE(planned.tiles.n_atoms, most);
            EXPECT_GE(planned.tiles.lanes * planned.tiles.n_tiles, planned.tiles.n_atoms);
            EXPECT_LE(static_cast<std::size_t>(planned.tiles.lanes * planned.tiles.n_tiles), found.plan.most_lanes);
            next += planned.tiles.n_atoms;
            type = planned.type;
        }
        EXPECT_EQ(next, found.n_centres);
    }
}

/// As many chunks as there are types and no more would leave the loop over chunks untested.
TEST_P(KokkosChunks, AreSeveralOfATypeWhereMemoryIsShort) {
    const Chunks short_of_memory = chunks(1), usual = chunks(0);
    EXPECT_GT(short_of_memory.plan.chunks.size(), 2U);
    if (usual.can_shrink()) {
        EXPECT_GT(short_of_memory.plan.chunks.size(), usual.plan.chunks.size());
    } else {
        EXPECT_EQ(short_of_memory.plan.chunks.size(), usual.plan.chunks.size());
    }
}

TEST_P(KokkosChunks, KeepScratchInItsBound) {
    const Chunks smallest = chunks(1), usual = chunks(0);
    ASSERT_GT(smallest.scratch_bytes, 0U);
    if (!usual.can_shrink()) {
        EXPECT_EQ(smallest.scratch_bytes, usual.scratch_bytes);
        return;
    }
    EXPECT_LT(smallest.scratch_bytes, usual.scratch_bytes);
    const std::size_t half_way = (smallest.scratch_bytes + usual.scratch_bytes) / 2;
    for (const std::size_t bound : {smallest.scratch_bytes, half_way, usual.scratch_bytes - 1}) {
        const Chunks found = chunks(bound);
        EXPECT_LE(found.scratch_bytes, bound);
        EXPECT_LT(found.scratch_bytes, usual.scratch_bytes);
    }
    EXPECT_EQ(chunks(usual.scratch_bytes).scratch_bytes, usual.scratch_bytes);
}

/// A list that is somewhat longer than the one before takes no new memory.
TEST_P(KokkosChunks, KeepScratchWhereListsGrow) {
    using Scratch = dpc::kokkos::Scratch<Kokkos::DefaultHostExecutionSpace, double>;
    constexpr std::size_t n_lanes = 64;
    const Kokkos::DefaultHostExecutionSpace space;
    const dpc::PackedModel<double> packed(model_, dpc::Evaluated::by_kokkos);
    const dpc::kokkos::DeviceModel<Kokkos::DefaultHostExecutionSpace, double> model(*packed.model, packed.ordinary, space);
    for (const bool is_bounded : {false, true}) {
        Scratch scratch;
        const auto bytes_with = [&](std::size_t n_slots) {
            scratch.reserve(space, model, 1, n_lanes, n_slots, is_bounded);
            return scratch.bytes();
        };
        const auto exact = [&](std::size_t n_slots) { return Scratch::bytes_of(model, n_lanes, n_slots); };
        EXPECT_EQ(bytes_with(10000), exact(10000));
        const std::size_t grown = bytes_with(10100);
        EXPECT_GE(grown, exact(10100));
        EXPECT_LE(grown, is_bounded ? exact(10100) : exact(10100) / 16 * 17 + 16);
        EXPECT_EQ(bytes_with(10200), is_bounded ? exact(10200) : grown);
        EXPECT_EQ(bytes_with(10000), scratch.bytes());
    }
}

TEST_P(KokkosChunks, DoNotChangeTheResults) {
    const Chunks usual = chunks(0);
    std::size_t usual_bytes = 0;
    const Step expected = compute(0, usual_bytes);
    for (const std::size_t bound : {std::size_t(1), usual.scratch_bytes * 2 / 3, std::size_t(1) << 40U}) {
        SCOPED_TRACE(bound);
        std::size_t bytes = 0;
        const Step step = compute(bound, bytes);
        EXPECT_EQ(usual_bytes - bytes, usual.bytes() - chunks(bound).bytes());  // the evaluator has these chunks
        if (GetParam().backend != Backend::gpu) {  // there the vendor's product may sum a chunk of another size in another order
            EXPECT_EQ(step.totals.energy, expected.totals.energy);
            EXPECT_EQ(step.atom_energy, expected.atom_energy);
        }
        expect_same(step, expected, GetParam());
        expect_same(step.overflow, expected.overflow);
    }
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosChunks, testing::ValuesIn(all_ways()), way_name);

}  // namespace
