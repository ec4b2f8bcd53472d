// SPDX-License-Identifier: MIT
// What the components of the kernels share. A component is a header with a struct of function pointers and a source file with the
// functions, which is compiled once per instruction set: DPC_ISA names it, and all lies in the namespace dpc::host::DPC_ISA,
// nearly all without linkage. A source file may use no inline function of the standard library but those of <cmath> and memcpy:
// the linker would keep one of the copies, for processors that lack its instructions as well.
#pragma once

namespace dpc::host {

/// The table of functions of one component in both precisions. A constant, for it is also read where the functions cannot run.
template <template <class> class Table>
struct InBoth {
    Table<double> in_double;
    Table<float> in_float;
};

/// One function for environments of 4 components, R of se_e2_a, one for those of 1, where pairs of neighbours are pairs, too, one
/// for those of 2, and those of R with components of higher degree. Null where there is none.
template <class Function>
struct ByComponents {
    Function four = nullptr, one = nullptr, two = nullptr, nine = nullptr, sixteen = nullptr, twenty_five = nullptr;
    Function operator[](int components) const {
        switch (components) {
            case 1: return one;
            case 2: return two;
            case 9: return nine;
            case 16: return sixteen;
            case 25: return twenty_five;
            default: return four;
        }
    }
};

}  // namespace dpc::host
