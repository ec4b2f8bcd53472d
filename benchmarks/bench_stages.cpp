// SPDX-License-Identifier: MIT
// Where a step of the host evaluator spends its time: every stage in us per atom, the operations it needs, and what that is of what
// the core was seen to do. One thread. See benchmarks/README.md.
//
//     bench_stages TABLES [--structure fcc|water] [--atoms N] [--density ATOMS/A^3] [--composition Cu:1] [--seconds S] [--json FILE]
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "dpc/errors.hpp"
#include "dpc/evaluator.hpp"
#include "host/block_evaluator.hpp"
#include "limits.hpp"
#include "options.hpp"
#include "stage_clock.hpp"
#include "structures.hpp"

namespace {

using namespace dpc;
using bench::Stage;
using bench::StageClock;

constexpr double kSkin = 2.0;      // angstrom
constexpr int kBlockAtoms = 64;    // as in evaluator.cpp
constexpr int kSmallSystem = 192;  // atoms, for the cost of a step that is not arithmetic
constexpr int kLimitRepeats = 50;

struct Settings {
    std::string tables, json;
    bench::StructureOptions structure;
    double seconds = 5;  // of measuring each precision
};

struct Limits {
    double registers = 0, products = 0;  // operations per second
};

/// What one precision measured, per atom.
struct Result {
    std::string name, kernels;
    Limits limits;
    StageClock::Seconds stage{};       // s per atom
    StageClock::Seconds operations{};  // floating-point operations per atom that the stage cannot do without
    double whole = 0;                  // s per atom of Evaluator::compute
    double small_step = 0, small_stages = 0, empty_step = 0;  // s per step of kSmallSystem atoms
};

double total(const StageClock::Seconds& of) { return std::accumulate(of.begin(), of.end(), 0.0); }

/// Seconds by stage, summed over the blocks; of each block and stage the best of all repeats.
template <class Real>
StageClock::Seconds measure_stages(const std::shared_ptr<const Model>& model, const bench::Structure& structure, double seconds) {
    bench::Timed<Real>::real = &host::select_kernels<Real>();
    StageClock clock;
    bench::Timed<Real>::clock = &clock;
    const host::Kernels<Real> kernels = bench::timed_kernels<Real>();
    const PackedModel<Real> packed(model, Evaluated::by_host);
    host::NeighbourBlocks list;
    list.build({*model, 1, NeighbourRule::all}, structure.n_all(), structure.types(), structure.list(), kBlockAtoms);
    host::BlockEvaluator<Real> evaluator(packed, kernels);
    evaluator.reserve(list);
    std::vector<double> forces(3 * static_cast<std::size_t>(structure.n_all()));
    host::Sums sums;
    sums.forces = forces.data();

    StageClock::Seconds never;
    never.fill(1e30);
    std::vector<StageClock::Seconds> best(list.blocks.size(), never);
    const double start = bench::thread_seconds();
    for (int repeat = 0; repeat < 3 || bench::thread_seconds() - start < seconds; ++repeat) {
        for (std::size_t k = 0; k < list.blocks.size(); ++k) {
            clock.start();
            evaluator.evaluate(list, list.blocks[k], {structure.positions()}, nullptr, sums);
            const StageClock::Seconds& found = clock.finish();
            for (std::size_t stage = 0; stage < found.size(); ++stage) {
                best[k][stage] = std::min(best[k][stage], found[stage]);
            }
        }
    }
    StageClock::Seconds sum{};
    for (const StageClock::Seconds& block : best) {
        for (std::size_t stage = 0; stage < sum.size(); ++stage) {
            sum[stage] += block[stage];
        }
    }
    return sum;
}

/// Seconds of one Evaluator::compute. with_centres false: the same atoms, but none to evaluate.
double measure_step(const std::shared_ptr<const Model>& model, Precision precision, const bench::Structure& structure,
                    double seconds, bool with_centres = true) {
    Evaluator evaluator(model, 1, precision);
    NeighbourRows rows = structure.list();
    rows.n_centres = with_centres ? rows.n_centres : 0;
    evaluator.set_neighbours(structure.n_all(), structure.types(), rows);
    std::vector<double> forces(3 * static_cast<std::size_t>(structure.n_all()));
    double best = 1e30;
    const double start = bench::thread_seconds();
    for (int repeat = 0; repeat < 3 || bench::thread_seconds() - start < seconds; ++repeat) {
        const double before = bench::thread_seconds();
        evaluator.compute({structure.positions()}, {forces.data(), nullptr, nullptr});
        best = std::min(best, bench::thread_seconds() - before);
    }
    return best;
}

/// How many channels of a table go into moments.
double used(const std::vector<int>& moment_of_channel) {
    return static_cast<double>(
        std::count_if(moment_of_channel.begin(), moment_of_channel.end(), [](int moment) { return moment >= 0; }));
}

/// Arguments of a centre in one table, which share what runs over channels where they lie in one interval.
class Intervals {
public:
    void add(const math::Grid& grid, double x) {
        double distance = 0;
        found_.insert(math::locate_product(grid, x, distance));
        ++n_arguments_;
    }
    /// Of one component of moments: polynomials and their slopes by interval, powers and Horner's rule by argument.
    void count(int order, double channels, StageClock::Seconds& sum) const {
        const auto intervals = static_cast<double>(found_.size());
        sum[bench::compute_moments] += 2 * intervals * channels * (order + 1) + n_arguments_ * 2 * order;
        sum[bench::reverse_moments] += 2 * intervals * channels * order + n_arguments_ * 2 * (order - 1);
    }

private:
    std::set<double> found_;
    double n_arguments_ = 0;
};

/// What one descriptor needs around one centre: polynomials of the pairs inside the cut-off (or of pairs of them) and their moments,
/// and what makes features of these; each with its gradient. Without environments.
template <class Real>
class DescriptorOperations {
public:
    DescriptorOperations(const PackedDescriptor<Real>& descriptor, const bench::Structure& structure, int centre)
        : descriptor_(descriptor), structure_(structure), centre_(centre) {
        const NeighbourRows rows = structure.list();
        for (int n = 0; n < rows.count[centre]; ++n) {
            const int j = rows.rows[centre][n];
            if (structure.distance(centre, j) < descriptor.rcut) {
                neighbours_.push_back(j);
            }
        }
    }

    void count(StageClock::Seconds& sum) const {
        if (!descriptor_.triples.empty()) {
            count_triples(sum);
        } else if (descriptor_.kind == DescriptorKind::se_e2_r) {
            count_arguments(sum);
        } else {
            count_pairs(sum);
        }
        const int components = descriptor_.kind == DescriptorKind::se_e2_a ? descriptor_.n_components : 1;
        const double expansion = 2.0 * components * descriptor_.basis.n_out * descriptor_.basis.n_in;
        sum[bench::multiply] += 2 * expansion;
        if (descriptor_.n_factors > 0) {
            sum[bench::compute_products] += 2.0 * components * descriptor_.n_features;
            sum[bench::reverse_products] += 4.0 * components * descriptor_.n_features;
        }
    }

private:
    const PackedTypePair<Real>& pair_of(int j) const {
        return descriptor_.type_pairs[static_cast<std::size_t>(structure_.types()[j])];
    }

    void count_pairs(StageClock::Seconds& sum) const {
        const int components = descriptor_.n_components;
        for (int j : neighbours_) {
            const PackedTypePair<Real>& pair = pair_of(j);
            if (pair.kind == PairKind::ordinary) {
                const int order = pair.table->order;
                sum[bench::compute_moments] += 2 * used(pair.moment_of_channel) * (order + components);
                sum[bench::reverse_moments] += 2 * used(pair.moment_of_channel) * (2 * order + 2 * components);
            }
        }
    }

    void count_arguments(StageClock::Seconds& sum) const {
        for (std::size_t b = 0; b < descriptor_.type_pairs.size(); ++b) {
            const PackedTypePair<Real>& pair = descriptor_.type_pairs[b];
            Intervals intervals;
            for (int j : neighbours_) {
                if (structure_.types()[j] == static_cast<int>(b) && pair.kind == PairKind::ordinary) {
                    const double r = structure_.distance(centre_, j);
                    const bool over_distance = descriptor_.argument == TableArgument::r;
                    intervals.add(pair.table->grid,
                                  over_distance ? descriptor_.rcut - r : math::env_radial(descriptor_.environment, r).x);
                }
            }
            intervals.count(pair.table->order, used(pair.moment_of_channel), sum);
        }
    }

    void count_triples(StageClock::Seconds& sum) const {
        for (const PackedTriple<Real>& triple : descriptor_.triples) {
            Intervals intervals;
            for (std::size_t n = 0; n < neighbours_.size(); ++n) {
                for (std::size_t m = triple.b == triple.c ? n : 0; m < neighbours_.size(); ++m) {
                    if (structure_.types()[neighbours_[n]] == triple.b && structure_.types()[neighbours_[m]] == triple.c) {
                        intervals.add(triple.table->grid, product(neighbours_[n], neighbours_[m]));
                        sum[bench::locate_triples] += 2 * 3;
                        sum[bench::reverse_triples] += 2 * 2 * 3;
                    }
                }
            }
            intervals.count(triple.table->order, used(triple.moment_of_channel), sum);
        }
    }

    double product(int j, int k) const {
        double sum = 0;
        for (int c = 0; c < 3; ++c) {
            sum += vector(j, c) * vector(k, c);
        }
        return sum;
    }
    double vector(int j, int c) const {
        const double* x = structure_.positions();
        return math::env_radial(descriptor_.environment, structure_.distance(centre_, j)).h * (x[3 * j + c] - x[3 * centre_ + c]);
    }

    const PackedDescriptor<Real>& descriptor_;
    const bench::Structure& structure_;
    int centre_;
    std::vector<int> neighbours_;
};

/// Floating-point operations per atom (docs/theory.md sections 2 to 4), a multiply-add counting two: of the descriptors and of the
/// fitting net, with its gradient. No padding, no environment, no activations.
template <class Real>
StageClock::Seconds needed_operations(const std::shared_ptr<const Model>& model, const bench::Structure& structure) {
    const PackedModel<Real> packed(model, Evaluated::by_host);
    StageClock::Seconds sum{};
    const int n_centres = structure.n_atoms();
    for (int i = 0; i < n_centres; ++i) {
        const PackedType<Real>& type = packed.ordinary.types[static_cast<std::size_t>(structure.types()[i])];
        for (const PackedDescriptor<Real>& descriptor : type.descriptors) {
            DescriptorOperations<Real>(descriptor, structure, i).count(sum);
        }
        for (const PackedLayer<Real>& layer : type.fitting.layers) {
            const bool hidden = &layer != &type.fitting.layers.back();
            const double inputs = layer.weight.n_in + 0.5 * layer.single.n_in;  // in single precision two are one
            const double operations = 2.0 * inputs * layer.weight.n_out;
            sum[hidden ? bench::compute_layer : bench::last_layer] += operations;
            sum[bench::reverse_layer] += hidden ? operations : 0;
        }
    }
    for (double& operations : sum) {
        operations /= n_centres;
    }
    return sum;
}

template <class Real>
Limits measure_limits(const Model& model) {
    const host::Kernels<Real>& kernels = host::select_kernels<Real>();
    Limits limits;
    limits.registers = bench::register_rate(kernels, kLimitRepeats);
    for (const Fitting& fitting : model.fittings) {
        for (const Layer& layer : fitting.layers) {
            limits.products =
                std::max(limits.products, bench::product_rate(kernels, layer.n_out, layer.n_in, kBlockAtoms, kLimitRepeats));
        }
    }
    return limits;
}

template <class Real>
Result measure(const std::shared_ptr<const Model>& model, const Settings& settings, const bench::Structure& structure) {
    constexpr Precision precision = std::is_same_v<Real, double> ? Precision::float64 : Precision::mixed;
    Result result;
    result.name = std::is_same_v<Real, double> ? "double" : "mixed";
    result.kernels = host::select_kernels<Real>().name;
    result.limits = measure_limits<Real>(*model);
    result.operations = needed_operations<Real>(model, structure);
    for (double& seconds : result.stage = measure_stages<Real>(model, structure, settings.seconds)) {
        seconds /= structure.n_atoms();
    }
    result.whole = measure_step(model, precision, structure, settings.seconds) / structure.n_atoms();

    bench::StructureOptions small_options = settings.structure;
    small_options.n_atoms = kSmallSystem;
    const bench::Structure small(small_options, model->type_map, model->rcut() + kSkin);
    result.small_step = measure_step(model, precision, small, settings.seconds / 5);
    result.small_stages = total(measure_stages<Real>(model, small, settings.seconds / 5));
    result.empty_step = measure_step(model, precision, small, settings.seconds / 20, false);
    return result;
}

void print(const Result& r) {
    const double operations = total(r.operations);
    std::printf("\n%s precision, %s kernels; multiply-adds in registers %.1f GFLOP/s, product kernel %.1f GFLOP/s\n",
                r.name.c_str(), r.kernels.c_str(), r.limits.registers * 1e-9, r.limits.products * 1e-9);
    std::printf("  %-24s%12s%9s%14s%12s%14s\n", "stage", "us/atom", "share", "FLOP/atom", "GFLOP/s", "of registers");
    for (std::size_t k = 0; k < bench::n_stages; ++k) {
        if (r.stage[k] == 0 && r.operations[k] == 0) {
            continue;
        }
        std::printf("  %-24s%12.3f%8.1f%%", bench::kStageNames[k], r.stage[k] * 1e6, 100 * r.stage[k] / total(r.stage));
        if (r.operations[k] > 0) {
            const double rate = r.operations[k] / r.stage[k];
            std::printf("%14.0f%12.1f%13.0f%%", r.operations[k], rate * 1e-9, 100 * rate / r.limits.registers);
        }
        std::printf("\n");
    }
    std::printf("  %-24s%12.3f%9s%14.0f\n", "sum of stages", total(r.stage) * 1e6, "", operations);
    std::printf("  %-24s%12.3f%9s%14s%12.1f%13.0f%%   %.0f %% of the product kernel's rate\n", "Evaluator::compute",
                r.whole * 1e6, "", "", operations / r.whole * 1e-9, 100 * operations / r.whole / r.limits.registers,
                100 * operations / r.whole / r.limits.products);
    std::printf("  a step of %d atoms: %.1f us, of which stages %.1f us; the same step without centres %.1f us\n", kSmallSystem,
                r.small_step * 1e6, r.small_stages * 1e6, r.empty_step * 1e6);
}

std::string json(const Result& r) {
    std::ostringstream out;
    out << "{\"precision\": \"" << r.name << "\", \"kernels\": \"" << r.kernels
        << "\", \"register_flops\": " << r.limits.registers << ", \"product_flops\": " << r.limits.products
        << ", \"compute_us_per_atom\": " << r.whole * 1e6 << ", \"flop_per_atom\": " << total(r.operations)
        << ", \"of_product_rate\": " << total(r.operations) / r.whole / r.limits.products
        << ", \"of_register_rate\": " << total(r.operations) / r.whole / r.limits.registers
        << ", \"small_step\": {\"atoms\": " << kSmallSystem << ", \"us\": " << r.small_step * 1e6
        << ", \"stages_us\": " << r.small_stages * 1e6 << ", \"without_centres_us\": " << r.empty_step * 1e6
        << "}, \"stages\": [";
    for (std::size_t k = 0; k < bench::n_stages; ++k) {
        out << (k == 0 ? "" : ", ") << "{\"stage\": \"" << bench::kStageNames[k] << "\", \"us_per_atom\": " << r.stage[k] * 1e6
            << ", \"flop_per_atom\": " << r.operations[k] << "}";
    }
    out << "]}";
    return out.str();
}

Settings parse(int argc, char** argv) {
    bench::Options options(argc, argv);
    Settings settings;
    settings.tables = options.file();
    settings.json = options.take("json", "");
    settings.seconds = std::stod(options.take("seconds", "5"));
    settings.structure = bench::take_structure(options);
    options.finish(
        "bench_stages TABLES [--structure fcc|water] [--atoms N] [--density ATOMS/A^3] [--composition Cu:1] [--seconds S] [--json FILE]");
    return settings;
}

void run(const Settings& settings) {
    const std::shared_ptr<const Model> model = Model::from_file(settings.tables);
    const bench::Structure structure(settings.structure, model->type_map, model->rcut() + kSkin);
    const double stream = bench::stream_rate(5);
    const double listed = structure.neighbours_within(model->rcut() + kSkin), inside = structure.neighbours_within(model->rcut());
    std::printf("%s: %d atoms, %d with images, %.0f neighbours listed, %.0f inside the cut-off; memory streams %.1f GB/s\n",
                settings.tables.c_str(), structure.n_atoms(), structure.n_all(), listed, inside, stream * 1e-9);
    const Result results[] = {measure<double>(model, settings, structure), measure<float>(model, settings, structure)};
    for (const Result& result : results) {
        print(result);
    }
    if (!settings.json.empty()) {
        std::ofstream file(settings.json);
        file << "{\"structure\": \"" << settings.structure.kind << "\", \"atoms\": " << structure.n_atoms()
             << ", \"listed\": " << listed << ", \"inside\": " << inside << ", \"stream_bytes_per_s\": " << stream
             << ", \"precisions\": [" << json(results[0]) << ", " << json(results[1]) << "]}\n";
        if (!file.flush()) {
            throw InputError("cannot write " + settings.json);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        run(parse(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
