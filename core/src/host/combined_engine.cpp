// SPDX-License-Identifier: MIT
// The host's engine of a model of several parts: an engine for each, and the switch between two of them.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "dpc/aligned_array.hpp"
#include "dpc/combined.hpp"
#include "dpc/errors.hpp"
#include "dpc/measures.hpp"
#include "dpc/team.hpp"
#include "engine.hpp"

namespace dpc::host {
namespace {

/// A neighbour list of our own, for the switch. Centres of types that no part knows or gives an energy are left out, as the parts leave
/// them, and their neighbours unseen.
struct CentreList {
    std::vector<int> centres;
    std::vector<int> types;          // (n_all)
    std::vector<std::size_t> begin;  // (n_all) into neighbours
    std::vector<int> counts;         // (n_all)
    std::vector<int> neighbours;
    std::vector<std::int64_t> tags;  // (n_all), or none: the index
    int n_all = 0;

    void take(int n_atoms, const int* atom_types, const NeighbourRows& rows, const std::vector<char>& has_energy);
    std::size_t bytes() const {
        return bytes_of(centres) + bytes_of(types) + bytes_of(begin) + bytes_of(counts) + bytes_of(neighbours) + bytes_of(tags);
    }
};

void CentreList::take(int n_atoms, const int* atom_types, const NeighbourRows& rows, const std::vector<char>& has_energy) {
    n_all = n_atoms;
    types.assign(atom_types, atom_types + n_atoms);
    begin.assign(static_cast<std::size_t>(n_atoms), 0);
    counts.assign(static_cast<std::size_t>(n_atoms), 0);
    tags.assign(rows.tag, rows.tag + (rows.tag != nullptr ? n_atoms : 0));
    centres.clear();
    neighbours.clear();
    for (int c = 0; c < rows.n_centres; ++c) {
        const int i = rows.centre[c];
        const auto at = static_cast<std::size_t>(i);
        if (types[at] < 0 || has_energy[static_cast<std::size_t>(types[at])] == 0) {
            continue;
        }
        centres.push_back(i);
        begin[at] = neighbours.size();
        for (int k = 0; k < rows.count[i]; ++k) {
            const int j = rows.rows[i][k] & rows.index_mask;
            if (types[static_cast<std::size_t>(j)] >= 0) {
                neighbours.push_back(j);
            }
        }
        counts[at] = static_cast<int>(neighbours.size() - begin[at]);
    }
}

/// As math::CentreSwitch reads it.
struct ListView {
    const CentreList& of;
    int count(int i) const { return of.counts[static_cast<std::size_t>(i)]; }
    int neighbour(int i, int k) const {
        return of.neighbours[of.begin[static_cast<std::size_t>(i)] + static_cast<std::size_t>(k)];
    }
    long long tag(int i) const { return of.tags.empty() ? i : of.tags[static_cast<std::size_t>(i)]; }
};

struct PositionsView {
    const double* x;
    double operator()(int i, int c) const { return x[3 * static_cast<std::ptrdiff_t>(i) + c]; }
};

struct TypesView {
    const int* types;
    int operator()(int i) const { return types[i]; }
};

using HostSwitch = math::CentreSwitch<ListView, PositionsView, TypesView>;

class CombinedEngine final : public Engine {
public:
    CombinedEngine(const Model& model, const EvaluatorOptions& options)
        : switch_(model.part_switch),
          has_energy_(model.has_energy),
          measured_(measured_part(model)),
          n_threads_(options.n_threads) {
        for (const auto& part : model.parts) {
            EvaluatorOptions own = options;
            own.precision = is_pair_table(*part) ? Precision::float64 : options.precision;
            parts_.push_back(make_engine(part, own));
            has_parameters_.push_back(part->n_fparam > 0 ? 1 : 0);
        }
        if (has_switch()) {
            tables_ = std::make_unique<SwitchTables>(model, options.neighbours);
        }
    }

    void set_neighbours(int n_all, const int* types, const NeighbourRows& rows) override;
    bool share_neighbours(const Engine& other) override;
    Totals compute(const Inputs& inputs, const double* factors, const Output& output) override;
    std::string describe() const override { return parts_[static_cast<std::size_t>(has_switch() ? switch_.far : 0)]->describe(); }
    std::size_t memory_bytes() const override;

private:
    bool has_switch() const { return switch_.near >= 0; }
    bool find_weights(const HostSwitch& between);
    Totals compute_part(std::size_t k, const Inputs& inputs, const double* factors, const Output& output);
    void add_switch(const HostSwitch& between, const Units& units, const Output& output, Totals& totals) const;

    PartSwitch switch_;
    std::vector<char> has_energy_;  // (N) in some part
    bool has_list_ = false;         // all parts have the same
    std::size_t measured_;          // the part of a caller's statistics; times are of all
    int n_threads_;
    std::vector<std::unique_ptr<Engine>> parts_;
    std::vector<char> has_parameters_;  // of the parts: frame parameters
    std::unique_ptr<SwitchTables> tables_;
    std::shared_ptr<CentreList> list_ = std::make_shared<CentreList>();  // of the switch; maybe other engines', too
    std::vector<double> near_, far_;                                     // (n_all) w and 1 - w of centres
    std::vector<double> near_energy_, far_energy_;                       // (n_all) of centres, times these
};

void CombinedEngine::set_neighbours(int n_all, const int* types, const NeighbourRows& rows) {
    has_list_ = false;
    for (std::size_t k = 0; k < parts_.size(); ++k) {
        if (k == 0 || !parts_[k]->share_neighbours(*parts_.front())) {
            parts_[k]->set_neighbours(n_all, types, rows);  // checks the list
        }
    }
    if (has_switch()) {
        list_ = list_.use_count() > 1 ? std::make_shared<CentreList>() : list_;
        list_->take(n_all, types, rows, has_energy_);
    }
    has_list_ = true;
}

bool CombinedEngine::share_neighbours(const Engine& other) {
    const auto* combined = dynamic_cast<const CombinedEngine*>(&other);
    if (combined == nullptr || !combined->has_list_ || combined->parts_.size() != parts_.size() ||
        combined->has_switch() != has_switch()) {
        return false;
    }
    has_list_ = false;
    for (std::size_t k = 0; k < parts_.size(); ++k) {
        if (!parts_[k]->share_neighbours(*combined->parts_[k])) {
            return false;
        }
    }
    list_ = combined->list_;
    has_list_ = true;
    return true;
}

/// Whether any centre has some of the near part.
bool CombinedEngine::find_weights(const HostSwitch& between) {
    const auto n_all = static_cast<std::size_t>(list_->n_all);
    near_.assign(n_all, 0.0);
    far_.assign(n_all, 1.0);
    const int n = static_cast<int>(list_->centres.size());
    int n_near = 0;
#pragma omp parallel for num_threads(team_size(n_threads_)) schedule(static) reduction(+ : n_near)
    for (int c = 0; c < n; ++c) {
        const auto i = static_cast<std::size_t>(list_->centres[static_cast<std::size_t>(c)]);
        near_[i] = between.weight(static_cast<int>(i));
        far_[i] = 1 - near_[i];
        n_near += near_[i] > 0 ? 1 : 0;
    }
    return n_near > 0;
}

Totals CombinedEngine::compute_part(std::size_t k, const Inputs& inputs, const double* factors, const Output& output) {
    Output own = output;
    own.fparam_gradient = has_parameters_[k] != 0 ? output.fparam_gradient : nullptr;
    own.measures.statistics = k == measured_ ? output.measures.statistics : nullptr;
    const Totals totals = parts_[k]->compute(inputs, factors, own);
    merge(overflow, parts_[k]->overflow);
    return totals;
}

void add(Totals& into, const Totals& from) {
    into.energy += from.energy;
    for (int c = 0; c < 9; ++c) {
        into.virial[c] += from.virial[c];
    }
}

Totals CombinedEngine::compute(const Inputs& inputs, const double*, const Output& output) {
    if (!has_list_) {
        throw InputError("compute was called before set_neighbours");
    }
    overflow = Overflow{};
    Totals totals;
    for (std::size_t k = 0; k < parts_.size(); ++k) {
        if (!has_switch() || (static_cast<int>(k) != switch_.near && static_cast<int>(k) != switch_.far)) {
            add(totals, compute_part(k, inputs, nullptr, output));
        }
    }
    if (!has_switch()) {
        return totals;
    }
    const auto near = static_cast<std::size_t>(switch_.near), far = static_cast<std::size_t>(switch_.far);
    const HostSwitch between{tables_->parameters(), {*list_}, {inputs.x}, {list_->types.data()}, inputs.units.length};
    StageWatch watch(output.measures.times);
    watch.start();
    const bool has_near = find_weights(between);
    watch.charge(&StageTimes::part_switch);
    if (!has_near) {
        add(totals, compute_part(far, inputs, nullptr, output));
        return totals;
    }
    near_energy_.assign(near_.size(), 0.0);
    far_energy_.assign(near_.size(), 0.0);
    Output own = output;
    own.atom_energy = far_energy_.data();
    add(totals, compute_part(far, inputs, far_.data(), own));
    own.atom_energy = near_energy_.data();
    add(totals, compute_part(near, inputs, near_.data(), own));
    watch.start();
    for (std::size_t i = 0; output.atom_energy != nullptr && i < near_.size(); ++i) {
        output.atom_energy[i] += near_energy_[i] + far_energy_[i];
    }
    add_switch(between, inputs.units, output, totals);
    watch.charge(&StageTimes::part_switch);
    return totals;
}

/// Forces and virials of dE/dw = E_near - E_far.
void CombinedEngine::add_switch(const HostSwitch& between, const Units& units, const Output& output, Totals& totals) const {
    for (const int i : list_->centres) {
        const auto at = static_cast<std::size_t>(i);
        const double w = near_[at];
        if (w == 0 || w == 1) {
            continue;
        }
        // Of energies in the caller's units.
        const double d_weight = unweighted_difference(w, near_energy_[at], far_energy_[at]);
        between.reverse(i, d_weight, [&](const HostSwitch::Neighbour& n, const double (&gradient)[3]) {
            for (int a = 0; a < 3; ++a) {
                const double force = gradient[a] * units.length;
                output.forces[3 * static_cast<std::ptrdiff_t>(i) + a] += force;
                output.forces[3 * static_cast<std::ptrdiff_t>(n.atom) + a] -= force;
                for (int b = 0; b < 3; ++b) {
                    const double virial = -n.d[a] * gradient[b];
                    totals.virial[3 * a + b] += virial;
                    if (output.atom_virial != nullptr) {
                        output.atom_virial[9 * static_cast<std::ptrdiff_t>(n.atom) + 3 * a + b] += virial;
                    }
                }
            }
        });
    }
}

std::size_t CombinedEngine::memory_bytes() const {
    std::size_t total = sizeof(*this) + list_->bytes() / static_cast<std::size_t>(list_.use_count()) + bytes_of(near_) +
                        bytes_of(far_) + bytes_of(near_energy_) + bytes_of(far_energy_);
    for (const auto& part : parts_) {
        total += part->memory_bytes();
    }
    return total;
}

}  // namespace

std::unique_ptr<Engine> make_combined_engine(const Model& model, const EvaluatorOptions& options) {
    return std::make_unique<CombinedEngine>(model, options);
}

}  // namespace dpc::host
