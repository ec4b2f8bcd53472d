// SPDX-License-Identifier: MIT
// The kinds of descriptors that the Kokkos evaluator knows.
#pragma once

#include "dpc/kokkos/descriptors/se_e2_a/se_e2_a.hpp"
#include "dpc/kokkos/descriptors/se_e2_r/se_e2_r.hpp"
#include "dpc/kokkos/descriptors/se_e3/se_e3.hpp"

namespace dpc::kokkos {

/// descriptor: a DeviceDescriptor or its DescriptorExtent.
template <class ExecSpace, class Real, class Descriptor, class Call>
void with_kind(const Descriptor& descriptor, const Call& call) {
    switch (descriptor.kind) {
        case DescriptorKind::se_e2_a:
            switch (descriptor.n_components) {
                case 9: call(SeE2A<ExecSpace, Real, 9>{}); break;
                case 16: call(SeE2A<ExecSpace, Real, 16>{}); break;
                case 25: call(SeE2A<ExecSpace, Real, 25>{}); break;
                default: call(SeE2A<ExecSpace, Real, 4>{}); break;
            }
            break;
        case DescriptorKind::se_e2_r: call(SeE2R<ExecSpace, Real>{}); break;
        case DescriptorKind::se_e3:
        case DescriptorKind::se_e3_tebd: call(SeE3<ExecSpace, Real>{}); break;
    }
}

}  // namespace dpc::kokkos
