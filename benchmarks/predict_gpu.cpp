// SPDX-License-Identifier: MIT
// What the kernels of the Kokkos evaluator should take on an H200, and why (kernel_costs.hpp): the table of docs/kokkos.md. Needs neither
// a GPU nor Kokkos. See benchmarks/README.md.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dpc/errors.hpp"
#include "kernel_costs.hpp"
#include "options.hpp"

namespace dpc::bench {

constexpr const char* kUsage =
    "predict_gpu TABLES [--structure fcc|water] [--atoms N] [--density ATOMS/A^3] [--composition Cu:1] [--table yes|no]";
constexpr double kSkin = 2.0;  // angstrom, as in bench_kokkos

/// One way to evaluate: what its kernels on a GPU cost.
struct Prediction {
    const char* name;
    Costs costs;
    std::pair<double, double> (*seconds)(const Cost&);

    template <class Real>
    static Prediction of(const char* name, const std::shared_ptr<const Model>& model, const PairCounts& counts,
                         bool fuses_nets = false) {
        Prediction made{name, kernel_costs(PackedModel<Real>(model, Evaluated::by_kokkos), counts, fuses_nets), predicted<Real>};
        for (const char* of_processor : {"dpc::reverse_moments", "dpc::reverse_environment"}) {
            made.costs.erase(of_processor);
        }
        return made;
    }
    std::pair<double, double> sum() const {
        std::pair<double, double> sum;
        for (const auto& [label, cost] : costs) {
            sum.first += seconds(cost).first;
            sum.second += seconds(cost).second;
        }
        return sum;
    }
};

void print(const Prediction& prediction) {
    std::printf("%s, of an atom\n  %-28s%8s%8s%11s%11s%14s%9s%16s\n", prediction.name, "kernel", "kFLOP", "kB", "tables, kB",
                "caches, kB", "instructions", "atomics", "ns");
    for (const auto& [label, cost] : prediction.costs) {
        const auto [least, most] = prediction.seconds(cost);
        std::printf("  %-28s%8.1f%8.1f%11.1f%11.1f%14.0f%9.0f%8.2f%8.2f\n", label.c_str(), (cost.operations + cost.halves) * 1e-3,
                    cost.bytes * 1e-3, cost.tables * 1e-3, cost.cached * 1e-3, cost.instructions, cost.atomics, least * 1e9,
                    most * 1e9);
    }
    std::printf("  %-89s%8.2f%8.2f\n", "sum", prediction.sum().first * 1e9, prediction.sum().second * 1e9);
}

std::string range(const std::pair<double, double>& seconds) {
    char text[64];
    const double least = seconds.first * 1e9, most = seconds.second * 1e9;
    std::snprintf(text, sizeof(text), most - least < 0.05 ? "%.1f" : "%.1f-%.1f", least, most);
    return text;
}

/// The table of docs/kokkos.md: kernels that take a tenth of a nanosecond or more.
void print_table(const std::vector<Prediction>& predictions) {
    constexpr double least_shown = 1e-10;
    std::map<std::string, std::string> rows;
    std::string title = "| kernel |", line = "|---|", sums = "| sum |";
    for (const Prediction& prediction : predictions) {
        for (const auto& [label, cost] : prediction.costs) {
            if (prediction.seconds(cost).second >= least_shown) {
                rows[label];
            }
        }
    }
    for (const Prediction& prediction : predictions) {
        for (auto& [label, row] : rows) {
            const auto found = prediction.costs.find(label);
            if (found == prediction.costs.end()) {
                row += " | | |";
                continue;
            }
            const Cost& cost = found->second;
            char text[128];
            std::snprintf(text, sizeof(text), " %.0f | %.0f + %.0f | %s |", (cost.operations + cost.halves) * 1e-3,
                          cost.bytes * 1e-3, (cost.tables + cost.cached) * 1e-3, range(prediction.seconds(cost)).c_str());
            row += text;
        }
        title += std::string(" ") + prediction.name + ": kFLOP | kB | ns |";
        line += "---|---|---|";
        sums += " | | " + range(prediction.sum()) + " |";
    }
    std::printf("%s\n%s\n", title.c_str(), line.c_str());
    for (const auto& [label, row] : rows) {
        std::printf("| %s |%s\n", label.substr(label.rfind(':') + 1).c_str(), row.c_str());
    }
    std::printf("%s\n", sums.c_str());
}

void run(Options& options) {
    const std::string tables = options.file();
    const StructureOptions structure = take_structure(options);
    const bool as_table = options.take("table", "no") == "yes";
    options.finish(kUsage);
    const std::shared_ptr<const Model> model = Model::from_file(tables);
    if (!model->parts.empty() || model->descriptors.size() != 1 || model->descriptors.front().kind != DescriptorKind::se_e2_a ||
        model->descriptors.front().n_components() != 4) {
        throw InputError("the costs of kernels are known for one descriptor se_e2_a (DPA-1 with lmax 1) alone; " + tables +
                         " has another");
    }
    const Structure cell(structure, model->type_map, model->rcut() + kSkin);
    const PairCounts counts = count_pairs(cell, model->n_types(), model->rcut());
    const std::vector<Prediction> predictions = {Prediction::of<double>("double", model, counts),
                                                 Prediction::of<float>("mixed", model, counts),
                                                 Prediction::of<float>("mixed, fused net", model, counts, true)};
    if (as_table) {
        print_table(predictions);
        return;
    }
    std::printf("%s: %d atoms, %.1f neighbours listed\n", tables.c_str(), cell.n_atoms(), counts.listed / cell.n_atoms());
    std::for_each(predictions.begin(), predictions.end(), print);
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
