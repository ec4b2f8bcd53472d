// SPDX-License-Identifier: MIT
// Times the Kokkos evaluator where Kokkos runs by default (a GPU if it was built for one, otherwise OpenMP, otherwise one core):
// a step, every kernel by its label, and what that is of what the device was seen to do. On a processor also the host evaluator,
// step by step in turn. See benchmarks/README.md.
#include <Kokkos_Core.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <numeric>
#include <optional>
#include <sstream>

#include "device_limits.hpp"
#include "device_structure.hpp"
#include "dpc/kokkos/evaluator.hpp"
#include "kernel_clock.hpp"
#include "kernel_costs.hpp"
#include "options.hpp"

namespace dpc::bench {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Device = DeviceStructure<Space>;
using Forces = Kokkos::View<double* [3], Kokkos::LayoutRight, Memory>;

constexpr const char* kUsage =
    "bench_kokkos TABLES [--structure fcc|water] [--atoms N] [--density ATOMS/A^3] [--composition Cu:1] [--precision "
    "double|mixed|both]\n"
    "    [--seconds S] [--threads N] [--scratch-mb MB] [--host yes|no] [--limits yes|no] [--largest yes|no] [--list right|left] [--json FILE]";
constexpr double kSkin = 2.0;     // angstrom
constexpr int kCellAtoms = 1536;  // made on the host, repeated on the device
constexpr int kFewestSteps = 3, kMostSteps = 2000;
constexpr double kMemoryShare = 0.97;  // of what is free, for the largest system
constexpr std::size_t kLargestScratch = std::size_t(1) << 30;
constexpr int kLargestTries = 8;

struct Settings {
    std::string tables, precision, json;
    StructureOptions structure;
    double seconds;
    int threads;
    std::size_t scratch_bytes;
    bool host, limits, largest, left;
};

struct Limits {
    double registers = 0, products = 0, data_sheet = 0;  // operations per second; data_sheet: of products
};

/// Seconds of a step, over all that were timed.
struct Steps {
    std::vector<double> seconds;
    double quantile(double q) const {
        std::vector<double> sorted = seconds;
        std::sort(sorted.begin(), sorted.end());
        return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
    }
};

struct Result {
    std::string name, describe, host_describe;
    Limits limits;
    Costs costs;
    Steps device, host;
    KernelClock::Sums kernels;
    long clocked_steps = 0, graphs_launched = 0;
    double energy_difference = 0, force_difference = 0;  // to the host evaluator: relative, eV/A
    std::size_t evaluator_bytes = 0, list_bytes = 0, device_bytes = 0;
    int n_atoms = 0, n_all = 0;
};

struct DeviceMemory {
    std::size_t used = 0, total = 0;  // 0: a processor's
};

DeviceMemory device_memory() {
    DeviceMemory memory;
#if defined(KOKKOS_ENABLE_CUDA) || defined(KOKKOS_ENABLE_HIP)
    std::size_t free = 0;
#if defined(KOKKOS_ENABLE_CUDA)
    const bool known = cudaMemGetInfo(&free, &memory.total) == cudaSuccess;
#else
    const bool known = hipMemGetInfo(&free, &memory.total) == hipSuccess;
#endif
    if (!known) {
        throw std::runtime_error("the device does not say how much memory it has");
    }
    memory.used = memory.total - free;
#endif
    return memory;
}

/// "NVIDIA H200, 132 multiprocessors", or the execution space and its threads.
std::string device_name() {
#if defined(KOKKOS_ENABLE_CUDA)
    const cudaDeviceProp& card = Space().cuda_device_prop();
    return std::string(card.name) + ", " + std::to_string(card.multiProcessorCount) + " multiprocessors";
#else
    return std::string(Space::name()) + ", " + std::to_string(Space().concurrency()) + " threads";
#endif
}

/// The evaluator on a structure of the device, forces kept.
template <class Real>
struct DeviceRun {
    const Device& structure;
    kokkos::Evaluator<Space, Real> evaluator;
    Forces forces;

    DeviceRun(const std::shared_ptr<const Model>& model, const Device& of, std::size_t scratch_bytes)
        : structure(of), evaluator(model, Space(), scratch_bytes), forces("bench::forces", static_cast<std::size_t>(of.n_all())) {
        evaluator.set_neighbours(of.n_all(), of.types(), of.list());
    }
    Totals step() {
        Kokkos::deep_copy(evaluator.space(), forces, 0.0);
        kokkos::DeviceOutput<Memory> output;
        output.forces = forces;
        return evaluator.compute(structure.positions(), structure.list(), Units{}, output);
    }
};

template <class View>
auto on_host(const View& view) {
    return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), view);
}

/// The host evaluator on a copy of the same structure.
struct HostRun {
    decltype(on_host(std::declval<Device::Positions>())) x;
    std::vector<std::vector<int>> neighbours;
    Evaluator evaluator;
    std::vector<double> forces;

    HostRun(const std::shared_ptr<const Model>& model, const Device& structure, int threads, Precision precision)
        : x(on_host(structure.positions())),
          evaluator(model, threads, precision),
          forces(3 * static_cast<std::size_t>(structure.n_all())) {
        const auto types = on_host(structure.types());
        const auto begins = on_host(structure.list().begins);
        const auto listed = on_host(structure.list().neighbours), n_listed = on_host(structure.list().counts);
        std::vector<int> centres, counts;
        std::vector<const int*> rows;
        for (int i = 0; i < structure.n_atoms(); ++i) {
            centres.push_back(i);
            counts.push_back(n_listed(i));
            neighbours.emplace_back();
            for (int k = 0; k < n_listed(i); ++k) {
                neighbours.back().push_back(listed(begins(i) + k * structure.list().step));
            }
            rows.push_back(neighbours.back().data());
        }
        evaluator.set_neighbours(structure.n_all(), types.data(),
                                 {structure.n_atoms(), centres.data(), counts.data(), rows.data(), ~0});
    }
    Totals step() {
        std::fill(forces.begin(), forces.end(), 0.0);
        return evaluator.compute({x.data()}, {forces.data(), nullptr, nullptr});
    }
};

template <class Call>
double seconds_of(const Call& call) {
    const auto start = std::chrono::steady_clock::now();
    call();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The last steps of both, which were at the same positions.
template <class Real>
void compare(const DeviceRun<Real>& device, const Totals& found, const HostRun& host, const Totals& expected, Result& result) {
    const auto forces = on_host(device.forces);
    for (std::size_t k = 0; k < host.forces.size(); ++k) {
        const double difference = std::abs(forces.data()[k] - host.forces[k]);
        if (!std::isfinite(difference)) {
            throw std::runtime_error("the force on an atom is not a finite number");
        }
        result.force_difference = std::max(result.force_difference, difference);
    }
    result.energy_difference = std::abs(found.energy / expected.energy - 1);
}

/// One step of each in turn, until the time is up. The first two, of which the second may make a graph, do not count.
template <class Real>
void time_steps(DeviceRun<Real>& device, HostRun* host, double seconds, Result& result) {
    Totals found, expected;
    for (int k = 0; k < 2; ++k) {
        found = device.step();
        expected = host != nullptr ? host->step() : Totals{};
    }
    const long graphs_before = kokkos::graph_counts().launched;
    double spent = 0;
    for (int k = 0; k < kMostSteps && (k < kFewestSteps || spent < seconds); ++k) {
        result.device.seconds.push_back(seconds_of([&] { found = device.step(); }));
        spent += result.device.seconds.back();
        if (host != nullptr) {
            result.host.seconds.push_back(seconds_of([&] { expected = host->step(); }));
            spent += result.host.seconds.back();
        }
    }
    result.graphs_launched = kokkos::graph_counts().launched - graphs_before;
    if (host != nullptr) {
        compare(device, found, *host, expected, result);
    }
}

template <class Real>
void time_kernels(DeviceRun<Real>& device, double seconds, Result& result) {
    const double step = result.device.quantile(0.5);
    result.clocked_steps = std::max(kFewestSteps, static_cast<int>(seconds / std::max(step, 1e-6) / 4));
    result.kernels = KernelClock::measure([&] {
        for (long k = 0; k < result.clocked_steps; ++k) {
            device.step();
        }
    });
}

template <class Real>
Limits measure_limits(const Model& model) {
    Limits limits;
    limits.registers = device_register_rate<Space, Real>(Space());
    limits.data_sheet = data_sheet_rate<Space, Real>(Space());
    for (const Fitting& fitting : model.fittings) {
        for (const Layer& layer : fitting.layers) {
            if (layer.n_out > 1) {
                limits.products = std::max(limits.products, device_product_rate<Space, Real>(Space(), layer.n_out, layer.n_in));
            }
        }
    }
    return limits;
}

template <class Real>
Result measure(const std::shared_ptr<const Model>& model, const Settings& settings, const Device& structure,
               const PairCounts& counts) {
    constexpr Precision precision = std::is_same_v<Real, double> ? Precision::float64 : Precision::mixed;
    Result result;
    result.name = precision == Precision::float64 ? "double" : "mixed";
    result.n_atoms = structure.n_atoms();
    result.n_all = structure.n_all();
    result.limits = settings.limits ? measure_limits<Real>(*model) : Limits{};
    result.costs = kernel_costs(PackedModel<Real>(model, Evaluated::by_kokkos), counts,
                                kokkos::can_fuse_net<Space, Real>() && kokkos::wants_fused_net());
    DeviceRun<Real> device(model, structure, settings.scratch_bytes);
    result.describe = device.evaluator.describe();
    std::optional<HostRun> host;
    if (settings.host) {
        host.emplace(model, structure, settings.threads, precision);
        result.host_describe = host->evaluator.describe();
    }
    time_steps(device, host ? &*host : nullptr, settings.seconds, result);
    time_kernels(device, settings.seconds, result);
    result.evaluator_bytes = device.evaluator.memory_bytes();
    result.list_bytes = structure.list_bytes();
    result.device_bytes = device_memory().used;
    return result;
}

/// Share of what bytes or operations allow, the smaller of the two; 0 where the limits were not measured.
double share_of_limit(const Cost& cost, double seconds, const Limits& limits, double stream) {
    return stream > 0 ? std::max(cost.bytes / stream, cost.operations / limits.registers) / seconds : 0;
}

void print(const Result& r, double stream) {
    const double step = r.device.quantile(0.5), n = r.n_atoms;
    std::printf("\n%s (%s); multiply-adds %.0f Gop/s, products %.0f Gop/s", r.name.c_str(), r.describe.c_str(),
                r.limits.registers * 1e-9, r.limits.products * 1e-9);
    if (r.limits.data_sheet > 0) {
        std::printf(", %.0f%% of the card's data sheet", 100 * r.limits.products / r.limits.data_sheet);
    }
    std::printf("\n");
    std::printf("  %d atoms: %.4f us per atom (%.4f .. %.4f), %.4g atom-steps/s\n", r.n_atoms, step / n * 1e6,
                r.device.quantile(0) / n * 1e6, r.device.quantile(1) / n * 1e6, n / step);
    if (!r.host.seconds.empty()) {
        std::printf(
            "  host evaluator (%s): %.4f us per atom; Kokkos takes %.2f times that; energies differ by %.1e, forces by %.1e "
            "eV/A\n",
            r.host_describe.c_str(), r.host.quantile(0.5) / n * 1e6, step / r.host.quantile(0.5), r.energy_difference,
            r.force_difference);
    }
    if (r.graphs_launched > 0) {
        std::printf("  %ld graphs in %zu steps; kernels below are of steps without\n", r.graphs_launched,
                    r.device.seconds.size());
    }
    std::printf("  %-28s%12s%10s%14s%12s%14s\n", "kernel", "ns/atom", "share", "bytes/atom", "op/atom", "of its limit");
    double all = 0;
    for (const auto& [label, sum] : r.kernels) {
        all += sum.seconds;
    }
    for (const auto& [label, sum] : r.kernels) {
        const double seconds = sum.seconds / static_cast<double>(r.clocked_steps) / n;
        std::printf("  %-28s%12.2f%9.1f%%", label.c_str(), seconds * 1e9, 100 * sum.seconds / all);
        const auto cost = r.costs.find(label);
        if (cost != r.costs.end()) {
            std::printf("%14.0f%12.0f%13.0f%%", cost->second.bytes, cost->second.operations,
                        100 * share_of_limit(cost->second, seconds, r.limits, stream));
        }
        std::printf("\n");
    }
    std::printf("  memory: evaluator %.3f GB, list %.3f GB, device %.3f GB\n", static_cast<double>(r.evaluator_bytes) * 1e-9,
                static_cast<double>(r.list_bytes) * 1e-9, static_cast<double>(r.device_bytes) * 1e-9);
}

std::string json(const Steps& steps, double n) {
    std::ostringstream out;
    out << "{\"median\": " << steps.quantile(0.5) / n * 1e6 << ", \"smallest\": " << steps.quantile(0) / n * 1e6
        << ", \"largest\": " << steps.quantile(1) / n * 1e6 << ", \"steps\": " << steps.seconds.size() << "}";
    return out.str();
}

std::string json(const Result& r, double stream) {
    const double n = r.n_atoms;
    std::ostringstream out;
    out << "{\"precision\": \"" << r.name << "\", \"evaluator\": \"" << r.describe
        << "\", \"atom_steps_per_s\": " << n / r.device.quantile(0.5) << ", \"us_per_atom\": " << json(r.device, n)
        << ", \"multiply_add_flops\": " << r.limits.registers << ", \"product_flops\": " << r.limits.products
        << ", \"data_sheet_flops\": " << r.limits.data_sheet << ", \"evaluator_bytes\": " << r.evaluator_bytes
        << ", \"list_bytes\": " << r.list_bytes << ", \"device_bytes\": " << r.device_bytes;
    if (!r.host.seconds.empty()) {
        out << ", \"host\": {\"evaluator\": \"" << r.host_describe << "\", \"us_per_atom\": " << json(r.host, n)
            << ", \"kokkos_over_host\": " << r.device.quantile(0.5) / r.host.quantile(0.5)
            << ", \"energy_difference\": " << r.energy_difference << ", \"force_difference_eV_per_A\": " << r.force_difference
            << "}";
    }
    out << ", \"graphs_launched\": " << r.graphs_launched << ", \"clocked_steps\": " << r.clocked_steps << ", \"kernels\": [";
    const char* comma = "";
    for (const auto& [label, sum] : r.kernels) {
        const double seconds = sum.seconds / static_cast<double>(r.clocked_steps) / n;
        out << comma << "{\"kernel\": \"" << label << "\", \"calls\": " << sum.calls / r.clocked_steps
            << ", \"us_per_atom\": " << seconds * 1e6;
        const auto cost = r.costs.find(label);
        if (cost != r.costs.end()) {
            out << ", \"bytes_per_atom\": " << cost->second.bytes << ", \"flop_per_atom\": " << cost->second.operations
                << ", \"of_limit\": " << share_of_limit(cost->second, seconds, r.limits, stream);
            if (kokkos::is_gpu<Space>) {
                const auto [best, worst] = r.name == "double" ? predicted<double>(cost->second) : predicted<float>(cost->second);
                out << ", \"predicted_us_per_atom\": [" << best * 1e6 << ", " << worst * 1e6 << "]";
            }
        }
        out << "}";
        comma = ", ";
    }
    out << "]}";
    return out.str();
}

/// Bytes of the device per atom, without scratch, from a system that fits.
template <class Real>
double bytes_per_atom(const std::shared_ptr<const Model>& model, const Structure& cell, int n_atoms, double cutoff) {
    const std::size_t before = device_memory().used;
    const Device structure(Space(), cell, n_atoms, cutoff);
    DeviceRun<Real> run(model, structure, kLargestScratch);
    run.step();
    return static_cast<double>(device_memory().used - before - kLargestScratch) / structure.n_atoms();
}

/// A step of the largest number of atoms that works: as many as the free memory should hold, fewer where an allocation fails.
template <class Real>
std::string largest(const std::shared_ptr<const Model>& model, const Settings& settings, const Structure& cell, double cutoff) {
    const DeviceMemory before = device_memory();
    if (before.total == 0) {
        throw InputError("--largest is for GPUs: a processor would fill its swap space");
    }
    const double free = static_cast<double>(before.total - before.used - kLargestScratch);
    double n = kMemoryShare * free / bytes_per_atom<Real>(model, cell, settings.structure.n_atoms, cutoff);
    for (int attempt = 0; attempt < kLargestTries; ++attempt, n *= 0.95) {
        try {
            const Device structure(Space(), cell, static_cast<int>(std::min(n, 1.5e9)), cutoff);
            DeviceRun<Real> run(model, structure, kLargestScratch);
            run.step();
            const double seconds = seconds_of([&] { run.step(); });
            std::ostringstream out;
            out << "{\"precision\": \"" << (std::is_same_v<Real, double> ? "double" : "mixed")
                << "\", \"atoms\": " << structure.n_atoms() << ", \"atom_steps_per_s\": " << structure.n_atoms() / seconds
                << ", \"list_bytes\": " << structure.list_bytes() << ", \"evaluator_bytes\": " << run.evaluator.memory_bytes()
                << ", \"device_bytes\": " << device_memory().used << ", \"device_total_bytes\": " << before.total << "}";
            std::printf("largest: %s\n", out.str().c_str());
            return out.str();
        } catch (const std::exception& error) {
            std::printf("%.0f atoms do not fit: %s\n", n, error.what());
        }
    }
    throw std::runtime_error("no size worked");
}

void write(const std::string& path, const std::string& text) {
    std::ofstream file(path);
    file << text << "\n";
    if (!file.flush()) {
        throw InputError("cannot write " + path);
    }
}

/// call(Real()) for the precisions asked for: their results, with commas.
template <class Call>
std::string for_precisions(const std::string& precision, const Call& call) {
    std::string out = precision == "mixed" ? "" : call(double());
    if (precision != "double") {
        out += (out.empty() ? "" : ", ") + call(float());
    }
    return out;
}

std::string run_largest(const std::shared_ptr<const Model>& model, const Settings& settings, const Structure& cell) {
    const std::string results = for_precisions(
        settings.precision, [&](auto real) { return largest<decltype(real)>(model, settings, cell, model->rcut() + kSkin); });
    return "\"largest\": [" + results + "]}";
}

std::string run_steps(const std::shared_ptr<const Model>& model, const Settings& settings, const Structure& cell) {
    const PairCounts counts = count_pairs(cell, model->n_types(), model->rcut());
    const double stream = settings.limits ? device_stream_rate(Space()) : 0, n_cell = cell.n_atoms(),
                 listed = counts.listed / n_cell;
    const double inside = std::accumulate(counts.inside.begin(), counts.inside.end(), 0.0) / n_cell;
    std::optional<Device> structure;
    const double made =
        seconds_of([&] { structure.emplace(Space(), cell, settings.structure.n_atoms, model->rcut() + kSkin, settings.left); });
    std::printf(
        "%s on %s: %d atoms, %d with images, %.0f neighbours listed, %.0f inside the cut-off (made in %.1f s); copies %.1f "
        "GB/s\n",
        settings.tables.c_str(), device_name().c_str(), structure->n_atoms(), structure->n_all(), listed, inside, made,
        stream * 1e-9);
    std::ostringstream out;
    out << "\"threads\": " << settings.threads << ", \"atoms\": " << structure->n_atoms()
        << ", \"with_images\": " << structure->n_all() << ", \"listed\": " << listed << ", \"inside\": " << inside
        << ", \"structure_seconds\": " << made << ", \"stream_bytes_per_s\": " << stream << ", \"precisions\": ["
        << for_precisions(settings.precision,
                          [&](auto real) {
                              const Result result = measure<decltype(real)>(model, settings, *structure, counts);
                              print(result, stream);
                              return json(result, stream);
                          })
        << "]}";
    return out.str();
}

void run(const Settings& settings) {
    const std::shared_ptr<const Model> model = Model::from_file(settings.tables);
    StructureOptions cell_options = settings.structure;
    cell_options.n_atoms = std::min(kCellAtoms, settings.structure.n_atoms);
    const Structure cell(cell_options, model->type_map, model->rcut() + kSkin);
    const std::string results = settings.largest ? run_largest(model, settings, cell) : run_steps(model, settings, cell);
    if (!settings.json.empty()) {
        write(settings.json,
              "{\"device\": \"" + device_name() + "\", \"structure\": \"" + settings.structure.kind + "\", " + results);
    }
}

Settings parse(int argc, char** argv) {
    Options options(argc, argv);
    Settings settings;
    settings.tables = options.file();
    settings.structure = take_structure(options);
    settings.precision = options.take("precision", "both");
    settings.json = options.take("json", "");
    settings.seconds = std::stod(options.take("seconds", "5"));
    settings.threads = std::stoi(options.take("threads", "1"));
    settings.scratch_bytes = static_cast<std::size_t>(std::stod(options.take("scratch-mb", "0")) * 1e6);
    settings.host = options.take("host", kokkos::is_gpu<Space> ? "no" : "yes") == "yes";
    settings.limits = options.take("limits", "yes") == "yes";
    settings.largest = options.take("largest", "no") == "yes";
    settings.left = options.take("list", kokkos::is_gpu<Space> ? "left" : "right") == "left";
    options.finish(kUsage);
    return settings;
}

}  // namespace dpc::bench

int main(int argc, char** argv) {
    try {
        const dpc::bench::Settings settings = dpc::bench::parse(argc, argv);
        const Kokkos::ScopeGuard kokkos(Kokkos::InitializationSettings().set_num_threads(settings.threads));
        dpc::bench::run(settings);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
