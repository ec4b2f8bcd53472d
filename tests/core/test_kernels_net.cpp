// SPDX-License-Identifier: MIT
// The kernels with the atom as the fastest index, for every instruction set in both precisions: products of factors, matrix products,
// layers of the fitting net, each with its gradient, against plain sums in long double.
#include <algorithm>
#include <array>
#include <cmath>

#include "activation_reference.hpp"
#include "kernel_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Activation;
using dpc::kPanelRows;
using dpc::PackedLayer;
using dpc::PackedMatrix;
using dpc::ProductList;
using dpc::Skip;

class NetKernels : public EveryInstructionSet {};

template <class Real>
constexpr int lane_multiple(const Kernels<Real>&) {
    return dpc::kLaneMultiple<Real>;
}

std::size_t size_of(int rows, int lanes) { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(lanes); }
int panel_rows(int n) { return (n + kPanelRows - 1) / kPanelRows * kPanelRows; }

/// Which factors are multiplied with which.
struct Staircase {
    const char* name;
    int n_factors;  // of the array: those with products and those that only take part
    std::vector<int> factor, begin, end;
    ProductList list() const { return {n_factors, static_cast<int>(factor.size()), factor.data(), begin.data(), end.data()}; }
};

const Staircase kStaircases[] = {
    {"one", 1, {0}, {0}, {1}},
    {"full triangle", 5, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}, {5, 5, 5, 5, 5}},
    {"pruned, last ones without products of their own", 6, {0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}, {6, 4, 3, 3, 4, 5}},
    {"direct", 7, {0, 1, 2, 3, 4, 5, 6}, {0, 0, 0, 0, 0, 0, 0}, {3, 3, 3, 3, 3, 3, 3}},
    {"in two parts", 5, {0, 1, 2, 3, 4, 0, 2}, {0, 1, 2, 3, 4, 2, 3}, {2, 3, 3, 4, 4, 5, 5}},
};

template <int COMPONENTS, class Real>
void check_products(const Kernels<Real>& kernels, const Staircase& stairs, int lanes) {
    SCOPED_TRACE(testing::Message() << stairs.name << ", " << lanes << " lanes, " << COMPONENTS << " components");
    std::vector<Real> factors(size_of(COMPONENTS * stairs.n_factors, lanes));
    Numbers(7).fill(factors, -1, 1);
    const ProductList list = stairs.list();
    int n_products = 0;
    for (int row = 0; row < list.n_rows; ++row) {
        n_products += list.end[row] - list.begin[row];
    }
    std::vector<Real> reverse(size_of(n_products, lanes));
    Numbers(8).fill(reverse, -1, 1);
    Guarded<Real> products(reverse.size()), reverse_factors(factors.size());
    Guarded<Real> scratch(size_of(2 * COMPONENTS * list.n_factors, dpc::kLaneMultiple<Real>));
    kernels.products.compute[COMPONENTS](list, lanes, factors.data(), scratch.data(), products.data());
    kernels.products.reverse[COMPONENTS](list, lanes, factors.data(), reverse.data(), scratch.data(), reverse_factors.data());
    EXPECT_TRUE(scratch.intact());

    std::vector<long double> expected(factors.size(), 0.0L);
    const auto at = [&](int row, int component, int lane) {
        return size_of(COMPONENTS * row + component, lanes) + static_cast<std::size_t>(lane);
    };
    const long double tolerance = rounding<Real>() * COMPONENTS * static_cast<long double>(stairs.n_factors + 4);
    for (int lane = 0; lane < lanes; ++lane) {
        std::size_t product = static_cast<std::size_t>(lane);
        for (int row = 0; row < list.n_rows; ++row) {
            const int p = list.factor[row];
            for (int q = list.begin[row]; q < list.end[row]; ++q, product += static_cast<std::size_t>(lanes)) {
                long double sum = 0;
                for (int c = 0; c < COMPONENTS; ++c) {
                    const long double a = factors[at(p, c, lane)], b = factors[at(q, c, lane)];
                    sum += a * b;
                    expected[at(p, c, lane)] += reverse[product] * b;
                    expected[at(q, c, lane)] += reverse[product] * a;
                }
                ASSERT_TRUE(is_near(products[product], sum, tolerance)) << p << " " << q << " lane " << lane;
            }
        }
    }
    for (std::size_t k = 0; k < expected.size(); ++k) {
        ASSERT_TRUE(is_near(reverse_factors[k], expected[k], 2 * tolerance)) << k;
    }
    EXPECT_TRUE(products.intact() && reverse_factors.intact());
}

TEST_P(NetKernels, ProductsAndTheirGradient) {
    in_both_precisions([](const auto& kernels) {
        for (const Staircase& stairs : kStaircases) {
            for (int lanes = lane_multiple(kernels); lanes <= 128; lanes += lane_multiple(kernels)) {
                check_products<4>(kernels, stairs, lanes);
            }
            const int lanes = 2 * lane_multiple(kernels);
            check_products<9>(kernels, stairs, lanes);
            check_products<16>(kernels, stairs, lanes);
            check_products<25>(kernels, stairs, lanes);
        }
    });
}

/// A matrix as written and as the kernels read it.
template <class Real>
struct Matrix {
    Matrix(int rows, int columns, std::vector<Real> row_major)
        : n_out(rows),
          n_in(columns),
          elements(std::move(row_major)),
          panels(in_panels(kPanelRows, kPanelRows)),
          wide_panels(in_panels(dpc::kWideRows<Real>, dpc::kLaneMultiple<Real>)) {}
    Real element(int row, int column) const { return elements[size_of(row, n_in) + static_cast<std::size_t>(column)]; }
    Matrix transposed() const {
        std::vector<Real> other;
        for (int column = 0; column < n_in; ++column) {
            for (int row = 0; row < n_out; ++row) {
                other.push_back(element(row, column));
            }
        }
        return Matrix(n_in, n_out, std::move(other));
    }
    PackedMatrix<Real> packed() { return {n_out, n_in, panels.data(), wide_panels.data()}; }
    /// Element (row, lane) of this times x, and the sum of the magnitudes.
    long double times(const Real* x, int lanes, int row, int lane, long double& magnitude) const {
        long double sum = magnitude = 0;
        for (int column = 0; column < n_in; ++column) {
            const long double term =
                static_cast<long double>(element(row, column)) * x[size_of(column, lanes) + static_cast<std::size_t>(lane)];
            sum += term;
            magnitude += std::abs(term);
        }
        return sum;
    }

    int n_out, n_in;
    std::vector<Real> elements;
    Guarded<Real> panels, wide_panels;

private:
    /// Panels of so many rows, with as many rows of zeros as make the number of all a multiple.
    Guarded<Real> in_panels(int rows_of_panel, int multiple) const {
        const int n_rows = (n_out + multiple - 1) / multiple * multiple;
        std::vector<Real> found;
        for (int first = 0; first < n_rows; first += rows_of_panel) {
            for (int column = 0; column < n_in; ++column) {
                for (int row = first; row < std::min(first + rows_of_panel, n_rows); ++row) {
                    found.push_back(row < n_out ? element(row, column) : Real(0));
                }
            }
        }
        return Guarded<Real>(found);
    }
};

template <class Real>
Matrix<Real> random_matrix(int n_out, int n_in) {
    std::vector<Real> elements(size_of(n_out, n_in));
    Numbers(static_cast<std::uint64_t>(n_out * 1000 + n_in)).fill(elements, -1, 1);
    return Matrix<Real>(n_out, n_in, std::move(elements));
}

template <class Real>
void check_multiply(const Kernels<Real>& kernels, int n_out, int n_in, int lanes) {
    SCOPED_TRACE(testing::Message() << n_out << " x " << n_in << ", " << lanes << " lanes");
    Matrix<Real> matrix = random_matrix<Real>(n_out, n_in);
    std::vector<Real> x(size_of(n_in, lanes));
    Numbers(9).fill(x, -1, 1);
    Guarded<Real> y(size_of(panel_rows(n_out), lanes));
    kernels.net.multiply(matrix.packed(), lanes, x.data(), y.data());
    for (int row = 0; row < panel_rows(n_out); ++row) {
        for (int lane = 0; lane < lanes; ++lane) {
            long double magnitude = 0;
            const long double expected = row < n_out ? matrix.times(x.data(), lanes, row, lane, magnitude) : 0;
            ASSERT_TRUE(
                is_near(y[size_of(row, lanes) + static_cast<std::size_t>(lane)], expected, rounding<Real>() * n_in * magnitude))
                << "row " << row << " lane " << lane;
        }
    }
    EXPECT_TRUE(y.intact());
}

TEST_P(NetKernels, MultiplyIsAMatrixProduct) {
    in_both_precisions([](const auto& kernels) {
        for (int n_out : {1, 5, 6, 7, 13}) {
            for (int n_in : {1, 2, 7, 41}) {
                check_multiply(kernels, n_out, n_in, 48);
            }
        }
        for (int lanes = lane_multiple(kernels); lanes <= 144; lanes += lane_multiple(kernels)) {
            check_multiply(kernels, 11, 17, lanes);
        }
        check_multiply(kernels, 24, 39, 4 * 64);
        check_multiply(kernels, 240, 241, 16);
    });
}

constexpr Activation kActivations[] = {Activation::linear, Activation::tanh,     Activation::gelu,    Activation::relu,
                                       Activation::relu6,  Activation::softplus, Activation::sigmoid, Activation::silu,
                                       Activation::silut,  Activation::gelu_erf};
/// silut's threshold is among the arguments that occur here.
constexpr double parameter_of(Activation kind) { return kind == Activation::silut ? 1.25 : 0; }

/// The activations themselves have a test of their own with tighter bounds; one step of relu's argument may change sides.
template <class Real>
long double layer_tolerance(int n) {
    return rounding<Real>() * 8 * n;
}

template <class Real>
struct LayerCase {
    LayerCase(Activation kind, Skip skip, bool with_idt, int lanes)
        : LayerCase(kind, skip, with_idt, lanes, skip == Skip::doubled ? 14 : 7, 7) {}
    LayerCase(Activation kind, Skip skip, bool with_idt, int lanes, int n_out, int n_in)
        : weight(random_matrix<Real>(n_out, n_in)), reverse_weight(weight.transposed()) {
        Numbers numbers(10);
        bias.resize(static_cast<std::size_t>(weight.n_out));
        idt.resize(bias.size());
        x.resize(size_of(weight.n_in, lanes));
        reverse_y.resize(size_of(weight.n_out, lanes));
        numbers.fill(bias, -1, 1);
        numbers.fill(idt, 0.05, 0.15);
        numbers.fill(x, -2, 2);
        numbers.fill(reverse_y, -1, 1);
        layer.weight = weight.packed();
        layer.reverse_weight = reverse_weight.packed();
        layer.activation = kind;
        layer.parameter = parameter_of(kind);
        layer.skip = skip;
        layer.bias = bias.data();
        layer.idt = with_idt ? idt.data() : nullptr;
    }
    Matrix<Real> weight, reverse_weight;
    std::vector<Real> bias, idt, x, reverse_y;
    PackedLayer<Real> layer{};
};

template <class Real>
void check_layer(const Kernels<Real>& kernels, LayerCase<Real>& c, dpc::host::Lanes of_array) {
    const int lanes = of_array.n, used = of_array.used;
    const int n_out = c.weight.n_out, n_in = c.weight.n_in;
    Guarded<Real> y(size_of(panel_rows(n_out), lanes)), slope(y.size()), reverse_x(size_of(panel_rows(n_in), lanes));
    kernels.net.compute_layer(c.layer, of_array, c.x.data(), y.data(), slope.data(), nullptr);
    std::vector<long double> reverse_input(c.x.size(), 0.0L);
    for (int out = 0; out < n_out; ++out) {
        for (int lane = 0; lane < used; ++lane) {
            const std::size_t at = size_of(out, lanes) + static_cast<std::size_t>(lane);
            long double magnitude;
            const long double z = c.weight.times(c.x.data(), lanes, out, lane, magnitude) + c.bias[static_cast<std::size_t>(out)];
            const long double idt = c.layer.idt != nullptr ? c.idt[static_cast<std::size_t>(out)] : 1.0L;
            const Reference f = reference_activation(c.layer.activation, z, c.layer.parameter);
            long double expected = f.value * idt;
            const std::size_t skipped = size_of(out % n_in, lanes) + static_cast<std::size_t>(lane);
            if (c.layer.skip != Skip::none) {
                expected += c.x[skipped];
                reverse_input[skipped] += c.reverse_y[at];
            }
            ASSERT_TRUE(is_near(y[at], expected, layer_tolerance<Real>(n_in) * (1 + magnitude))) << out << " lane " << lane;
            ASSERT_TRUE(is_near(slope[at], f.slope * idt, layer_tolerance<Real>(n_in) * (1 + magnitude)))
                << out << " lane " << lane;
            for (int in = 0; in < n_in; ++in) {
                reverse_input[size_of(in, lanes) + static_cast<std::size_t>(lane)] +=
                    c.weight.element(out, in) * f.slope * idt * c.reverse_y[at];
            }
        }
    }
    kernels.net.reverse_layer(c.layer, of_array, c.reverse_y.data(), slope.data(), reverse_x.data(), nullptr);
    for (std::size_t k = 0; k < reverse_input.size(); ++k) {
        if (static_cast<int>(k) % lanes < used) {
            ASSERT_TRUE(is_near(reverse_x[k], reverse_input[k], 10 * layer_tolerance<Real>(n_out))) << k;
        } else {
            ASSERT_TRUE(std::isfinite(reverse_x[k])) << k;
        }
    }
    EXPECT_TRUE(y.intact() && slope.intact() && reverse_x.intact());
}

TEST_P(NetKernels, LayersAndTheirGradient) {
    in_both_precisions([](const auto& kernels) {
        for (const Activation kind : kActivations) {
            for (const Skip skip : {Skip::none, Skip::identity, Skip::doubled}) {
                for (const bool with_idt : {false, true}) {
                    for (const int lanes : {lane_multiple(kernels), 80}) {
                        SCOPED_TRACE(testing::Message()
                                     << "activation " << static_cast<int>(kind) << ", skip " << static_cast<int>(skip)
                                     << (with_idt ? ", idt, " : ", ") << lanes << " lanes");
                        LayerCase<RealOf<decltype(kernels)>> c(kind, skip, with_idt, lanes);
                        check_layer(kernels, c, {lanes, lanes});
                    }
                }
            }
        }
    });
}

/// Lanes behind the last atom, for every number of atoms in the last pack: a few are taken by themselves, if there are wide panels.
TEST_P(NetKernels, LanesWithoutAtoms) {
    in_both_precisions([](const auto& kernels) {
        const int multiple = lane_multiple(kernels);
        using Case = LayerCase<RealOf<decltype(kernels)>>;
        Case with_wide(Activation::tanh, Skip::doubled, true, 80), without(Activation::tanh, Skip::doubled, true, 80);
        without.layer.weight.wide_panels = without.layer.reverse_weight.wide_panels = nullptr;
        for (int full = 0; full <= 64; full += multiple) {
            for (int rest = 1; rest < multiple; ++rest) {
                SCOPED_TRACE(testing::Message() << full + rest << " atoms");
                check_layer(kernels, with_wide, {80, full + rest});
                check_layer(kernels, without, {80, full + rest});
            }
        }
    });
}

/// Matrices of all numbers of packs of rows and whole wide panels, and of few and many inputs.
TEST_P(NetKernels, FewAtoms) {
    in_both_precisions([](const auto& kernels) {
        for (const auto& [n_out, n_in] : {std::array{1, 1}, {5, 2}, {13, 3}, {24, 5}, {25, 61}, {47, 4}, {73, 7}, {150, 33}}) {
            for (int lanes = lane_multiple(kernels); lanes <= 32; lanes += lane_multiple(kernels)) {
                LayerCase<RealOf<decltype(kernels)>> c(Activation::tanh, Skip::none, true, lanes, n_out, n_in);
                for (int atoms = 1; atoms <= lanes; ++atoms) {
                    SCOPED_TRACE(testing::Message() << n_out << " x " << n_in << ", " << atoms << " atoms of " << lanes);
                    check_layer(kernels, c, {lanes, atoms});
                }
            }
        }
    });
}

/// n numbers of few bits: their products and the sums of these are exact in single precision.
template <class Real>
std::vector<Real> few_bits(std::size_t n, std::uint64_t seed) {
    std::vector<Real> numbers(n);
    Numbers(seed).fill(numbers, -16, 16);
    std::transform(numbers.begin(), numbers.end(), numbers.begin(), [](Real value) { return std::floor(value) / 8; });
    return numbers;
}

/// The part of a matrix from a column on, `n` wide.
template <class Real>
Matrix<Real> columns_of(const Matrix<double>& all, int first, int n) {
    std::vector<Real> elements;
    for (int row = 0; row < all.n_out; ++row) {
        for (int column = first; column < first + n; ++column) {
            elements.push_back(static_cast<Real>(all.element(row, column)));
        }
    }
    return Matrix<Real>(all.n_out, n, std::move(elements));
}

/// A layer whose last inputs are in single precision against one without, numbers having few bits; of 1/3 more it differs.
TEST_P(NetKernels, InputsInSinglePrecision) {
    const Kernels<double>& kernels = in_double();
    for (const auto& shape : {std::array{7, 4, 3}, {24, 1, 30}, {13, 12, 6}, {240, 70, 100}}) {
        // Not structured bindings, which clang's lambdas do not capture.
        const int n_out = shape[0], n_exact = shape[1], n_single = shape[2];
        for (const dpc::host::Lanes lanes : {dpc::host::Lanes{8, 1}, {8, 8}, {16, 9}, {24, 17}, {24, 20}, {24, 24}, {80, 80}}) {
            SCOPED_TRACE(testing::Message() << n_out << " x " << n_exact << " + " << n_single << ", " << lanes.used << " atoms");
            Matrix<double> all(n_out, n_exact + n_single, few_bits<double>(size_of(n_out, n_exact + n_single), 3));
            Matrix<double> exact = columns_of<double>(all, 0, n_exact), reverse_exact = exact.transposed(),
                           reverse_all = all.transposed();
            Matrix<float> single = columns_of<float>(all, n_exact, n_single), reverse_single = single.transposed();
            std::vector<double> x = few_bits<double>(size_of(all.n_in, lanes.n), 4);
            const std::vector<double> bias = few_bits<double>(static_cast<std::size_t>(n_out), 5),
                                      reverse_y = few_bits<double>(size_of(n_out, lanes.n), 6);
            PackedLayer<double> plain, split;
            plain.bias = split.bias = bias.data();
            plain.weight = all.packed();
            plain.reverse_weight = reverse_all.packed();
            split.weight = exact.packed();
            split.reverse_weight = reverse_exact.packed();
            split.single = single.packed();
            split.reverse_single = reverse_single.packed();
            const auto run = [&](const PackedLayer<double>& layer, Guarded<double>& y, Guarded<double>& reverse_x) {
                Guarded<double> slope(y.size());
                Guarded<float> scratch(size_of(panel_rows(n_single) + panel_rows(n_out), lanes.n));
                kernels.net.compute_layer(layer, lanes, x.data(), y.data(), slope.data(), scratch.data());
                kernels.net.reverse_layer(layer, lanes, reverse_y.data(), slope.data(), reverse_x.data(), scratch.data());
                EXPECT_TRUE(y.intact() && slope.intact() && reverse_x.intact() && scratch.intact());
            };
            Guarded<double> y(size_of(panel_rows(n_out), lanes.n)), expected_y(y.size());
            Guarded<double> reverse_x(size_of(panel_rows(all.n_in), lanes.n)), expected_reverse(reverse_x.size());
            run(plain, expected_y, expected_reverse);
            run(split, y, reverse_x);
            const auto expect_equal = [&](Guarded<double>& found, Guarded<double>& expected, int n_rows) {
                for (std::size_t k = 0; k < size_of(n_rows, lanes.n); ++k) {
                    if (static_cast<int>(k) % lanes.n < lanes.used) {
                        ASSERT_EQ(found[k], expected[k]) << k;
                    }
                }
            };
            expect_equal(y, expected_y, n_out);
            expect_equal(reverse_x, expected_reverse, all.n_in);
            std::transform(x.begin(), x.end(), x.begin(), [](double value) { return value + 1.0 / 3; });
            run(plain, expected_y, expected_reverse);
            run(split, y, reverse_x);
            EXPECT_NE(y[0], expected_y[0]);
            EXPECT_NEAR(y[0], expected_y[0], 1e-6 * n_single);
        }
    }
}

DPC_TEST_EVERY_INSTRUCTION_SET(NetKernels);

}  // namespace
