// SPDX-License-Identifier: MIT
// More neighbours than sel: an evaluator that keeps the nearest gives what one that keeps all gives for a list without the others.
// Which these are is found here by sorting all of a centre's neighbours, on the host, in Kokkos and in both precisions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <tuple>

#include "allocation_counter.hpp"
#include "descriptor_models.hpp"
#include "engine.hpp"
#include "kokkos_test.hpp"

namespace {

using namespace dpc::test;
using dpc::Evaluator;
using dpc::Model;
using dpc::NeighbourRule;
using dpc::PairKind;
using dpc::Precision;

constexpr double kRcut = 6.0;
/// Squared distances closer than this, A^2, are the same here: those of the crystal differ by roundings, no two of the other
/// system's neighbours that matter are that alike.
constexpr double kSame = 1e-6;

struct Case {
    const char* name;
    NeighbourRule rule;
    std::vector<int> sel;
    PairKinds kinds;
    bool is_radial = false;  // se_e2_r
};

constexpr auto kPlain = PairKind::ordinary, kSlots = PairKind::descriptor_excluded, kGone = PairKind::model_excluded,
               kSection = PairKind::section_excluded;

/// An O of the middle of OpenSystem has some 40 O and 20 H within the cut-off.
const std::vector<Case> kCases = {
    {"per_type", NeighbourRule::per_type, {25, 12}, {kPlain, kPlain, kPlain, kSlots}},
    {"per_type_few", NeighbourRule::per_type, {1, 30}, {kPlain, kPlain, kPlain, kPlain}},
    {"total", NeighbourRule::total, {30, 8}, {kPlain, kPlain, kPlain, kSlots}},
    {"total_binds", NeighbourRule::total, {3, 30}, {kPlain, kPlain, kPlain, kPlain}},
    {"total_with_pairs_excluded_by_the_model", NeighbourRule::total, {30, 4}, {kPlain, kGone, kGone, kPlain}},
    {"total_with_sections", NeighbourRule::total, {20, 8}, {kPlain, kSection, kSection, kSlots}},
    {"per_type_with_sections", NeighbourRule::per_type, {20, 8}, {kPlain, kSection, kSection, kPlain}},
    {"radial_per_type", NeighbourRule::per_type, {25, 8}, {kPlain, kPlain, kSlots, kPlain}, true},
    {"radial_total", NeighbourRule::total, {20, 12}, {kPlain, kSection, kPlain, kSlots}, true},
};

std::shared_ptr<const Model> model_of(const Case& c) {
    auto model = std::make_shared<Model>(*(c.is_radial ? radial_model(c.kinds) : angular_model(c.kinds)));
    model->neighbour_rule = c.rule;
    model->descriptors.front().sel = c.sel;
    return model;
}

/// Atoms with a list, and the same list without what the rule drops.
struct System {
    std::vector<double> x;
    std::vector<int> types;
    std::vector<std::int64_t> tags;

    int n() const { return static_cast<int>(types.size()); }
    double r2(int i, int j) const {
        double sum = 0;
        for (int c = 0; c < 3; ++c) {
            sum += std::pow(x[static_cast<std::size_t>(3 * j + c)] - x[static_cast<std::size_t>(3 * i + c)], 2);
        }
        return sum;
    }
};

struct List {
    std::vector<std::vector<int>> neighbours;
    std::vector<int> centres, counts;
    std::vector<const int*> pointers;
    std::int64_t n_over_sel = 0;

    dpc::NeighbourRows rows(const std::vector<std::int64_t>& tags) {
        for (std::size_t i = 0; i < neighbours.size(); ++i) {
            centres.push_back(static_cast<int>(i));
            counts.push_back(static_cast<int>(neighbours[i].size()));
            pointers.push_back(neighbours[i].data());
        }
        const std::int64_t* tag = tags.empty() ? nullptr : tags.data();
        return {static_cast<int>(centres.size()), centres.data(), counts.data(), pointers.data(), ~0, tag};
    }
};

List all_of(const System& system, double listed = 7.0) {
    List list;
    for (int i = 0; i < system.n(); ++i) {
        list.neighbours.emplace_back();
        for (int j = 0; j < system.n(); ++j) {
            if (j != i && system.r2(i, j) < listed * listed) {
                list.neighbours.back().push_back(j);
            }
        }
    }
    return list;
}

/// What the rule leaves of a list; n_over_sel: cases to be reported.
List kept_of(const System& system, const Case& c, const List& all) {
    List list;
    const auto n_slots = static_cast<std::size_t>(std::accumulate(c.sel.begin(), c.sel.end(), 0));
    for (int i = 0; i < system.n(); ++i) {
        std::vector<int> inside, kept;
        for (const int j : all.neighbours[static_cast<std::size_t>(i)]) {
            if (system.types[static_cast<std::size_t>(j)] >= 0 && system.r2(i, j) < kRcut * kRcut) {
                inside.push_back(j);
            }
        }
        std::sort(inside.begin(), inside.end(), [&](int a, int b) {
            const auto key = [&](int j) {
                return std::pair(std::llround(system.r2(i, j) / kSame), system.tags[static_cast<std::size_t>(j)]);
            };
            return key(a) < key(b);
        });
        std::map<int, int> within, taken;
        for (std::size_t place = 0; place < inside.size(); ++place) {
            const int b = system.types[static_cast<std::size_t>(inside[place])];
            ++within[b];
            if ((c.rule == NeighbourRule::per_type || place < n_slots) && taken[b] < c.sel[static_cast<std::size_t>(b)]) {
                ++taken[b];
                kept.push_back(inside[place]);
            }
        }
        const int a = system.types[static_cast<std::size_t>(i)];
        for (const auto& [b, n] : within) {
            const PairKind kind = a < 0 ? kGone : c.kinds[static_cast<std::size_t>(2 * a + b)];
            const bool is_cut = c.rule == NeighbourRule::total && inside.size() > n_slots;
            const bool is_counted = kind == kPlain || kind == kSlots || is_cut;
            list.n_over_sel += a >= 0 && is_counted && n > c.sel[static_cast<std::size_t>(b)] ? 1 : 0;
        }
        list.neighbours.emplace_back();
        for (const int j : all.neighbours[static_cast<std::size_t>(i)]) {  // in the order of the list
            if (std::find(kept.begin(), kept.end(), j) != kept.end()) {
                list.neighbours.back().push_back(j);
            }
        }
    }
    return list;
}

System random_system() {
    const OpenSystem open(300);
    System system{open.x, open.types, std::vector<std::int64_t>(open.types.size())};
    std::iota(system.tags.begin(), system.tags.end(), 0);
    return system;
}

/// A cubic crystal in open space: most neighbours have others at the same distance. Atoms and tags are in random orders.
System crystal(unsigned seed_of_order) {
    System system;
    for (int k = 0; k < 6 * 6 * 6; ++k) {
        for (const int place : {k % 6, k / 6 % 6, k / 36}) {
            system.x.push_back(0.1234567 + 2.2 * place);
        }
        system.types.push_back((k % 6 + k / 6 % 6 + k / 36) % 2);
        system.tags.push_back(1000 + (k * 101) % 216);
    }
    std::vector<int> order(system.types.size());
    std::iota(order.begin(), order.end(), 0);
    std::mt19937 numbers(seed_of_order);
    std::shuffle(order.begin(), order.end(), numbers);
    System shuffled;
    for (const int k : order) {
        shuffled.x.insert(shuffled.x.end(), system.x.begin() + 3 * k, system.x.begin() + 3 * k + 3);
        shuffled.types.push_back(system.types[static_cast<std::size_t>(k)]);
        shuffled.tags.push_back(system.tags[static_cast<std::size_t>(k)]);
    }
    return shuffled;
}

std::vector<Way> ways() {
    std::vector<Way> all = all_ways();
    for (const Precision precision : {Precision::float64, Precision::mixed}) {
        all.push_back({dpc::Backend::host, 1, precision});
        all.push_back({dpc::Backend::host, 3, precision});
    }
    return all;
}

class NeighbourRules : public testing::TestWithParam<std::tuple<Way, Case>> {
protected:
    static const Way& way() { return std::get<0>(GetParam()); }
    static const Case& the_case() { return std::get<1>(GetParam()); }

    static Step compute(const System& system, List list, dpc::Neighbours neighbours, bool with_tags) {
        dpc::EvaluatorOptions options = way().options();
        options.neighbours = neighbours;
        Evaluator evaluator(model_of(the_case()), options);
        const std::vector<std::int64_t> none;
        evaluator.set_neighbours(system.n(), system.types.data(), list.rows(with_tags ? system.tags : none));
        Step step;
        step.compute(evaluator, system.x);
        return step;
    }
    static void check(const System& system, bool with_tags) {
        const List all = all_of(system), kept = kept_of(system, the_case(), all);
        const Step found = compute(system, all, dpc::Neighbours::trained, with_tags);
        const Step expected = compute(system, kept, dpc::Neighbours::all, with_tags);
        expect_same(found, expected, way());
        EXPECT_EQ(found.overflow.n_over_sel, kept.n_over_sel);
        EXPECT_GT(kept.n_over_sel, 0);
        EXPECT_EQ(found.overflow.n_close, expected.overflow.n_close);
        EXPECT_EQ(found.overflow.n_beyond, expected.overflow.n_beyond);
        const Step everything = compute(system, all, dpc::Neighbours::all, with_tags);
        EXPECT_GT(std::abs(everything.totals.energy - found.totals.energy), 1e-4);  // what the rule is worth
    }
};

TEST_P(NeighbourRules, TheNearestAreKept) { check(random_system(), false); }

TEST_P(NeighbourRules, EquallyNearOnesByTheirTags) { check(crystal(1), true); }

TEST_P(NeighbourRules, TheOrderOfTheAtomsDoesNotMatter) {
    std::map<std::int64_t, double> energies;
    for (const unsigned seed : {1U, 2U}) {
        const System system = crystal(seed);
        const Step step = compute(system, all_of(system), dpc::Neighbours::trained, true);
        for (std::size_t i = 0; i < system.tags.size(); ++i) {
            const auto [known, is_new] = energies.emplace(system.tags[i], step.atom_energy[i]);
            EXPECT_NEAR(known->second, step.atom_energy[i], way().same_energy() * 10) << system.tags[i];
        }
    }
}

std::string name_of_test(const testing::TestParamInfo<std::tuple<Way, Case>>& info) {
    const Way& way = std::get<0>(info.param);
    const std::string where = way.backend == dpc::Backend::host ? "host" : "";
    return where + (where.empty() ? name_of(way) : name_of(way).substr(6)) + "_" + std::get<1>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Each, NeighbourRules, testing::Combine(testing::ValuesIn(ways()), testing::ValuesIn(kCases)),
                         name_of_test);

/// A centre whose energy has the factor 0, as one part of a model leaves it to another, is as one that is not in the list: it does not
/// say that it has too many neighbours.
TEST(NeighbourRulesOnTheHost, CentresOfFactor0AreNotThere) {
    const System system = random_system();
    for (const Case& c : kCases) {
        List all = all_of(system), some = all;
        dpc::NeighbourRows rows = all.rows(system.tags), of_some = some.rows(system.tags);
        std::vector<double> factors(system.types.size(), 0.0);
        some.centres.clear();
        for (std::size_t i = 0; i < factors.size(); i += 2) {
            factors[i] = 1;
            some.centres.push_back(static_cast<int>(i));
        }
        of_some.n_centres = static_cast<int>(some.centres.size());
        std::vector<double> forces(system.x.size()), expected_forces(system.x.size());
        const auto engine = dpc::host::make_engine(model_of(c), {}), expected = dpc::host::make_engine(model_of(c), {});
        engine->set_neighbours(system.n(), system.types.data(), rows);
        expected->set_neighbours(system.n(), system.types.data(), of_some);
        engine->compute({system.x.data()}, factors.data(), {forces.data()});
        expected->compute({system.x.data()}, nullptr, {expected_forces.data()});
        EXPECT_EQ(engine->overflow.n_over_sel, expected->overflow.n_over_sel) << c.name;
        EXPECT_GT(expected->overflow.n_over_sel, 0) << c.name;
        expect_same(forces, expected_forces, kSameForceDouble, c.name);
    }
}

TEST(NeighbourRulesOnTheHost, AStepAllocatesNothing) {
    const System system = random_system();
    for (const Case& c : kCases) {
        for (const Precision precision : {Precision::float64, Precision::mixed}) {
            List list = all_of(system);
            Evaluator evaluator(model_of(c), 1, precision);
            evaluator.set_neighbours(system.n(), system.types.data(), list.rows(system.tags));
            std::vector<double> forces(system.x.size());
            const long before = allocations();
            evaluator.compute({system.x.data()}, {forces.data(), nullptr, nullptr});
            EXPECT_EQ(allocations() - before, 0) << c.name;
        }
    }
}

}  // namespace
