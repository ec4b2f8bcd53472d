// SPDX-License-Identifier: MIT
// Energies, forces and virials of a system from positions, types and a full neighbour list, on the host or on a Kokkos of our
// own. On the host OpenMP over blocks of atoms of one type, fixed order of summation for a fixed number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dpc/measures.hpp"
#include "dpc/model.hpp"
#include "dpc/neighbour_rule.hpp"
#include "dpc/overflow.hpp"
#include "dpc/span.hpp"

namespace dpc {

/// float64: everything in double, on the host but for products that move forces by next to nothing (docs/performance.md). mixed:
/// tables, descriptor and fitting net in single precision; positions, pair vectors and the sums of energies, forces and virials in
/// double.
enum class Precision { float64, mixed };

/// A full neighbour list as the caller has it (LAMMPS: ilist, numneigh, firstneigh, NEIGHMASK). Both i-j and j-i are listed
/// where both are centres; neighbours beyond rcut are allowed. index_mask is applied to every neighbour index.
/// tag: which of equally near neighbours beyond sel is dropped must not depend on the order of the atoms: that of the larger tag.
/// stays: the caller leaves all arrays as they are until it gives the next list, so that none has to be copied.
struct NeighbourRows {
    int n_centres = 0;
    const int* centre = nullptr;       // (n_centres) atom index
    const int* count = nullptr;        // by atom index
    const int* const* rows = nullptr;  // by atom index
    int index_mask = ~0;
    const std::int64_t* tag = nullptr;  // by atom index, the same for an atom and its images; null: the index
    bool stays = false;
};

/// The caller's units: model length = length * caller's, caller's energy = energy * model's.
struct Units {
    double length = 1;
    double energy = 1;
};

/// What changes from step to step.
struct Inputs {
    const double* x = nullptr;  // (n_all, 3) positions, caller's units
    Units units{};
    Span fparam{};  // (Model::n_fparam) frame parameters; none: the model's default, if it has one
    Span aparam{};  // (n_all, Model::n_aparam) atomic parameters
};

/// Where results go; every pointer is added to, never overwritten. Caller's units.
struct Output {
    double* forces = nullptr;           // (n_all, 3), neighbours that are no centres included
    double* atom_energy = nullptr;      // (n_all), centres only; may be null
    double* atom_virial = nullptr;      // (n_all, 9) xx xy xz yx yy yz zx zy zz, position component first; may be null
    double* fparam_gradient = nullptr;  // (Model::n_fparam) derivatives of the energy along the frame parameters; may be null
    Measures measures{};
};

struct Totals {
    double energy = 0;
    double virial[9] = {};  // sum of d_a f_b over pairs, same order as atom_virial
};

/// Which code evaluates, and where. All but host are in builds with a Kokkos of their own only (docs/kokkos.md).
enum class Backend { host, kokkos_serial, kokkos_openmp, gpu };

struct EvaluatorOptions {
    int n_threads = 1;  // host, kokkos_openmp
    Precision precision = Precision::float64;
    Backend backend = Backend::host;
    Neighbours neighbours = Neighbours::trained;
    int device = -1;                // gpu: its number, -1: the one in use, or the first
    std::size_t scratch_bytes = 0;  // all but host: bound of the scratch arrays, 0: a default
};

/// Of this build and, for gpu, of this machine; host is always there.
std::vector<Backend> available_backends();
/// GPUs that Backend::gpu can use here.
int gpu_count();

class Engine;

class Evaluator {
public:
    /// Throws InputError where this build or machine lacks the backend, or for no threads.
    Evaluator(std::shared_ptr<const Model> model, const EvaluatorOptions& options);
    Evaluator(std::shared_ptr<const Model> model, int n_threads, Precision precision = Precision::float64);
    ~Evaluator();
    Evaluator(const Evaluator&) = delete;
    Evaluator& operator=(const Evaluator&) = delete;

    /// Take a new neighbour list: once per rebuild, not per step. types: (n_all) model types, < 0: not part of the model.
    /// The rows are copied, grouped by type; where they stay and that would change nothing, they are read in place. Throws InputError
    /// where an index or a type is out of range.
    void set_neighbours(int n_all, const int* types, const NeighbourRows& rows);

    /// Instead of set_neighbours: take the list that `other` was given last, of atoms with the same types, without grouping it
    /// again. False where this evaluator would group it in another way (backend, precision, threads, rule of neighbours, types
    /// that it counts) or the other has none: nothing was done.
    bool share_neighbours(const Evaluator& other);

    /// Evaluate all centres. Throws InputError for positions that are not finite and for two atoms in the same place, naming the
    /// atom indices, and for parameters that are not finite or not as many as the model takes.
    Totals compute(const Inputs& inputs, const Output& output);

    /// Of the last compute.
    const Overflow& overflow() const;

    /// One line for the log: precision, instruction set, threads.
    std::string describe() const;
    /// Bytes held by packed tables, weights, lists and scratch; the Model, which evaluators share, has those of the file.
    std::size_t memory_bytes() const;

private:
    std::unique_ptr<Engine> engine_;
    int n_fparam_ = 0, n_aparam_ = 0, n_all_ = 0;
    std::vector<double> default_fparam_;
};

}  // namespace dpc
