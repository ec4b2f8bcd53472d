// SPDX-License-Identifier: MIT
// Warps of a test: their size, and the order of their threads.
#pragma once

#include <ostream>

#include "emulated_warp.hpp"

namespace dpc::test {

/// Size of a warp, and whether its threads run from the last to the first.
struct Shape {
    int size = 32;
    bool backward = false;
};
inline void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.size << (shape.backward ? "backward" : "forward"); }

/// The emulator's settings for the length of a test.
class Emulated {
public:
    explicit Emulated(const Shape& shape, bool has_barrier = true) {
        EmulatedWarp::settings().size = shape.size;
        EmulatedWarp::settings().backward = shape.backward;
        EmulatedWarp::settings().has_barrier = has_barrier && before_.has_barrier;
    }
    ~Emulated() { EmulatedWarp::settings() = before_; }
    Emulated(const Emulated&) = delete;
    Emulated& operator=(const Emulated&) = delete;

private:
    EmulatedWarp::Settings before_ = EmulatedWarp::settings();
};

}  // namespace dpc::test
