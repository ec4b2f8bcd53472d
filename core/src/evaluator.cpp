// SPDX-License-Identifier: MIT
// Evaluator: what callers see, and which engine stands behind it.
#include "dpc/evaluator.hpp"

#include <string>

#include "dpc/errors.hpp"
#include "engine.hpp"

namespace dpc {

#if defined(DPC_HAVE_OWN_KOKKOS)

std::vector<Backend> available_backends() {
    std::vector<Backend> all = {Backend::host};
    for (const Backend backend : kokkos::own_backends()) {
        all.push_back(backend);
    }
    return all;
}

int gpu_count() { return kokkos::own_gpu_count(); }

namespace {

std::unique_ptr<Engine> make_kokkos(std::shared_ptr<const Model> model, const EvaluatorOptions& options) {
    return kokkos::make_own_engine(std::move(model), options);
}

}  // namespace

#else

std::vector<Backend> available_backends() { return {Backend::host}; }

int gpu_count() { return 0; }

namespace {

std::unique_ptr<Engine> make_kokkos(std::shared_ptr<const Model>, const EvaluatorOptions&) {
    throw InputError("this build evaluates on the processor without Kokkos only: build it with -DDPC_KOKKOS=own -DKokkos_ROOT=...");
}

}  // namespace

#endif

namespace {

void require_parameters(const char* what, std::size_t given, std::size_t expected) {
    if (given != expected) {
        throw InputError(std::to_string(given) + " " + what + " parameters were given, the model takes " + std::to_string(expected));
    }
}

}  // namespace

Evaluator::Evaluator(std::shared_ptr<const Model> model, const EvaluatorOptions& options)
    : n_fparam_(model->n_fparam), n_aparam_(model->n_aparam) {
    if (options.n_threads < 1) {
        throw InputError("the number of threads is " + std::to_string(options.n_threads) + ": expected at least 1");
    }
    engine_ = options.backend == Backend::host ? host::make_engine(std::move(model), options)
                                             : make_kokkos(std::move(model), options);
}

Evaluator::Evaluator(std::shared_ptr<const Model> model, int n_threads, Precision precision)
    : Evaluator(std::move(model), EvaluatorOptions{n_threads, precision}) {}

Evaluator::~Evaluator() = default;

void Evaluator::set_neighbours(int n_all, const int* types, const NeighbourRows& rows) {
    engine_->set_neighbours(n_all, types, rows);
    n_all_ = n_all;
}

bool Evaluator::share_neighbours(const Evaluator& other) {
    const bool shares = engine_->share_neighbours(*other.engine_);
    n_all_ = shares ? other.n_all_ : n_all_;
    return shares;
}

Totals Evaluator::compute(const Inputs& inputs, const Output& output) {
    require_parameters("frame", inputs.fparam.n, static_cast<std::size_t>(n_fparam_));
    require_parameters("atomic", inputs.aparam.n, static_cast<std::size_t>(n_aparam_) * static_cast<std::size_t>(n_all_));
    return engine_->compute(inputs, output);
}

const Overflow& Evaluator::overflow() const { return engine_->overflow; }

std::string Evaluator::describe() const { return engine_->describe(); }

std::size_t Evaluator::memory_bytes() const { return engine_->memory_bytes(); }

}  // namespace dpc
