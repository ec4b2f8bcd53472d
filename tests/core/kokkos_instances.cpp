// SPDX-License-Identifier: MIT
// Every kernel of the Kokkos evaluator, compiled for the default device of the Kokkos at hand in both precisions, with the list and
// the views that the front of the core (own_engine.cpp) and LAMMPS use. Where there is a compiler for GPUs but none to run on, this
// shows that the kernels compile, and what registers they take.
#include "dpc/kokkos/evaluator.hpp"

namespace dpc::test {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Positions = Kokkos::View<const double* [3], Kokkos::LayoutRight, Memory>;

/// Neighbours as LAMMPS keeps them: those of an atom a column of a matrix.
struct MatrixList {
    int n_centres;
    Kokkos::View<const int*, Memory> centres, counts;
    Kokkos::View<const int**, Memory> neighbours;

    MatrixList() = delete;  // LAMMPS' has no empty state
    MatrixList(const MatrixList&) = default;
    MatrixList& operator=(const MatrixList&) = default;

    KOKKOS_FUNCTION int centre(int c) const { return centres(c); }
    KOKKOS_FUNCTION int count(int i) const { return counts(i); }
    KOKKOS_FUNCTION int neighbour(int i, int k) const { return neighbours(i, k) & 0x1FFFFFFF; }
    KOKKOS_FUNCTION long long tag(int i) const { return i; }
};

template <class Force>
using Output = dpc::kokkos::DeviceOutput<Memory, Kokkos::View<Force* [3], Kokkos::LayoutRight, Memory, Kokkos::MemoryUnmanaged>>;

using Types = Kokkos::View<const int*, Memory>;

}  // namespace dpc::test

namespace dpc::kokkos {

using namespace dpc::test;

template class Evaluator<Space, double>;
template class Evaluator<Space, float>;
template void Evaluator<Space, double>::set_neighbours(int, const Types&, const MatrixList&);
template void Evaluator<Space, float>::set_neighbours(int, const Types&, const MatrixList&);
template Totals Evaluator<Space, double>::compute(const Positions&, const MatrixList&, const Units&, const test::Output<double>&,
                                                  double*, const double*, const Measures&);
template Totals Evaluator<Space, float>::compute(const Positions&, const MatrixList&, const Units&, const test::Output<double>&,
                                                 double*, const double*, const Measures&);
template Totals Evaluator<Space, float>::compute(const Positions&, const MatrixList&, const Units&, const test::Output<float>&,
                                                 double*, const double*, const Measures&);

}  // namespace dpc::kokkos
