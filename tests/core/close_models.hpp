// SPDX-License-Identifier: MIT
// Models whose ordinary centres take less than their close ones, and the same numbers as two models that each know one kind of centre:
// what the tests of close centres compare. Energies, forces and virials are sums over centres, so that the close ones of the one
// and the others of the other are the whole.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "open_system.hpp"
#include "smooth_model.hpp"

namespace dpc::test {

/// What ordinary centres take; neither precision's part lies within the other's.
struct Part {
    std::vector<std::int32_t> row_end;  // of the folded net of type 0
    std::vector<std::int32_t> rank;     // of the direct net of type 1
};
inline const Part kPartDouble{{3, 2, 2, 3}, {1, 3}}, kPartMixed{{4, 1, 2, 3}, {2, 1}};

inline const Part& part_of(Precision precision) { return precision == Precision::mixed ? kPartMixed : kPartDouble; }

constexpr double kDefaultDistances[] = {2.2, 1.6, 1.6, 3.0};  // of OO, OH, HO, HH: some of OpenSystem's pairs are closer

/// Everything, for every centre.
inline TableBuilder full_model(const double (&min_distance)[4] = kDefaultDistances) {
    TableBuilder file = smooth_model();
    file.remove("fitting.0.input.0.row_end_mixed");
    file.f64("model.min_distance", {2, 2}, {min_distance[0], min_distance[1], min_distance[2], min_distance[3]});
    return file;
}

/// Everything for close centres, the parts for others.
inline TableBuilder nested_model(const double (&min_distance)[4] = kDefaultDistances) {
    TableBuilder file = full_model(min_distance);
    file.i32("fitting.0.input.0.row_end_double", {4}, kPartDouble.row_end);
    file.i32("fitting.0.input.0.row_end_mixed", {4}, kPartMixed.row_end);
    file.i32("fitting.1.input.0.rank_double", {2}, kPartDouble.rank);
    file.i32("fitting.1.input.0.rank_mixed", {2}, kPartMixed.rank);
    return file;
}

constexpr double kLargerDistances[] = {3.0, 2.2, 2.2, 4.0};

/// Close centres are those of the default distances; in the training data pairs were farther apart.
inline TableBuilder apart_model() {
    TableBuilder file = nested_model(kLargerDistances);
    file.f64("model.close_distance", {2, 2},
             {kDefaultDistances[0], kDefaultDistances[1], kDefaultDistances[2], kDefaultDistances[3]});
    return file;
}

/// Nothing but the part of one precision, for every centre: a list of fewer products with the rows of the weight that belong to them,
/// and a basis whose columns beyond the part are 0.
inline TableBuilder part_model(Precision precision, const double (&min_distance)[4] = kDefaultDistances) {
    const Part& part = part_of(precision);
    TableBuilder file = full_model(min_distance);
    const std::vector<std::int32_t> row_end = {4, 3, 3, 3};  // of the small model
    const std::vector<double> weight = numbers(7 * 3);
    std::vector<double> kept;
    std::size_t product = 0;
    for (std::int32_t p = 0; p < 4; ++p) {
        for (std::int32_t q = p; q < row_end[static_cast<std::size_t>(p)]; ++q, ++product) {
            if (q < part.row_end[static_cast<std::size_t>(p)]) {
                kept.insert(kept.end(), weight.begin() + static_cast<std::ptrdiff_t>(3 * product),
                            weight.begin() + static_cast<std::ptrdiff_t>(3 * product + 3));
            }
        }
    }
    file.i32("fitting.0.input.0.row_end", {4}, part.row_end);
    file.f64("fitting.0.0.weight", {kept.size() / 3, 3}, kept);
    for (std::size_t t = 0; t < 2; ++t) {
        const std::size_t rank = t == 0 ? 2 : 3;
        std::vector<double> basis = numbers(4 * rank);
        for (std::size_t k = 0; k < basis.size(); ++k) {
            basis[k] = static_cast<std::int32_t>(k % rank) < part.rank[t] ? basis[k] : 0.0;
        }
        file.f64("table." + std::to_string(t) + ".basis", {4, rank}, basis);
    }
    return file;
}

/// The centres of a system by the definition: closer than min_distance to a neighbour of an ordinary pair.
struct Kinds {
    std::vector<int> close, ordinary;
    int n_excluded = 0;  // ordinary ones with an H around an H (excluded by the descriptor) that is closer than min_distance

    Kinds(const OpenSystem& system, const std::vector<double>& x, const double (&min_distance)[4] = kDefaultDistances) {
        const int n = system.n_atoms();
        for (int i = 0; i < n; ++i) {
            const int a = system.types[static_cast<std::size_t>(i)];
            bool is_close = false, has_excluded = false;
            for (int j = 0; j < n && a >= 0; ++j) {
                const int b = system.types[static_cast<std::size_t>(j)];
                const double* from = x.data() + 3 * i;
                const double* to = x.data() + 3 * j;
                const double r =
                    std::sqrt(std::pow(to[0] - from[0], 2) + std::pow(to[1] - from[1], 2) + std::pow(to[2] - from[2], 2));
                if (j != i && b >= 0 && r < min_distance[2 * a + b]) {
                    (a == 1 && b == 1 ? has_excluded : is_close) = true;
                }
            }
            (is_close ? close : ordinary).push_back(i);
            n_excluded += has_excluded && !is_close ? 1 : 0;
        }
    }
};

/// The list of a system with these centres only.
inline NeighbourRows with_centres(const OpenSystem& system, const std::vector<int>& centres) {
    NeighbourRows rows = system.list();
    rows.n_centres = static_cast<int>(centres.size());
    rows.centre = centres.data();
    return rows;
}

}  // namespace dpc::test
