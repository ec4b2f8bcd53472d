// SPDX-License-Identifier: MIT
// The kinds of descriptors that the host evaluates.
#include "host/descriptors/block_descriptor.hpp"
#include "host/descriptors/se_e2_a/se_e2_a.hpp"
#include "host/descriptors/se_e2_r/se_e2_r.hpp"
#include "host/descriptors/se_e3/se_e3.hpp"

namespace dpc::host {

template <class Real>
std::unique_ptr<BlockDescriptor<Real>> make_descriptor(const Model& model, int index, const Kernels<Real>& kernels) {
    const Descriptor& descriptor = model.descriptors[static_cast<std::size_t>(index)];
    switch (descriptor.kind) {
        case DescriptorKind::se_e2_r: return std::make_unique<SeE2R<Real>>(index, kernels);
        case DescriptorKind::se_e3:
        case DescriptorKind::se_e3_tebd: return std::make_unique<SeE3<Real>>(index, kernels);
        case DescriptorKind::se_e2_a: break;
    }
    switch (descriptor.n_components()) {
        case 9: return std::make_unique<SeE2A<Real, 9>>(index, kernels);
        case 16: return std::make_unique<SeE2A<Real, 16>>(index, kernels);
        case 25: return std::make_unique<SeE2A<Real, 25>>(index, kernels);
        default: return std::make_unique<SeE2A<Real, 4>>(index, kernels);
    }
}

template std::unique_ptr<BlockDescriptor<double>> make_descriptor(const Model&, int, const Kernels<double>&);
template std::unique_ptr<BlockDescriptor<float>> make_descriptor(const Model&, int, const Kernels<float>&);

}  // namespace dpc::host
