// SPDX-License-Identifier: MIT
// What a step costs with few centres, as on one of many ranks: one thread by its own clock. Two builds of this program, started in turns,
// compare two states of the code.
//
//     bench_few_atoms TABLES [--precision double|mixed] [--centres 1,2,4,8,16,17,32,64] [--structure fcc|water] [--atoms N] [--rounds R]
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "dpc/errors.hpp"
#include "dpc/evaluator.hpp"
#include "limits.hpp"
#include "options.hpp"
#include "structures.hpp"

namespace {

using namespace dpc;

constexpr double kSkin = 2.0;  // angstrom
constexpr int kAtomsARound = 200;

std::vector<int> numbers(const std::string& text) {
    std::vector<int> found;
    std::istringstream in(text);
    for (std::string piece; std::getline(in, piece, ',');) {
        found.push_back(std::stoi(piece));
    }
    return found;
}

/// Seconds of a step with so many centres: the median over rounds.
double step_seconds(Evaluator& evaluator, const bench::Structure& structure, int n_centres, int rounds) {
    NeighbourRows rows = structure.list();
    rows.n_centres = std::min(n_centres, rows.n_centres);
    evaluator.set_neighbours(structure.n_all(), structure.types(), rows);
    std::vector<double> forces(3 * static_cast<std::size_t>(structure.n_all()));
    const auto compute = [&] { evaluator.compute({structure.positions()}, {forces.data(), nullptr, nullptr}); };
    compute();
    const int steps = std::max(1, kAtomsARound / n_centres);
    std::vector<double> found;
    for (int round = 0; round < rounds; ++round) {
        const double before = bench::thread_seconds();
        for (int step = 0; step < steps; ++step) {
            compute();
        }
        found.push_back((bench::thread_seconds() - before) / steps);
    }
    std::nth_element(found.begin(), found.begin() + rounds / 2, found.end());
    return found[static_cast<std::size_t>(rounds / 2)];
}

void run(int argc, char** argv) {
    bench::Options options(argc, argv);
    const std::string tables = options.file(), precision = options.take("precision", "double");
    const std::vector<int> centres = numbers(options.take("centres", "1,2,3,4,5,8,9,12,16,17,20,24,25,32,33,48,64,72,200"));
    const int rounds = std::stoi(options.take("rounds", "31"));
    const bench::StructureOptions structure_options = bench::take_structure(options);
    options.finish(
        "bench_few_atoms TABLES [--precision double|mixed] [--centres 1,2,..] [--structure fcc|water] [--atoms N] [--rounds R]");
    const std::shared_ptr<const Model> model = Model::from_file(tables);
    const bench::Structure structure(structure_options, model->type_map, model->rcut() + kSkin);
    Evaluator evaluator(model, 1, precision == "mixed" ? Precision::mixed : Precision::float64);
    for (const int n : centres) {
        std::printf("%d %.2f\n", n, 1e6 * step_seconds(evaluator, structure, n, rounds));
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
