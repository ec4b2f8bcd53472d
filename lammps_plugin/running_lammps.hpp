// SPDX-License-Identifier: GPL-2.0-only
// The LAMMPS that has opened the loader, by the C interface it exports: nothing of it is linked.
#pragma once

#include <dlfcn.h>

/// Null where this program does not export the symbol.
template <class Function>
void find_symbol(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

/// The C interface of the LAMMPS that runs (library.h).
struct RunningLammps {
    explicit RunningLammps(void* instance);

    bool has_c_interface() const { return version != nullptr && extract_setting != nullptr; }
    /// On rank 0, as a warning of LAMMPS.
    void warn(const char* message) const;

    void* instance;  // LAMMPS_NS::LAMMPS*
    int (*version)(void*) = nullptr;
    int (*extract_setting)(void*, const char*) = nullptr;
    void* (*extract_global)(void*, const char*) = nullptr;
    int (*has_package)(const char*) = nullptr;
    int (*has_mpi)() = nullptr;
    void (*error)(void*, int, const char*) = nullptr;  // absent from some versions
};
