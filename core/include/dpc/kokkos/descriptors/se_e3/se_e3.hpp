// SPDX-License-Identifier: MIT
// se_e3 (docs/theory.md section 3): the features are the moments of C, the sums of phi(v_j . v_k) over the pairs of neighbours of two types
// divided by their slots, or D = Vs C (direct form).
#pragma once

#include "dpc/kokkos/descriptors/se_e3/triples.hpp"
#include "dpc/kokkos/descriptors/steps.hpp"

namespace dpc::kokkos {

template <class ExecSpace, class Real>
struct SeE3 {
    static constexpr int components = 4;  // of R, whose last three are v
    using Steps = DescriptorSteps<ExecSpace, Real>;

    static void place(ArrayPlaces& places, const DescriptorExtent& extent, std::size_t n_lanes, std::size_t n_slots,
                      DescriptorArrays<Real>& arrays) {
        place_pairs<components>(places, extent, n_slots, arrays.pairs);
        places.add(n_slots, {&arrays.inside});
        places.add(extent.has_direct ? n_lanes * static_cast<std::size_t>(extent.most_moments) : 0, {&arrays.moments});
    }

    static void compute(const Steps& steps, const TiledRows<Real>& features) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        const int n_types = steps.chunk.common.n_types;
        const TiledRows<Real> moments = descriptor.is_direct ? moments_of(steps) : features;
        for_each_segment("dpc::compute_environment", steps.space, steps.tiles(), n_types,
                         ComputeEnvironment<Real, components, false>{steps.chunk, descriptor.environment});
        for_each_segment("dpc::compute_triples", steps.space, steps.tiles(), 1,
                         ComputeTriples<Real>{lists_of(steps), moments, descriptor.n_moments});
        if (descriptor.is_direct) {
            steps.product("dpc::expand_moments", steps.space, descriptor.basis, steps.tiles(), moments, features);
        }
    }

    template <class Output>
    static void reverse(const Steps& steps, const TiledRows<Real>& features, const ForceSums<Output>& forces) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        const TiledRows<Real> reverse_moments = descriptor.is_direct ? moments_of(steps) : features;  // C is no longer needed
        if (descriptor.is_direct) {
            steps.product("dpc::reverse_expand_moments", steps.space, descriptor.reverse_basis, steps.tiles(), features,
                          reverse_moments);
        }
        // Half the teams a multiprocessor: with fewer registers it spills.
        for_each_segment<kFewestTeams / 2>("dpc::reverse_triples", steps.space, steps.tiles(), 1,
                                           ReverseTriples<Real>{lists_of(steps), reverse_moments});
        for_each_segment("dpc::reverse_environment", steps.space, steps.tiles(), 1,
                         ReverseEnvironment<ExecSpace, Real, components, Output>{steps.chunk, forces});
    }

private:
    static TiledRows<Real> moments_of(const Steps& steps) {
        return {steps.arrays.moments, steps.descriptor.n_moments, steps.tiles().lanes};
    }
    static TripleLists<Real> lists_of(const Steps& steps) {
        return {steps.chunk, steps.descriptor.triples, steps.descriptor.n_triples, steps.arrays.inside};
    }
};

}  // namespace dpc::kokkos
