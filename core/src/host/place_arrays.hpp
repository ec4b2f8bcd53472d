// SPDX-License-Identifier: MIT
// Several arrays of one length in one piece of memory.
#pragma once

#include <initializer_list>

#include "dpc/aligned_array.hpp"

namespace dpc::host {

/// Every array of the list begins on a cache line where n is a multiple of one.
template <class T>
void place(AlignedArray<T>& memory, std::size_t n, std::initializer_list<T**> arrays) {
    T* next = memory.reserve(arrays.size() * n);
    for (T** array : arrays) {
        *array = next;
        next += n;
    }
}

}  // namespace dpc::host
