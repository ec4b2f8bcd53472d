// SPDX-License-Identifier: MIT
// Fitting nets on matrix units of half precision, which an emulator does with the layout of registers that dpc/kokkos/warp.hpp describes:
// halves, one product, whole nets against double precision, steps against the host evaluator, and that a wrong layout is seen.
#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdlib>
#include <random>

#include "close_models.hpp"
#include "dpc/kokkos/fused_net.hpp"
#include "emulated_setting.hpp"
#include "environment_word.hpp"
#include "kokkos_test.hpp"

namespace {

using namespace dpc::test;
using namespace dpc::kokkos;
using dpc::PackedMatrix;
using UnitWarp = Warp<Kokkos::Serial>;

float random_number(std::mt19937& engine) { return std::uniform_real_distribution<float>(-1, 1)(engine); }

TEST(Halves, EveryHalfAndWhatLiesBetween) {
    for (std::uint32_t half = 0; half < 0x7c00U; ++half) {  // up to the largest
        const float value = value_of_half(half), next = value_of_half(half + 1);
        const float exact = half < 0x400U
                                ? std::ldexp(static_cast<float>(half), -24)
                                : std::ldexp(1 + static_cast<float>(half & 0x3ffU) / 1024, static_cast<int>(half >> 10) - 15);
        ASSERT_EQ(value, exact);
        ASSERT_EQ(half_bits(value), half);
        ASSERT_EQ(half_bits(-value), half | 0x8000U);
        if (half + 1 < 0x7c00U) {
            const float middle = value + (next - value) / 2;
            ASSERT_EQ(half_bits(std::nextafter(middle, 0.0F)), half);
            ASSERT_EQ(half_bits(std::nextafter(middle, next)), half + 1);
            ASSERT_EQ(half_bits(middle), half + half % 2);
        }
    }
    EXPECT_EQ(half_bits(65519.996F), 0x7bffU);
    EXPECT_EQ(half_bits(65520.0F), 0x7c00U);
    EXPECT_TRUE(std::isinf(value_of_half(half_bits(1e30F))));
    EXPECT_TRUE(std::isnan(value_of_half(half_bits(std::nanf("")))));
}

TEST(Halves, TwoOfThemAreANumber) {
    std::mt19937 engine(5);
    for (int k = 0; k < 10000; ++k) {
        const float a = std::ldexp(random_number(engine), 12 - k % 40), b = random_number(engine);
        const TwoNumbers both = split(a, b).values();
        EXPECT_LE(std::abs(both.first - a), std::max(std::ldexp(std::abs(a), -22), std::ldexp(1.0F, -25)));
        EXPECT_LE(std::abs(both.second - b), std::ldexp(1.0F, -22));
    }
}

TEST(Halves, PowersOfTwo) {
    for (const float largest : {1.0F, 1.999F, 3e-14F, 7e20F, 1e-30F}) {
        const float scaled = largest * scale_of(largest);
        EXPECT_GE(scaled, largest < 1e-27F ? 0.0F : 2048.0F);
        EXPECT_LT(scaled, 4096.0F);
        EXPECT_EQ(scale_of(largest) * inverse_of_power(scale_of(largest)), 1.0F);
    }
    EXPECT_EQ(scale_of(0.0F), std::ldexp(1.0F, 60));
    EXPECT_TRUE(std::isfinite(scale_of(INFINITY)));
}

TEST(MatrixUnit, ItsLayout) {
    const Emulated emulated({32, false});
    float a[16][16], b[16][8], c[16][8];
    std::mt19937 engine(3);
    std::uniform_int_distribution<int> whole(-9, 9);
    const auto fill = [&](auto& matrix) {
        for (auto& row : matrix) {
            for (float& element : row) {
                element = static_cast<float>(whole(engine));
            }
        }
    };
    fill(a);
    fill(b);
    fill(c);
    EmulatedWarp::run([&] {
        const int g = EmulatedWarp::thread() / 4, q = EmulatedWarp::thread() % 4;
        const auto of_a = [&](int row, int column) { return pack_halves(a[row][column], a[row][column + 1]); };
        const auto of_b = [&](int row) { return pack_halves(b[row][g], b[row + 1][g]); };
        const std::uint32_t mine_a[4] = {of_a(g, 2 * q), of_a(g + 8, 2 * q), of_a(g, 2 * q + 8), of_a(g + 8, 2 * q + 8)};
        const std::uint32_t mine_b[2] = {of_b(2 * q), of_b(2 * q + 8)};
        float sums[4] = {c[g][2 * q], c[g][2 * q + 1], c[g + 8][2 * q], c[g + 8][2 * q + 1]};
        EmulatedWarp::multiply_add(sums, mine_a, mine_b);
        for (int i = 0; i < 4; ++i) {
            const int row = g + i / 2 * 8, column = 2 * q + i % 2;
            float expected = c[row][column];
            for (int k = 0; k < 16; ++k) {
                expected += a[row][k] * b[k][column];
            }
            EXPECT_EQ(sums[i], expected);
        }
    });
}

/// As PackedModel lays matrices out.
struct Matrix {
    int n_out, n_in;
    std::vector<float> panels;

    Matrix(int rows, int columns)
        : n_out(rows), n_in(columns), panels(static_cast<std::size_t>(dpc::panel_rows(rows) * columns)) {}
    float& at(int row, int column) {
        return panels[static_cast<std::size_t>(row / dpc::kPanelRows * dpc::kPanelRows * n_in + column * dpc::kPanelRows +
                                               row % dpc::kPanelRows)];
    }
    PackedMatrix<float> packed() const { return {n_out, n_in, panels.data()}; }
};

/// A net with skips wherever widths are equal, and its numbers in double precision.
struct Net {
    std::vector<int> widths;  // of the input and the hidden layers
    std::vector<Matrix> weights, reverse_weights;
    std::vector<std::vector<float>> biases, idts;
    std::vector<float> energy_weight;
    std::vector<HostSplitMatrix> split;
    SplitNet split_net;

    /// dead: a neuron of every hidden layer that the next one does not take, but for its skip.
    explicit Net(const std::vector<int>& sizes, int dead = -1) : widths(sizes) {
        std::mt19937 engine(7);
        for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
            const int n_in = sizes[l], n_out = sizes[l + 1];
            weights.emplace_back(n_out, n_in);
            reverse_weights.emplace_back(n_in, n_out);
            for (int row = 0; row < n_out; ++row) {
                for (int k = 0; k < n_in; ++k) {
                    const float of_input = l == 0 ? std::ldexp(1.0F, 3 * (k % 9) - 12) : 1.0F;  // inputs of all sizes
                    const bool is_dead = l > 0 && k == dead;
                    weights.back().at(row, k) =
                        is_dead ? 0 : 2 * random_number(engine) * of_input / std::sqrt(static_cast<float>(n_in));
                    reverse_weights.back().at(k, row) = weights.back().at(row, k);
                }
            }
            biases.emplace_back();
            idts.emplace_back();
            for (int row = 0; row < n_out; ++row) {
                biases.back().push_back(random_number(engine));
                idts.back().push_back(0.5F + 0.1F * random_number(engine));
            }
        }
        for (int k = 0; k < sizes.back(); ++k) {
            energy_weight.push_back(random_number(engine));
        }
        split.reserve(2 * n_layers());
        split_net.n_layers = static_cast<int>(n_layers());
        for (std::size_t l = 0; l < n_layers(); ++l) {
            split_net.layers[l] = {split_of(weights[l]), split_of(reverse_weights[l]), skips(l), biases[l].data(),
                                   l % 2 == 1 ? idts[l].data() : nullptr};
        }
    }
    std::size_t n_layers() const { return weights.size(); }
    bool skips(std::size_t l) const { return l > 0 && widths[l] == widths[l + 1]; }
    SplitMatrix split_of(const Matrix& matrix) {
        split.emplace_back(matrix.packed());
        EXPECT_TRUE(split.back().is_exact);
        SplitMatrix out = split.back().sizes;
        out.fragments = split.back().fragments.data();
        out.in_scales = split.back().in_scales.data();
        out.out_scales = split.back().out_scales.data();
        return out;
    }

    /// Energy; x becomes its gradient, first that along the first layer's sums.
    double evaluate(std::vector<double>& x, std::vector<double>& first) {
        std::vector<std::vector<double>> slopes;
        std::vector<double> y = x;
        for (std::size_t l = 0; l < n_layers(); ++l) {
            std::vector<double> next, slope;
            for (int row = 0; row < widths[l + 1]; ++row) {
                const auto at = static_cast<std::size_t>(row);
                double sum = static_cast<double>(biases[l][at]);
                for (int k = 0; k < widths[l]; ++k) {
                    sum += static_cast<double>(weights[l].at(row, k)) * y[static_cast<std::size_t>(k)];
                }
                const double idt = l % 2 == 1 ? static_cast<double>(idts[l][at]) : 1.0, value = std::tanh(sum);
                next.push_back(value * idt + (skips(l) ? y[at] : 0.0));
                slope.push_back((1 - value * value) * idt);
            }
            y = next;
            slopes.push_back(slope);
        }
        double energy = 0;
        std::vector<double> gradient;
        for (std::size_t k = 0; k < y.size(); ++k) {
            energy += static_cast<double>(energy_weight[k]) * y[k];
            gradient.push_back(static_cast<double>(energy_weight[k]));
        }
        for (std::size_t l = n_layers(); l-- > 0;) {
            std::vector<double> before(static_cast<std::size_t>(widths[l]));
            for (std::size_t k = 0; k < before.size(); ++k) {
                before[k] = skips(l) ? gradient[k] : 0.0;
                for (std::size_t row = 0; row < gradient.size(); ++row) {
                    before[k] += static_cast<double>(weights[l].at(static_cast<int>(row), static_cast<int>(k))) * slopes[l][row] *
                                 gradient[row];
                }
            }
            first.resize(gradient.size());
            for (std::size_t row = 0; row < gradient.size(); ++row) {
                first[row] = slopes[l][row] * gradient[row];
            }
            gradient = before;
        }
        x = gradient;
        return energy;
    }
};

/// What the kernel makes of some atoms, and how far that is from double precision, relative to the largest number of a kind.
struct Errors {
    double energy = 0, gradient = 0, first = 0;
    double worst() const { return larger(energy, larger(gradient, first)); }
};

Errors errors_of(Net& net, int n_atoms, int lanes) {
    const auto n_in = static_cast<std::size_t>(net.widths.front()), n_lanes = static_cast<std::size_t>(lanes);
    std::vector<float> input(n_in * n_lanes, std::nanf(""));  // nobody knows what padding has
    std::vector<std::vector<float>> slopes;
    std::vector<double> energy(static_cast<std::size_t>(n_atoms));
    std::mt19937 engine(11);
    std::vector<std::vector<double>> x(energy.size());
    for (std::size_t atom = 0; atom < energy.size(); ++atom) {
        for (std::size_t k = 0; k < n_in; ++k) {
            const float size = std::ldexp(1.0F, 12 - 3 * (static_cast<int>(k) % 9));
            input[k * n_lanes + atom] = random_number(engine) * size;
            x[atom].push_back(static_cast<double>(input[k * n_lanes + atom]));
        }
    }
    NetPart part{net.split_net, {input.data(), net.widths.front(), lanes}, {}, net.energy_weight.data(), -3.0, energy.data(),
                 n_atoms,       (lanes + kNetAtoms - 1) / kNetAtoms};
    for (std::size_t l = 0; l < net.n_layers(); ++l) {
        slopes.emplace_back(static_cast<std::size_t>(net.widths[l + 1]) * n_lanes);
        part.slopes[l] = {slopes[l].data(), net.widths[l + 1], lanes};
    }
    FusedNetLaunch<Kokkos::Serial>{Together<NetPart>(part)}.run(Kokkos::Serial());
    Errors errors;
    double largest_energy = 0, largest_gradient = 0, largest_first = 0;
    for (std::size_t atom = 0; atom < energy.size(); ++atom) {
        std::vector<double> first;
        const double expected = net.evaluate(x[atom], first) - 3.0;
        errors.energy = larger(errors.energy, std::abs(energy[atom] - expected));
        largest_energy = std::max(largest_energy, std::abs(expected));
        for (std::size_t k = 0; k < n_in; ++k) {  // relative to the size of each input
            const double size = std::ldexp(1.0, 12 - 3 * (static_cast<int>(k) % 9));
            errors.gradient =
                larger(errors.gradient, size * std::abs(static_cast<double>(input[k * n_lanes + atom]) - x[atom][k]));
            largest_gradient = std::max(largest_gradient, size * std::abs(x[atom][k]));
        }
        for (std::size_t k = 0; k < first.size(); ++k) {
            errors.first = larger(errors.first, std::abs(static_cast<double>(slopes[0][k * n_lanes + atom]) - first[k]));
            largest_first = std::max(largest_first, std::abs(first[k]));
        }
    }
    errors.energy /= largest_energy;
    errors.gradient /= largest_gradient;
    errors.first /= largest_first;
    return errors;
}

/// Some dozen sums cut to 24 bits, of terms that cancel in part.
constexpr double kSameNet = 5e-6;

class FusedNets : public testing::TestWithParam<Shape> {
    Emulated emulated_{GetParam()};
};

TEST_P(FusedNets, EqualDoublePrecision) {
    for (const std::vector<int>& widths : {std::vector<int>{5, 3}, {17, 16, 16}, {300, 40, 24, 24}, {16, 8, 8, 8, 8}}) {
        Net net(widths);
        const Errors errors = errors_of(net, 40, 64);
        EXPECT_LE(errors.energy, kSameNet) << widths.front();
        EXPECT_LE(errors.gradient, kSameNet) << widths.front();
        EXPECT_LE(errors.first, kSameNet) << widths.front();
    }
}

INSTANTIATE_TEST_SUITE_P(All, FusedNets, testing::Values(Shape{32, false}, Shape{32, true}), testing::PrintToStringParamName());

TEST(FusedNet, ANeuronThatOnlyASkipTakes) {
    const Emulated emulated({32, false});
    Net net({20, 16, 16, 16}, 3);
    EXPECT_LE(errors_of(net, 40, 64).worst(), kSameNet);
}

TEST(FusedNet, SkipsOfInputsThatHalvesDoNotHold) {
    Matrix matrix(8, 8);
    std::mt19937 engine(17);
    for (int row = 0; row < 8; ++row) {
        for (int k = 0; k < 8; ++k) {
            matrix.at(row, k) = 1 + 0.5F * random_number(engine);
        }
    }
    const auto scale_column = [&](float by) {
        for (int row = 0; row < 8; ++row) {
            matrix.at(row, 5) *= by;
        }
        return HostSplitMatrix(matrix.packed()).keeps_inputs;
    };
    EXPECT_TRUE(scale_column(1.0F / (1 << 10)));
    EXPECT_FALSE(scale_column(1.0F / (1 << 6)));
    EXPECT_TRUE(scale_column(0));  // like the others
}

TEST(FusedNet, OfFullSize) {
    const Emulated emulated({32, false});
    Net net({530, 240, 240, 240});
    EXPECT_LE(errors_of(net, 7, 32).worst(), kSameNet);
}

TEST(FusedNet, AWrongLayoutOrAMissingBarrierIsSeen) {
    Net net({20, 16, 16});
    for (const auto& [has_layout, has_barrier] : {std::pair(true, true), {false, true}, {true, false}}) {
        const Emulated emulated({32, false}, has_barrier);
        EmulatedWarp::settings().has_layout = has_layout;
        const double worst = errors_of(net, 32, 32).worst();
        EXPECT_EQ(worst <= kSameNet, has_layout && has_barrier) << worst;
    }
}

TEST(FusedNet, WeightsThatHalvesDoNotHold) {
    Matrix matrix(8, 8);
    std::mt19937 engine(13);
    for (int row = 0; row < 8; ++row) {
        for (int k = 0; k < 8; ++k) {
            matrix.at(row, k) = std::ldexp(1 + 0.5F * random_number(engine), 2 * row - 3 * k);  // rows and columns are scaled
        }
    }
    const auto is_exact = [&] { return HostSplitMatrix(matrix.packed()).is_exact; };
    EXPECT_TRUE(is_exact());
    for (int k = 0; k < 8; ++k) {
        matrix.at(3, k) = 0;
    }
    EXPECT_TRUE(is_exact());
    for (const float value : {1e-25F, INFINITY, std::nanf("")}) {
        matrix.at(3, 2) = value;
        EXPECT_FALSE(is_exact()) << value;
    }
    matrix.at(3, 2) = 1e-9F;
    EXPECT_TRUE(is_exact());
}

/// DPC_FUSED_NET for the length of a test.
struct Wanted : EnvironmentWord {
    explicit Wanted(const char* value) : EnvironmentWord("DPC_FUSED_NET", value) {}
};

constexpr std::int32_t kTanh = 1, kSilu = 7;

/// A model with nets of these activations: of O with two layers of 3 neurons, the second with a skip; of H with one of 5.
TableBuilder with_nets(TableBuilder file, std::int32_t of_o, std::int32_t of_h) {
    file.i32("fitting.0.layers", {3, 2}, {of_o, 0, of_o, 1, 0, 0});
    file.f64("fitting.0.activation_parameter", {3}, {0.0, 0.0, 0.0});
    file.remove_all("fitting.0.2.");
    file.remove_all("fitting.0.3.");
    add_layer(file, "fitting.0.2.", 3, 1);
    file.i32("fitting.1.layers", {2, 2}, {of_h, 0, 0, 0});
    return file;
}

std::shared_ptr<const dpc::Model> model_with(std::int32_t of_o, std::int32_t of_h) {
    return load(with_nets(smooth_model(), of_o, of_h));
}

Step step_of(dpc::Evaluator& evaluator) {
    static const OpenSystem system(100);
    evaluator.set_neighbours(system.n_atoms(), system.types.data(), system.list());
    Step step;
    step.compute(evaluator, system.x);
    return step;
}

TEST(FusedNet, EqualsHost) {
    const Emulated emulated({32, false});
    const Wanted wanted("1");
    for (const std::int32_t of_h : {kTanh, kSilu}) {  // silu: that net is not taken, the other is
        const auto model = model_with(kTanh, of_h);
        const Way way{dpc::Backend::kokkos_serial, 1, dpc::Precision::mixed};
        dpc::Evaluator fused(model, way.options()), host(model, 1, dpc::Precision::mixed);
        EXPECT_NE(fused.describe().find("fused net"), std::string::npos) << fused.describe();
        expect_same(step_of(fused), step_of(host), way);
    }
}

/// Close centres take all products, others a part; parameters are the last of a net's inputs. In one chunk and in several of a type.
TEST(FusedNet, EqualsHostWithParametersAndCloseCentresStepAfterStep) {
    const Emulated emulated({32, false});
    const Wanted wanted("1");
    TableBuilder file = with_nets(nested_model(), kTanh, kTanh);
    file.i32("model.n_fparam", {}, {1});
    file.i32("model.n_aparam", {}, {1});
    add_layer(file, "fitting.0.0.", 7 + 2, 3);
    add_layer(file, "fitting.1.0.", 8 + 2, 5);
    const auto model = load(file);
    const OpenSystem system(2400);
    const auto n = static_cast<std::size_t>(system.n_atoms());
    for (const std::size_t scratch_bytes : {std::size_t(0), std::size_t(1)}) {
        const Way way{dpc::Backend::kokkos_serial, 1, dpc::Precision::mixed};
        dpc::Evaluator fused(model, way.options(scratch_bytes)), host(model, 1, dpc::Precision::mixed);
        EXPECT_NE(fused.describe().find("fused net"), std::string::npos) << fused.describe();
        std::vector<double> x = system.x;
        for (int step = 0; step < 3; ++step) {
            SCOPED_TRACE(step);
            const double of_frame = 0.3 * step;
            std::vector<double> of_atoms(n);
            for (std::size_t i = 0; i < n; ++i) {
                of_atoms[i] = 0.1 * static_cast<double>((i + static_cast<std::size_t>(step)) % 7);
            }
            Step of_fused, of_host;
            for (const auto& [evaluator, result] : {std::pair(&fused, &of_fused), std::pair(&host, &of_host)}) {
                if (step != 1) {  // the list of the step before goes on
                    evaluator->set_neighbours(system.n_atoms(), system.types.data(), system.list());
                }
                result->compute(*evaluator, {x.data(), {}, {&of_frame, 1}, {of_atoms.data(), n}}, n);
            }
            expect_same(of_fused, of_host, way);
            expect_same(of_fused.overflow, of_host.overflow);
            for (std::size_t k = 0; k < x.size(); ++k) {
                x[k] *= k % 3 == 0 ? 1.02 : 0.99;
            }
        }
    }
}

TEST(FusedNet, OnlyWhereItIsWantedAndKnown) {
    const Emulated emulated({32, false});
    const auto describe = [](const std::shared_ptr<const dpc::Model>& model, dpc::Precision precision) {
        return dpc::Evaluator(model, Way{dpc::Backend::kokkos_serial, 1, precision}.options()).describe();
    };
    const auto has = [&](const std::shared_ptr<const dpc::Model>& model, dpc::Precision precision) {
        return describe(model, precision).find("fused net") != std::string::npos;
    };
    EXPECT_FALSE(has(model_with(kTanh, kTanh), dpc::Precision::mixed));
    {
        const Wanted wanted("1");
        EXPECT_TRUE(has(model_with(kTanh, kSilu), dpc::Precision::mixed));
        EXPECT_FALSE(has(model_with(kSilu, kSilu), dpc::Precision::mixed));
        EXPECT_FALSE(has(model_with(kTanh, kTanh), dpc::Precision::float64));
        const Emulated narrow({16, false});
        EXPECT_FALSE(has(model_with(kTanh, kTanh), dpc::Precision::mixed));
    }
    const Wanted wanted("yes");
    EXPECT_THROW(describe(model_with(kTanh, kTanh), dpc::Precision::mixed), dpc::InputError);
}

}  // namespace
