// SPDX-License-Identifier: MIT
// The host's engine: blocks over threads, and the sums of the threads. Thread 0 adds to the caller's arrays directly; the others add to
// their own, which are added in the order of the threads.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <numeric>
#include <string>
#include <type_traits>

#include "block_evaluator.hpp"
#include "dpc/errors.hpp"
#include "dpc/team.hpp"
#include "engine.hpp"

namespace dpc::host {
namespace {

/// Atoms of a full block: enough for the matrix products, few enough for the second-level cache.
constexpr int kBlockAtoms = 64;

void check_finite(const double* x, int n_all) {
    constexpr int kSums = 16;  // which do not wait for each other
    double sums[kSums] = {};   // a product with 0 is 0 for finite numbers only
    const std::ptrdiff_t n = 3 * static_cast<std::ptrdiff_t>(n_all);
    std::ptrdiff_t first = 0;
    for (; first + kSums <= n; first += kSums) {
        for (int k = 0; k < kSums; ++k) {
            sums[k] += x[first + k] * 0.0;
        }
    }
    for (; first < n; ++first) {
        sums[0] += x[first] * 0.0;
    }
    if (std::accumulate(sums, sums + kSums, 0.0) == 0) {
        return;
    }
    int atom = 0;
    while (std::isfinite(x[3 * atom]) && std::isfinite(x[3 * atom + 1]) && std::isfinite(x[3 * atom + 2])) {
        ++atom;
    }
    throw InputError("the position of the atom with index " + std::to_string(atom) + " is not a finite number", atom);
}

/// The work in one precision of tables, descriptor and fitting net.
template <class Real>
class HostEngine final : public Engine {
public:
    HostEngine(std::shared_ptr<const Model> model, int n_threads, NeighbourRule rule)
        : packed_(std::move(model), Evaluated::by_host),
          grouping_(*packed_.model, n_threads, rule),
          kernels_(select_kernels<Real>()) {
        for (int t = 0; t < n_threads; ++t) {
            threads_.emplace_back(packed_, kernels_, rule);
        }
    }

    void set_neighbours(int n_all, const int* types, const NeighbourRows& rows) override;
    bool share_neighbours(const Engine& other) override;
    Totals compute(const Inputs& inputs, const double* factors, const Output& output) override;
    std::string describe() const override;
    std::size_t memory_bytes() const override;

private:
    struct Thread {
        Thread(const PackedModel<Real>& model, const Kernels<Real>& kernels, NeighbourRule rule) : blocks(model, kernels, rule) {}
        BlockEvaluator<Real> blocks;
        AlignedArray<double> forces, atom_virial;  // threads other than the first
        std::vector<double> fparam_gradient;       // all threads
        Sums sums;
        NeighbourStatistics statistics;
        StageTimes times;
    };

    int n_threads() const { return static_cast<int>(threads_.size()); }
    void reserve_blocks();
    void reserve_sums(const Output& output);
    void run_thread(int t, const Inputs& inputs, const double* factors, const Output& output);
    void add_thread_sums(int t, const Output& output);
    Totals collect(const Output& output);

    PackedModel<Real> packed_;
    Grouping grouping_;
    const Kernels<Real>& kernels_;
    std::shared_ptr<NeighbourBlocks> list_ = std::make_shared<NeighbourBlocks>();  // maybe other engines', too
    bool has_list_ = false;                                                        // and room for all of it
    std::deque<Thread> threads_;
};

template <class Real>
void HostEngine<Real>::set_neighbours(int n_all, const int* types, const NeighbourRows& rows) {
    has_list_ = false;
    if (list_.use_count() > 1) {
        list_ = std::make_shared<NeighbourBlocks>();
    }
    list_->build(grouping_, n_all, types, rows, kBlockAtoms);
    reserve_blocks();
}

template <class Real>
bool HostEngine<Real>::share_neighbours(const Engine& other) {
    const auto* host = dynamic_cast<const HostEngine*>(&other);
    if (host == nullptr || !host->has_list_ || !(host->list_->grouping == grouping_)) {
        return false;
    }
    has_list_ = false;
    list_ = host->list_;
    reserve_blocks();
    return true;
}

template <class Real>
void HostEngine<Real>::reserve_blocks() {
    for (Thread& thread : threads_) {
        thread.blocks.reserve(*list_);
    }
    has_list_ = true;
}

/// Outside the parallel region, where a failed allocation can be reported.
template <class Real>
void HostEngine<Real>::reserve_sums(const Output& output) {
    const auto n = static_cast<std::size_t>(list_->n_all);
    for (Thread& thread : threads_) {
        thread.fparam_gradient.resize(static_cast<std::size_t>(packed_.model->n_fparam));
    }
    for (std::size_t t = 1; t < threads_.size(); ++t) {
        threads_[t].forces.reserve(3 * n);
        if (output.atom_virial != nullptr) {
            threads_[t].atom_virial.reserve(9 * n);
        }
    }
    for (Thread& thread : threads_) {
        thread.statistics = NeighbourStatistics(output.measures.statistics != nullptr ? packed_.model->n_types() : 0);
        thread.times = StageTimes{};
    }
}

template <class Real>
void HostEngine<Real>::run_thread(int t, const Inputs& inputs, const double* factors, const Output& output) {
    Thread& thread = threads_[static_cast<std::size_t>(t)];
    thread.sums = Sums{};
    thread.sums.atom_energy = output.atom_energy;  // centres belong to one thread each
    if (output.fparam_gradient != nullptr) {
        std::fill(thread.fparam_gradient.begin(), thread.fparam_gradient.end(), 0.0);
        thread.sums.fparam_gradient = thread.fparam_gradient.data();
    }
    thread.sums.statistics = output.measures.statistics != nullptr ? &thread.statistics : nullptr;
    thread.sums.watch = StageWatch(output.measures.times != nullptr ? &thread.times : nullptr);
    if (t == 0) {
        thread.sums.forces = output.forces;
        thread.sums.atom_virial = output.atom_virial;
    } else {
        const auto n = static_cast<std::size_t>(list_->n_all);
        thread.sums.forces = thread.forces.data();
        std::fill_n(thread.sums.forces, 3 * n, 0.0);
        if (output.atom_virial != nullptr) {
            thread.sums.atom_virial = thread.atom_virial.data();
            std::fill_n(thread.sums.atom_virial, 9 * n, 0.0);
        }
    }
    for (int k = list_->thread_blocks[static_cast<std::size_t>(t)]; k < list_->thread_blocks[static_cast<std::size_t>(t) + 1];
         ++k) {
        thread.blocks.evaluate(*list_, list_->blocks[static_cast<std::size_t>(k)], inputs, factors, thread.sums);
    }
}

/// Thread t's share of the atoms: what the other threads summed for them.
template <class Real>
void HostEngine<Real>::add_thread_sums(int t, const Output& output) {
    const long long n = list_->n_all;
    const long long begin = n * t / n_threads(), end = n * (t + 1) / n_threads();
    for (int other = 1; other < n_threads(); ++other) {
        const Sums& sums = threads_[static_cast<std::size_t>(other)].sums;
        for (long long k = 3 * begin; k < 3 * end; ++k) {
            output.forces[k] += sums.forces[k];
        }
        for (long long k = 9 * begin; output.atom_virial != nullptr && k < 9 * end; ++k) {
            output.atom_virial[k] += sums.atom_virial[k];
        }
    }
}

template <class Real>
Totals HostEngine<Real>::collect(const Output& output) {
    Totals totals;
    overflow = Overflow{};
    for (const Thread& thread : threads_) {
        const Sums& sums = thread.sums;
        if (sums.coincident[0] >= 0) {
            throw InputError("the atoms with indices " + std::to_string(sums.coincident[0]) + " and " +
                                 std::to_string(sums.coincident[1]) + " are in the same place",
                             sums.coincident[0], sums.coincident[1]);
        }
        totals.energy += sums.totals.energy;
        for (int c = 0; c < 9; ++c) {
            totals.virial[c] += sums.totals.virial[c];
        }
        for (std::size_t k = 0; output.fparam_gradient != nullptr && k < thread.fparam_gradient.size(); ++k) {
            output.fparam_gradient[k] += thread.fparam_gradient[k];
        }
        merge(overflow, sums.overflow);
        if (output.measures.statistics != nullptr) {
            merge(*output.measures.statistics, thread.statistics);
        }
        if (output.measures.times != nullptr) {
            add_share(*output.measures.times, thread.times, 1.0 / n_threads());
        }
    }
    return totals;
}

template <class Real>
Totals HostEngine<Real>::compute(const Inputs& inputs, const double* factors, const Output& output) {
    if (!has_list_) {
        throw InputError("compute was called before set_neighbours");
    }
    check_finite(inputs.x, list_->n_all);
    packed_.set_parameters(inputs.fparam, inputs.aparam);
    reserve_sums(output);
    const int n = n_threads();
    if (n == 1) {
        run_thread(0, inputs, factors, output);
    } else {
#pragma omp parallel num_threads(team_size(n))
        {
            // Should there be fewer threads, these do the work of the rest.
            for (int t = omp_get_thread_num(); t < n; t += omp_get_num_threads()) {
                run_thread(t, inputs, factors, output);
            }
#pragma omp barrier
            for (int t = omp_get_thread_num(); t < n; t += omp_get_num_threads()) {
                add_thread_sums(t, output);
            }
        }
    }
    return collect(output);
}

template <class Real>
std::string HostEngine<Real>::describe() const {
    return std::string(std::is_same_v<Real, double> ? "double" : "mixed") + " precision, " + kernels_.name + " kernels, " +
           std::to_string(n_threads()) + (n_threads() == 1 ? " thread" : " threads");
}

template <class Real>
std::size_t HostEngine<Real>::memory_bytes() const {
    std::size_t total = sizeof(*this) + packed_.bytes() + list_->bytes() / static_cast<std::size_t>(list_.use_count());
    for (const Thread& thread : threads_) {
        total += sizeof(thread) + thread.blocks.bytes() + thread.forces.bytes() + thread.atom_virial.bytes() +
                 bytes_of(thread.fparam_gradient);
    }
    return total;
}

}  // namespace

std::unique_ptr<Engine> make_engine(std::shared_ptr<const Model> model, const EvaluatorOptions& options) {
    if (!model->parts.empty()) {
        return make_combined_engine(*model, options);
    }
    const NeighbourRule rule = rule_for(*model, options.neighbours);
    if (options.precision == Precision::mixed) {
        return std::make_unique<HostEngine<float>>(std::move(model), options.n_threads, rule);
    }
    return std::make_unique<HostEngine<double>>(std::move(model), options.n_threads, rule);
}

}  // namespace dpc::host
