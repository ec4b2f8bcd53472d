// SPDX-License-Identifier: MIT
// Steps whose launches are kept as a graph (dpc/kokkos/step_graph.hpp): when it is made and launched, and that such steps are those of
// the host evaluator. The emulator's graphs run what was kept and nothing else, on a GPU they are the driver's; a processor has none.
#include <algorithm>
#include <cmath>

#include "descriptor_models.hpp"
#include "dpc/errors.hpp"
#include "dpc/kokkos/step_graph.hpp"
#include "environment_word.hpp"
#include "kokkos_test.hpp"
#if defined(DPC_KOKKOS_LIKE_GPU)
#include "dpc/kokkos/evaluator.hpp"
#include "emulated_warp.hpp"
#endif

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::InputError;
using dpc::Units;
using dpc::kokkos::graph_counts;

/// Graphs since this was made.
class Graphs {
public:
    void expect(long made, long launched) const {
        EXPECT_EQ(graph_counts().made - made_, made);
        EXPECT_EQ(graph_counts().launched - launched_, launched);
    }

private:
    long made_ = graph_counts().made, launched_ = graph_counts().launched;
};

/// Builds and devices that have graphs.
bool has_graphs([[maybe_unused]] const Way& way) {
#if defined(DPC_KOKKOS_LIKE_GPU)
    return true;
#else
    return way.backend == dpc::Backend::gpu;
#endif
}

class KokkosGraphs : public testing::TestWithParam<Way> {
protected:
    /// What a step gives of atoms.
    enum class Atoms { none, energies, virials, both };

    /// Both evaluators on one system, step by step.
    class Pair {
    public:
        Pair(const std::shared_ptr<const dpc::Model>& model, const OpenSystem& system, std::size_t scratch_bytes = 0)
            : system_(system), found_(model, GetParam().options(scratch_bytes)), host_(model, 1, GetParam().precision) {
            list();
        }
        void list() {
            for (Evaluator* each : {&found_, &host_}) {
                each->set_neighbours(system_.n_atoms(), system_.types.data(), system_.list());
            }
        }
        void step(const std::vector<double>& x, const dpc::Inputs& given = {}, Atoms atoms = Atoms::both,
                  const dpc::Measures& measures = {}) {
            SCOPED_TRACE("step " + std::to_string(++n_));
            dpc::Inputs inputs = given;
            inputs.x = x.data();
            const Step found = evaluate(found_, inputs, atoms, measures), expected = evaluate(host_, inputs, atoms, {});
            expect_same(found, expected, GetParam());
            expect_same(found.overflow, expected.overflow);
        }
        void step() { step(system_.positions(n_)); }
        Evaluator& found() { return found_; }

    private:
        Step evaluate(Evaluator& evaluator, const dpc::Inputs& inputs, Atoms atoms, const dpc::Measures& measures) const {
            Step step;
            step.compute(evaluator, inputs, system_.types.size(), atoms == Atoms::energies || atoms == Atoms::both,
                         atoms == Atoms::virials || atoms == Atoms::both, measures);
            return step;
        }

        const OpenSystem& system_;
        Evaluator found_, host_;
        int n_ = 0;
    };

    /// These, where there are graphs at all.
    static void expect(const Graphs& graphs, long made, long launched) {
        has_graphs(GetParam()) ? graphs.expect(made, launched) : graphs.expect(0, 0);
    }

    EnvironmentWord wanted_{"DPC_GRAPH", "1"};
};

TEST_P(KokkosGraphs, AreSaidToBeThere) {
    const std::string text = Evaluator(load(small_model()), GetParam().options()).describe();
    EXPECT_EQ(text.find(", graphs") != std::string::npos, has_graphs(GetParam())) << text;
    const EnvironmentWord wrong("DPC_GRAPH", "yes");
    EXPECT_THROW(Evaluator(load(small_model()), GetParam().options()), InputError);
}

/// Every kind, with close centres in each step, whose second round is not in the graph; then another list.
TEST_P(KokkosGraphs, EqualHostStepAfterStep) {
    const OpenSystem system(60);
    for (const DescriptorCase& c : descriptor_cases()) {
        SCOPED_TRACE(c.name);
        Pair pair(c.model, system);
        const Graphs graphs;
        for (int n = 0; n < 4; ++n) {
            pair.step();
        }
        expect(graphs, 1, 3);
        pair.list();
        pair.step();
        pair.step();
        expect(graphs, 2, 4);
    }
}

/// A type has several chunks, which are not evaluated together: a graph each.
TEST_P(KokkosGraphs, EqualHostInSmallChunks) {
    const OpenSystem system(2400);
    Pair pair(load(nested_model()), system, 1);
    const Graphs graphs;
    for (int n = 0; n < 3; ++n) {
        pair.step();
    }
    expect(graphs, 3, 6);
}

/// What is in the arguments of kernels is another, and back.
TEST_P(KokkosGraphs, AreOfOneSetOfArguments) {
    const OpenSystem system(60);
    Pair pair(load(small_model()), system);
    const Graphs graphs;
    const auto steps = [&](int n, const Units& units, Atoms atoms) {
        for (int k = 0; k < n; ++k) {
            pair.step(system.positions(k), {nullptr, units}, atoms);
        }
    };
    steps(3, {}, Atoms::virials);
    expect(graphs, 1, 2);
    steps(1, {1.0, 0.5}, Atoms::virials);  // one other step leaves them alone
    steps(1, {}, Atoms::virials);
    expect(graphs, 1, 3);
    steps(1, {}, Atoms::none);  // also a second, if not in a row
    steps(1, {}, Atoms::virials);
    expect(graphs, 1, 4);
    steps(3, {1.0, 0.5}, Atoms::virials);
    expect(graphs, 2, 6);
    steps(3, {0.98, 0.5}, Atoms::virials);
    expect(graphs, 3, 8);
    steps(3, {0.98, 0.5}, Atoms::none);
    expect(graphs, 4, 10);
    steps(1, {0.98, 0.5}, Atoms::energies);  // they are no arguments
    steps(1, {0.98, 0.5}, Atoms::none);
    expect(graphs, 4, 12);
    steps(1, {0.98, 0.5}, Atoms::both);
    expect(graphs, 4, 12);
}

/// Whose neighbours are counted, or whose times are taken, in the middle of a list.
TEST_P(KokkosGraphs, AreLeftAloneByMeasuredSteps) {
    const OpenSystem system(60);
    Pair pair(load(nested_model()), system);
    const Graphs graphs;
    for (int n = 0; n < 3; ++n) {
        pair.step();
    }
    expect(graphs, 1, 2);
    dpc::NeighbourStatistics statistics(2);
    dpc::StageTimes times;
    pair.step(system.positions(3), {}, Atoms::both, {&statistics, nullptr});
    pair.step(system.positions(4), {}, Atoms::both, {nullptr, &times});
    expect(graphs, 1, 2);
    pair.step();
    expect(graphs, 1, 3);
}

/// The parts of a sum have graphs of their own.
TEST_P(KokkosGraphs, AreOfEachPart) {
    const auto sum = std::make_shared<dpc::Model>(*load(small_model()));
    sum->parts = {load(small_model()), load(smooth_model())};
    const OpenSystem system(60);
    Pair pair(sum, system);
    const Graphs graphs;
    for (int n = 0; n < 4; ++n) {
        pair.step();
    }
    expect(graphs, 2, 6);
}

/// Close centres come in the middle of a list, and with them larger scratch arrays.
TEST_P(KokkosGraphs, KnowWhenScratchMoves) {
    constexpr std::int32_t n_columns = 32,
                           n_products = n_columns * (n_columns + 1) / 2;  // of O; ordinary centres have the squares alone
    TableBuilder file = nested_model();
    add_smooth_table(file, "table.0.", n_columns, 6);
    file.i32("descriptor.0.width", {}, {n_columns});
    file.f64("table.0.basis", {n_columns, n_columns}, numbers(n_columns * n_columns));
    file.f64("table.1.basis", {n_columns, 3}, numbers(n_columns * 3));
    add_layer(file, "fitting.1.0.", 2 * n_columns, 5);
    std::vector<std::int32_t> columns, squares;
    for (std::int32_t k = 0; k < n_columns; ++k) {
        columns.insert(columns.end(), {0, k});
        squares.push_back(k + 1);
    }
    file.i32("fitting.0.input.0.columns", {n_columns, 2}, columns);
    file.i32("fitting.0.input.0.row_end", {n_columns}, std::vector<std::int32_t>(n_columns, n_columns));
    file.i32("fitting.0.input.0.row_end_double", {n_columns}, squares);
    file.i32("fitting.0.input.0.row_end_mixed", {n_columns}, squares);
    add_layer(file, "fitting.0.0.", n_products, 3);
    const OpenSystem system(300, 1);
    Pair pair(load(file), system);
    const Graphs graphs;
    std::vector<double> apart = system.x;
    std::transform(apart.begin(), apart.end(), apart.begin(), [](double value) { return 2.3 * value; });
    for (int n = 0; n < 3; ++n) {
        pair.step(apart);
    }
    expect(graphs, 1, 2);
    pair.step(system.positions(0));
    expect(graphs, 1, 3);
    pair.step(apart);
#if defined(__SANITIZE_ADDRESS__)
    expect(graphs, 1, 3);  // larger arrays may come to lie where the others were; not here
#endif
    pair.step(system.positions(1));
    pair.step(apart);
}

/// After a step that failed.
TEST_P(KokkosGraphs, SurviveAnError) {
    const OpenSystem system(60);
    Pair pair(load(small_model()), system);
    std::vector<double> wrong = system.x;
    wrong[4] = std::nan("");
    for (int n = 0; n < 5; ++n) {
        pair.step();
        Step step;
        EXPECT_THROW(step.compute(pair.found(), wrong), InputError);
    }
}

/// Their frame parameters change the model itself from step to step.
TEST_P(KokkosGraphs, AreNotKeptOfModelsWithParameters) {
    TableBuilder file = small_model();
    file.i32("model.n_fparam", {}, {1});
    file.i32("model.n_aparam", {}, {1});
    add_layer(file, "fitting.0.0.", 7 + 2, 3);
    add_layer(file, "fitting.1.0.", 8 + 2, 5);
    const OpenSystem system(60);
    Pair pair(load(file), system);
    const Graphs graphs;
    for (int n = 0; n < 4; ++n) {
        const double of_frame = 0.2 * n;
        const std::vector<double> of_atoms(system.types.size(), 0.1 * n);
        dpc::Inputs inputs;
        inputs.fparam = {&of_frame, 1};
        inputs.aparam = {of_atoms.data(), of_atoms.size()};
        pair.step(system.positions(n), inputs);
    }
    expect(graphs, 0, 0);
}

/// A driver that writes down what is asked of it, and fails where it is told to.
struct PaperDriver {
    struct Space {
        std::vector<std::string>* lines;
    };
    using Status = const char*;
    using Graph = int*;
    using Executable = double*;
    static constexpr Status success = nullptr;
    static inline std::string fails;
    static inline int n_graphs, n_executables;  // not dropped

    static const char* text(Status status) { return status; }
    static Status answer(const Space& space, const std::string& what) {
        space.lines->push_back(what);
        return fails == what ? "no memory" : success;
    }
    static Status begin(const Space& space) { return answer(space, "begin"); }
    static Status end(const Space& space, Graph* graph) {
        const Status status = answer(space, "end");
        if (status == success) {
            *graph = new int;
            ++n_graphs;
        }
        return status;
    }
    static Status instantiate(Executable* executable, Graph) {
        if (fails == "instantiate") {
            return "no memory";
        }
        *executable = new double;
        ++n_executables;
        return success;
    }
    static Status launch(const Space& space, Executable) { return answer(space, "launch"); }
    static void drop(Graph graph) {
        delete graph;
        --n_graphs;
    }
    static void drop(Executable executable) {
        delete executable;
        --n_executables;
    }
};

enum class Ends { well, with_error, refused };

struct WrittenLaunch {
    std::string text;
    Ends ends = Ends::well;
    static inline bool was_refused = false;

    static bool join(const WrittenLaunch&) { return false; }
    void run(const PaperDriver::Space& space) const {
        if (ends == Ends::with_error) {
            throw std::runtime_error("a product failed");
        }
        was_refused = ends == Ends::refused;
        space.lines->push_back(text);
    }
};

}  // namespace

template <>
const char* dpc::kokkos::take_refusal<PaperDriver::Space>() {
    return std::exchange(WrittenLaunch::was_refused, false) ? "too many registers" : nullptr;
}

namespace {

class StreamGraphs : public testing::Test {
protected:
    using Graph = dpc::kokkos::StreamGraph<PaperDriver>;

    Graph make(Ends last = Ends::well) {
        dpc::kokkos::Launches<PaperDriver::Space> launches(space_);
        launches.keep_chunk();
        launches.add(WrittenLaunch{"a"});
        launches.add(WrittenLaunch{"b", last});
        return Graph(space_, launches.take_all());
    }
    void expect_error(const std::string& where, const std::string& text, Ends last = Ends::well) {
        SCOPED_TRACE(where);
        PaperDriver::fails = where;
        try {
            make(last).launch(space_);
            ADD_FAILURE() << "no error";
        } catch (const std::runtime_error& error) {
            EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
        }
        EXPECT_EQ(PaperDriver::n_graphs, 0);
        EXPECT_EQ(PaperDriver::n_executables, 0);
        PaperDriver::fails.clear();
    }

    std::vector<std::string> lines_;
    PaperDriver::Space space_{&lines_};
};

TEST_F(StreamGraphs, HaveWhatWasLaunchedMeanwhile) {
    {
        std::vector<Graph> graphs;
        graphs.push_back(make());
        graphs.push_back(make());  // the first one moves
        EXPECT_EQ(PaperDriver::n_graphs, 0);
        EXPECT_EQ(PaperDriver::n_executables, 2);
        EXPECT_EQ(lines_, (std::vector<std::string>{"begin", "a", "b", "end", "begin", "a", "b", "end"}));
        lines_.clear();
        graphs[0].launch(space_);
        EXPECT_EQ(lines_, std::vector<std::string>{"launch"});
    }
    EXPECT_EQ(PaperDriver::n_executables, 0);
}

TEST_F(StreamGraphs, SayWhatTheDriverRefused) {
    for (const std::string step : {"begin", "end", "instantiate", "launch"}) {
        expect_error(step, "the GPU's driver did not " + step + " a graph of launches: no memory");
    }
    for (const auto& [last, text] :
         {std::pair(Ends::with_error, "a product failed"), std::pair(Ends::refused, "too many registers")}) {
        expect_error("", text, last);
        EXPECT_EQ(lines_.back(), "end");  // launches after it run again
    }
}

#if defined(DPC_KOKKOS_LIKE_GPU)
/// A list of the caller's, in the host's memory.
struct Rows {
    dpc::NeighbourRows of;
    int n_centres = of.n_centres;

    int centre(int c) const { return of.centre[c]; }
    int count(int i) const { return of.count[i]; }
    int neighbour(int i, int k) const { return of.rows[i][k]; }
    static long long tag(int i) { return i; }
};

using Memory = Kokkos::HostSpace;
/// Strides of its own, as LAMMPS' arrays have on a GPU.
using Positions = Kokkos::View<double* [3], Kokkos::LayoutLeft, Memory>;

Positions copied(const std::vector<double>& x, std::size_t capacity) {
    const Positions view("x", capacity);
    for (std::size_t k = 0; k < x.size(); ++k) {
        view(k / 3, k % 3) = x[k];
    }
    return view;
}

/// The evaluator on views of a caller that move, as LAMMPS' do: the forces of one such step.
TEST(Graphs, KnowWhenTheCallersArraysMove) {
    const EnvironmentWord wanted("DPC_GRAPH", "1");
    const OpenSystem system(60);
    const auto n = static_cast<std::size_t>(system.n_atoms());
    const auto model = load(small_model());
    const Way way{dpc::Backend::kokkos_serial, 1, dpc::Precision::float64};
    const Evaluator starts_kokkos(model, way.options());
    dpc::kokkos::Evaluator<Kokkos::Serial, double> evaluator(model);
    Evaluator host(model, 1, dpc::Precision::float64);
    const Rows rows{system.list()};
    evaluator.set_neighbours(system.n_atoms(), Kokkos::View<const int*, Memory>(system.types.data(), n), rows);
    host.set_neighbours(system.n_atoms(), system.types.data(), system.list());

    Kokkos::View<double* [3], Kokkos::LayoutRight, Memory> forces("forces", n), other_forces("forces", n);
    std::vector<double> all_ones(n, 1.0), halves(n, 0.5);
    const auto expect_step = [&](const Positions& x, const std::vector<double>& numbers, auto& to, const double* factors) {
        Kokkos::deep_copy(to, Step::kForce);
        Step expected, found;
        expected.compute(host, numbers, {}, false);
        found.overflow = expected.overflow;
        found.atom_energy = expected.atom_energy;
        found.atom_virial = expected.atom_virial;
        dpc::kokkos::DeviceOutput<Memory, Kokkos::View<double* [3], Kokkos::LayoutRight, Memory>> out;
        out.forces = to;
        found.totals = evaluator.compute(x, rows, Units{}, out, nullptr, factors);
        found.forces.assign(to.data(), to.data() + 3 * n);
        for (double& force : expected.forces) {
            force = Step::kForce + (force - Step::kForce) * (factors != nullptr ? factors[0] : 1);
        }
        EXPECT_NEAR(found.totals.energy, expected.totals.energy * (factors != nullptr ? factors[0] : 1), 1e-11);
        expect_same(found.forces, expected.forces, way.same_force(), "force");
    };
    const std::vector<double> here = system.positions(1), there = system.positions(2);
    Positions x = copied(here, n);
    const Graphs graphs;
    for (int k = 0; k < 3; ++k) {
        expect_step(x, here, forces, nullptr);
    }
    graphs.expect(1, 2);
    expect_step(copied(there, n), there, forces, nullptr);  // other positions
    expect_step(x, here, other_forces, nullptr);            // other forces
    expect_step(x, here, forces, all_ones.data());          // other factors
    expect_step(x, here, forces, halves.data());
    graphs.expect(1, 2);
    const Positions wider = copied(there, n + 40);
    const Positions same_place(wider.data(), n);  // of other strides
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t c = 0; c < 3; ++c) {
            same_place(i, c) = there[3 * i + c];
        }
    }
    for (int k = 0; k < 3; ++k) {
        expect_step(same_place, there, forces, nullptr);
    }
    graphs.expect(2, 4);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t c = 0; c < 3; ++c) {
            wider(i, c) = here[3 * i + c];
        }
    }
    expect_step(wider, here, forces, nullptr);
    graphs.expect(2, 4);
}
#endif

INSTANTIATE_TEST_SUITE_P(Each, KokkosGraphs, testing::ValuesIn(all_ways()), way_name);

}  // namespace
