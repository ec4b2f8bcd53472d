// SPDX-License-Identifier: MIT
// Places of arrays in one piece of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace dpc::kokkos {

struct ArrayPlaces {
    static constexpr std::size_t alignment = 256;
    std::uintptr_t base = 0;
    std::size_t used = 0;  // bytes

    /// Arrays of n elements each, one behind the other.
    template <class T>
    void add(std::size_t n, std::initializer_list<T**> arrays) {
        for (T** array : arrays) {
            *array = reinterpret_cast<T*>(base + used);
            used += (n * sizeof(T) + alignment - 1) / alignment * alignment;
        }
    }
};

}  // namespace dpc::kokkos
