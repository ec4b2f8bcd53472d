// SPDX-License-Identifier: GPL-2.0-only
// What an atom is for the model: one of its types, or why it is none. LAMMPS changes atom->type
// between two builds of the neighbour list (Monte Carlo, `set`, a library call), so that every
// evaluation looks; these rules are the same on host and device.
#pragma once

#include "dpc/math/portable.hpp"

namespace dpcompressed {

// Negative model types: not there for the model.
constexpr int kNotInModel = -1;  // LAMMPS type given as NULL; the list has no neighbours for the atom
constexpr int kExcluded = -2;    // taken out by `neigh_modify exclude group ... all` when the list was built
constexpr int kLeftModel = -3;   // became NULL since the list was built, which still has its neighbours

/// What happened to the types since they were looked at last, in the order of importance.
enum TypeChange : int { kSameTypes, kTypesChanged, kJoinedModel, kUnknownType, kOtherAtoms };

/// Model type of an atom when a list is built. model_type_of: by LAMMPS type; absent_bits: groups
/// that are excluded against all.
DPC_FUNCTION int type_in_new_list(const int* model_type_of, int lammps_type, int mask, int absent_bits) {
    return (mask & absent_bits) != 0 ? kExcluded : model_type_of[lammps_type];
}

/// Take over what LAMMPS says now about an atom of the list. An atom that was not in the model when
/// the list was built cannot join it: its neighbours are missing.
DPC_FUNCTION TypeChange update_type(const int* model_type_of, int n_lammps_types, int lammps_type, int& type) {
    if (lammps_type < 1 || lammps_type > n_lammps_types) {
        return kUnknownType;
    }
    const int now = model_type_of[lammps_type];
    if (type == kExcluded || now == type || (now < 0 && type < 0)) {
        return kSameTypes;
    }
    if (type == kNotInModel) {
        return kJoinedModel;
    }
    type = now < 0 ? kLeftModel : now;
    return kTypesChanged;
}

/// The type of an atom for another model; type_of: its types by those of the first.
DPC_FUNCTION int type_in_other(const int* type_of, int type) { return type < 0 ? type : type_of[type]; }

}  // namespace dpcompressed
