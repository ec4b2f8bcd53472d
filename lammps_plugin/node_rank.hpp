// SPDX-License-Identifier: GPL-2.0-only
// Which of the ranks of one computer this is: ranks of a computer share its GPUs in turn.
#pragma once

#include <mpi.h>

namespace dpcompressed {

/// Collective over `world`, LAMMPS' own communicator. 0 .. ranks of this computer - 1.
inline int node_rank([[maybe_unused]] MPI_Comm world) {
    int rank = 0;
#ifndef MPI_STUBS  // LAMMPS without MPI
    MPI_Comm node;
    MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_rank(node, &rank);
    MPI_Comm_free(&node);
#endif
    return rank;
}

}  // namespace dpcompressed
