// SPDX-License-Identifier: MIT
// How many threads of OpenMP a process may start.
#pragma once

namespace dpc {

/// Threads of a parallel region that is to have so many: one in a process that was forked from one that had several. GNU's OpenMP would
/// wait there for threads that only the other has.
int team_size(int n_threads);

}  // namespace dpc
