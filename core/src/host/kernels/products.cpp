// SPDX-License-Identifier: MIT
// See products.hpp. Every step is one of a pack of atoms.
#include "host/kernels/products.hpp"

#include "dpc/simd.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using simd::DPC_ISA::Pack;

/// One pack of atoms of (n, lanes) arrays, side by side in the first-level cache: rows whose distance is a power of two would
/// share a few sets of it.
template <class Real>
DPC_FUNCTION void gather_pack(int n, int lanes, const Real* rows, Real* packed) {
    for (int row = 0; row < n; ++row) {
        Pack<Real>::load(rows + static_cast<std::ptrdiff_t>(row) * lanes).store(packed + row * Pack<Real>::width);
    }
}

/// A pack of atoms through the whole list, so that its factors stay in the first-level cache. Factor p is held in registers over
/// all its products; with 4 components each is four loads, four multiply-adds and a store, and none waits for another.
template <class Real, int COMPONENTS>
void compute_products(const ProductList& list, int lanes, const Real* factors, Real* scratch, Real* products) {
    using P = Pack<Real>;
    constexpr int width = P::width;
    for (int lane = 0; lane < lanes; lane += width) {
        gather_pack(COMPONENTS * list.n_factors, lanes, factors + lane, scratch);
        Real* out = products + lane;
        for (int row = 0; row < list.n_rows; ++row) {
            const int p = list.factor[row];
            P factor[COMPONENTS];
            for (int c = 0; c < COMPONENTS; ++c) {
                factor[c] = P::load(scratch + (COMPONENTS * p + c) * width);
            }
            const Real* other = scratch + COMPONENTS * list.begin[row] * width;
            for (int q = list.begin[row]; q < list.end[row]; ++q) {
                P product = factor[0] * P::load(other) + factor[1] * P::load(other + width);
                for (int c = 2; c < COMPONENTS; ++c) {
                    product = product + factor[c] * P::load(other + c * width);
                }
                product.store(out);
                out += lanes;
                other += COMPONENTS * width;
            }
        }
    }
}

/// The list once, in its order, so that every dE/dS is read once: it goes to both factors of its product. That of p is summed in
/// registers, that of q in the scratch memory.
template <class Real, int COMPONENTS>
void reverse_products(const ProductList& list, int lanes, const Real* factors, const Real* reverse, Real* scratch,
                      Real* reverse_factors) {
    using P = Pack<Real>;
    constexpr int width = P::width;
    Real* const reverse_scratch = scratch + COMPONENTS * list.n_factors * width;
    for (int lane = 0; lane < lanes; lane += width) {
        gather_pack(COMPONENTS * list.n_factors, lanes, factors + lane, scratch);
        for (int row = 0; row < COMPONENTS * list.n_factors; ++row) {
            P(0.0).store(reverse_scratch + row * width);
        }
        const Real* gradient = reverse + lane;
        for (int row = 0; row < list.n_rows; ++row) {
            const int p = list.factor[row];
            P factor[COMPONENTS], sum[COMPONENTS];
            for (int c = 0; c < COMPONENTS; ++c) {
                factor[c] = P::load(scratch + (COMPONENTS * p + c) * width);
                sum[c] = P(0.0);
            }
            for (int q = list.begin[row]; q < list.end[row]; ++q) {
                const P g = P::load(gradient);
                for (int c = 0; c < COMPONENTS; ++c) {
                    const int at_q = (COMPONENTS * q + c) * width;
                    sum[c] += g * P::load(scratch + at_q);
                    (P::load(reverse_scratch + at_q) + g * factor[c]).store(reverse_scratch + at_q);
                }
                gradient += lanes;
            }
            for (int c = 0; c < COMPONENTS; ++c) {
                const int at_p = (COMPONENTS * p + c) * width;
                (P::load(reverse_scratch + at_p) + sum[c]).store(reverse_scratch + at_p);
            }
        }
        for (int row = 0; row < COMPONENTS * list.n_factors; ++row) {
            P::load(reverse_scratch + row * width).store(reverse_factors + static_cast<std::ptrdiff_t>(row) * lanes + lane);
        }
    }
}

template <class Real>
constexpr ProductKernels<Real> functions() {
    ProductKernels<Real> table{};
    table.compute = {compute_products<Real, 4>, nullptr, nullptr, compute_products<Real, 9>, compute_products<Real, 16>,
                     compute_products<Real, 25>};
    table.reverse = {reverse_products<Real, 4>, nullptr, nullptr, reverse_products<Real, 9>, reverse_products<Real, 16>,
                     reverse_products<Real, 25>};
    return table;
}

}  // namespace

extern const InBoth<ProductKernels> product_kernels;
const InBoth<ProductKernels> product_kernels = {functions<double>(), functions<float>()};

}  // namespace dpc::host::DPC_ISA
