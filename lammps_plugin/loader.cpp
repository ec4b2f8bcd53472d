// SPDX-License-Identifier: GPL-2.0-only
// dpcompressedplugin.so: the module that LAMMPS opens. A pair style is bound to one build of
// LAMMPS; opened in another one it would fail in the dynamic linker, with the mangled name of a
// symbol, or crash. So this module needs no symbol of LAMMPS: it asks the running program what it
// is, and opens the pair style beside it only where they agree. Builds for other LAMMPSs lie in
// sub-folders, each with a loader of its own, which knows what its pair style was compiled for.
// LAMMPS loads this in every run, so nothing here may stop the program.
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_info.hpp"
#include "lammps_identity.hpp"
#include "layout_probe.hpp"
#include "plugin_abi.hpp"
#include "running_lammps.hpp"

namespace {

constexpr int kMessageSize = 4096;
constexpr char kBuilds[] = "builds";  // the sub-folder
constexpr char kAnySource[] = "";

/// Absolute path of the pair style's module, beside this one (links resolved). False where it does
/// not fit or cannot be told. Asks for the address of this very function, which no other module can
/// take the place of: every plugin has a lammpsplugin_init, and the first that was loaded has them all.
bool pair_module_path(char* path, size_t size) {
    Dl_info self;
    if (dladdr(reinterpret_cast<void*>(&pair_module_path), &self) == 0) {
        return false;
    }
    char* real = realpath(self.dli_fname, nullptr);
    if (real == nullptr) {
        return false;
    }
    char* slash = strrchr(real, '/');
    const int folder_length = slash != nullptr ? static_cast<int>(slash - real) : 0;
    const int length = snprintf(path, size, "%.*s/%s", folder_length, real, kPairModule);
    free(real);
    return length > 0 && static_cast<size_t>(length) < size;
}

/// Says what the plugin was built for, what this LAMMPS is, and what to do. `reason` may be empty.
void report_mismatch(const RunningLammps& lammps, const char* reason) {
    char ours[256], theirs[256], message[kMessageSize];
    compiled_for().spell(ours, sizeof ours);
    identity_of(lammps).spell(theirs, sizeof theirs);
    snprintf(message, sizeof message,
             "pair_style dpcompressed is not available: the plugin was built for LAMMPS %s, this "
             "is LAMMPS %s%s. Build the plugin for this LAMMPS as well: python -m "
             "dpcompressed_lammps build (see docs/lammps.md)",
             ours, theirs, reason);
    lammps.warn(message);
}

/// NVIDIA's driver brings this library, the CUDA toolkit does not: a plugin may be built where there is no GPU. Functions of the driver
/// are cu with a capital letter; those of cuBLAS and of the CUDA runtime are not. reason: a copy of what dlerror said.
bool lacks_driver(const char* reason) {
    constexpr char kFunction[] = "undefined symbol: cu";
    const char* function = strstr(reason, kFunction);
    const char letter = function != nullptr ? function[sizeof kFunction - 1] : '\0';
    const bool is_function = letter >= 'A' && letter <= 'Z';
    if (!is_function && strstr(reason, "libcuda.so") == nullptr) {
        return false;
    }
    void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (driver != nullptr) {  // too old, or another fault
        dlclose(driver);
    }
    return driver == nullptr;
}

void report_unopened(const RunningLammps& lammps, const char* problem) {
    char text[kMessageSize];
    if (lacks_driver(problem)) {
        snprintf(text, sizeof text,
                 "pair_style dpcompressed is not available: the plugin was built for NVIDIA GPUs, and this machine has no NVIDIA "
                 "driver (%s)",
                 problem);
        lammps.warn(text);
    } else {
        snprintf(text, sizeof text / 2, " (%s)", problem);
        report_mismatch(lammps, text);
    }
}

/// The registration function of the pair style's module, or null, after a warning where one is wanted. The module is
/// never closed: its threads and those of its libraries outlive a `plugin unload`.
dpcompressed_register_styles_t* open_pair_module(const RunningLammps& lammps, bool warns) {
    char path[PATH_MAX];
    if (!pair_module_path(path, sizeof path)) {
        snprintf(path, sizeof path, "%s", kPairModule);
    }
    void* module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void* function = module != nullptr ? dlsym(module, kRegisterFunction) : nullptr;
    if (function == nullptr && warns) {
        char reason[kMessageSize / 2];
        snprintf(reason, sizeof reason, "%s", dlerror());
        report_unopened(lammps, reason);
    }
    return reinterpret_cast<dpcompressed_register_styles_t*>(function);
}

bool load_own_style(const RunningLammps& lammps, void* handle, void* register_function, bool warns = true) {
    auto* register_styles = open_pair_module(lammps, warns);
    if (register_styles == nullptr) {
        return false;
    }
    static char version[32];  // LAMMPS keeps the pointer
    spell_version(lammps.version(lammps.instance), version, sizeof version);
    lammpsplugin_t plugin = {};
    plugin.version = version;
    plugin.handle = handle;
    register_styles(&plugin, lammps.instance, reinterpret_cast<lammpsplugin_register>(register_function));
    return true;
}

bool has_kokkos(const RunningLammps& lammps) { return lammps.has_package == nullptr || lammps.has_package("KOKKOS") != 0; }

/// Whether the build in `folder` fits and has registered its styles. It is never closed.
bool load_build(const char* folder, const char* source_id, void* lammps, void* handle, void* register_function) {
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/%s", folder, kLoader);
    if (length < 0 || static_cast<size_t>(length) >= sizeof path) {
        return false;
    }
    void* module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void* function = module != nullptr ? dlsym(module, kLoadIfFits) : nullptr;
    return function != nullptr &&
           reinterpret_cast<dpcompressed_load_if_fits_t*>(function)(source_id, lammps, handle, register_function) != 0;
}

/// Goes through the folders that LAMMPS would open after this loader's. LAMMPS keeps the first style of a name, and the `lmp` of the Python package
/// puts the installed plugin before what the user has written into LAMMPS_PLUGIN_PATH, which is meant to be taken.
bool load_later_folder(void* lammps, void* handle, void* register_function) {
    char own[PATH_MAX], folder[PATH_MAX];
    const char* folders = getenv("LAMMPS_PLUGIN_PATH");
    if (folders == nullptr || !pair_module_path(own, sizeof own)) {
        return false;
    }
    *strrchr(own, '/') = '\0';
    bool is_behind = false;
    while (*folders != '\0') {
        const size_t length = strcspn(folders, ":");
        snprintf(folder, sizeof folder, "%.*s", static_cast<int>(length), folders);
        folders += folders[length] == ':' ? length + 1 : length;
        char* real = realpath(folder, nullptr);
        const bool is_own = real != nullptr && strcmp(real, own) == 0;
        free(real);
        if (is_behind && !is_own && length > 0 && load_build(folder, kAnySource, lammps, handle, register_function)) {
            return true;
        }
        is_behind = is_behind || is_own;
    }
    return false;
}

/// Goes through the builds for other LAMMPSs, which somebody has asked for: they come first.
bool load_other_build(void* lammps, void* handle, void* register_function) {
    char path[PATH_MAX], folder[PATH_MAX + NAME_MAX + 2];
    if (!pair_module_path(path, sizeof path - sizeof kBuilds)) {
        return false;
    }
    strcpy(strrchr(path, '/') + 1, kBuilds);
    DIR* builds = opendir(path);
    if (builds == nullptr) {
        return false;
    }
    bool done = false;
    for (const dirent* entry = readdir(builds); entry != nullptr && !done; entry = readdir(builds)) {
        if (entry->d_name[0] != '.') {  // also what is being built
            snprintf(folder, sizeof folder, "%s/%s", path, entry->d_name);
            done = load_build(folder, kSourceId, lammps, handle, register_function);
        }
    }
    closedir(builds);
    return done;
}

}  // namespace

/// Called by the loader of another folder: registers the styles and returns 1 where this build is
/// of that source, or any will do, and for the LAMMPS that runs. Says nothing otherwise, and why it cannot
/// be opened only below another folder: what is in LAMMPS_PLUGIN_PATH LAMMPS opens as well, and is told then.
extern "C" __attribute__((visibility("default"))) int dpcompressed_load_if_fits(const char* source_id, void* instance,
                                                                                void* handle, void* register_function) {
    const RunningLammps lammps(instance);
    const bool is_named = strcmp(source_id, kAnySource) == 0;
    return (is_named || strcmp(source_id, kSourceId) == 0) && compiled_for().agrees_with(identity_of(lammps)) &&
           (!kNeedsKokkos || has_kokkos(lammps)) && class_laid_out_differently(lammps) == nullptr &&
           load_own_style(lammps, handle, register_function, !is_named);
}

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* instance, void* handle, void* register_function) {
    const RunningLammps lammps(instance);
    if (!lammps.has_c_interface()) {
        lammps.warn(
            "pair_style dpcompressed is not available: this program does not export LAMMPS' C "
            "interface");
        return;
    }
    if (load_later_folder(instance, handle, register_function) || load_other_build(instance, handle, register_function)) {
        return;
    }
    if (!compiled_for().agrees_with(identity_of(lammps))) {
        report_mismatch(lammps, "");
        return;
    }
    if (kNeedsKokkos && !has_kokkos(lammps)) {
        lammps.warn(
            "pair_style dpcompressed is not available: the plugin was built with "
            "-DDPC_KOKKOS=lammps, this LAMMPS has no package KOKKOS. Build the plugin without that "
            "option for it");
        return;
    }
    if (const char* name = class_laid_out_differently(lammps)) {
        char reason[128];
        snprintf(reason, sizeof reason, ", whose class %s is laid out differently", name);
        report_mismatch(lammps, reason);
        return;
    }
    load_own_style(lammps, handle, register_function);
}
