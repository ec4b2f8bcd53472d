// SPDX-License-Identifier: MIT
// An engine evaluates one model: it takes a neighbour list, evaluates, reports. What stands behind dpc::Evaluator: the host's
// (host/engine.cpp) and, where the build has a Kokkos of its own, the one on Kokkos (kokkos/own_engine.cpp).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dpc/evaluator.hpp"

namespace dpc {

class Engine {
public:
    virtual ~Engine() = default;
    virtual void set_neighbours(int n_all, const int* types, const NeighbourRows& rows) = 0;
    virtual bool share_neighbours(const Engine& other) = 0;
    /// factors: (n_all) of the energies of centres; those of factor 0 are left out, with what they would have reported. Null: all are 1.
    virtual Totals compute(const Inputs& inputs, const double* factors, const Output& output) = 0;
    virtual std::string describe() const = 0;
    virtual std::size_t memory_bytes() const = 0;

    Overflow overflow;
};

namespace host {

std::unique_ptr<Engine> make_engine(std::shared_ptr<const Model> model, const EvaluatorOptions& options);
/// Of a model of several parts.
std::unique_ptr<Engine> make_combined_engine(const Model& model, const EvaluatorOptions& options);

}  // namespace host

namespace kokkos {

std::vector<Backend> own_backends();
int own_gpu_count();
/// options.backend: one of own_backends(). Throws InputError otherwise.
std::unique_ptr<Engine> make_own_engine(std::shared_ptr<const Model> model, const EvaluatorOptions& options);

}  // namespace kokkos
}  // namespace dpc
