// SPDX-License-Identifier: MIT
// Models of each kind of descriptor, and of several, against plain loops over the definitions: energies of every atom for every
// instruction set in both precisions, forces and virials against numerical derivatives of these energies.
#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "descriptor_models.hpp"
#include "dpc/evaluator.hpp"
#include "host_blocks.hpp"
#include "kernel_test.hpp"
#include "plain_evaluator.hpp"

namespace {

using namespace dpc::test;
using dpc::Model;
using dpc::PairKind;
using dpc::Precision;

constexpr int kAtoms = 120, kDisplaced = 6;
// Of the largest energy of an atom without its bias: a few hundred sums in double; in mixed precision tables and sums in float.
constexpr double kSameDouble = 1e-12, kSameMixed = 2e-5;
constexpr double kLength = 10;  // angstrom, of the system
constexpr double kStep = 1e-4;  // angstrom, of numerical derivatives of fourth order in long double
// Of the largest force: third derivatives of the cubic tables jump by 1e-3 at the knots; what float loses.
constexpr double kDerivative = 1e-7, kDerivativeMixed = 1e-3;

constexpr PairKind kOrdinary = PairKind::ordinary, kSlots = PairKind::descriptor_excluded;

const OpenSystem& the_system() {
    static const OpenSystem system(kAtoms);
    return system;
}

struct Results {
    explicit Results(std::size_t n_atoms = kAtoms) : forces(3 * n_atoms), atom_energy(n_atoms), atom_virial(9 * n_atoms) {}

    dpc::host::Sums sums;
    std::vector<double> forces, atom_energy, atom_virial;
};

template <class Real>
void evaluate(const std::shared_ptr<const Model>& model, const Kernels<Real>& kernels, int block_atoms, Results& results,
              const OpenSystem& system = the_system()) {
    const dpc::PackedModel<Real> packed(model, dpc::Evaluated::by_host);
    dpc::host::NeighbourBlocks list;
    list.build({*model, 1, dpc::NeighbourRule::all}, system.n_atoms(), system.types.data(), system.list(), block_atoms);
    dpc::host::BlockEvaluator<Real> evaluator(packed, kernels);
    evaluator.reserve(list);
    results.sums = evaluate_blocks(evaluator, list, system.x, results);
}

class Descriptors : public EveryInstructionSet {};

TEST_P(Descriptors, GiveTheEnergiesOfPlainLoops) {
    for (const DescriptorCase& c : descriptor_cases()) {
        SCOPED_TRACE(c.name);
        in_both_precisions([&](const auto& kernels) {
            constexpr bool is_double = std::is_same_v<decltype(kernels), const Kernels<double>&>;
            const PlainEvaluator plain(*c.model, is_double ? Precision::float64 : Precision::mixed);
            std::vector<double> expected(kAtoms);
            double scale = 0;
            for (int i = 0; i < kAtoms; ++i) {
                expected[static_cast<std::size_t>(i)] = static_cast<double>(plain.energy(the_system().types, the_system().x, i));
                scale = std::max(scale, std::abs(expected[static_cast<std::size_t>(i)]));
            }
            for (const int block_atoms : {1, 7, 64}) {
                Results found;
                evaluate(c.model, kernels, block_atoms, found);
                for (std::size_t i = 0; i < kAtoms; ++i) {
                    ASSERT_NEAR(found.atom_energy[i], expected[i], scale * (is_double ? kSameDouble : kSameMixed))
                        << "atom " << i;
                }
            }
        });
    }
}

DPC_TEST_EVERY_INSTRUCTION_SET(Descriptors);

/// Of the sum of all energies; move(x, h): positions displaced by h.
template <class Move>
double derivative(const PlainEvaluator& plain, const std::vector<bool>& close, const Move& move) {
    const auto at = [&](double h) {
        const std::vector<double> x = move(the_system().x, h);
        long double sum = 0;
        for (int i = 0; i < kAtoms; ++i) {
            sum += plain.energy(the_system().types, x, i, close[static_cast<std::size_t>(i)]);
        }
        return sum;
    };
    return static_cast<double>((8 * (at(kStep) - at(-kStep)) - (at(2 * kStep) - at(-2 * kStep))) / (12 * kStep));
}

std::vector<double> with_moved(std::vector<double> x, std::size_t k, double h) {
    x[k] += h;
    return x;
}

/// Stretched along b by h times the coordinate a: dE/dh = -virial.
std::vector<double> strained(std::vector<double> x, std::size_t a, std::size_t b, double h) {
    for (std::size_t i = 0; i < kAtoms; ++i) {
        x[3 * i + b] += h * the_system().x[3 * i + a];
    }
    return x;
}

template <class Real>
void expect_derivatives(const DescriptorCase& c, Precision precision, double tolerance) {
    SCOPED_TRACE(c.name);
    const PlainEvaluator plain(*c.model, precision);
    Results found;
    evaluate(c.model, dpc::host::select_kernels<Real>(), 64, found);
    std::vector<bool> close;
    for (int i = 0; i < kAtoms; ++i) {
        close.push_back(plain.is_close(the_system().types, the_system().x, i));
    }
    double largest = 0;
    for (const double force : found.forces) {
        largest = std::max(largest, std::abs(force));
    }
    for (std::size_t k = 0; k < 3 * kDisplaced; ++k) {
        const double slope =
            derivative(plain, close, [&](const std::vector<double>& x, double h) { return with_moved(x, k, h); });
        EXPECT_NEAR(found.forces[k], -slope, tolerance * largest) << "component " << k;
    }
    for (std::size_t a = 0; a < 3; ++a) {
        for (std::size_t b = 0; b < 3; ++b) {
            const double slope =
                derivative(plain, close, [&](const std::vector<double>& x, double h) { return strained(x, a, b, h / kLength); });
            double of_atoms = 0;
            for (std::size_t i = 0; i < kAtoms; ++i) {
                of_atoms += found.atom_virial[9 * i + 3 * a + b];
            }
            const double scale = tolerance * largest * kLength * std::sqrt(kAtoms);  // a sum over all atoms
            EXPECT_NEAR(found.sums.totals.virial[3 * a + b], -slope * kLength, scale) << a << " " << b;
            EXPECT_NEAR(of_atoms, found.sums.totals.virial[3 * a + b], scale) << a << " " << b;
        }
    }
}

TEST(DescriptorForces, AreDerivativesOfPlainLoops) {
    for (const DescriptorCase& c : descriptor_cases()) {
        expect_derivatives<double>(c, Precision::float64, kDerivative);
        expect_derivatives<float>(c, Precision::mixed, kDerivativeMixed);
    }
}

/// 0 at a knot, in the second half of an interval, in the first one; a table of one interval.
TEST(FrequentIntervals, AreThoseNearestToZero) {
    struct Expected {
        Segments segments;
        int first;
        std::array<double, 3> knots;
    };
    const std::vector<Expected> expected = {{kProducts, 27, {-0.1, 0.0, 0.1}},
                                            {{{-1.0, 0.1, 9}, {-0.1, 0.15, 2}, {0.2, 0.1, 8}}, 9, {-0.1, 0.05, 0.2}},
                                            {{{-1.0, 0.1, 8}, {-0.2, 0.15, 2}, {0.1, 0.1, 9}}, 8, {-0.2, -0.05, 0.1}},
                                            {{{-1.0, 2.0, 1}}, 0, {-1.0, 1.0, 1.0}}};
    for (const Expected& e : expected) {
        SCOPED_TRACE(testing::Message() << "first interval " << e.first);
        const dpc::PackedModel<double> packed(triple_model({0, 0, 0, 0}, e.segments), dpc::Evaluated::by_host);
        const dpc::PackedTriple<double>& triple = packed.ordinary.types[0].descriptors[0].triples[0];
        EXPECT_EQ(triple.frequent.first, e.first);
        for (std::size_t k = 0; k < 3; ++k) {
            EXPECT_NEAR(triple.frequent.knot[k], e.knots[k], 1e-14);
        }
    }
}

/// Around an atom, of neighbours inside the cut-off by type: products of two of them, by the types of both.
std::array<int, 3> numbers_of_products(const OpenSystem& system, int i, double rcut) {
    std::array<int, 2> n = {0, 0};
    for (int j = 0; j < system.n_atoms(); ++j) {
        const double *a = system.x.data() + 3 * i, *b = system.x.data() + 3 * j;
        const int type = system.types[static_cast<std::size_t>(j)];
        if (j != i && type >= 0 && std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) < rcut) {
            ++n[static_cast<std::size_t>(type)];
        }
    }
    return {n[0] * (n[0] + 1) / 2, n[0] * n[1], n[1] * (n[1] + 1) / 2};
}

/// More products around the atoms of a block than a list holds, and than are kept for the way back.
TEST(ManyNeighbours, GiveTheSameInLargeAndSmallBlocks) {
    const OpenSystem system(200);
    const auto model = std::make_shared<Model>(*triple_model({0, 0, 0, 0}));
    model->descriptors.front().rcut = 6.9;
    int n_products = 0, n_alike = 0, n_centres = 0;
    for (int i = 0; i < system.n_atoms(); ++i) {
        const std::array<int, 3> n = numbers_of_products(system, i, model->descriptors.front().rcut);
        n_products += system.types[static_cast<std::size_t>(i)] == 0 ? n[0] + n[1] + n[2] : 0;
        n_alike += system.types[static_cast<std::size_t>(i)] == 0 ? n[0] : 0;
        n_centres += system.types[static_cast<std::size_t>(i)] == 0 ? 1 : 0;
    }
    ASSERT_GT(64.0 / n_centres * n_products, 65536);
    ASSERT_GT(64.0 / n_centres * n_alike, 16384);
    const PlainEvaluator plain(*model, Precision::float64);
    const auto n_atoms = static_cast<std::size_t>(system.n_atoms());
    Results small(n_atoms), large(n_atoms);
    evaluate(model, dpc::host::select_kernels<double>(), 1, small, system);
    evaluate(model, dpc::host::select_kernels<double>(), 64, large, system);
    double largest_force = 0, largest_energy = 0;
    for (std::size_t k = 0; k < 3 * n_atoms; ++k) {
        largest_force = std::max(largest_force, std::abs(small.forces[k]));
        largest_energy = std::max(largest_energy, std::abs(small.atom_energy[k / 3]));
    }
    for (std::size_t k = 0; k < 3 * n_atoms; ++k) {
        ASSERT_NEAR(large.forces[k], small.forces[k], kSameDouble * largest_force) << "component " << k;
    }
    for (std::size_t i = 0; i < n_atoms; ++i) {
        const auto expected = static_cast<double>(plain.energy(system.types, system.x, static_cast<int>(i)));
        ASSERT_NEAR(large.atom_energy[i], expected, kSameDouble * largest_energy) << "atom " << i;
    }
}

/// The worst over the descriptors: the largest distance at which a table ends, the fewest slots, each inside its own cut-off.
TEST(DescriptorLimits, AreTheWorst) {
    const std::shared_ptr<const Model> model = mixed_model();
    const dpc::PackedModel<double> packed(model, dpc::Evaluated::by_host);
    Results found;
    evaluate(model, dpc::host::select_kernels<double>(), 64, found);
    std::int64_t n_over_sel = 0;
    int worst_margin = 1 << 30;
    const std::vector<double>& x = the_system().x;
    for (int i = 0; i < kAtoms; ++i) {
        const int a = the_system().types[static_cast<std::size_t>(i)];
        for (int b = 0; b < 2 && a >= 0; ++b) {
            bool is_over = false;
            for (const dpc::FittingInput& input : model->fittings[static_cast<std::size_t>(a)].inputs) {
                const dpc::Descriptor& d = model->descriptors[static_cast<std::size_t>(input.descriptor)];
                const PairKind kind = d.type_pair(a, b).kind;
                int n = 0;
                for (int j = 0; j < kAtoms; ++j) {
                    const double r = std::hypot(x[3 * i] - x[3 * j], x[3 * i + 1] - x[3 * j + 1], x[3 * i + 2] - x[3 * j + 2]);
                    n += j != i && the_system().types[static_cast<std::size_t>(j)] == b && r < d.rcut ? 1 : 0;
                }
                const int sel = d.sel[static_cast<std::size_t>(b)];
                if ((kind == kOrdinary || kind == kSlots) && n > sel) {
                    is_over = true;
                    worst_margin = std::min(worst_margin, sel - n);
                }
            }
            n_over_sel += is_over ? 1 : 0;
        }
    }
    EXPECT_GT(n_over_sel, 0);
    EXPECT_EQ(found.sums.overflow.n_over_sel, n_over_sel);
    EXPECT_EQ(found.sums.overflow.crowd.sel - found.sums.overflow.crowd.count, worst_margin);
    for (std::size_t a = 0; a < 2; ++a) {
        for (std::size_t b = 0; b < 2; ++b) {
            const double end = packed.ordinary.types[a].limits[b].table_limit;
            double largest = 0;
            for (const dpc::FittingInput& input : model->fittings[a].inputs) {  // where the argument is the end of the table
                const dpc::Descriptor& d = model->descriptors[static_cast<std::size_t>(input.descriptor)];
                const dpc::TypePair& pair = d.type_pair(static_cast<int>(a), static_cast<int>(b));
                if (pair.kind != kOrdinary) {
                    continue;
                }
                double r = d.rcut;
                const auto argument = [&](double distance) {
                    const double u = std::clamp((distance - d.rcut_smth) / (d.rcut - d.rcut_smth), 0.0, 1.0);
                    const double sw = u * u * u * (u * (-6 * u + 15) - 10) + 1;
                    return (sw / (distance + d.env_protection) - d.mean[a]) / d.std_radial[a];
                };
                while (argument(r) < model->tables[static_cast<std::size_t>(pair.table)].max()) {
                    r -= 1e-4;
                }
                largest = std::max(largest, r);
            }
            EXPECT_NEAR(end, largest, 2e-4);
        }
    }
}

}  // namespace
