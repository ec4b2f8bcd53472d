// SPDX-License-Identifier: MIT
// A product that a vendor's library does stands in a region of the step's name: Kokkos' tools see nothing else of it. With a library made
// here, for an execution space that there is not.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dpc/kokkos/matrix_product.hpp"

namespace {

struct FakeSpace {};
std::vector<std::string> events;

}  // namespace

template <>
struct dpc::kokkos::VendorBlas<FakeSpace> {
    static constexpr bool is_there = true;
    static constexpr const char* name = "fake";
    explicit VendorBlas(const FakeSpace&) {}
    void multiply(int lanes, int n_out, int n_in, const double* x, const double* matrix, double* y) {
        events.emplace_back("product");
        for (int row = 0; row < n_out; ++row) {
            for (int lane = 0; lane < lanes; ++lane) {
                y[row * lanes + lane] = 0;
                for (int k = 0; k < n_in; ++k) {
                    y[row * lanes + lane] += matrix[row * n_in + k] * x[k * lanes + lane];
                }
            }
        }
    }
};

namespace {

TEST(VendorProducts, StandInARegionOfTheStep) {
    namespace hooks = Kokkos::Tools::Experimental;
    const hooks::EventSet before = hooks::get_callbacks();
    hooks::set_push_region_callback([](const char* label) { events.emplace_back(label); });
    hooks::set_pop_region_callback([] { events.emplace_back("end"); });
    const std::vector<double> x = {1, 2, 3, 4}, matrix = {1, 10, 100, 1000};
    std::vector<double> y(4);
    dpc::kokkos::Tiles tiles;
    tiles.lanes = 2;
    const FakeSpace space;
    dpc::kokkos::Launches<FakeSpace> launches(space);
    dpc::kokkos::MatrixProduct<FakeSpace, double> product(space);
    product("dpc::some_layer", launches, {2, 2, nullptr, matrix.data()}, tiles, {const_cast<double*>(x.data()), 2, 2},
            {y.data(), 2, 2});
    hooks::set_callbacks(before);
    EXPECT_EQ(y, (std::vector<double>{31, 42, 3100, 4200}));
    EXPECT_EQ(events, (std::vector<std::string>{"dpc::some_layer", "product", "end"}));
}

}  // namespace
