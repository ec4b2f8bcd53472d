// SPDX-License-Identifier: GPL-2.0-only
// One function per way to lose pairs; see list_guard.hpp. Where LAMMPS decides atom by atom, so
// does the check.
#include "list_guard.hpp"

#include "agreement.hpp"
#include "atom.h"
#include "comm.h"
#include "group.h"
#include "lammps.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "text.hpp"

using namespace LAMMPS_NS;

namespace dpcompressed {
namespace {

/// Of `comm_modify group`: the only atoms that become ghosts; 0: all.
struct BorderGroup : Comm {
    static int of(const Comm& comm) { return comm.*(&BorderGroup::bordergroup); }
};

}  // namespace

class Guard {
public:
    Guard(LAMMPS* lmp, const ListRules& rules, const NeighList& list, const std::vector<int>& model_type)
        : atom_(*lmp->atom),
          neighbor_(*lmp->neighbor),
          group_(*lmp->group),
          border_group_(BorderGroup::of(*lmp->comm)),
          rules_(rules),
          list_(list),
          model_type_(model_type) {}

    /// Nothing was excluded anywhere: the usual case. The same on all ranks.
    bool nothing_to_check() const {
        return rules_.types_.empty() && rules_.groups_.empty() && rules_.molecules_.empty() && rules_.absent_bits_ == 0 &&
               rules_.include_ == 0 && border_group_ == 0 && skipped_pairs() == nullptr && !drops_special();
    }

    /// The first problem seen from this rank.
    std::string problem() const {
        for (auto check : {&Guard::hybrid_problem, &Guard::type_problem, &Guard::group_problem, &Guard::molecule_problem,
                           &Guard::include_problem, &Guard::border_problem, &Guard::special_problem}) {
            if (auto found = (this->*check)(); !found.empty()) {
                return found;
            }
        }
        return {};
    }

private:
    static constexpr char kExclude[] = ". Remove the rule, or give NULL in pair_coeff for atoms that are not part of the model";

    bool active(int type) const { return model_type_[static_cast<std::size_t>(type)] >= 0; }

    bool present(int i) const { return active(atom_.type[i]) && (atom_.mask[i] & rules_.absent_bits_) == 0; }

    /// Atoms that are there for the model, ghosts included, in all groups of `bits`.
    int count_present(int bits) const {
        int count = 0;
        for (int i = 0; i < atom_.nlocal + atom_.nghost; i++) {
            count += present(i) && (atom_.mask[i] & bits) == bits;
        }
        return count;
    }

    /// Table of type pairs that pair_style hybrid takes out of this list, or null.
    int** skipped_pairs() const {
        for (const NeighList* list = &list_; list != nullptr; list = list->copy ? list->listcopy : nullptr) {
            if (list->ijskip != nullptr) {
                return list->ijskip;
            }
        }
        return nullptr;
    }

    std::string hybrid_problem() const {
        int** skipped = skipped_pairs();
        for (int i = 1; skipped != nullptr && i <= atom_.ntypes; i++) {
            for (int j = 1; j <= atom_.ntypes; j++) {
                if (skipped[i][j] && active(i) && active(j)) {
                    return text("pair_style hybrid gives the pair of atom types ", i, " and ", j,
                                " to another style or to `none`, but both are part of the model: use "
                                "hybrid/overlay, which gives it to both, or NULL in pair_coeff");
                }
            }
        }
        return {};
    }

    std::string type_problem() const {
        for (const auto& [i, j] : rules_.types_) {
            if (active(i) && active(j)) {
                return text("neigh_modify exclude type ", i, " ", j, " hides neighbours of the model", kExclude);
            }
        }
        return {};
    }

    std::string group_problem() const {
        for (const auto& [i, j] : rules_.groups_) {
            if (count_present(group_.bitmask[i]) > 0 && count_present(group_.bitmask[j]) > 0) {
                return text("neigh_modify exclude group ", group_.names[i], " ", group_.names[j],
                            " hides neighbours of the model", kExclude);
            }
        }
        return {};
    }

    std::string molecule_problem() const {
        for (const int i : rules_.molecules_) {
            if (count_present(group_.bitmask[i]) > 1) {
                return text("neigh_modify exclude molecule (group ", group_.names[i], ") hides neighbours of the model",
                            kExclude);
            }
        }
        return {};
    }

    /// Whether some atoms of the model are not in a group; 0: no group was named.
    bool leaves_out(int group) const { return group != 0 && count_present(group_.bitmask[group]) < count_present(0); }

    std::string include_problem() const {
        return leaves_out(rules_.include_)
                   ? text("neigh_modify include ", group_.names[rules_.include_], " hides neighbours of the model", kExclude)
                   : std::string();
    }

    /// Own atoms decide: those left out are not among the ghosts.
    std::string border_problem() const {
        return leaves_out(border_group_) ? text("comm_modify group ", group_.names[border_group_],
                                                " hides neighbours of the model across the borders of boxes and "
                                                "processors. Remove it, or give NULL in pair_coeff for the other atoms")
                                         : std::string();
    }

    bool drops_special() const {
        return atom_.molecular != Atom::ATOMIC &&
               !(neighbor_.special_flag[1] && neighbor_.special_flag[2] && neighbor_.special_flag[3]);
    }

    /// One atom's bonded partners: does a factor of 0 take one of them, if it is part of the model,
    /// out of the list? An atom of a template may have some.
    bool loses_special(int i) const {
        if (atom_.molecular == Atom::TEMPLATE) {
            return atom_.molindex[i] >= 0;
        }
        for (int k = 0; k < atom_.nspecial[i][2]; k++) {
            const int level = k < atom_.nspecial[i][0] ? 1 : k < atom_.nspecial[i][1] ? 2 : 3;
            const int j = neighbor_.special_flag[level] ? -1 : atom_.map(atom_.special[i][k]);
            if (j >= 0 && present(j)) {
                return true;
            }
        }
        return false;
    }

    std::string special_problem() const {
        static constexpr char kRemedy[] =
            " Set `special_bonds lj/coul 1 1 1`, or a tiny factor such as 1e-50 where a pair style "
            "in the same run needs 0";
        if (!drops_special()) {
            return {};
        }
        for (int i = 0; i < atom_.nlocal; i++) {
            if (present(i) && loses_special(i)) {
                return text("special_bonds with a factor of 0 hides bonded neighbours of atom ", atom_.tag[i], " from the model.",
                            kRemedy);
            }
        }
        return {};
    }

    Atom& atom_;
    const Neighbor& neighbor_;
    const Group& group_;
    int border_group_;
    const ListRules& rules_;
    const NeighList& list_;
    const std::vector<int>& model_type_;
};

ListRules::ListRules(LAMMPS* lmp) : include_(lmp->neighbor->includegroup) {
    static constexpr int kAll = 0;  // LAMMPS' group of all atoms
    const Neighbor& neighbor = *lmp->neighbor;
    for (int m = 0; m < neighbor.nex_type; m++) {
        types_.emplace_back(neighbor.ex1_type[m], neighbor.ex2_type[m]);
    }
    for (int m = 0; m < neighbor.nex_group; m++) {
        const int i = neighbor.ex1_group[m], j = neighbor.ex2_group[m];
        if (i == kAll || j == kAll) {
            absent_bits_ |= lmp->group->bitmask[i == kAll ? j : i];
        } else {
            groups_.emplace_back(i, j);
        }
    }
    molecules_.assign(neighbor.ex_mol_group, neighbor.ex_mol_group + neighbor.nex_mol);
}

int ListRules::count_absent(LAMMPS* lmp, const std::vector<int>& model_type) const {
    int mine = 0, all = 0;
    for (int i = 0; i < lmp->atom->nlocal; i++) {
        const auto type = static_cast<std::size_t>(lmp->atom->type[i]);
        mine += model_type[type] >= 0 && (lmp->atom->mask[i] & absent_bits_) != 0;
    }
    MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_SUM, lmp->world);
    return all;
}

bool ListRules::may_miss_pairs(LAMMPS* lmp, const NeighList& list) const {
    return !Guard(lmp, *this, list, {}).nothing_to_check();
}

std::string ListRules::find_missing_pairs(LAMMPS* lmp, const NeighList& list, const std::vector<int>& model_type) const {
    return agree(Guard(lmp, *this, list, model_type).problem(), lmp->world);
}

}  // namespace dpcompressed
