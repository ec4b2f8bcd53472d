// SPDX-License-Identifier: MIT
// What an evaluator says it holds, against what the allocator gave: an array that is left out shows.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "allocation_counter.hpp"
#include "close_models.hpp"
#include "dpc/errors.hpp"
#include "dpc/evaluator.hpp"
#include "host/block_evaluator.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::Model;
using dpc::Precision;

constexpr int kBlockAtoms = 64;

std::shared_ptr<const Model> the_model() {
    TableBuilder file = nested_model();
    file.i32("fitting.0.input.0.row_end_exact", {4}, {2, 1, 2, 3});
    const Bytes bytes = file.bytes();
    return Model::from_bytes(bytes.data(), bytes.size());
}

const OpenSystem& the_system() {
    static const OpenSystem system(300);
    return system;
}

/// What was allocated since it was made and is still there.
class Since {
public:
    void expect(std::size_t bytes, long extra = 0) const {
        const long n = live_allocations() - allocations_, found = live_bytes() - bytes_, said = static_cast<long>(bytes);
        EXPECT_GT(n, 0);
        EXPECT_LE(said, found + extra) << n << " allocations";
        EXPECT_GE(said, found - n * kRounding - extra) << n << " allocations";
    }

private:
    long allocations_ = live_allocations(), bytes_ = live_bytes();
};

template <class Real>
class Memory : public testing::Test {};
using Reals = testing::Types<double, float>;
TYPED_TEST_SUITE(Memory, Reals);

TYPED_TEST(Memory, OfAPackedModel) {
    const auto model = the_model();
    const Since start;
    const dpc::PackedModel<TypeParam> packed(model, dpc::Evaluated::by_host);
    start.expect(packed.bytes());
}

/// A list whose rows were longer before keeps their memory.
TYPED_TEST(Memory, OfANeighbourList) {
    const auto model = the_model();
    const Since start;
    dpc::host::NeighbourBlocks list;
    for (const int n_atoms : {300, 40}) {
        const OpenSystem system(n_atoms);
        list.build({*model, 3, dpc::NeighbourRule::all}, n_atoms, system.types.data(), system.list(), kBlockAtoms);
    }
    start.expect(list.bytes());
}

/// One type, whose rows the caller keeps: the same pairs, without a copy. Not where an index has more bits, or an atom is of no type.
TEST(ListInPlace, IsTheCopy) {
    const OpenSystem system(300, 1);
    std::vector<int> types(system.types.size(), 0);
    dpc::host::Grouping how;
    how.n_types = how.n_threads = 1;
    how.has_energy = how.is_listed = {1};
    for (const bool has_strangers : {false, true}) {
        types[5] = has_strangers ? -1 : 0;
        dpc::NeighbourRows rows = system.list();
        dpc::host::NeighbourBlocks copy, in_place;
        copy.build(how, 300, types.data(), rows, kBlockAtoms);
        rows.stays = true;
        in_place.build(how, 300, types.data(), rows, kBlockAtoms);
        EXPECT_EQ(in_place.rows == nullptr, has_strangers);
        EXPECT_EQ(in_place.most_listed, copy.most_listed);
        ASSERT_EQ(in_place.centres, copy.centres);
        for (const dpc::host::Block& block : copy.blocks) {
            for (int k = 0; k < block.n_atoms; ++k) {
                const dpc::host::Listed a = copy.listed(block, 0, k), b = in_place.listed(block, 0, k);
                ASSERT_EQ(std::vector<int>(a.neighbour, a.neighbour + a.count),
                          std::vector<int>(b.neighbour, b.neighbour + b.count));
            }
        }
        EXPECT_TRUE(has_strangers || in_place.bytes() < copy.bytes() / 10);
        rows.index_mask = 0xFFFF;
        std::vector<int> marked(rows.rows[7], rows.rows[7] + rows.count[7]);
        marked.front() |= 1 << 30;
        std::vector<const int*> pointers(rows.rows, rows.rows + 300);
        pointers[7] = marked.data();
        rows.rows = pointers.data();
        in_place.build(how, 300, types.data(), rows, kBlockAtoms);
        EXPECT_EQ(in_place.rows, nullptr);
        EXPECT_EQ(in_place.neighbours, copy.neighbours);
    }
}

/// Wherever memory fails while a list is taken: the evaluator has none then, and takes the next one.
TEST(OutOfMemory, LeavesNoList) {
    const auto model = the_model();
    const OpenSystem few(20), many(300);
    const auto take = [](Evaluator& evaluator, const OpenSystem& system) {
        evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
    };
    const auto energy_of = [](Evaluator& evaluator, const OpenSystem& system) {
        std::vector<double> forces(system.x.size());
        return evaluator.compute({system.x.data()}, {forces.data()}).energy;
    };
    Evaluator sound(model, 2);
    take(sound, many);
    const double expected = energy_of(sound, many);
    int n_failures = 0;
    for (bool has_failed = true; has_failed; ++n_failures) {
        Evaluator evaluator(model, 2);
        take(evaluator, few);
        const dpc::NeighbourRows rows = many.list();
        fail_after(n_failures);
        try {
            evaluator.set_neighbours(many.n_atoms(), many.types.data(), rows);
            has_failed = dpc::test::has_failed();
        } catch (const std::bad_alloc&) {
        }
        fail_after(-1);
        if (has_failed) {
            EXPECT_THROW(energy_of(evaluator, many), dpc::InputError) << n_failures;
            take(evaluator, many);
        }
        EXPECT_EQ(energy_of(evaluator, many), expected) << n_failures;
    }
    EXPECT_GT(n_failures, 30);
}

TYPED_TEST(Memory, OfABlock) {
    const auto model = the_model();
    const dpc::PackedModel<TypeParam> packed(model, dpc::Evaluated::by_host);
    dpc::host::NeighbourBlocks list;
    list.build({*model, 1, dpc::NeighbourRule::all}, the_system().n_atoms(), the_system().types.data(), the_system().list(),
               kBlockAtoms);
    const Since start;
    dpc::host::BlockEvaluator<TypeParam> blocks(packed, dpc::host::select_kernels<TypeParam>());
    start.expect(blocks.bytes());
    blocks.reserve(list);
    start.expect(blocks.bytes());
}

TEST(Threads, AtLeastOne) {
    for (const int n_threads : {0, -3}) {
        EXPECT_THROW(Evaluator(the_model(), n_threads), dpc::InputError);
    }
}

/// Those that a model takes, neither more nor fewer.
TEST(Parameters, AreRefusedWhereTheModelHasNone) {
    Evaluator evaluator(the_model(), 1);
    evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    std::vector<double> forces(the_system().x.size());
    const double numbers[2] = {0.5, 1.5};
    dpc::Inputs inputs{the_system().x.data()};
    inputs.fparam = {numbers, 2};
    EXPECT_THROW(evaluator.compute(inputs, {forces.data(), nullptr, nullptr}), dpc::InputError);
    inputs.fparam = {};
    inputs.aparam = {numbers, 2};
    EXPECT_THROW(evaluator.compute(inputs, {forces.data(), nullptr, nullptr}), dpc::InputError);
    inputs.aparam = {};
    EXPECT_NO_THROW(evaluator.compute(inputs, {forces.data(), nullptr, nullptr}));
}

struct Way {
    Precision precision;
    int n_threads;
};

class MemoryOfAnEvaluator : public testing::TestWithParam<Way> {};

TEST_P(MemoryOfAnEvaluator, IsAllThatItHolds) {
    constexpr long bookkeeping = 2048;  // of the containers of the standard library, a few pointers each
    const auto model = the_model();
    std::vector<double> forces(the_system().x.size()), atom_virial(3 * forces.size());
    const Since start;
    Evaluator evaluator(model, GetParam().n_threads, GetParam().precision);
    evaluator.set_neighbours(the_system().n_atoms(), the_system().types.data(), the_system().list());
    evaluator.compute({the_system().x.data()}, {forces.data(), nullptr, atom_virial.data()});
    start.expect(evaluator.memory_bytes(), bookkeeping);
}

std::string way_name(const testing::TestParamInfo<Way>& info) {
    return (info.param.precision == Precision::mixed ? "mixed" : "double") + std::to_string(info.param.n_threads);
}

INSTANTIATE_TEST_SUITE_P(Each, MemoryOfAnEvaluator,
                         testing::Values(Way{Precision::float64, 1}, Way{Precision::float64, 3}, Way{Precision::mixed, 1},
                                         Way{Precision::mixed, 3}),
                         way_name);

}  // namespace
