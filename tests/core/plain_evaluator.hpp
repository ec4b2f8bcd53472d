// SPDX-License-Identifier: MIT
// Energies of a model by plain loops over the definitions of docs/theory.md sections 1 to 4, in long double and in open space: what the
// evaluators are compared with. Shares the Model with them and nothing else.
#pragma once

#include <cmath>
#include <vector>

#include "activation_reference.hpp"
#include "dpc/evaluator.hpp"

namespace dpc::test {

class PlainEvaluator {
public:
    /// precision: which columns and products ordinary centres take.
    PlainEvaluator(const Model& model, Precision precision) : model_(model), is_mixed_(precision == Precision::mixed) {}

    /// Of atom i among all the others.
    long double energy(const std::vector<int>& types, const std::vector<double>& x, int i) const {
        return energy(types, x, i, is_close(types, x, i));
    }

    /// Of a close centre or another one, wherever its neighbours are: what is differentiated, for the energy jumps where that changes.
    long double energy(const std::vector<int>& types, const std::vector<double>& x, int i, bool close) const {
        const int a = types[static_cast<std::size_t>(i)];
        if (a < 0 || model_.has_energy[static_cast<std::size_t>(a)] == 0) {
            return 0;
        }
        const std::vector<Neighbour> neighbours = neighbours_of(types, x, i);
        const Fitting& fitting = model_.fittings[static_cast<std::size_t>(a)];
        // Weights that belong to inputs which this centre does not take are as good as inputs that are 0.
        std::vector<long double> y;
        for (const FittingInput& input : fitting.inputs) {
            append(input, a, close, neighbours, y);
        }
        for (const Layer& layer : fitting.layers) {
            y = apply(layer, y);
        }
        return y.at(0) + model_.energy_bias[static_cast<std::size_t>(a)];
    }

    bool is_close(const std::vector<int>& types, const std::vector<double>& x, int i) const {
        const int a = types[static_cast<std::size_t>(i)];
        if (a < 0) {
            return false;
        }
        for (const FittingInput& input : model_.fittings[static_cast<std::size_t>(a)].inputs) {
            for (const Neighbour& n : neighbours_of(types, x, i)) {
                const bool ordinary = descriptor_of(input).type_pair(a, n.type).kind == PairKind::ordinary;
                if (ordinary && n.r < model_.of_types(model_.close_distance, a, n.type)) {
                    return true;
                }
            }
        }
        return false;
    }

private:
    struct Neighbour {
        int type;
        long double d[3], r;
    };
    struct Row {
        long double c[25] = {};
    };

    static std::vector<Neighbour> neighbours_of(const std::vector<int>& types, const std::vector<double>& x, int i) {
        std::vector<Neighbour> all;
        for (int j = 0; j < static_cast<int>(types.size()); ++j) {
            Neighbour n{types[static_cast<std::size_t>(j)], {}, 0};
            for (std::size_t c = 0; c < 3; ++c) {
                n.d[c] =
                    static_cast<long double>(x[3 * static_cast<std::size_t>(j) + c]) - x[3 * static_cast<std::size_t>(i) + c];
            }
            n.r = std::sqrt(n.d[0] * n.d[0] + n.d[1] * n.d[1] + n.d[2] * n.d[2]);
            if (j != i && n.type >= 0) {
                all.push_back(n);
            }
        }
        return all;
    }

    const Descriptor& descriptor_of(const FittingInput& input) const {
        return model_.descriptors[static_cast<std::size_t>(input.descriptor)];
    }

    static long double s_of(const Descriptor& d, long double r) {
        const long double u = (r - d.rcut_smth) / (static_cast<long double>(d.rcut) - d.rcut_smth);
        const long double sw = u < 0 ? 1 : u > 1 ? 0 : u * u * u * (-6 * u * u + 15 * u - 10) + 1;
        return sw / (r + d.env_protection);
    }

    /// Components of degree 2 and more in the environment of a neighbour, in spherical coordinates: of each degree those of m = 0, 1, ..
    static void append_harmonics(const Descriptor& d, std::size_t a, const Neighbour& n, std::vector<long double>& environment) {
        const long double s = s_of(d, n.r), shrunk = n.r / (n.r + d.env_protection), angle = std::atan2(n.d[1], n.d[0]);
        for (unsigned degree = 2; degree < 2 + d.degree_gains.size(); ++degree) {
            const long double size =
                d.degree_gains[degree - 2] * s / d.std_radial[a] * std::pow(shrunk, static_cast<long double>(degree));
            for (unsigned m = 0; m <= degree; ++m) {
                const long double ratio = std::tgamma(degree - m + 1.0L) / std::tgamma(degree + m + 1.0L);
                const long double value =
                    size * std::sqrt((m > 0 ? 2 : 1) * ratio) * std::assoc_legendre(degree, m, n.d[2] / n.r);
                environment.push_back(value * std::cos(m * angle));
                if (m > 0) {
                    environment.push_back(value * std::sin(m * angle));
                }
            }
        }
    }

    /// phi_k(x): the last piece that begins at or before x; its tangent at the end beyond that.
    static long double phi(const Table& table, int k, long double x) {
        int piece = 0, last = table.n_intervals - 1, n = 0;
        const long double origin = table.order == 11 ? 0.5L : 0;  // of powers, in an interval's lengths
        long double left = table.lower(), end = table.max(), step = table.segments.front().step;
        for (const Table::Segment& s : table.segments) {
            for (int interval = 0; interval < s.n_intervals; ++interval, ++n) {
                const long double knot = s.start + interval * static_cast<long double>(s.step);
                if (knot <= x) {
                    piece = n;
                    left = knot;
                    step = s.step;
                }
            }
        }
        const int n_powers = table.order + 1;
        const auto polynomial = [&](long double t, long double& slope) {
            long double value = 0;
            slope = 0;
            for (int power = table.order; power >= 0; --power) {
                slope = slope * t + value;
                value = value * t + table.coef[(piece * n_powers + power) * table.rank + k];
            }
            return value;
        };
        long double slope;
        if (x < left && table.argument == TableArgument::product) {
            const long double value = polynomial(-origin * step, slope);
            return value + slope * (x - left);
        }
        if (x < end) {
            return polynomial(x - left - origin * step, slope);
        }
        piece = last;
        const long double value = polynomial((1 - origin) * table.segments.back().step, slope);
        return value + slope * (x - end);
    }

    /// C of one descriptor and neighbour type, over the channels.
    std::vector<Row> rows(const Descriptor& d, int a, int b, const std::vector<Neighbour>& neighbours) const {
        const TypePair& pair = d.type_pair(a, b);
        if (pair.table < 0) {
            return {};
        }
        const auto at = static_cast<std::size_t>(a);
        const Table& table = model_.tables[static_cast<std::size_t>(pair.table)];
        const long double x_pad = -d.mean[at] / static_cast<long double>(d.std_radial[at]);
        std::vector<Row> all(static_cast<std::size_t>(table.rank));
        const bool is_a = d.kind == DescriptorKind::se_e2_a;
        const auto add = [&](long double times, long double x, const std::vector<long double>& beyond_x) {
            for (int k = 0; k < table.rank; ++k) {
                const long double value = phi(table, k, x) * times / d.n_sel;
                Row& row = all[static_cast<std::size_t>(k)];
                row.c[0] += value * (is_a ? x : 1.0L);
                for (std::size_t c = 0; c < beyond_x.size(); ++c) {
                    row.c[c + 1] += value * beyond_x[c];
                }
            }
        };
        int n_b = 0;
        for (const Neighbour& n : neighbours) {
            if (n.type != b || n.r >= d.rcut) {
                continue;
            }
            ++n_b;
            if (pair.kind == PairKind::ordinary) {
                const long double s = s_of(d, n.r);
                std::vector<long double> beyond_x;
                for (int c = 0; is_a && c < 3; ++c) {
                    beyond_x.push_back(s * n.d[c] / (n.r + d.env_protection) / d.std_angular[at]);
                }
                append_harmonics(d, at, n, beyond_x);
                add(1, (s - d.mean[at]) / d.std_radial[at], beyond_x);
            }
        }
        const int sel = d.sel[static_cast<std::size_t>(b)];
        const long double masked = is_a ? 0 : 1;  // a masked slot has R = 0, whatever G is
        switch (pair.kind) {
            case PairKind::ordinary: add(sel - n_b, x_pad, {}); break;
            case PairKind::descriptor_excluded:
                add(sel - n_b, x_pad, {});
                add(masked * n_b, 0, {});
                break;
            case PairKind::model_excluded: add(sel, x_pad, {}); break;
            case PairKind::section_excluded: add(masked * sel, 0, {}); break;
            case PairKind::absent: break;
        }
        return all;
    }

    /// C of one descriptor of three bodies and one group of neighbours, over the channels: all ordered pairs of neighbours of one type.
    std::vector<Row> triple_rows(const Descriptor& d, int a, int group, const std::vector<Neighbour>& neighbours) const {
        const int n = model_.n_types(), b = group / n, c = group % n;
        if (b > c || d.type_pair(b, c).table < 0) {
            return {};
        }
        const Table& table = model_.tables[static_cast<std::size_t>(d.type_pair(b, c).table)];
        std::vector<Row> all(static_cast<std::size_t>(table.rank));
        const auto is_seen = [&](const Neighbour& one) {
            return one.r < d.rcut && d.type_pair(a, one.type).kind == PairKind::ordinary;
        };
        const auto length = [&](const Neighbour& one) {
            return s_of(d, one.r) / (one.r + d.env_protection) / d.std_angular[static_cast<std::size_t>(a)];
        };
        const long double divisor =
            static_cast<long double>(d.sel[static_cast<std::size_t>(b)]) * d.sel[static_cast<std::size_t>(c)];
        for (const Neighbour& one : neighbours) {
            for (const Neighbour& other : neighbours) {
                if (one.type != b || other.type != c || !is_seen(one) || !is_seen(other)) {
                    continue;
                }
                const long double x =
                    (one.d[0] * other.d[0] + one.d[1] * other.d[1] + one.d[2] * other.d[2]) * length(one) * length(other);
                for (int k = 0; k < table.rank; ++k) {
                    all[static_cast<std::size_t>(k)].c[0] += phi(table, k, x) / divisor;
                }
            }
        }
        return all;
    }

    /// What a centre takes of a list that belongs to one precision.
    template <class List>
    const List& part(bool close, const List& in_double, const List& in_mixed, const List& all) const {
        const List& mine = is_mixed_ ? in_mixed : in_double;
        return close || mine.empty() ? all : mine;
    }

    void append(const FittingInput& input, int a, bool close, const std::vector<Neighbour>& neighbours,
                std::vector<long double>& y) const {
        const Descriptor& d = descriptor_of(input);
        std::vector<std::vector<Row>> by_group;
        for (int b = 0; b < (d.is_three_body() ? model_.n_types() * model_.n_types() : model_.n_types()); ++b) {
            by_group.push_back(d.is_three_body() ? triple_rows(d, a, b, neighbours) : rows(d, a, b, neighbours));
        }
        if (input.form == InputForm::direct) {
            append_direct(input, d, a, close, by_group, y);
            return;
        }
        std::vector<Row> c;
        for (const FittingInput::Column& column : input.columns) {
            c.push_back(by_group[static_cast<std::size_t>(column.group)][static_cast<std::size_t>(column.channel)]);
        }
        if (input.combination != nullptr) {
            c = combined(input, close, c);
        }
        if (input.form == InputForm::linear) {
            const int n = is_mixed_ ? input.n_mixed : input.n_double;
            for (int p = 0; p < static_cast<int>(c.size()); ++p) {
                y.push_back(close || n == 0 || p < n ? c[static_cast<std::size_t>(p)].c[0] : 0);
            }
            return;
        }
        const std::vector<int>& end = part(close, input.row_end_double, input.row_end_mixed, input.row_end);
        for (std::size_t p = 0; p < c.size(); ++p) {
            for (std::size_t q = p; q < static_cast<std::size_t>(input.row_end[p]); ++q) {
                y.push_back(q < static_cast<std::size_t>(end[p]) ? dot(c[p], c[q]) : 0);
            }
        }
    }

    /// What a centre's products are of: sums of the leading columns.
    std::vector<Row> combined(const FittingInput& input, bool close, const std::vector<Row>& columns) const {
        const auto n = static_cast<std::size_t>(is_mixed_ ? input.n_mixed : input.n_double);
        std::vector<Row> factors(input.row_end.size());
        for (std::size_t p = 0; p < factors.size(); ++p) {
            for (std::size_t k = 0; k < columns.size() && (close || n == 0 || k < n); ++k) {
                for (std::size_t c = 0; c < 25; ++c) {
                    factors[p].c[c] += input.combination[p * columns.size() + k] * columns[k].c[c];
                }
            }
        }
        return factors;
    }

    void append_direct(const FittingInput& input, const Descriptor& d, int a, bool close,
                       const std::vector<std::vector<Row>>& by_group, std::vector<long double>& y) const {
        const std::vector<int> no_part, &ranks = part(close, input.rank_double, input.rank_mixed, no_part);
        std::vector<Row> t(static_cast<std::size_t>(d.width));
        for (std::size_t b = 0; b < by_group.size(); ++b) {
            for (std::size_t k = 0; k < by_group[b].size() && (ranks.empty() || k < static_cast<std::size_t>(ranks[b])); ++k) {
                const Table& table = model_.tables[static_cast<std::size_t>(d.table_of(a, static_cast<int>(b)))];
                for (std::size_t m = 0; m < t.size(); ++m) {
                    for (std::size_t c = 0; c < 25; ++c) {
                        t[m].c[c] += table.basis[m * static_cast<std::size_t>(table.rank) + k] * by_group[b][k].c[c];
                    }
                }
            }
        }
        for (std::size_t m = 0; m < t.size(); ++m) {
            if (d.kind != DescriptorKind::se_e2_a) {
                y.push_back(t[m].c[0] / (d.is_three_body() ? 1 : 5));
            }
            for (std::size_t axis = 0; axis < static_cast<std::size_t>(d.axis_neuron); ++axis) {
                y.push_back(dot(t[m], t[axis]));
            }
        }
    }

    static long double dot(const Row& a, const Row& b) {
        long double sum = 0;
        for (std::size_t c = 0; c < 25; ++c) {
            sum += a.c[c] * b.c[c];
        }
        return sum;
    }

    static std::vector<long double> apply(const Layer& layer, const std::vector<long double>& x) {
        std::vector<long double> y;
        for (int out = 0; out < layer.n_out; ++out) {
            long double sum = layer.bias[out];
            for (int in = 0; in < layer.n_in; ++in) {
                sum += x.at(static_cast<std::size_t>(in)) * layer.weight[in * layer.n_out + out];
            }
            sum = reference_activation(layer.activation, sum, layer.activation_parameter).value;
            sum *= layer.idt != nullptr ? layer.idt[out] : 1.0;
            y.push_back(sum + (layer.skip != Skip::none ? x[static_cast<std::size_t>(out % layer.n_in)] : 0.0L));
        }
        return y;
    }

    const Model& model_;
    bool is_mixed_;
};

}  // namespace dpc::test
