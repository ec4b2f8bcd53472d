// SPDX-License-Identifier: GPL-2.0-only
// Who has a problem, then what it is; see agreement.hpp.
#include "agreement.hpp"

namespace dpcompressed {

std::string agree(std::string problem, MPI_Comm world) {
    int rank = 0, n_ranks = 1, first = 0;
    MPI_Comm_rank(world, &rank);
    MPI_Comm_size(world, &n_ranks);
    int mine = problem.empty() ? n_ranks : rank;  // not const: LAMMPS' stubs of MPI take no const
    MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, world);
    if (first == n_ranks) {
        return {};
    }
    int length = static_cast<int>(problem.size());
    MPI_Bcast(&length, 1, MPI_INT, first, world);
    problem.resize(static_cast<std::size_t>(length));
    MPI_Bcast(problem.data(), length, MPI_CHAR, first, world);
    return problem;
}

}  // namespace dpcompressed
