// SPDX-License-Identifier: GPL-2.0-only
#include "lammps_identity.hpp"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_info.hpp"
#include "lmptype.h"

namespace {

constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr size_t kMpiTextSize = 8192;  // MPI_MAX_LIBRARY_VERSION_STRING of every MPI fits
constexpr char kModified[] = "-modified";

#if defined(MPI_STUBS)
constexpr Mpi kCompiledMpi = Mpi::kNone;
#elif defined(OPEN_MPI)
constexpr Mpi kCompiledMpi = Mpi::kOpenMpi;
#elif defined(MPICH) || defined(MPICH_VERSION) || defined(I_MPI_VERSION)
constexpr Mpi kCompiledMpi = Mpi::kMpich;
#else
constexpr Mpi kCompiledMpi = Mpi::kUnknown;
#endif

const char* spell_mpi(Mpi mpi) {
    switch (mpi) {
        case Mpi::kNone: return " and no MPI";
        case Mpi::kMpich: return " and MPICH's interface";
        case Mpi::kOpenMpi: return " and Open MPI";
        case Mpi::kUnknown: break;
    }
    return "";
}

Mpi running_mpi(const RunningLammps& lammps) {
    if (lammps.has_mpi != nullptr && lammps.has_mpi() == 0) {
        return Mpi::kNone;
    }
    int (*library_version)(char*, int*);
    find_symbol(library_version, "MPI_Get_library_version");
    if (library_version == nullptr) {
        return Mpi::kUnknown;
    }
    char text[kMpiTextSize] = "";
    int length = 0;
    library_version(text, &length);
    if (strstr(text, "Open MPI") != nullptr) {
        return Mpi::kOpenMpi;
    }
    const bool mpich =
        strstr(text, "MPICH") != nullptr || strstr(text, "MVAPICH") != nullptr || strstr(text, "Intel(R) MPI") != nullptr;
    return mpich ? Mpi::kMpich : Mpi::kUnknown;
}

/// LAMMPS_NS::LAMMPS::git_descriptor(): the C interface of several versions gives the address of this function as the text.
/// "(unknown)" of a LAMMPS that was built without git becomes "".
void running_descriptor(char* text, size_t size) {
    const char* (*git_descriptor)();
    find_symbol(git_descriptor, "_ZN9LAMMPS_NS6LAMMPS14git_descriptorEv");
    const char* found = git_descriptor != nullptr ? git_descriptor() : nullptr;
    snprintf(text, size, "%s", found != nullptr && found[0] != '(' ? found : "");
}

/// Changes that were not committed make no other release.
void drop_modified(char* descriptor) {
    char* end = strstr(descriptor, kModified);
    if (end != nullptr && end[strlen(kModified)] == '\0') {
        *end = '\0';
    }
}

/// "stable_22Jul2025_update4" -> 4, "stable_22Jul2025" -> 0; -1 for what lies between two releases and for "".
int update_of(const char* descriptor) {
    if (descriptor[0] == '\0' || strchr(descriptor, '-') != nullptr) {
        return -1;
    }
    const char* update = strstr(descriptor, "_update");
    return update != nullptr ? atoi(update + strlen("_update")) : 0;
}

}  // namespace

void spell_version(int version, char* text, size_t size) {
    const int month = version / 100 % 100;
    snprintf(text, size, "%d %s %d", version % 100, month >= 1 && month <= 12 ? kMonths[month - 1] : "?", version / 10000);
}

bool LammpsIdentity::agrees_with(const LammpsIdentity& other) const {
    const bool same_sizes = bigint == other.bigint && tagint == other.tagint && imageint == other.imageint;
    const bool same_update = update == -1 || other.update == -1 || update == other.update;
    const bool same_descriptor =
        descriptor[0] == '\0' || other.descriptor[0] == '\0' || strcmp(descriptor, other.descriptor) == 0;
    const bool same_mpi = mpi == Mpi::kUnknown || other.mpi == Mpi::kUnknown || mpi == other.mpi;
    return version == other.version && same_sizes && same_update && same_descriptor && same_mpi;
}

void LammpsIdentity::spell(char* text, size_t size) const {
    char date[32], release[32] = "", git[160] = "";
    spell_version(version, date, sizeof date);
    if (update > 0) {
        snprintf(release, sizeof release, " Update %d", update);
    }
    if (descriptor[0] != '\0') {
        snprintf(git, sizeof git, " (%s)", descriptor);
    }
    snprintf(text, size, "%s%s%s with integers of %d/%d/%d bytes%s", date, release, git, bigint, tagint, imageint,
             spell_mpi(mpi));
}

LammpsIdentity compiled_for() {
    LammpsIdentity build = {
        kLammpsVersion, kLammpsUpdate, "", sizeof(LAMMPS_NS::bigint), sizeof(LAMMPS_NS::tagint), sizeof(LAMMPS_NS::imageint),
        kCompiledMpi};
    snprintf(build.descriptor, sizeof build.descriptor, "%s", kLammpsDescriptor);
    drop_modified(build.descriptor);
    if (build.update == -1) {
        build.update = update_of(build.descriptor);
    }
    return build;
}

LammpsIdentity identity_of(const RunningLammps& lammps) {
    LammpsIdentity running = {lammps.version(lammps.instance),
                              -1,
                              "",
                              lammps.extract_setting(lammps.instance, "bigint"),
                              lammps.extract_setting(lammps.instance, "tagint"),
                              lammps.extract_setting(lammps.instance, "imageint"),
                              running_mpi(lammps)};
    running_descriptor(running.descriptor, sizeof running.descriptor);
    drop_modified(running.descriptor);
    running.update = update_of(running.descriptor);
    return running;
}
