// SPDX-License-Identifier: MIT
// Launches of several chunks that become one (dpc/kokkos/launches.hpp), and how many a step of two types takes on a GPU.
#include <Kokkos_Core.hpp>

#include <map>

#include "dpc/errors.hpp"
#include "dpc/kokkos/loops.hpp"
#include "kokkos_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::kokkos::kMostTogether;
using dpc::kokkos::Launches;

/// An execution space that writes down what runs.
struct Paper {
    std::vector<std::string>* lines;
};

/// Two kinds, so that not all can be joined.
template <int KIND>
struct Written {
    std::string text;
    int n_parts = 1;

    bool join(const Written& other) {
        if (n_parts + other.n_parts > kMostTogether) {
            return false;
        }
        text += "+" + other.text;
        n_parts += other.n_parts;
        return true;
    }
    void run(const Paper& paper) const { paper.lines->push_back(text); }
};

class Writing : public testing::Test {
protected:
    std::vector<std::string> lines_;
    Paper paper_{&lines_};
    Launches<Paper> launches_{paper_};

    void run() { run_all(launches_.take_all(), paper_); }
};

TEST_F(Writing, RunsAtOnceWhereNothingIsKept) {
    launches_.add(Written<0>{"a"});
    EXPECT_EQ(lines_, std::vector<std::string>{"a"});
    run();
    EXPECT_EQ(lines_, std::vector<std::string>{"a"});
}

TEST_F(Writing, JoinsWhatIsOfOneKindAndKeepsTheOrderOfAChunk) {
    launches_.keep_chunk();
    launches_.add(Written<0>{"a1"});
    launches_.add(Written<0>{"a2"});
    launches_.add(Written<1>{"a3"});
    launches_.keep_chunk();
    launches_.add(Written<0>{"b1"});
    launches_.add(Written<1>{"b2"});
    launches_.add(Written<1>{"b3"});
    launches_.add(Written<0>{"b4"});
    EXPECT_TRUE(lines_.empty());
    run();
    EXPECT_EQ(lines_, (std::vector<std::string>{"a1+b1", "b2", "b3", "a2+b4", "a3"}));
    launches_.add(Written<0>{"c"});
    EXPECT_EQ(lines_.back(), "c");
}

TEST_F(Writing, JoinsNoMoreThanFit) {
    for (int chunk = 0; chunk <= kMostTogether; ++chunk) {
        launches_.keep_chunk();
        launches_.add(Written<0>{std::to_string(chunk)});
    }
    run();
    EXPECT_EQ(lines_.size(), 2U);
}

TEST(Together, KnowsWhoseAnIndexIs) {
    struct Part {
        int name, n;
    };
    using Chunks = dpc::kokkos::Together<Part>;
    Chunks chunks(Part{7, 3});
    ASSERT_TRUE(chunks.join(Chunks(Part{8, 2})));
    EXPECT_FALSE(chunks.join(Chunks(Part{9, 2})));
    ASSERT_EQ(chunks.n(), 5);
    std::vector<int> found;
    for (int k = 0; k < chunks.n(); ++k) {
        int index = k;
        const int name = chunks.part_of(index).name;
        found.push_back(10 * name + index);
    }
    EXPECT_EQ(found, (std::vector<int>{70, 71, 72, 80, 81}));
}

#if defined(DPC_KOKKOS_LIKE_GPU)
struct MarkedRow {
    static constexpr int width = 1;
    void operator()(int, int, int) const {}
};

/// 65,536 atoms have 32,767 rows at most.
TEST(Launches, HaveAsManyRowsAsAnIndexCounts) {
    const Evaluator starts_kokkos(load(small_model()), Way{dpc::Backend::kokkos_serial, 1, dpc::Precision::float64}.options());
    const Kokkos::DefaultHostExecutionSpace space;
    Launches<Kokkos::DefaultHostExecutionSpace> launches(space);
    launches.keep_chunk();  // not to run
    dpc::kokkos::Tiles tiles;
    tiles.n_atoms = tiles.lanes = 65536;
    tiles.n_tiles = 1;
    dpc::kokkos::for_each_row("dpc::many", launches, tiles, 32767, MarkedRow{});
    try {
        dpc::kokkos::for_each_row("dpc::many", launches, tiles, 32768, MarkedRow{});
        ADD_FAILURE() << "no error";
    } catch (const dpc::InputError& error) {
        EXPECT_NE(std::string(error.what()).find("dpc::many has 32768 rows of 65536 numbers"), std::string::npos) << error.what();
    }
    EXPECT_EQ(launches.take_all().size(), 1U);
}

std::map<std::string, int> launched;

/// Kernels of a step, by label.
std::map<std::string, int> launches_of(const OpenSystem& system, const std::vector<int>& types) {
    namespace hooks = Kokkos::Tools::Experimental;
    Evaluator evaluator(load(small_model()), Way{dpc::Backend::kokkos_serial, 1, dpc::Precision::float64}.options());
    evaluator.set_neighbours(system.n_atoms(), types.data(), system.list());
    const hooks::EventSet before = hooks::get_callbacks();
    launched.clear();
    const auto count = [](const char* label, std::uint32_t, std::uint64_t*) { ++launched[label]; };
    hooks::set_begin_parallel_for_callback(count);
    hooks::set_begin_parallel_reduce_callback(count);
    Step step;
    step.compute(evaluator, system.x);
    hooks::set_callbacks(before);
    return launched;
}

/// One type has more steps than the other: its net takes combinations of moments.
TEST(Launches, OfTwoTypesAreThoseOfTheOneThatHasMore) {
    const OpenSystem system(60);
    const std::map<std::string, int> found = launches_of(system, system.types);
    std::map<std::string, int> expected;
    for (const int type : {0, 1}) {
        for (const auto& [label, n] : launches_of(system, std::vector<int>(system.types.size(), type))) {
            expected[label] = std::max(expected[label], n);
        }
    }
    EXPECT_GT(expected.size(), 8U);
    EXPECT_EQ(found, expected);
}
#endif

}  // namespace
