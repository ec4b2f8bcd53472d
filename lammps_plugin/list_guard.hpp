// SPDX-License-Identifier: GPL-2.0-only
// LAMMPS leaves pairs out of a neighbour list when it was told to (special_bonds, neigh_modify,
// pair_style hybrid). For a pair potential that is a choice; a descriptor without one of its
// neighbours is silently wrong. This finds such settings. One of them is clear for any potential:
// atoms excluded against `all` are not there (fix gcmc does that to what it is about to delete).
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace LAMMPS_NS {
class LAMMPS;
class NeighList;
}  // namespace LAMMPS_NS

namespace dpcompressed {

/// The rules by which LAMMPS builds its list. It copies them when a run is set up, and so does the
/// constructor: later commands do not touch the lists of this run.
class ListRules {
public:
    ListRules() = default;
    explicit ListRules(LAMMPS_NS::LAMMPS* lmp);

    /// Whether LAMMPS was told to leave out pairs at all, which is rare; the same on all ranks.
    bool may_miss_pairs(LAMMPS_NS::LAMMPS* lmp, const LAMMPS_NS::NeighList& list) const;

    /// Why the list may lack pairs of atoms that belong to the model, and what to do about it; the
    /// same on all ranks, empty where it is complete. Collective; call it after every build of the
    /// list where may_miss_pairs. Reads types, groups and bonds from LAMMPS' host arrays.
    /// model_type: per LAMMPS type, negative: not in the model.
    std::string find_missing_pairs(LAMMPS_NS::LAMMPS* lmp, const LAMMPS_NS::NeighList& list,
                                   const std::vector<int>& model_type) const;

    /// Bits of the groups whose atoms are excluded against all others: absent from the model.
    int absent_bits() const { return absent_bits_; }
    /// Collective: atoms of the model that are excluded so. Reads LAMMPS' host arrays.
    int count_absent(LAMMPS_NS::LAMMPS* lmp, const std::vector<int>& model_type) const;

private:
    friend class Guard;
    using Pair = std::pair<int, int>;

    std::vector<Pair> types_;     // exclude type
    std::vector<Pair> groups_;    // exclude group, where neither is `all`
    std::vector<int> molecules_;  // exclude molecule/...: group
    int include_ = 0;             // include: group, 0: none
    int absent_bits_ = 0;
};

}  // namespace dpcompressed
