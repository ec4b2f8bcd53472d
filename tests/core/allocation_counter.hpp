// SPDX-License-Identifier: MIT
// How often this program has asked for memory (all threads): operator new, and malloc and its relatives as the linker's --wrap
// finds them in the core and in the test.
#pragma once

namespace dpc::test {

long allocations();          // all of them
long aligned_allocations();  // of these, by aligned_alloc

}  // namespace dpc::test
