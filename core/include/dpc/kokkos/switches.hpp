// SPDX-License-Identifier: MIT
// What is off unless the environment says otherwise, since it has met no GPU yet.
#pragma once

#include <cstdlib>
#include <string>

#include "dpc/errors.hpp"

namespace dpc::kokkos {

/// NAME in the environment: 1, or 0 as without it. meaning: of 1. Throws InputError for anything else.
inline bool is_switched_on(const std::string& name, const std::string& meaning) {
    const char* value = std::getenv(name.c_str());
    const std::string word = value != nullptr ? value : "0";
    if (word != "0" && word != "1") {
        throw InputError(name + "=" + word + ": 1 (" + meaning + ") or 0 is wanted");
    }
    return word == "1";
}
inline bool wants_fused_net() { return is_switched_on("DPC_FUSED_NET", "fitting nets on matrix units of half precision"); }
inline bool wants_graphs() {
    return is_switched_on("DPC_GRAPH", "small systems: the kernels of a step as graphs of CUDA or HIP");
}

}  // namespace dpc::kokkos
