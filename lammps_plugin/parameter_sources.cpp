// SPDX-License-Identifier: GPL-2.0-only
// Computes and fixes are looked up by their IDs in every step: the input script may replace them between runs. See parameter_sources.hpp.
#include "parameter_sources.hpp"

#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "atom.h"
#include "compute.h"
#include "dpc/errors.hpp"
#include "fix.h"
#include "lammps.h"
#include "modify.h"
#include "text.hpp"
#include "update.h"

using namespace LAMMPS_NS;

namespace dpcompressed {
namespace {

constexpr char kFparamCompute[] = "fparam_from_compute", kFparamFix[] = "fparam_from_fix",
               kAparamCompute[] = "aparam_from_compute";

[[noreturn]] void fail(const char* kind, const std::string& id, const char* keyword, const std::string& what) {
    throw dpc::InputError(text(kind, ' ', id, " of ", keyword, ' ', what));
}

/// Values of computes while the forces of a step are not there yet. LAMMPS keeps what was computed in a step for all who ask in it;
/// with the velocities and positions of this moment that would be another value than at the step's end. So all computes are evaluated
/// anew here, and again by whoever asks next.
class Moment {
public:
    explicit Moment(Modify& modify) : modify_(modify), computes_(modify.get_compute_list()) {
        modify_.clearstep_compute();
        for (Compute* compute : computes_) {
            stored_.push_back({});
            visit(*compute, stored_.back(), [](bigint& invoked, bigint& stored) {
                stored = invoked;
                invoked = kNever;
            });
        }
    }
    ~Moment() {
        for (std::size_t k = 0; k < computes_.size(); k++) {
            visit(*computes_[k], stored_[k],
                  [](bigint& invoked, bigint& stored) { invoked = invoked == kNever ? stored : kNever; });
        }
        modify_.clearstep_compute();
    }
    Moment(const Moment&) = delete;
    Moment& operator=(const Moment&) = delete;

    /// A compute of energies or pressures that was evaluated, also by way of another; null: none.
    const Compute* of_energies() const {
        for (Compute* compute : computes_) {
            bool was_invoked = false;
            Stored unused;
            visit(*compute, unused, [&](bigint& invoked, bigint&) { was_invoked = was_invoked || invoked != kNever; });
            if (was_invoked && (compute->peflag || compute->peatomflag || compute->pressflag || compute->pressatomflag)) {
                return compute;
            }
        }
        return nullptr;
    }

private:
    static constexpr bigint kNever = -1;  // LAMMPS' own sign
    struct Stored {
        bigint scalar, vector, array, peratom, local;
    };

    template <class Action>
    static void visit(Compute& compute, Stored& stored, const Action& action) {
        action(compute.invoked_scalar, stored.scalar);
        action(compute.invoked_vector, stored.vector);
        action(compute.invoked_array, stored.array);
        action(compute.invoked_peratom, stored.peratom);
        action(compute.invoked_local, stored.local);
    }

    Modify& modify_;
    const std::vector<Compute*> computes_;
    std::vector<Stored> stored_;
};

}  // namespace

ParameterSources::ParameterSources(LAMMPS* lmp, const ParameterSettings& settings, int n_fparam, int n_aparam)
    : lmp_(lmp), settings_(settings), n_fparam_(n_fparam), n_aparam_(n_aparam) {}

Compute& ParameterSources::find_compute(const std::string& id, const char* keyword) const {
    Compute* compute = lmp_->modify->get_compute_by_id(id);
    if (compute == nullptr) {
        fail("compute", id, keyword, "does not exist: define it before the run");
    }
    return *compute;
}

Fix& ParameterSources::find_fix() const {
    Fix* fix = lmp_->modify->get_fix_by_id(settings_.fparam_fix);
    if (fix == nullptr) {
        fail("fix", settings_.fparam_fix, kFparamFix, "does not exist: define it before the run");
    }
    return *fix;
}

void ParameterSources::check_fparam(const Compute& compute) const {
    const auto refuse = [&](const std::string& what) { fail("compute", compute.id, kFparamCompute, what); };
    if (n_fparam_ == 1 && compute.scalar_flag) {
        return;
    }
    if (!compute.vector_flag) {
        refuse(
            text("has no global ", n_fparam_ == 1 ? "scalar" : "vector", ", the model takes ", n_fparam_, " frame parameters"));
    }
    if (compute.size_vector < n_fparam_ && !compute.size_vector_variable) {
        refuse(
            text("has a global vector of ", compute.size_vector, " numbers, the model takes ", n_fparam_, " frame parameters"));
    }
}

void ParameterSources::check_fparam(const Fix& fix) const {
    const auto refuse = [&](const std::string& what) { fail("fix", fix.id, kFparamFix, what); };
    const int index = settings_.fparam_index;
    if (index == 0 && !fix.scalar_flag) {
        refuse("has no global scalar; of its global vector the elements from N on: fparam_from_fix ID N");
    }
    if (index > 0 && !fix.vector_flag) {
        refuse(text("has no global vector, of which element ", index, " is asked for; its scalar: fparam_from_fix ID"));
    }
    if (index > 0 && fix.size_vector < index - 1 + n_fparam_ && !fix.size_vector_variable) {
        refuse(text("has a global vector of ", fix.size_vector, " numbers, but ", n_fparam_, " from the ", index,
                    ". on are asked for"));
    }
}

void ParameterSources::check_aparam(const Compute& compute) const {
    const auto refuse = [&](const std::string& what) { fail("compute", compute.id, kAparamCompute, what); };
    if (!compute.peratom_flag) {
        refuse("has no per-atom values");
    }
    const int columns = std::max(1, compute.size_peratom_cols);  // 0: a vector
    if (columns < n_aparam_) {
        refuse(text("has ", columns, columns == 1 ? " value" : " values", " an atom, the model takes ", n_aparam_,
                    " atomic parameters"));
    }
}

void ParameterSources::check() const {
    if (!settings_.fparam_compute.empty()) {
        check_fparam(find_compute(settings_.fparam_compute, kFparamCompute));
    }
    if (!settings_.fparam_fix.empty()) {
        check_fparam(find_fix());
    }
    if (!settings_.aparam_compute.empty()) {
        check_aparam(find_compute(settings_.aparam_compute, kAparamCompute));
    }
}

std::string ParameterSources::describe() const {
    std::string result;
    if (!settings_.fparam_compute.empty()) {
        result += text("  frame parameters from compute ", settings_.fparam_compute, '\n');
    }
    if (!settings_.fparam_fix.empty()) {
        result += text("  frame parameters from fix ", settings_.fparam_fix,
                       settings_.fparam_index > 0 ? text(", elements from ", settings_.fparam_index, " on") : "", '\n');
    }
    if (!settings_.aparam_compute.empty()) {
        result += text("  atomic parameters from compute ", settings_.aparam_compute, '\n');
    }
    return result;
}

/// A fix ave/time, whose value of a run's first step has to be asked for.
bool ParameterSources::has_fix_of_averages() const {
    return !settings_.fparam_fix.empty() && std::strncmp(find_fix().style, "ave/time", std::strlen("ave/time")) == 0;
}

std::vector<std::string> ParameterSources::advice(const std::function<bool(int)>& is_in_model) const {
    std::vector<std::string> found;
    if (has_fix_of_averages() && find_fix().size_vector > n_fparam_ && settings_.fparam_index > 0) {
        found.push_back(text("fix ", settings_.fparam_fix, " of ", kFparamFix, " has ", find_fix().size_vector,
                             " values, of which ", n_fparam_, n_fparam_ == 1 ? " is a frame parameter" : " are frame parameters",
                             ": in the first step of a run all of them are evaluated before the forces are there. Give the "
                             "parameters a fix of their own if another one depends on forces, energies or pressures"));
    }
    if (!settings_.aparam_compute.empty()) {
        const Compute& compute = find_compute(settings_.aparam_compute, kAparamCompute);
        bigint outside = 0;
        for (int i = 0; i < lmp_->atom->nlocal; i++) {
            outside += is_in_model(i) && (lmp_->atom->mask[i] & compute.groupbit) == 0 ? 1 : 0;
        }
        MPI_Allreduce(MPI_IN_PLACE, &outside, 1, MPI_LMP_BIGINT, MPI_SUM, lmp_->world);
        if (outside > 0) {
            found.push_back(text("compute ", compute.id, " of ", kAparamCompute, " gives the atoms outside its group 0: ",
                                 outside, " atoms of the model. Give it the group all unless that is meant"));
        }
    }
    return found;
}

std::string ParameterSources::doubt(const std::vector<double>& fparam) const {
    if (!has_fix_of_averages() || !std::all_of(fparam.begin(), fparam.end(), [](double value) { return value == 0.0; })) {
        return {};
    }
    const Fix& fix = find_fix();
    return text("fix ", fix.id, " of ", kFparamFix, " gives 0 at the first forces of the run: so does a fix ", fix.style,
                " until its first average is complete. Unless 0 is meant, let it have a value in the first step of the run: "
                "Nrepeat of 1, a first step that is a multiple of Nfreq (",
                fix.global_freq, "; 1 is safe), no later start");
}

/// LAMMPS does this after the first forces of a run: until then a compute temp, for instance, knows no degrees of freedom, and a
/// fix ave/time has no value.
void ParameterSources::set_up(const std::function<void(Compute&)>& prepare) const {
    for (Compute* compute : lmp_->modify->get_compute_list()) {
        prepare(*compute);
        compute->setup();
    }
    if (has_fix_of_averages()) {
        find_fix().end_of_step();  // of this step; a second call does nothing
    }
}

std::vector<double> ParameterSources::fparam_of(Compute& compute) const {
    if (n_fparam_ == 1 && compute.scalar_flag) {
        compute.compute_scalar();
        return {compute.scalar};
    }
    compute.compute_vector();
    if (compute.size_vector < n_fparam_) {
        fail("compute", compute.id, kFparamCompute,
             text("has now a vector of ", compute.size_vector, " numbers, the model takes ", n_fparam_, " frame parameters"));
    }
    return {compute.vector, compute.vector + n_fparam_};
}

std::vector<double> ParameterSources::fparam_of(Fix& fix) const {
    const auto n = static_cast<std::size_t>(n_fparam_);
    const int index = settings_.fparam_index;
    if (index == 0) {
        return std::vector<double>(n, fix.compute_scalar());
    }
    if (fix.size_vector < index - 1 + n_fparam_) {
        fail("fix", fix.id, kFparamFix,
             text("has now a vector of ", fix.size_vector, " numbers, but ", n_fparam_, " from the ", index,
                  ". on are asked for"));
    }
    std::vector<double> values;
    for (int k = 0; k < n_fparam_; k++) {
        values.push_back(fix.compute_vector(index - 1 + k));
    }
    return values;
}

void ParameterSources::read_aparam(Compute& compute, const std::function<bool(int)>& is_in_model, int n_all,
                                   std::vector<double>& aparam) const {
    const auto n = static_cast<std::size_t>(n_aparam_);
    aparam.assign(static_cast<std::size_t>(n_all) * n, 0.0);
    for (int i = 0; i < lmp_->atom->nlocal; i++) {
        if (!is_in_model(i)) {
            continue;
        }
        const double* values = compute.size_peratom_cols == 0 ? compute.vector_atom + i : compute.array_atom[i];
        if (!std::all_of(values, values + n, [](double value) { return std::isfinite(value); })) {
            throw dpc::InputError(text("compute ", compute.id, " of ", kAparamCompute, " gives a number that is not finite"), i);
        }
        std::copy(values, values + n, aparam.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(i) * n));
    }
}

void ParameterSources::read(const std::function<void(Compute&)>& prepare, const std::function<bool(int)>& is_in_model, int n_all,
                            std::vector<double>& fparam, std::vector<double>& aparam) const {
    check();
    const Moment moment(*lmp_->modify);
    if (lmp_->update->setupflag) {
        set_up(prepare);
    }
    if (settings_.has_fparam_source()) {
        if (!settings_.fparam_compute.empty()) {
            Compute& compute = find_compute(settings_.fparam_compute, kFparamCompute);
            prepare(compute);
            fparam = fparam_of(compute);
        } else {
            fparam = fparam_of(find_fix());
        }
        MPI_Bcast(fparam.data(), n_fparam_, MPI_DOUBLE, 0, lmp_->world);  // the same to the last bit
    }
    if (!settings_.aparam_compute.empty()) {
        Compute& compute = find_compute(settings_.aparam_compute, kAparamCompute);
        prepare(compute);
        compute.compute_peratom();
        read_aparam(compute, is_in_model, n_all, aparam);
    }
    if (const Compute* compute = moment.of_energies()) {
        throw dpc::InputError(
            text("the parameters depend on compute ", compute->id, " (", compute->style,
                 "), which needs the energy or the pressure of the step: these follow from the parameters. Take "
                 "computes and fixes that do without, also in values of the fix that are no parameters"));
    }
    if (!std::all_of(fparam.begin(), fparam.end(), [](double value) { return std::isfinite(value); })) {
        const bool is_fix = !settings_.fparam_fix.empty();
        fail(is_fix ? "fix" : "compute", is_fix ? settings_.fparam_fix : settings_.fparam_compute,
             is_fix ? kFparamFix : kFparamCompute, "gives a number that is not finite");
    }
}

}  // namespace dpcompressed
