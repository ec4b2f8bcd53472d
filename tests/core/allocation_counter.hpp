// SPDX-License-Identifier: MIT
// How often this program has asked for memory and how much it holds (all threads): operator new, and malloc and its relatives as the linker's --wrap
// finds them in the core and in the test.
#pragma once

namespace dpc::test {

long allocations();          // all of them
long aligned_allocations();  // of these, by aligned_alloc
long live_allocations();     // those that were not freed
long live_bytes();           // their bytes, each rounded up by the allocator
/// After n more there is no memory once; n < 0: there is.
void fail_after(long n);
bool has_failed();
/// By how much the allocator rounds up at most, bytes.
constexpr long kRounding = 48;

}  // namespace dpc::test
