// SPDX-License-Identifier: MIT
// The switch between two parts of a model (dpc::PartSwitch): w of a centre, and dw/dd of its neighbours. With A = sum exp(-r/alpha) and
// B = sum r exp(-r/alpha) over the neighbours, sigma = B / max(A, least_sum); w = 1 - u^3 (6 u^2 - 15 u + 10) of u = (sigma - rmin)/(rmax -
// rmin) in [0, 1]; 0 without neighbours.
#pragma once

#include <cmath>

#include "dpc/math/neighbour_slots.hpp"
#include "dpc/math/portable.hpp"

namespace dpc::math {

struct SwitchParameters {
    double rmin, rmax, alpha, least_sum;
    double rcut2;
    bool keeps_of_all, keeps_of_each;  // the nearest n_slots of all types; of these the nearest sel of each
    int n_slots, n_types;
    const int* sel;          // (n_types)
    const char* is_counted;  // (n_types, n_types): neighbours of a centre
};

/// Of one centre.
struct SwitchSums {
    double weights = 0, distances = 0;  // A, B

    DPC_FUNCTION double divisor(const SwitchParameters& p) const { return weights > p.least_sum ? weights : p.least_sum; }
    DPC_FUNCTION double sigma(const SwitchParameters& p) const { return divisor(p) > 0 ? distances / divisor(p) : 0; }
};

/// w(sigma); slope: dw/dsigma.
DPC_FUNCTION double switch_weight(const SwitchParameters& p, double sigma, double& slope) {
    slope = 0;
    if (sigma == 0 || sigma >= p.rmax) {
        return 0;
    }
    if (sigma < p.rmin) {
        return 1;
    }
    const double inverse_range = 1 / (p.rmax - p.rmin), u = (sigma - p.rmin) * inverse_range;
    slope = -30 * inverse_range * u * u * (1 - u) * (1 - u);
    return 1 - u * u * u * (u * (u * 6 - 15) + 10);
}

/// List: int count(int i), int neighbour(int i, int k), long long tag(int i). Positions: x(i, c), times length in angstrom. Types: types(i),
/// < 0: not part of the model.
template <class List, class Positions, class Types>
struct CentreSwitch {
    SwitchParameters p;
    List list;
    Positions x;
    Types types;
    double length;

    struct Neighbour {
        int atom, type;
        double d[3], r2;
    };

    DPC_FUNCTION Neighbour neighbour(int i, int k) const {
        Neighbour n;
        n.atom = list.neighbour(i, k);
        n.type = types(n.atom);
        n.r2 = 0;
        for (int c = 0; c < 3; ++c) {
            n.d[c] = (static_cast<double>(x(n.atom, c)) - static_cast<double>(x(i, c))) * length;
            n.r2 += n.d[c] * n.d[c];
        }
        return n;
    }
    DPC_FUNCTION bool is_inside(const Neighbour& n) const { return n.type >= 0 && n.r2 < p.rcut2; }
    DPC_FUNCTION bool counts(int i, const Neighbour& n) const {
        return is_inside(n) && p.is_counted[types(i) * p.n_types + n.type] != 0;
    }

    /// Whether a neighbour is among the nearest, where there are n_inside of all types.
    DPC_FUNCTION bool is_kept(int i, const Neighbour& n, int n_inside) const {
        const bool may_go = (p.keeps_of_all && n_inside > p.n_slots) || (p.keeps_of_each && n_inside > p.sel[n.type]);
        return !may_go || has_slot(i, n);
    }
    DPC_FUNCTION NeighbourOrder order(const Neighbour& n) const {
        return order_of(n.r2, list.tag(n.atom), n.d[0], n.d[1], n.d[2]);
    }
    DPC_FUNCTION bool has_slot(int i, const Neighbour& n) const {
        int nearer = 0, nearer_of_type = 0;
        const NeighbourOrder mine = order(n);
        for (int k = 0; k < list.count(i); ++k) {
            const Neighbour other = neighbour(i, k);
            if (is_inside(other) && is_nearer(order(other), mine)) {
                ++nearer;
                nearer_of_type += other.type == n.type ? 1 : 0;
            }
        }
        return (!p.keeps_of_all || nearer < p.n_slots) && (!p.keeps_of_each || nearer_of_type < p.sel[n.type]);
    }

    DPC_FUNCTION int count_inside(int i) const {
        int n_inside = 0;
        for (int k = 0; k < list.count(i); ++k) {
            n_inside += is_inside(neighbour(i, k)) ? 1 : 0;
        }
        return n_inside;
    }

    DPC_FUNCTION SwitchSums sums(int i) const {
        using std::exp;
        using std::sqrt;
        SwitchSums total;
        const int n_inside = count_inside(i);
        for (int k = 0; k < list.count(i); ++k) {
            const Neighbour n = neighbour(i, k);
            if (counts(i, n) && is_kept(i, n, n_inside)) {
                const double r = sqrt(n.r2), weight = exp(-r / p.alpha);
                total.weights += weight;
                total.distances += r * weight;
            }
        }
        return total;
    }

    /// w of a centre; 0 of what is no part of the model.
    DPC_FUNCTION double weight(int i) const {
        using std::exp;
        using std::sqrt;
        if (types(i) < 0) {
            return 0;
        }
        double closest2 = p.rcut2;
        for (int k = 0; k < list.count(i); ++k) {
            const Neighbour n = neighbour(i, k);
            closest2 = counts(i, n) && n.r2 < closest2 ? n.r2 : closest2;
        }
        if (closest2 >= p.rcut2) {
            return 0;
        }
        // The usual case: sigma is not smaller than any distance, unless the sum of the weights is too small.
        const double closest = sqrt(closest2);
        if (closest >= p.rmax && exp(-closest / p.alpha) >= p.least_sum) {
            return 0;
        }
        double slope = 0;
        return switch_weight(p, sums(i).sigma(p), slope);
    }

    /// add(neighbour, gradient): dE/dd of a neighbour from dE/dw.
    template <class Add>
    DPC_FUNCTION void reverse(int i, double d_weight, const Add& add) const {
        using std::exp;
        using std::sqrt;
        const SwitchSums total = sums(i);
        const double divisor = total.divisor(p), sigma = total.sigma(p);
        const bool is_mean = total.weights > p.least_sum;  // the divisor depends on the distances
        const int n_inside = count_inside(i);
        double slope = 0;
        switch_weight(p, sigma, slope);
        for (int k = 0; k < list.count(i); ++k) {
            const Neighbour n = neighbour(i, k);
            if (counts(i, n) && is_kept(i, n, n_inside)) {
                const double r = sqrt(n.r2), from = is_mean ? sigma : 0;
                const double d_r = d_weight * slope * exp(-r / p.alpha) / divisor * (1 - (r - from) / p.alpha);
                const double gradient[3] = {d_r * n.d[0] / r, d_r * n.d[1] / r, d_r * n.d[2] / r};
                add(n, gradient);
            }
        }
    }
};

}  // namespace dpc::math
