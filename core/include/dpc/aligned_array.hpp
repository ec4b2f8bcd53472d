// SPDX-License-Identifier: MIT
// Memory aligned to a cache line that grows and never shrinks: scratch that a steady-state step finds ready.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace dpc {

template <class T>
class AlignedArray {
public:
    /// At least n elements; contents are lost when it grows (new memory is zeroed).
    T* reserve(std::size_t n) {
        if (n > size_) {
            const std::size_t bytes = (n * sizeof(T) + 63) / 64 * 64;
            data_.reset();
            size_ = bytes_ = 0;
            data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
            if (!data_) {
                throw std::bad_alloc();
            }
            std::memset(static_cast<void*>(data_.get()), 0, bytes);
            size_ = n;
            bytes_ = bytes;
        }
        return data_.get();
    }
    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    std::size_t bytes() const { return bytes_; }

private:
    struct Free {
        void operator()(T* p) const { std::free(p); }
    };
    std::unique_ptr<T, Free> data_;
    std::size_t size_ = 0, bytes_ = 0;
};

/// Memory of a vector; what its elements own comes on top.
template <class T>
std::size_t bytes_of(const std::vector<T>& vector) {
    return vector.capacity() * sizeof(T);
}

}  // namespace dpc
