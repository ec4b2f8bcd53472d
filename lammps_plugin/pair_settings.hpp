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

/// pair_style dpcompressed FILE [check N] [overflow warn|stop] [precision double|mixed]
///                              [device cpu|gpu|auto] [memory MB] [neighbors trained|all]
struct StyleSettings {
    std::string file;
    int check_every = 0;  // steps between overflow reports; 0: as the file says
    bool overflow_stops = true;
    dpc::Precision precision = dpc::Precision::float64;
    DeviceChoice device = DeviceChoice::cpu;
    int memory = 0;  // MB (10^6 bytes) of scratch arrays of the Kokkos evaluators; 0: their default
    dpc::Neighbours neighbours = dpc::Neighbours::trained;
};

/// Throws dpc::InputError with the sentence to print.
StyleSettings parse_style(int narg, char** arg);

/// Element names of pair_coeff, one per LAMMPS type; none: in the order of the model.
/// Throws dpc::InputError where pair_coeff does not start with * *, or the number of names is
/// neither 0 nor n_types.
std::vector<std::string> parse_coeff(int narg, char** arg, int n_types);

/// Model type of LAMMPS type t at [t], t = 1 .. n_types ([0] is kNotInModel). Throws
/// dpc::InputError for an unknown name, for more LAMMPS types than the model has where no names are
/// given, and where every name is NULL.
std::vector<int> map_types(const std::vector<std::string>& names, int n_types,
                           const dpc::Model& model);

/// Bytes of a restart file; the two are inverse. Neither holds pointers or platform types wider
/// than the file's own machine.
std::string pack(const StyleSettings& settings);
StyleSettings unpack_settings(const std::string& bytes);
std::string pack(const std::vector<std::string>& names);
std::vector<std::string> unpack_names(const std::string& bytes);

}  // namespace dpcompressed
