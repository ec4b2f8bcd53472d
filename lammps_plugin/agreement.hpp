// SPDX-License-Identifier: GPL-2.0-only
// A problem that some ranks have becomes one that all ranks know of, so that all of them can stop
// together with one message.
#pragma once

#include <mpi.h>

#include <string>

namespace dpcompressed {

/// Collective. The problem of the lowest rank that has one, on all ranks; empty where none has.
std::string agree(std::string problem, MPI_Comm world);

}  // namespace dpcompressed
