// SPDX-License-Identifier: MIT
// se_e2_a (docs/theory.md sections 1 to 3): the features are products S_pq of rows of C, or of T = Vs C (direct form).
#pragma once

#include "dpc/kokkos/descriptors/se_e2_a/products.hpp"
#include "dpc/kokkos/descriptors/steps.hpp"

namespace dpc::kokkos {

template <class ExecSpace, class Real>
struct SeE2A {
    static constexpr int components = 4;
    using Steps = DescriptorSteps<ExecSpace, Real>;

    static void place(ArrayPlaces& places, const DescriptorExtent& extent, std::size_t n_lanes, std::size_t n_slots,
                      DescriptorArrays<Real>& arrays) {
        place_pairs<components>(places, extent, n_slots, arrays.pairs);
        const std::size_t n = components * n_lanes * static_cast<std::size_t>(extent.most_rows);
        places.add(n, {&arrays.rows, &arrays.reverse_rows});
        places.add(extent.has_direct ? n : 0, {&arrays.expanded, &arrays.reverse_expanded});
    }

    static void compute(const Steps& steps, const Rows<Real>& features) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        const Rows<Real> rows = rows_of(steps, steps.arrays.rows, descriptor.n_rows);
        steps.template compute_rows<components>(rows);
        if (descriptor.is_direct) {
            steps.product("dpc::expand_moments", steps.space, descriptor.basis, by_component(steps.tiles()), by_component(rows),
                          by_component(factors(steps)));
        }
        for_each_row("dpc::compute_products", steps.space, steps.tiles(), descriptor.products.n_rows,
                     ComputeProducts<Real>{descriptor.products, factors(steps), features});
    }

    template <class Output>
    static void reverse(const Steps& steps, const Rows<Real>& features, const ForceSums<Output>& forces) {
        const DeviceDescriptor<Real>& descriptor = steps.descriptor;
        const Rows<Real> reverse_rows = rows_of(steps, steps.arrays.reverse_rows, descriptor.n_rows);
        const Rows<Real> reverse_factors =
            descriptor.is_direct ? rows_of(steps, steps.arrays.reverse_expanded, descriptor.products.n_rows) : reverse_rows;
        for_each_row("dpc::reverse_products", steps.space, steps.tiles(), descriptor.products.n_rows,
                     ReverseProducts<Real>{descriptor.products, factors(steps), features, reverse_factors});
        if (descriptor.is_direct) {
            steps.product("dpc::reverse_expand_moments", steps.space, descriptor.reverse_basis, by_component(steps.tiles()),
                          by_component(reverse_factors), by_component(reverse_rows));
        }
        steps.template reverse_rows<components>(reverse_rows, forces);
    }

private:
    /// (n_rows, components, lanes)
    static Rows<Real> rows_of(const Steps& steps, Real* array, int n_rows) { return {array, components * n_rows, steps.tiles().lanes}; }
    /// What the products are of: C, or T in the direct form.
    static Rows<Real> factors(const Steps& steps) {
        return steps.descriptor.is_direct ? rows_of(steps, steps.arrays.expanded, steps.descriptor.products.n_rows)
                                          : rows_of(steps, steps.arrays.rows, steps.descriptor.n_rows);
    }
    /// The basis does the same to every component: as if these were more lanes.
    static Tiles by_component(Tiles tiles) {
        tiles.lanes *= components;
        return tiles;
    }
    static Rows<Real> by_component(const Rows<Real>& rows) { return {rows.data, rows.n_rows / components, components * rows.lanes}; }
};

}  // namespace dpc::kokkos
