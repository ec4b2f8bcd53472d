// SPDX-License-Identifier: MIT
// Evaluator: what callers see, and which engine stands behind it.
#include "dpc/evaluator.hpp"

#include <algorithm>
#include <cmath>
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
    throw InputError(
        "this build evaluates on the processor without Kokkos only: build it with -DDPC_KOKKOS=own -DKokkos_ROOT=...");
}

}  // namespace

#endif

namespace {

void require_parameters(const char* what, const Span& given, std::size_t expected) {
    if (given.n != expected) {
        throw InputError(std::to_string(given.n) + " " + what + " parameters were given, the model takes " +
                         std::to_string(expected));
    }
    if (!std::all_of(given.values, given.values + given.n, [](double value) { return std::isfinite(value); })) {
        throw InputError(std::string("a value of the ") + what + " parameters is not a finite number");
    }
}

}  // namespace

Evaluator::Evaluator(std::shared_ptr<const Model> model, const EvaluatorOptions& options)
    : n_fparam_(model->n_fparam), n_aparam_(model->n_aparam), default_fparam_(model->default_fparam) {
    if (options.n_threads < 1) {
        throw InputError("the number of threads is " + std::to_string(options.n_threads) + ": expected at least 1");
    }
    engine_ =
        options.backend == Backend::host ? host::make_engine(std::move(model), options) : make_kokkos(std::move(model), options);
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
    Inputs complete = inputs;
    if (complete.fparam.n == 0) {
        complete.fparam = {default_fparam_.data(), default_fparam_.size()};
    }
    require_parameters("frame", complete.fparam, static_cast<std::size_t>(n_fparam_));
    require_parameters("atomic", complete.aparam, static_cast<std::size_t>(n_aparam_) * static_cast<std::size_t>(n_all_));
    return engine_->compute(complete, nullptr, output);
}

const Overflow& Evaluator::overflow() const { return engine_->overflow; }

std::string Evaluator::describe() const { return engine_->describe(); }

std::size_t Evaluator::memory_bytes() const { return engine_->memory_bytes(); }

}  // namespace dpc
