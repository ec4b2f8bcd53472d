// SPDX-License-Identifier: MIT
// What stands behind dpc::Evaluator: an interface that the host's engine (host/engine.cpp) and, where the build has a Kokkos of its own,
// the one on Kokkos (kokkos/own_evaluator.cpp) implement.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dpc/evaluator.hpp"

namespace dpc {

struct Evaluator::Impl {
    virtual ~Impl() = default;
    virtual void set_neighbours(int n_all, const int* types, const NeighbourRows& rows) = 0;
    virtual Totals compute(const Inputs& inputs, const Output& output) = 0;
    virtual std::string describe() const = 0;
    virtual std::size_t memory_bytes() const = 0;

    Overflow overflow;
};

namespace host {

std::unique_ptr<Evaluator::Impl> make_engine(std::shared_ptr<const Model> model, const EvaluatorOptions& options);

}  // namespace host

namespace kokkos {

std::vector<Backend> own_backends();
int own_gpu_count();
/// options.backend: one of own_backends(). Throws InputError otherwise.
std::unique_ptr<dpc::Evaluator::Impl> make_own_evaluator(std::shared_ptr<const Model> model, const EvaluatorOptions& options);

}  // namespace kokkos
}  // namespace dpc
