// SPDX-License-Identifier: GPL-2.0-only
// A table file becomes a Model on every rank of a communicator, and is read by one.
#pragma once

#include <mpi.h>

#include <memory>
#include <string>

#include "dpc/model.hpp"

namespace dpcompressed {

/// Collective. Rank 0 reads the file and broadcasts its bytes. Throws the same dpc::FormatError or
/// dpc::ModelError on all ranks.
std::shared_ptr<const dpc::Model> read_model(const std::string& path, MPI_Comm world);

}  // namespace dpcompressed
