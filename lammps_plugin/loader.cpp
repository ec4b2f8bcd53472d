// SPDX-License-Identifier: GPL-2.0-only
// dpcompressedplugin.so: the module that LAMMPS opens. A pair style is bound to one version of
// LAMMPS; opened in another one it would fail in the dynamic linker, with the mangled name of a
// symbol. So this module needs no symbol of LAMMPS: it asks the C interface of the running program
// for version and integer sizes, and opens the pair style beside it only where they agree. LAMMPS
// loads it in every run, so nothing here may stop the program.
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_info.hpp"
#include "lmptype.h"
#include "plugin_abi.hpp"

namespace {

/// The C interface of the LAMMPS that runs (library.h).
struct Host {
    int (*version)(void*) = nullptr;
    int (*extract_setting)(void*, const char*) = nullptr;
    int (*has_package)(const char*) = nullptr;
    void (*error)(void*, int, const char*) = nullptr;  // absent from some versions

    Host() {
        find(version, "lammps_version");
        find(extract_setting, "lammps_extract_setting");
        find(has_package, "lammps_config_has_package");
        find(error, "lammps_error");
    }
    template <class Function>
    static void find(Function& function, const char* name) {
        function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
    }
};

constexpr int kWarning = 0;  // LMP_ERROR_WARNING of library.h
constexpr int kMessageSize = 4096;

void warn(const Host& host, void* lammps, const char* message) {
    if (host.extract_setting != nullptr && host.extract_setting(lammps, "world_rank") != 0) {
        return;
    }
    if (host.error != nullptr) {
        host.error(lammps, kWarning, message);
    } else {
        fprintf(stderr, "WARNING: %s\n", message);
    }
}

struct Build {
    int version;
    int bigint, tagint, imageint;  // bytes

    bool operator==(const Build& other) const {
        return version == other.version && bigint == other.bigint && tagint == other.tagint &&
               imageint == other.imageint;
    }
};

constexpr Build kCompiledFor = {kLammpsVersion, sizeof(LAMMPS_NS::bigint),
                                sizeof(LAMMPS_NS::tagint), sizeof(LAMMPS_NS::imageint)};

constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// 20250722 -> "22 Jul 2025", LAMMPS' own spelling.
void spell_version(int version, char* text, size_t size) {
    const int month = version / 100 % 100;
    snprintf(text, size, "%d %s %d", version % 100,
             month >= 1 && month <= 12 ? kMonths[month - 1] : "?", version / 10000);
}

void report_mismatch(const Host& host, void* lammps, const Build& running) {
    char ours[32], theirs[32], message[kMessageSize];
    spell_version(kCompiledFor.version, ours, sizeof ours);
    spell_version(running.version, theirs, sizeof theirs);
    snprintf(message, sizeof message,
             "pair_style dpcompressed is not available: the plugin was built for LAMMPS %s with "
             "integers of %d/%d/%d bytes "
             "(bigint/tagint/imageint), this is LAMMPS %s with %d/%d/%d. Build the plugin for this "
             "LAMMPS: "
             "cmake -S . -B build -DLAMMPS_ROOT=... (see docs/lammps.md)",
             ours, kCompiledFor.bigint, kCompiledFor.tagint, kCompiledFor.imageint, theirs,
             running.bigint, running.tagint, running.imageint);
    warn(host, lammps, message);
}

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

/// The registration function of the pair style's module, or null after a warning. The module is
/// never closed: its threads and those of its libraries outlive a `plugin unload`.
dpcompressed_register_styles_t* open_pair_module(const Host& host, void* lammps) {
    char path[PATH_MAX], message[kMessageSize];
    if (!pair_module_path(path, sizeof path)) {
        snprintf(path, sizeof path, "%s", kPairModule);
    }
    void* module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void* function = module != nullptr ? dlsym(module, kRegisterFunction) : nullptr;
    if (function == nullptr) {
        snprintf(message, sizeof message, "pair_style dpcompressed is not available: %s",
                 dlerror());
        warn(host, lammps, message);
    }
    return reinterpret_cast<dpcompressed_register_styles_t*>(function);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* lammps, void* handle,
                                                                         void* register_function) {
    const Host host;
    if (host.version == nullptr || host.extract_setting == nullptr) {
        warn(host, lammps,
             "pair_style dpcompressed is not available: this program does not export LAMMPS' C "
             "interface");
        return;
    }
    const Build running = {host.version(lammps), host.extract_setting(lammps, "bigint"),
                           host.extract_setting(lammps, "tagint"),
                           host.extract_setting(lammps, "imageint")};
    if (!(running == kCompiledFor)) {
        report_mismatch(host, lammps, running);
        return;
    }
    if (kNeedsKokkos && host.has_package != nullptr && host.has_package("KOKKOS") == 0) {
        warn(
            host, lammps,
            "pair_style dpcompressed is not available: the plugin was built with "
            "-DDPC_KOKKOS=lammps, this LAMMPS has no package KOKKOS. Build the plugin without that "
            "option for it");
        return;
    }
    if (auto* register_styles = open_pair_module(host, lammps)) {
        static char version[32];  // LAMMPS keeps the pointer
        spell_version(running.version, version, sizeof version);
        lammpsplugin_t plugin = {};
        plugin.version = version;
        plugin.handle = handle;
        register_styles(&plugin, lammps,
                        reinterpret_cast<lammpsplugin_register>(register_function));
    }
}
