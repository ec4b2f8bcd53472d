// SPDX-License-Identifier: MIT
// What the kernels of the Kokkos evaluator should take on an H200, and why (kernel_costs.hpp): the table of docs/kokkos.md. Needs neither
// a GPU nor Kokkos. See benchmarks/README.md.
#include <cstdio>
#include <exception>

#include "dpc/errors.hpp"
#include "kernel_costs.hpp"
#include "options.hpp"

namespace dpc::bench {

constexpr const char* kUsage =
    "predict_gpu TABLES [--structure fcc|water] [--atoms N] [--density ATOMS/A^3] [--composition Cu:1]";
constexpr double kSkin = 2.0;  // angstrom, as in bench_kokkos

template <class Real>
void print(const std::shared_ptr<const Model>& model, const PairCounts& counts) {
    std::printf("%s precision, of an atom\n  %-28s%8s%8s%11s%11s%14s%9s%16s\n",
                sizeof(Real) == sizeof(double) ? "double" : "mixed", "kernel", "kFLOP", "kB", "tables, kB", "caches, kB",
                "instructions", "atomics", "ns");
    double best = 0, worst = 0;
    for (const auto& [label, cost] : kernel_costs(PackedModel<Real>(model), counts)) {
        if (label == "dpc::reverse_moments" || label == "dpc::reverse_environment") {  // of a processor
            continue;
        }
        const auto [least, most] = predicted<Real>(cost);
        std::printf("  %-28s%8.1f%8.1f%11.1f%11.1f%14.0f%9.0f%8.2f%8.2f\n", label.c_str(), cost.operations * 1e-3,
                    cost.bytes * 1e-3, cost.tables * 1e-3, cost.cached * 1e-3, cost.instructions, cost.atomics, least * 1e9,
                    most * 1e9);
        best += least;
        worst += most;
    }
    std::printf("  %-89s%8.2f%8.2f\n", "sum", best * 1e9, worst * 1e9);
}

void run(Options& options) {
    const std::string tables = options.file();
    const StructureOptions structure = take_structure(options);
    options.finish(kUsage);
    const std::shared_ptr<const Model> model = Model::from_file(tables);
    if (!model->parts.empty() || model->descriptors.size() != 1 || model->descriptors.front().kind != DescriptorKind::se_e2_a ||
        model->descriptors.front().n_components() != 4) {
        throw InputError("the costs of kernels are known for one descriptor se_e2_a (DPA-1 with lmax 1) alone; " + tables +
                         " has another");
    }
    const Structure cell(structure, model->type_map, model->rcut() + kSkin);
    const PairCounts counts = count_pairs(cell, model->n_types(), model->rcut());
    std::printf("%s: %d atoms, %.1f neighbours listed\n", tables.c_str(), cell.n_atoms(), counts.listed / cell.n_atoms());
    print<double>(model, counts);
    print<float>(model, counts);
}

}  // namespace dpc::bench

int main(int argc, char** argv) {
    try {
        dpc::bench::Options options(argc, argv);
        dpc::bench::run(options);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "predict_gpu: %s\n", error.what());
        return 1;
    }
}
