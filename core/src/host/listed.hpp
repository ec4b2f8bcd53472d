// SPDX-License-Identifier: MIT
// What gather_pairs is given of a neighbour list.
#pragma once

namespace dpc::host {

/// Listed neighbours of one centre and one type.
struct Listed {
    const int* neighbour;
    int count;
};

}  // namespace dpc::host
