// SPDX-License-Identifier: MIT
// Some atoms in open space with their neighbour list, the same in every run: what the tests of the evaluators compute.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "dpc/evaluator.hpp"

namespace dpc::test {

/// Atoms of both types and of none in open space, no pair closer than kClosest, with everything listed that is closer than
/// `listed`: for the model of table_builder.hpp, whose cut-off is 6 and whose tables end at 3.1 (around O) and 3.3 (around H).
struct OpenSystem {
    explicit OpenSystem(int n_atoms, int n_types = 2, double listed = kListed) {
        const double cell = kCell * std::cbrt(n_atoms / 300.0);  // the same density whatever the number
        Sequence numbers;
        while (types.size() < static_cast<std::size_t>(n_atoms)) {
            const std::array<double, 3> at = {numbers.next() * cell, numbers.next() * cell, numbers.next() * cell};
            if (closest(at) > kClosest) {
                x.insert(x.end(), at.begin(), at.end());
                types.push_back(types.size() % 17 == 0 ? -1 : static_cast<int>(types.size() % 3 == 0) % n_types);
            }
        }
        rows_.resize(types.size());
        for (int i = 0; i < n_atoms; ++i) {
            for (int j = 0; j < n_atoms; ++j) {
                if (j != i && distance(x.data() + 3 * i, x.data() + 3 * j) < listed) {
                    rows_[static_cast<std::size_t>(i)].push_back(j);
                }
            }
            centres_.push_back(i);
            counts_.push_back(static_cast<int>(rows_[static_cast<std::size_t>(i)].size()));
            pointers_.push_back(rows_[static_cast<std::size_t>(i)].data());
        }
    }

    int n_atoms() const { return static_cast<int>(types.size()); }
    dpc::NeighbourRows list() const { return {n_atoms(), centres_.data(), counts_.data(), pointers_.data(), ~0}; }

    /// The positions of step n: every atom on a small circle of its own.
    std::vector<double> positions(int n) const {
        std::vector<double> out = x;
        for (std::size_t k = 0; k < out.size(); ++k) {
            out[k] += 0.05 * std::sin(0.7 * n + static_cast<double>(k));
        }
        return out;
    }

    std::vector<double> x;
    std::vector<int> types;

    static constexpr double kCell = 16.0, kListed = 7.0, kClosest = 1.0;  // angstrom

private:
    struct Sequence {
        std::uint32_t state = 2024;
        double next() {
            state = state * 1664525U + 1013904223U;
            return state / 4294967296.0;
        }
    };
    static double distance(const double* a, const double* b) {
        return std::sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]));
    }
    double closest(const std::array<double, 3>& at) const {
        double smallest = 1e30;
        for (std::size_t k = 0; k < x.size(); k += 3) {
            smallest = std::min(smallest, distance(at.data(), x.data() + k));
        }
        return smallest;
    }

    std::vector<std::vector<int>> rows_;
    std::vector<int> centres_, counts_;
    std::vector<const int*> pointers_;
};

}  // namespace dpc::test
