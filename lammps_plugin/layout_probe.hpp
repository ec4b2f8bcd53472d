// SPDX-License-Identifier: GPL-2.0-only
// Do the classes of the LAMMPS that runs have their members where the headers at compile time said? The last check before the
// pair style is opened, for builds whose names agree but whose source does not.
#pragma once

#include "running_lammps.hpp"

/// The first class that is laid out differently, or null. Calls the C interface and constructors of LAMMPS only, and reads no
/// memory but of objects that are known to reach that far.
const char* class_laid_out_differently(const RunningLammps& lammps);
