// SPDX-License-Identifier: MIT
// The kinds of descriptors that the Kokkos evaluator knows.
#pragma once

#include "dpc/kokkos/descriptors/se_e2_a/se_e2_a.hpp"
#include "dpc/kokkos/descriptors/se_e2_r/se_e2_r.hpp"
#include "dpc/kokkos/descriptors/se_e3/se_e3.hpp"

namespace dpc::kokkos {

template <class ExecSpace, class Real, class Call>
void with_kind(DescriptorKind kind, const Call& call) {
    switch (kind) {
        case DescriptorKind::se_e2_a: call(SeE2A<ExecSpace, Real>{}); break;
        case DescriptorKind::se_e2_r: call(SeE2R<ExecSpace, Real>{}); break;
        case DescriptorKind::se_e3:
        case DescriptorKind::se_e3_tebd: call(SeE3<ExecSpace, Real>{}); break;
    }
}

}  // namespace dpc::kokkos
