// SPDX-License-Identifier: MIT
// se_e3 (docs/theory.md section 1): the features are the moments of C, the sums of phi(v_j . v_k) over the pairs of neighbours of two types
// divided by their slots, or D = Vs C (direct form). se_e3_tebd is this with slots for neighbours of any type and, where it has gates, a
// second component of every moment, the sum of sw_j sw_k phi.
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
        places.add(n_slots, {&arrays.inside, &arrays.others});
        places.add(n_slots, {&arrays.products.environment[0]});
        places.add(extent.is_gated ? n_slots : 0,
                   {&arrays.products.environment[1], &arrays.products.environment[2], &arrays.products.reverse_environment[0],
                    &arrays.products.reverse_environment[1]});
        places.add(extent.expands ? n_lanes * static_cast<std::size_t>(extent.most_moments) : 0, {&arrays.moments});
    }

    static void compute(const Steps& steps, const TiledRows<Real>& features) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        const int n_types = steps.chunk.common.n_types;
        const TiledRows<Real> moments = descriptor.expands ? moments_of(steps) : features;
        for_each_segment("dpc::compute_environment", steps.launches, steps.tiles(), n_types,
                         ComputeEnvironment<Real, components, false>{steps.chunk, descriptor.environment, descriptor.is_gated});
        if (descriptor.is_gated) {
            compute_triples<2>(steps, moments);
        } else {
            compute_triples<1>(steps, moments);
        }
        if (descriptor.expands) {
            steps.product("dpc::expand_moments", steps.launches, descriptor.basis, steps.tiles(), moments, features);
        }
    }

    template <class Output>
    static void reverse(const Steps& steps, const TiledRows<Real>& features, const ForceSums<Output>& forces) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        const TiledRows<Real> reverse_moments = descriptor.expands ? moments_of(steps) : features;  // C is no longer needed
        if (descriptor.expands) {
            steps.product("dpc::reverse_expand_moments", steps.launches, descriptor.reverse_basis, steps.tiles(), features,
                          reverse_moments);
        }
        if (descriptor.is_gated) {
            reverse_triples<2>(steps, reverse_moments);
        } else {
            reverse_triples<1>(steps, reverse_moments);
        }
        steps.template reverse_environment<components>(forces);
    }

private:
    /// Threads hold sums of powers, or the coefficients of polynomials: with as many registers as other kernels have they spill.
    template <int COMPONENTS>
    static constexpr int teams_of_sums = kFewestTeams / (COMPONENTS + 1);
    static constexpr int teams_of_gradients = kFewestTeams / 3;

    /// C (n_moments, components of a moment, lanes) where it is not the features.
    static TiledRows<Real> moments_of(const Steps& steps) {
        return {steps.arrays.moments, steps.descriptor.basis.n_in, steps.tiles().lanes};
    }
    template <int COMPONENTS>
    static void compute_triples(const Steps& steps, const TiledRows<Real>& moments) {
        for_each_segment<teams_of_sums<COMPONENTS>>(
            "dpc::compute_triples", steps.launches, steps.tiles(), 1,
            ComputeTriples<Real, COMPONENTS>{lists_of<COMPONENTS>(steps), moments, steps.descriptor.n_moments});
    }
    template <int COMPONENTS>
    static void reverse_triples(const Steps& steps, const TiledRows<Real>& reverse_moments) {
        for_each_segment<teams_of_gradients>("dpc::reverse_triples", steps.launches, steps.tiles(), 1,
                                             ReverseTriples<Real, COMPONENTS>{lists_of<COMPONENTS>(steps), reverse_moments});
    }
    template <int COMPONENTS>
    static TripleLists<Real, COMPONENTS> lists_of(const Steps& steps) {
        PairArrays<Real> products = steps.arrays.products;
        products.interval = steps.chunk.pairs.interval;
        products.distance = steps.chunk.pairs.distance;
        if (COMPONENTS == 1) {
            products.reverse_environment[0] = steps.chunk.pairs.reverse_environment[0];
        }
        return {steps.chunk,         products,           steps.descriptor.triples, steps.descriptor.n_triples,
                steps.arrays.inside, steps.arrays.others};
    }
};

}  // namespace dpc::kokkos
