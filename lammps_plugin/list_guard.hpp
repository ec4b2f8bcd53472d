// SPDX-License-Identifier: GPL-2.0-only
// LAMMPS leaves pairs out of a neighbour list when it was told to (special_bonds, neigh_modify,
// pair_style hybrid). For a pair potential that is a choice; a descriptor without one of its
// neighbours is silently wrong. This finds such settings.
#pragma once

#include <string>
#include <vector>

namespace LAMMPS_NS {
class LAMMPS;
class NeighList;
}  // namespace LAMMPS_NS

namespace dpcompressed {

/// Whether LAMMPS was told to leave out pairs at all, which is rare; the same on all ranks.
bool may_miss_pairs(LAMMPS_NS::LAMMPS* lmp, const LAMMPS_NS::NeighList& list);

/// Why the list may lack pairs of atoms that belong to the model, and what to do about it; the same
/// on all ranks, empty where it is complete. Collective; call it after every build of the list
/// where may_miss_pairs. Reads types, groups and bonds from LAMMPS' host arrays.
/// model_type: per LAMMPS type, negative: not in the model.
std::string find_missing_pairs(LAMMPS_NS::LAMMPS* lmp, const LAMMPS_NS::NeighList& list,
                               const std::vector<int>& model_type);

}  // namespace dpcompressed
