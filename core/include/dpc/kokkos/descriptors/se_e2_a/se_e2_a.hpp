// SPDX-License-Identifier: MIT
// se_e2_a (docs/theory.md sections 1 to 3): the features are products S_pq of moments of C, or of combinations of them, such as T = Vs C in the direct form.
#pragma once

#include "dpc/kokkos/descriptors/se_e2_a/products.hpp"
#include "dpc/kokkos/descriptors/steps.hpp"

namespace dpc::kokkos {

/// COMPONENTS: of R, 4, or with those of higher degree 9, 16 or 25.
template <class ExecSpace, class Real, int COMPONENTS>
struct SeE2A {
    static constexpr int components = COMPONENTS;
    using Steps = DescriptorSteps<ExecSpace, Real>;

    static void place(ArrayPlaces& places, const DescriptorExtent& extent, std::size_t n_lanes, std::size_t n_slots,
                      DescriptorArrays<Real>& arrays) {
        place_pairs<components>(places, extent, n_slots, arrays.pairs);
        const std::size_t n = components * n_lanes * static_cast<std::size_t>(extent.most_moments);
        places.add(n, {&arrays.moments, &arrays.reverse_moments});
        places.add(extent.expands ? n : 0, {&arrays.expanded, &arrays.reverse_expanded});
    }

    static void compute(const Steps& steps, const TiledRows<Real>& features) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        const TiledRows<Real> moments = tiled(steps, steps.arrays.moments, descriptor.n_moments);
        steps.template compute_moments<components>(moments);
        if (descriptor.expands) {
            steps.product("dpc::expand_moments", steps.launches, descriptor.basis, by_component(steps.tiles()),
                          by_component(moments), by_component(factors(steps)));
        }
        for_each_row("dpc::compute_products", steps.launches, steps.tiles(), factor_groups<components>(descriptor.products),
                     ComputeProducts<Real, components>{descriptor.products, factors(steps), features});
    }

    template <class Output>
    static void reverse(const Steps& steps, const TiledRows<Real>& features, const ForceSums<Output>& forces) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        const TiledRows<Real> reverse_moments = tiled(steps, steps.arrays.reverse_moments, descriptor.n_moments);
        const TiledRows<Real> reverse_factors =
            descriptor.expands ? tiled(steps, steps.arrays.reverse_expanded, descriptor.products.n_factors) : reverse_moments;
        for_each_row("dpc::reverse_products", steps.launches, steps.tiles(), factor_groups<components>(descriptor.products),
                     ReverseProducts<Real, components>{descriptor.products, factors(steps), features, reverse_factors});
        if (descriptor.expands) {
            steps.product("dpc::reverse_expand_moments", steps.launches, descriptor.reverse_basis, by_component(steps.tiles()),
                          by_component(reverse_factors), by_component(reverse_moments));
        }
        steps.template reverse_moments<components>(reverse_moments, forces);
    }

private:
    /// (n_rows, components, lanes)
    static TiledRows<Real> tiled(const Steps& steps, Real* array, int n_rows) {
        return {array, components * n_rows, steps.tiles().lanes};
    }
    /// What the products are of: C, or what it is expanded to.
    static TiledRows<Real> factors(const Steps& steps) {
        return steps.descriptor.expands ? tiled(steps, steps.arrays.expanded, steps.descriptor.products.n_factors)
                                        : tiled(steps, steps.arrays.moments, steps.descriptor.n_moments);
    }
    /// The basis does the same to every component: as if these were more lanes.
    static Tiles by_component(Tiles tiles) {
        tiles.lanes *= components;
        return tiles;
    }
    static TiledRows<Real> by_component(const TiledRows<Real>& rows) {
        return {rows.data, rows.n_rows / components, components * rows.lanes};
    }
};

}  // namespace dpc::kokkos
