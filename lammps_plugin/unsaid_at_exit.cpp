// SPDX-License-Identifier: GPL-2.0-only
// The pair styles that live; see unsaid_at_exit.hpp.
#include "unsaid_at_exit.hpp"

#include <cstdlib>
#include <mutex>
#include <set>

#include "pair_dpcompressed_base.h"

namespace dpcompressed {
namespace {

using Pairs = std::set<LAMMPS_NS::PairDPCompressedBase*>;

/// A program may have a LAMMPS in each of its threads.
std::mutex changing;

/// Never destroyed: a pair style may live longer than static objects.
Pairs& living() {
    static auto* const pairs = [] {
        std::atexit([] {
            const std::lock_guard<std::mutex> lock(changing);
            for (auto* pair : living()) {
                pair->say_pending();
            }
        });
        return new Pairs;
    }();
    return *pairs;
}

}  // namespace

void say_at_exit(LAMMPS_NS::PairDPCompressedBase* pair) {
    const std::lock_guard<std::mutex> lock(changing);
    living().insert(pair);
}

void nothing_to_say(LAMMPS_NS::PairDPCompressedBase* pair) {
    const std::lock_guard<std::mutex> lock(changing);
    living().erase(pair);
}

}  // namespace dpcompressed
