// SPDX-License-Identifier: MIT
// The exceptions of the core. Adapters (LAMMPS, Python) convert them once, at their edge.
#pragma once

#include <stdexcept>
#include <string>

namespace dpc {

/// The bytes are not an intact tables.bin (docs/tables-format.md sections 1 and 2).
struct FormatError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The file is intact but its arrays do not describe a model (docs/tables-format.md section 3), or one that cannot be evaluated as asked.
struct ModelError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The caller's positions, types or neighbour list cannot be evaluated. atom_i and atom_j are the caller's indices of the
/// atoms to blame, -1: none; adapters turn them into the names their users know (LAMMPS: atom IDs).
struct InputError : std::runtime_error {
    using std::runtime_error::runtime_error;
    InputError(const std::string& what, int i, int j = -1) : std::runtime_error(what), atom_i(i), atom_j(j) {}
    int atom_i = -1;
    int atom_j = -1;
};

}  // namespace dpc
