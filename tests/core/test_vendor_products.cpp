// SPDX-License-Identifier: MIT
// What is left to a vendor's library, with one made here: its products stand in a region of the step's name, since Kokkos' tools see
// nothing else of them; products of nothing are not for it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dpc/kokkos/matrix_product.hpp"
#include "kokkos_test.hpp"

namespace {

using Space = Kokkos::DefaultHostExecutionSpace;
std::vector<std::string> events;

struct FakeBlas {
    static constexpr bool is_there = true;
    explicit FakeBlas(const Space&) {}
    void multiply(int lanes, int n_out, int n_in, const double* x, const double* matrix, double* y) {
        ASSERT_TRUE(lanes > 0 && n_out > 0 && n_in > 0) << "a leading dimension of 0";
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

class VendorProducts : public testing::Test {
    // Starts Kokkos.
    dpc::Evaluator evaluator_{dpc::test::load(dpc::test::small_model()), dpc::test::all_ways().front().options()};

protected:
    VendorProducts() { events.clear(); }

    const Space space_;
    dpc::kokkos::Launches<Space> launches_{space_};
    dpc::kokkos::MatrixProduct<Space, double, FakeBlas> product_{space_};
    dpc::kokkos::Tiles tiles_;
};

TEST_F(VendorProducts, StandInARegionOfTheStep) {
    namespace hooks = Kokkos::Tools::Experimental;
    const hooks::EventSet before = hooks::get_callbacks();
    hooks::set_push_region_callback([](const char* label) { events.emplace_back(label); });
    hooks::set_pop_region_callback([] { events.emplace_back("end"); });
    const std::vector<double> x = {1, 2, 3, 4}, matrix = {1, 10, 100, 1000};
    std::vector<double> y(4);
    tiles_.lanes = 2;
    product_("dpc::some_layer", launches_, {2, 2, nullptr, matrix.data()}, tiles_, {const_cast<double*>(x.data()), 2, 2},
             {y.data(), 2, 2});
    hooks::set_callbacks(before);
    EXPECT_EQ(y, (std::vector<double>{31, 42, 3100, 4200}));
    EXPECT_EQ(events, (std::vector<std::string>{"dpc::some_layer", "product", "end"}));
}

TEST_F(VendorProducts, AreOfSomething) {
    constexpr int lanes = 64, n_out = 3;
    std::vector<double> x(lanes), y(n_out * lanes, 7.0);
    tiles_.lanes = lanes;
    tiles_.n_tiles = 1;
    product_("dpc::nothing_comes_in", launches_, {n_out, 0, nullptr, nullptr}, tiles_, {x.data(), 0, lanes},
             {y.data(), n_out, lanes});
    product_("dpc::nothing_goes_out", launches_, {0, n_out, nullptr, nullptr}, tiles_, {y.data(), n_out, lanes},
             {x.data(), 0, lanes});
    space_.fence();
    EXPECT_EQ(y, std::vector<double>(y.size()));
    EXPECT_EQ(events, std::vector<std::string>{});
}

}  // namespace
