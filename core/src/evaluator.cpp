// SPDX-License-Identifier: MIT
// Evaluator: blocks over threads, and the sums of the threads. Thread 0 adds to the caller's arrays directly; the others add to
// their own, which are added in the order of the threads.
#include "dpc/evaluator.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>

#include "dpc/errors.hpp"
#include "host/block_evaluator.hpp"

namespace dpc {
namespace {

/// Atoms of a full block: enough for the matrix products, few enough for the second-level cache.
constexpr int kBlockAtoms = 64;

struct Thread {
    explicit Thread(const host::PackedModel<double>& model, const host::Kernels<double>& kernels) : blocks(model, kernels) {}
    host::BlockEvaluator<double> blocks;
    host::AlignedArray<double> forces, atom_virial;  // threads other than the first
    host::Sums sums;
};

void check_finite(const double* x, int n_all) {
    double sum = 0;  // a product with 0 is 0 for finite numbers only
    for (int k = 0; k < 3 * n_all; ++k) {
        sum += x[k] * 0.0;
    }
    if (sum == 0) {
        return;
    }
    int atom = 0;
    while (std::isfinite(x[3 * atom]) && std::isfinite(x[3 * atom + 1]) && std::isfinite(x[3 * atom + 2])) {
        ++atom;
    }
    throw InputError("the position of the atom with index " + std::to_string(atom) + " is not a finite number", atom);
}

}  // namespace

struct Evaluator::Impl {
    Impl(std::shared_ptr<const Model> source, int n_threads)
        : packed(std::move(source)), kernels(host::select_kernels<double>()) {
        for (int t = 0; t < n_threads; ++t) {
            threads.emplace_back(packed, kernels);
        }
    }

    host::PackedModel<double> packed;
    const host::Kernels<double>& kernels;
    host::NeighbourBlocks list;
    std::deque<Thread> threads;
    Overflow overflow;

    int n_threads() const { return static_cast<int>(threads.size()); }
    void reserve_sums(bool with_atom_virial);
    void run_thread(int t, const double* x, const Units& units, const Output& output);
    void add_thread_sums(int t, const Output& output);
    Totals collect();
};

Evaluator::Evaluator(std::shared_ptr<const Model> model, int n_threads)
    : impl_(std::make_unique<Impl>(std::move(model), std::max(1, n_threads))) {}

Evaluator::~Evaluator() = default;

void Evaluator::set_neighbours(int n_all, const int* types, const NeighbourRows& rows) {
    impl_->list.build(*impl_->packed.model, n_all, types, rows, kBlockAtoms, impl_->n_threads());
    for (Thread& thread : impl_->threads) {
        thread.blocks.reserve(impl_->list);
    }
}

/// Outside the parallel region, where a failed allocation can be reported.
void Evaluator::Impl::reserve_sums(bool with_atom_virial) {
    const auto n = static_cast<std::size_t>(list.n_all);
    for (std::size_t t = 1; t < threads.size(); ++t) {
        threads[t].forces.reserve(3 * n);
        if (with_atom_virial) {
            threads[t].atom_virial.reserve(9 * n);
        }
    }
}

void Evaluator::Impl::run_thread(int t, const double* x, const Units& units, const Output& output) {
    Thread& thread = threads[static_cast<std::size_t>(t)];
    thread.sums = host::Sums{};
    thread.sums.atom_energy = output.atom_energy;  // centres belong to one thread each
    if (t == 0) {
        thread.sums.forces = output.forces;
        thread.sums.atom_virial = output.atom_virial;
    } else {
        const auto n = static_cast<std::size_t>(list.n_all);
        thread.sums.forces = thread.forces.data();
        std::fill_n(thread.sums.forces, 3 * n, 0.0);
        if (output.atom_virial != nullptr) {
            thread.sums.atom_virial = thread.atom_virial.data();
            std::fill_n(thread.sums.atom_virial, 9 * n, 0.0);
        }
    }
    for (int k = list.thread_blocks[static_cast<std::size_t>(t)]; k < list.thread_blocks[static_cast<std::size_t>(t) + 1]; ++k) {
        thread.blocks.evaluate(list, list.blocks[static_cast<std::size_t>(k)], x, units, thread.sums);
    }
}

/// Thread t's share of the atoms: what the other threads summed for them.
void Evaluator::Impl::add_thread_sums(int t, const Output& output) {
    const long long n = list.n_all;
    const long long begin = n * t / n_threads(), end = n * (t + 1) / n_threads();
    for (int other = 1; other < n_threads(); ++other) {
        const host::Sums& sums = threads[static_cast<std::size_t>(other)].sums;
        for (long long k = 3 * begin; k < 3 * end; ++k) {
            output.forces[k] += sums.forces[k];
        }
        for (long long k = 9 * begin; output.atom_virial != nullptr && k < 9 * end; ++k) {
            output.atom_virial[k] += sums.atom_virial[k];
        }
    }
}

Totals Evaluator::Impl::collect() {
    Totals totals;
    overflow = Overflow{};
    for (const Thread& thread : threads) {
        const host::Sums& sums = thread.sums;
        if (sums.coincident[0] >= 0) {
            throw InputError("the atoms with indices " + std::to_string(sums.coincident[0]) + " and " +
                                 std::to_string(sums.coincident[1]) + " are in the same place",
                             sums.coincident[0], sums.coincident[1]);
        }
        totals.energy += sums.totals.energy;
        for (int c = 0; c < 9; ++c) {
            totals.virial[c] += sums.totals.virial[c];
        }
        host::merge(overflow, sums.overflow);
    }
    return totals;
}

Totals Evaluator::compute(const double* x, const Units& units, const Output& output) {
    Impl& impl = *impl_;
    if (impl.list.thread_blocks.empty()) {
        throw InputError("compute was called before set_neighbours");
    }
    check_finite(x, impl.list.n_all);
    impl.reserve_sums(output.atom_virial != nullptr);
    const int n_threads = impl.n_threads();
    if (n_threads == 1) {
        impl.run_thread(0, x, units, output);
    } else {
#pragma omp parallel num_threads(n_threads)
        {
            // Should the runtime grant fewer threads, the ones it granted do the work of the rest.
            for (int t = omp_get_thread_num(); t < n_threads; t += omp_get_num_threads()) {
                impl.run_thread(t, x, units, output);
            }
#pragma omp barrier
            for (int t = omp_get_thread_num(); t < n_threads; t += omp_get_num_threads()) {
                impl.add_thread_sums(t, output);
            }
        }
    }
    return impl.collect();
}

const Overflow& Evaluator::overflow() const { return impl_->overflow; }

std::string Evaluator::describe() const {
    return std::string("double precision, ") + impl_->kernels.name + " kernels, " +
           std::to_string(impl_->n_threads()) + (impl_->n_threads() == 1 ? " thread" : " threads");
}

std::size_t Evaluator::memory_bytes() const {
    std::size_t total = impl_->packed.bytes() + impl_->list.bytes();
    for (const Thread& thread : impl_->threads) {
        total += thread.blocks.bytes() + thread.forces.bytes() + thread.atom_virial.bytes();
    }
    return total;
}

}  // namespace dpc
