// SPDX-License-Identifier: MIT
// se_e2_r (docs/theory.md section 1): the features are the rows of C, the sums of phi(x), or D = Vs C/5 (direct form).
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
        places.add(extent.has_direct ? n_lanes * static_cast<std::size_t>(extent.most_rows) : 0, {&arrays.rows});
    }

    static void compute(const Steps& steps, const Rows<Real>& features) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        if (!descriptor.is_direct) {
            steps.template compute_rows<components>(features);
            return;
        }
        const Rows<Real> rows = rows_of(steps);
        steps.template compute_rows<components>(rows);
        steps.product("dpc::expand_moments", steps.space, descriptor.basis, steps.tiles(), rows, features);
    }

    template <class Output>
    static void reverse(const Steps& steps, const Rows<Real>& features, const ForceSums<Output>& forces) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        if (!descriptor.is_direct) {
            steps.template reverse_rows<components>(features, forces);
            return;
        }
        const Rows<Real> reverse_rows = rows_of(steps);  // C is no longer needed
        steps.product("dpc::reverse_expand_moments", steps.space, descriptor.reverse_basis, steps.tiles(), features, reverse_rows);
        steps.template reverse_rows<components>(reverse_rows, forces);
    }

private:
    static Rows<Real> rows_of(const Steps& steps) { return {steps.arrays.rows, steps.descriptor.n_rows, steps.tiles().lanes}; }
};

}  // namespace dpc::kokkos
