// SPDX-License-Identifier: MIT
// se_e2_r (docs/theory.md section 1): the features are the moments of C, the sums of phi(x), or D = Vs C/5 (direct form).
#pragma once

#include "dpc/kokkos/descriptors/steps.hpp"

namespace dpc::kokkos {

template <class ExecSpace, class Real>
struct SeE2R {
    static constexpr int components = 1;
    using Steps = DescriptorSteps<ExecSpace, Real>;

    static void place(ArrayPlaces& places, const DescriptorExtent& extent, std::size_t n_lanes, std::size_t n_slots,
                      DescriptorArrays<Real>& arrays) {
        place_pairs<components>(places, extent, n_slots, arrays.pairs);
        places.add(extent.expands ? n_lanes * static_cast<std::size_t>(extent.most_moments) : 0, {&arrays.moments});
    }

    static void compute(const Steps& steps, const TiledRows<Real>& features) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        if (!descriptor.expands) {
            steps.template compute_moments<components>(features);
            return;
        }
        const TiledRows<Real> moments = moments_of(steps);
        steps.template compute_moments<components>(moments);
        steps.product("dpc::expand_moments", steps.launches, descriptor.basis, steps.tiles(), moments, features);
    }

    template <class Output>
    static void reverse(const Steps& steps, const TiledRows<Real>& features, const ForceSums<Output>& forces) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        if (!descriptor.expands) {
            steps.template reverse_moments<components>(features, forces);
            return;
        }
        const TiledRows<Real> reverse_moments = moments_of(steps);  // C is no longer needed
        steps.product("dpc::reverse_expand_moments", steps.launches, descriptor.reverse_basis, steps.tiles(), features,
                      reverse_moments);
        steps.template reverse_moments<components>(reverse_moments, forces);
    }

private:
    static TiledRows<Real> moments_of(const Steps& steps) {
        return {steps.arrays.moments, steps.descriptor.n_moments, steps.tiles().lanes};
    }
};

}  // namespace dpc::kokkos
