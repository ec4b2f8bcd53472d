// SPDX-License-Identifier: MIT
// Activation functions and their slopes for every instruction set in both precisions: error over the range that fitting nets see,
// finite values far outside it, and the references themselves against numerical derivatives. Run with DPC_PRINT_ERRORS=1 for the
// errors found.
#include <cstdio>

#include "activation_reference.hpp"
#include "kernel_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Activation;
using dpc::kPanelRows;
using dpc::PackedLayer;
using dpc::Skip;

class Activations : public EveryInstructionSet {};

constexpr double kThreshold = 1.25;  // of silut
constexpr double kCubic = 0.05;      // of gelu

constexpr double parameter_of(Activation kind) {
    return kind == Activation::silut ? kThreshold : kind == Activation::gelu ? kCubic : 0;
}

constexpr const char* kNames[] = {"linear", "tanh", "gelu", "relu", "relu6", "softplus", "sigmoid", "silu", "silut", "gelu_erf"};
constexpr int kKinds = 10;

/// Four roundings: absolute where the value is below 1, else relative.
template <class Real>
constexpr long double kError = 4 * rounding<Real>();

/// Value and slope of all x through compute_layer: one neuron whose weight is 1 and whose bias is 0.
template <class Real>
void activate(const Kernels<Real>& kernels, Activation kind, std::vector<Real> x, std::vector<Real>& value,
              std::vector<Real>& slope) {
    const std::size_t n = x.size();
    const int lanes = static_cast<int>((n + 15) / 16 * 16);
    x.resize(static_cast<std::size_t>(lanes), Real(0));
    const Real one[kPanelRows] = {1}, zero = 0;
    const PackedLayer<Real> layer = {{1, 1, one}, {1, 1, one}, kind, parameter_of(kind), Skip::none, &zero, nullptr};
    value.resize(static_cast<std::size_t>(kPanelRows * lanes));
    slope.resize(value.size());
    kernels.net.compute_layer(layer, {lanes, lanes}, x.data(), value.data(), slope.data(), nullptr);
    value.resize(n);
    slope.resize(n);
}

struct Errors {
    long double value = 0, slope = 0;
};

template <class Real>
Errors largest_errors(const Kernels<Real>& kernels, Activation kind) {
    std::vector<Real> x, value, slope;
    for (int k = -25000; k <= 25000; ++k) {
        x.push_back(static_cast<Real>(k * 2e-3));
        x.push_back(static_cast<Real>(k * 4e-6));
    }
    for (const double at :
         {0.0, 1e-30, 1e-8, kThreshold, std::nextafter(kThreshold, 0.0), 6.0, std::nextafter(6.0, 0.0), 0.34657359, 20.0}) {
        x.push_back(static_cast<Real>(at));
        x.push_back(static_cast<Real>(-at));
    }
    activate(kernels, kind, x, value, slope);
    Errors errors;
    for (std::size_t k = 0; k < x.size(); ++k) {
        const Reference expected = reference_activation(kind, x[k], parameter_of(kind));
        const auto error = [](long double found, long double right) {
            return std::abs(found - right) / std::fmax(1.0L, std::abs(right));
        };
        errors.value = std::fmax(errors.value, error(value[k], expected.value));
        errors.slope = std::fmax(errors.slope, error(slope[k], expected.slope));
        EXPECT_FALSE(std::isnan(value[k]) || std::isnan(slope[k])) << x[k];
    }
    return errors;
}

template <class Real>
void check_errors(const Kernels<Real>& kernels) {
    for (int kind = 0; kind < kKinds; ++kind) {
        const Errors errors = largest_errors(kernels, static_cast<Activation>(kind));
        EXPECT_LE(errors.value, kError<Real>) << kNames[kind];
        EXPECT_LE(errors.slope, kError<Real>) << kNames[kind];
        if (std::getenv("DPC_PRINT_ERRORS") != nullptr) {
            std::printf("%-10s %-6s %-8s value %.1Le slope %.1Le\n", kernels.name, sizeof(Real) == 8 ? "double" : "float",
                        kNames[kind], errors.value, errors.slope);
        }
    }
}

/// Where the function is finite (softplus, relu, .. are as large as x itself) so is ours, with the same error.
template <class Real>
void check_extremes(const Kernels<Real>& kernels) {
    std::vector<Real> x, value, slope;
    for (const double at : {1e2, 7.1e2, 1e3, 1e5, 1e10, 1e30, sizeof(Real) == 8 ? 1e300 : 1e38}) {
        x.push_back(static_cast<Real>(at));
        x.push_back(static_cast<Real>(-at));
    }
    for (int kind = 0; kind < kKinds; ++kind) {
        activate(kernels, static_cast<Activation>(kind), x, value, slope);
        for (std::size_t k = 0; k < x.size(); ++k) {
            const Reference expected = reference_activation(static_cast<Activation>(kind), x[k], kThreshold);
            EXPECT_TRUE(is_near(value[k], expected.value, kError<Real> * std::fmax(1.0L, std::abs(expected.value))))
                << kNames[kind] << " at " << x[k];
            EXPECT_TRUE(is_near(slope[k], expected.slope, kError<Real>)) << kNames[kind] << "', slope at " << x[k];
        }
    }
}

template <class Real>
void check_not_a_number(const Kernels<Real>& kernels) {
    for (int kind = 0; kind < kKinds; ++kind) {
        std::vector<Real> value, slope;
        activate(kernels, static_cast<Activation>(kind), {Real(1), std::numeric_limits<Real>::quiet_NaN(), Real(-1)}, value,
                 slope);
        EXPECT_TRUE(std::isnan(value[1])) << kNames[kind];
        EXPECT_FALSE(std::isnan(value[0]) || std::isnan(value[2])) << kNames[kind];
    }
}

TEST_P(Activations, NotANumberStays) {
    in_both_precisions([](const auto& kernels) { check_not_a_number(kernels); });
}

TEST_P(Activations, ErrorsAreSmall) {
    in_both_precisions([](const auto& kernels) { check_errors(kernels); });
}

TEST_P(Activations, FarOutsideNothingOverflows) {
    in_both_precisions([](const auto& kernels) { check_extremes(kernels); });
}

/// The slopes that everything is compared with are those of the values.
TEST(ActivationReference, SlopesAreNumericalDerivatives) {
    constexpr long double h = 1e-4L;
    for (int kind = 0; kind < kKinds; ++kind) {
        for (const long double x : {-30.03L, -5.01L, -1.02L, -0.3L, 0.2L, 1.1L, 1.4L, 5.03L, 7.0L, 30.1L}) {
            const auto value = [&](long double at) {
                return reference_activation(static_cast<Activation>(kind), at, kThreshold).value;
            };
            const long double slope = (8 * (value(x + h) - value(x - h)) - value(x + 2 * h) + value(x - 2 * h)) / (12 * h);
            EXPECT_TRUE(is_near(reference_activation(static_cast<Activation>(kind), x, kThreshold).slope, slope, 1e-13L))
                << kNames[kind] << " at " << static_cast<double>(x);
        }
    }
}

DPC_TEST_EVERY_INSTRUCTION_SET(Activations);

}  // namespace
