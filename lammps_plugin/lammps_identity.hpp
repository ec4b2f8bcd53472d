// SPDX-License-Identifier: GPL-2.0-only
// Which LAMMPS: what the plugin was compiled for, and what runs. Updates of one release share its date, and their classes need
// not have the same members in the same places.
#pragma once

#include <stddef.h>

#include "running_lammps.hpp"

enum class Mpi { kUnknown, kNone, kMpich, kOpenMpi };  // families with one binary interface

struct LammpsIdentity {
    int version;                   // yyyymmdd
    int update;                    // 0 is the release itself, -1 unknown
    char descriptor[128];          // of git, "" unknown
    int bigint, tagint, imageint;  // bytes
    Mpi mpi;

    /// What either side does not know is not compared.
    bool agrees_with(const LammpsIdentity& other) const;
    /// "22 Jul 2025 Update 4 (stable_22Jul2025_update4) with integers of 8/4/4 bytes and MPICH"
    void spell(char* text, size_t size) const;
};

/// 20250722 -> "22 Jul 2025", LAMMPS' own spelling.
void spell_version(int version, char* text, size_t size);

LammpsIdentity compiled_for();
LammpsIdentity identity_of(const RunningLammps& lammps);
