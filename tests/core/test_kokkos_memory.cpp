// SPDX-License-Identifier: MIT
// What the Kokkos evaluator says it holds, against what the allocator gave: an array that is left out shows.
#include "allocation_counter.hpp"
#include "close_models.hpp"
#include "kokkos_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;

// Of an allocation of Kokkos beside the array: its header, its record, its label.
constexpr long kKokkosRecord = 512;

class KokkosMemory : public testing::TestWithParam<Way> {};

TEST_P(KokkosMemory, IsAllThatItHolds) {
    const OpenSystem system(3000);  // so many atoms that every array is larger than what Kokkos adds to all of them
    const auto model = load(nested_model());
    const auto compute = [&](Step& step) {
        auto evaluator = std::make_unique<Evaluator>(model, GetParam().options());
        evaluator->set_neighbours(system.n_atoms(), system.types.data(), system.list());
        step.compute(*evaluator, system.x);
        return evaluator;
    };
    Step step;
    compute(step).reset();  // what Kokkos keeps for itself
    const long allocations_before = live_allocations(), bytes_before = live_bytes();
    const auto evaluator = compute(step);
    const long n = live_allocations() - allocations_before, found = live_bytes() - bytes_before;
    const auto said = static_cast<long>(evaluator->memory_bytes());
    EXPECT_GT(n, 10);
    EXPECT_LE(said, found);
    EXPECT_GE(said, found - n * kKokkosRecord) << n << " allocations";
}

std::vector<Way> serial_ways() {
    std::vector<Way> ways;
    for (const Way& way : all_ways()) {
        if (way.backend == dpc::Backend::kokkos_serial) {  // the others have memory for their threads or devices
            ways.push_back(way);
        }
    }
    return ways;
}

INSTANTIATE_TEST_SUITE_P(Each, KokkosMemory, testing::ValuesIn(serial_ways()), way_name);

}  // namespace
