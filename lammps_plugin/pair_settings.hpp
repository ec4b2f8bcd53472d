// SPDX-License-Identifier: GPL-2.0-only
// What the user said in pair_style and pair_coeff, how it is kept in restart files, and the map
// from LAMMPS types to model types.
#pragma once

#include <string>
#include <vector>

#include "atom_types.hpp"
#include "dpc/evaluator.hpp"
#include "dpc/model.hpp"

namespace dpcompressed {

/// Where the host style evaluates; automatic: on a GPU where this build and this machine have one.
/// The last two are Kokkos on the processor, for tests.
enum class DeviceChoice { cpu, gpu, automatic, kokkos_serial, kokkos_openmp };

/// What is written of the deviation of several models, and when.
struct DeviationSettings {
    int every = 100;  // steps; 0: never
    std::string file = "model_devi.out";
    bool each_atom = false;
    double relative = -1, relative_v = -1;  // added to the divisor, units of the run; negative: no divisor

    bool is_default() const {
        const DeviationSettings other;
        return every == other.every && file == other.file && !each_atom && relative < 0 && relative_v < 0;
    }
};

/// Where frame and atomic parameters come from: one source each, or none.
struct ParameterSettings {
    std::vector<double> fparam, aparam;                      // constants; atomic ones the same for all atoms
    std::string fparam_compute, fparam_fix, aparam_compute;  // IDs
    int fparam_index = 0;  // of fparam_fix' vector, where the parameters begin; 0: all are its scalar

    bool has_fparam_source() const { return !fparam_compute.empty() || !fparam_fix.empty(); }
    bool has_sources() const { return has_fparam_source() || !aparam_compute.empty(); }
};

/// pair_style dpcompressed FILE [FILE2 ...] [keyword value ...]
struct StyleSettings {
    std::vector<std::string> files;  // of table files; the first drives
    /// What was in each, for restart files: its length and checksum. None: not read yet, and no restart file says.
    std::vector<std::string> contents;
    int check_every = 0;  // steps between overflow reports; 0: as the file says
    bool overflow_stops = true;
    dpc::Precision precision = dpc::Precision::float64;
    DeviceChoice device = DeviceChoice::cpu;
    int memory = 0;  // MB (10^6 bytes) of scratch arrays of the Kokkos engines; 0: their default
    dpc::Neighbours neighbours = dpc::Neighbours::trained;
    DeviationSettings deviation;
    ParameterSettings parameters;
    bool says_summary = true;  // at the end of every run
};

/// Throws dpc::InputError with the sentence to print.
StyleSettings parse_style(int narg, char** arg);

/// Throws dpc::InputError unless there are as many constants as the model takes, and no source for what it does not take.
void check_parameters(const ParameterSettings& settings, const dpc::Model& model);

/// Element names of pair_coeff, one per LAMMPS type; none: in the order of the model.
/// Throws dpc::InputError where pair_coeff does not start with * *, or the number of names is
/// neither 0 nor n_types.
std::vector<std::string> parse_coeff(int narg, char** arg, int n_types);

/// A second or later table file of pair_style that looks like a word which is no keyword: what to add to
/// the message that there is no such file; "" for others.
std::string advice_on_file(const std::string& file);

/// Model type of LAMMPS type t at [t], t = 1 .. n_types ([0] is kNotInModel). Throws
/// dpc::InputError for an unknown name, for more LAMMPS types than the model has where no names are
/// given, and where every name is NULL.
std::vector<int> map_types(const std::vector<std::string>& names, int n_types, const dpc::Model& model);

/// Types of another model by those of the first; -1: not in it. Empty: the same. used: model types of the
/// first that atoms may have. Throws dpc::InputError where the other lacks one of them.
std::vector<int> types_in_other(const dpc::Model& first, const dpc::Model& other, const std::vector<int>& used);

/// PWMLFF's and MatPL's pair style divides by the number of elements in pair_coeff, a table file by that of the elements it was
/// built for. used: model types that atoms may have. What to say where those are fewer; "": nothing.
std::string advice_on_elements(const dpc::Model& model, const std::vector<int>& used);

/// Bytes of a restart file; the two are inverse. Neither holds pointers or platform types wider
/// than the file's own machine.
std::string pack(const StyleSettings& settings);
StyleSettings unpack_settings(const std::string& bytes);
std::string pack(const std::vector<std::string>& names);
std::vector<std::string> unpack_names(const std::string& bytes);

}  // namespace dpcompressed
