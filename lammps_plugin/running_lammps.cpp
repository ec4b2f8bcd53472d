// SPDX-License-Identifier: GPL-2.0-only
#include "running_lammps.hpp"

#include <stdio.h>

namespace {

constexpr int kWarning = 0;  // LMP_ERROR_WARNING of library.h

}  // namespace

RunningLammps::RunningLammps(void* lammps) : instance(lammps) {
    find_symbol(version, "lammps_version");
    find_symbol(extract_setting, "lammps_extract_setting");
    find_symbol(extract_global, "lammps_extract_global");
    find_symbol(has_package, "lammps_config_has_package");
    find_symbol(has_mpi, "lammps_config_has_mpi_support");
    find_symbol(error, "lammps_error");
}

void RunningLammps::warn(const char* message) const {
    if (extract_setting != nullptr && extract_setting(instance, "world_rank") != 0) {
        return;
    }
    if (error != nullptr) {
        error(instance, kWarning, message);
    } else {
        fprintf(stderr, "WARNING: %s\n", message);
    }
}
