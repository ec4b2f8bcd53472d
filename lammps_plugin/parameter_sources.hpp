// SPDX-License-Identifier: GPL-2.0-only
// Frame and atomic parameters that LAMMPS' computes and fixes give, evaluated before the forces of every step.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pair_settings.hpp"

namespace LAMMPS_NS {
class Compute;
class Fix;
class LAMMPS;
}  // namespace LAMMPS_NS

namespace dpcompressed {

class ParameterSources {
public:
    /// n_fparam, n_aparam: as many as the models take.
    ParameterSources(LAMMPS_NS::LAMMPS* lmp, const ParameterSettings& settings, int n_fparam, int n_aparam);

    /// Throws dpc::InputError where a source does not exist or cannot give what the models take; the same on all ranks.
    void check() const;

    /// For the log, one line a kind; "": no sources.
    std::string describe() const;

    /// What is sound and may yet not be meant. is_in_model(i): of own atoms. Collective.
    std::vector<std::string> advice(const std::function<bool(int)>& is_in_model) const;

    /// What may not be meant of the parameters that read() gave at the first forces of a run; "": nothing.
    std::string doubt(const std::vector<double>& fparam) const;

    /// prepare(compute) is called before a compute is evaluated: the atoms must be where it reads them. is_in_model(i): of own atoms.
    /// What has no source is left as it is. aparam: (n_all, n_aparam), those of ghosts and of atoms that are not in the model 0, as only
    /// centres take them. Throws dpc::InputError as check does, where a value is not finite, and for computes that need the energy or
    /// the pressure of the step, which follow from the parameters. Collective; some ranks alone may throw.
    void read(const std::function<void(LAMMPS_NS::Compute&)>& prepare, const std::function<bool(int)>& is_in_model, int n_all,
              std::vector<double>& fparam, std::vector<double>& aparam) const;

private:
    LAMMPS_NS::Compute& find_compute(const std::string& id, const char* keyword) const;
    LAMMPS_NS::Fix& find_fix() const;
    void check_fparam(const LAMMPS_NS::Compute& compute) const;
    void check_fparam(const LAMMPS_NS::Fix& fix) const;
    void check_aparam(const LAMMPS_NS::Compute& compute) const;
    bool has_fix_of_averages() const;
    void set_up(const std::function<void(LAMMPS_NS::Compute&)>& prepare) const;
    std::vector<double> fparam_of(LAMMPS_NS::Compute& compute) const;
    std::vector<double> fparam_of(LAMMPS_NS::Fix& fix) const;
    void read_aparam(LAMMPS_NS::Compute& compute, const std::function<bool(int)>& is_in_model, int n_all,
                     std::vector<double>& aparam) const;

    LAMMPS_NS::LAMMPS* lmp_;
    ParameterSettings settings_;
    int n_fparam_, n_aparam_;
};

}  // namespace dpcompressed
