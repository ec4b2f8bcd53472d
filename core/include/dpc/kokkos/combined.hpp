// SPDX-License-Identifier: MIT
// The evaluator of a model of several parts in any Kokkos execution space: an Evaluator for each part, and the switch between two of
// them. What callers see is what they see of an Evaluator.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dpc/combined.hpp"
#include "dpc/kokkos/evaluator.hpp"
#include "dpc/measures.hpp"

namespace dpc::kokkos {

/// w and 1 - w of the centres; counts those that have some of the near part.
template <class Switch>
struct FindWeights {
    Switch between;
    double *near, *far;  // by atom index
    KOKKOS_FUNCTION void operator()(int c, int& n_near) const {
        const int i = between.list.centre(c);
        near[i] = between.weight(i);
        far[i] = 1 - near[i];
        n_near += near[i] > 0 ? 1 : 0;
    }
};

struct SwitchVirial {
    double of[9] = {};
};

/// Forces and virials of dE/dw = E_near - E_far. On a GPU forces are added atomically; on a processor one thread does all centres in their
/// order, so that the sums are always the same: few atoms have such close neighbours.
template <bool ATOMIC, class Switch, class Output>
struct AddSwitch {
    using value_type = SwitchVirial;
    Switch between;
    const double *near, *near_energy, *far_energy;  // by atom index
    Output output;

    KOKKOS_INLINE_FUNCTION void init(SwitchVirial& sums) const { sums = SwitchVirial{}; }
    KOKKOS_INLINE_FUNCTION void join(SwitchVirial& into, const SwitchVirial& from) const {
        for (int c = 0; c < 9; ++c) {
            into.of[c] += from.of[c];
        }
    }
    template <class To>
    KOKKOS_INLINE_FUNCTION static void add(To& to, double value) {
        if constexpr (ATOMIC) {
            Kokkos::atomic_add(&to, static_cast<To>(value));
        } else {
            to += static_cast<To>(value);
        }
    }
    KOKKOS_FUNCTION void operator()(int c, SwitchVirial& sums) const {
        const int i = between.list.centre(c);
        const double w = near[i];
        if (w == 0 || w == 1) {
            return;
        }
        const double d_weight = unweighted_difference(w, near_energy[i], far_energy[i]);
        between.reverse(i, d_weight, [&](const typename Switch::Neighbour& n, const double (&gradient)[3]) {
            for (int a = 0; a < 3; ++a) {
                add(output.forces(i, a), gradient[a] * between.length);
                add(output.forces(n.atom, a), -gradient[a] * between.length);
                for (int b = 0; b < 3; ++b) {
                    const double virial = -n.d[a] * gradient[b];
                    sums.of[3 * a + b] += virial;
                    if (output.atom_virial.data() != nullptr) {
                        add(output.atom_virial(n.atom, 3 * a + b), virial);
                    }
                }
            }
        });
    }
};

template <class Output>
struct AddEnergies {
    const double *near, *far;
    Output output;
    KOKKOS_FUNCTION void operator()(int i) const { output.atom_energy(i) += near[i] + far[i]; }
};

template <class ExecSpace, class Real>
class CombinedEvaluator {
public:
    using Memory = typename ExecSpace::memory_space;
    using TypesView = Kokkos::View<const int*, Memory>;

    /// As Evaluator.
    explicit CombinedEvaluator(const std::shared_ptr<const Model>& model, ExecSpace space = {}, std::size_t scratch_bytes = 0,
                               Neighbours neighbours = Neighbours::trained)
        : space_(space), switch_(model->part_switch), measured_(measured_part(*model)) {
        for (const auto& part : model->parts) {
            if (is_pair_table(*part)) {
                parts_.push_back(
                    {nullptr, std::make_unique<Evaluator<ExecSpace, double>>(part, space, scratch_bytes, neighbours), false});
            } else {
                parts_.push_back({std::make_unique<Evaluator<ExecSpace, Real>>(part, space, scratch_bytes, neighbours), nullptr,
                                  part->n_fparam > 0});
            }
        }
        if (has_switch()) {
            const SwitchTables tables(*model, neighbours);
            numbers_ = tables.numbers;
            sel_ = upload(tables.sel);
            is_counted_ = upload(tables.is_counted);
            numbers_.sel = sel_.data();
            numbers_.is_counted = is_counted_.data();
        }
    }

    template <class List>
    void set_neighbours(int n_all, const TypesView& types, const List& list) {
        n_all_ = -1;
        for_each_part([&](auto& part) { part.set_neighbours(n_all, types, list); });
        types_ = types;
        n_all_ = n_all;
    }

    void set_parameters(const Span& fparam, const Span& aparam) {
        for_each_part([&](auto& part) { part.set_parameters(fparam, aparam); });
    }

    template <class List, class Positions, class Output>
    Totals compute(const Positions& x, const List& list, const Units& units, const Output& output, double* fparam_gradient,
                   const double* factors, const Measures& measures);

    const Overflow& overflow() const { return overflow_; }
    std::string describe() const {
        std::string text;
        parts_[static_cast<std::size_t>(has_switch() ? switch_.far : 0)].visit([&](auto& part) { text = part.describe(); });
        return text;
    }
    std::size_t memory_bytes() const {
        std::size_t total = (near_.size() + far_.size() + near_energy_.size() + far_energy_.size()) * sizeof(double);
        for (const Part& part : parts_) {
            part.visit([&](auto& evaluator) { total += evaluator.memory_bytes(); });
        }
        return total;
    }

private:
    using Range = Kokkos::RangePolicy<ExecSpace>;
    using Numbers = Kokkos::View<double*, Memory>;

    /// Pair tables are in double.
    struct Part {
        std::unique_ptr<Evaluator<ExecSpace, Real>> net;
        std::unique_ptr<Evaluator<ExecSpace, double>> table;
        bool has_parameters;  // frame parameters
        template <class Call>
        void visit(const Call& call) const {
            if (net) {
                call(*net);
            } else {
                call(*table);
            }
        }
    };

    bool has_switch() const { return switch_.near >= 0; }
    template <class Call>
    void for_each_part(const Call& call) const {
        for (const Part& part : parts_) {
            part.visit(call);
        }
    }
    template <class T>
    Kokkos::View<T*, Memory> upload(const std::vector<T>& from) const {
        Kokkos::View<T*, Memory> to(Kokkos::view_alloc(space_, Kokkos::WithoutInitializing, "dpc::switch"), from.size());
        Kokkos::deep_copy(space_, to,
                          Kokkos::View<const T*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>(from.data(), from.size()));
        space_.fence("dpc: the switch is on the device");
        return to;
    }
    double* zeros(Numbers& view, const char* label) const {
        grow(view, space_, label, static_cast<std::size_t>(n_all_));
        Kokkos::deep_copy(space_, view, 0.0);
        return view.data();
    }
    template <class List, class Positions, class Output>
    void compute_part(int k, const Positions& x, const List& list, const Units& units, const Output& output,
                      const double* factors, const Measures& measures, Totals& totals, double* fparam_gradient);
    template <class List, class Positions, class Output>
    void add_switch(const math::CentreSwitch<List, Positions, TypesView>& between, const Output& output, Totals& totals) const;

    ExecSpace space_;
    PartSwitch switch_;
    std::size_t measured_;  // the part of a caller's statistics; times are of all
    std::vector<Part> parts_;
    math::SwitchParameters numbers_{};
    Kokkos::View<int*, Memory> sel_;
    Kokkos::View<char*, Memory> is_counted_;
    TypesView types_;
    int n_all_ = -1;
    Numbers near_, far_, near_energy_, far_energy_;  // (n_all) w, 1 - w, and energies of centres times these
    Overflow overflow_;
};

template <class ExecSpace, class Real>
template <class List, class Positions, class Output>
void CombinedEvaluator<ExecSpace, Real>::compute_part(int k, const Positions& x, const List& list, const Units& units,
                                                      const Output& output, const double* factors, const Measures& measures,
                                                      Totals& totals, double* fparam_gradient) {
    const Part& mine = parts_[static_cast<std::size_t>(k)];
    double* gradient = mine.has_parameters ? fparam_gradient : nullptr;
    const Measures own{static_cast<std::size_t>(k) == measured_ ? measures.statistics : nullptr, measures.times};
    mine.visit([&](auto& part) {
        const Totals of_part = part.compute(x, list, units, output, gradient, factors, own);
        totals.energy += of_part.energy;
        for (int c = 0; c < 9; ++c) {
            totals.virial[c] += of_part.virial[c];
        }
        merge(overflow_, part.overflow());
    });
}

template <class ExecSpace, class Real>
template <class List, class Positions, class Output>
Totals CombinedEvaluator<ExecSpace, Real>::compute(const Positions& x, const List& list, const Units& units, const Output& output,
                                                   double* fparam_gradient, const double*, const Measures& measures) {
    if (n_all_ < 0) {
        throw InputError("compute was called before set_neighbours");
    }
    overflow_ = Overflow{};
    Totals totals;
    for (int k = 0; k < static_cast<int>(parts_.size()); ++k) {
        if (k != switch_.near && k != switch_.far) {
            compute_part(k, x, list, units, output, nullptr, measures, totals, fparam_gradient);
        }
    }
    if (!has_switch()) {
        return totals;
    }
    const math::CentreSwitch<List, Positions, TypesView> between{numbers_, list, x, types_, units.length};
    StageWatch watch(measures.times);
    watch.start();
    int n_near = 0;
    forget_refused_launches<ExecSpace>();
    double* near = zeros(near_, "dpc::near");
    double* far = zeros(far_, "dpc::far");
    Kokkos::parallel_reduce("dpc::find_weights", Range(space_, 0, list.n_centres),
                            FindWeights<math::CentreSwitch<List, Positions, TypesView>>{between, near, far}, n_near);  // waits
    watch.charge(&StageTimes::part_switch);
    if (n_near == 0) {
        check_launches<ExecSpace>();
        compute_part(switch_.far, x, list, units, output, nullptr, measures, totals, fparam_gradient);
        return totals;
    }
    using Energies = decltype(output.atom_energy);
    const Energies of_far(zeros(far_energy_, "dpc::far_energy"), static_cast<std::size_t>(n_all_)),
        of_near(zeros(near_energy_, "dpc::near_energy"), static_cast<std::size_t>(n_all_));
    check_launches<ExecSpace>();
    Output own = output;
    own.atom_energy = of_far;
    compute_part(switch_.far, x, list, units, own, far, measures, totals, fparam_gradient);
    own.atom_energy = of_near;
    compute_part(switch_.near, x, list, units, own, near, measures, totals, fparam_gradient);
    watch.start();
    if (output.atom_energy.data() != nullptr) {
        Kokkos::parallel_for("dpc::add_energies", Range(space_, 0, n_all_),
                             AddEnergies<Output>{near_energy_.data(), far_energy_.data(), output});
    }
    add_switch(between, output, totals);  // waits
    check_launches<ExecSpace>();
    watch.charge(&StageTimes::part_switch);
    return totals;
}

template <class ExecSpace, class Real>
template <class List, class Positions, class Output>
void CombinedEvaluator<ExecSpace, Real>::add_switch(const math::CentreSwitch<List, Positions, TypesView>& between,
                                                    const Output& output, Totals& totals) const {
    using Switch = math::CentreSwitch<List, Positions, TypesView>;
    const AddSwitch<is_gpu<ExecSpace>, Switch, Output> add{between, near_.data(), near_energy_.data(), far_energy_.data(),
                                                           output};
    SwitchVirial virial;
    if constexpr (is_gpu<ExecSpace>) {
        Kokkos::parallel_reduce("dpc::add_switch", Range(space_, 0, between.list.n_centres), add, virial);
    } else {
        space_.fence("dpc: energies of both parts");
        for (int c = 0; c < between.list.n_centres; ++c) {
            add(c, virial);
        }
    }
    for (int c = 0; c < 9; ++c) {
        totals.virial[c] += virial.of[c];
    }
}

}  // namespace dpc::kokkos
