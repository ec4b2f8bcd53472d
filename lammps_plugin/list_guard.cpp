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

class Guard {
public:
    Guard(LAMMPS* lmp, const NeighList& list, const std::vector<int>& model_type)
        : atom_(*lmp->atom),
          neighbor_(*lmp->neighbor),
          group_(*lmp->group),
          list_(list),
          model_type_(model_type) {}

    /// Nothing was excluded anywhere: the usual case. The same on all ranks.
    bool nothing_to_check() const {
        return !neighbor_.nex_type && !neighbor_.nex_group && !neighbor_.nex_mol &&
               !neighbor_.includegroup && skipped_pairs() == nullptr && !drops_special();
    }

    /// The first problem seen from this rank.
    std::string problem() const {
        for (auto check :
             {&Guard::hybrid_problem, &Guard::type_problem, &Guard::group_problem,
              &Guard::molecule_problem, &Guard::include_problem, &Guard::special_problem}) {
            if (auto found = (this->*check)(); !found.empty()) {
                return found;
            }
        }
        return {};
    }

private:
    static constexpr char kExclude[] =
        ". Remove the rule, or give NULL in pair_coeff for atoms that are not part of the model";

    bool active(int type) const { return model_type_[static_cast<std::size_t>(type)] >= 0; }

    /// Atoms of the model, ghosts included, in all groups of `bits`.
    int count_active(int bits) const {
        int count = 0;
        for (int i = 0; i < atom_.nlocal + atom_.nghost; i++) {
            count += active(atom_.type[i]) && (atom_.mask[i] & bits) == bits;
        }
        return count;
    }

    /// Table of type pairs that pair_style hybrid takes out of this list, or null.
    int** skipped_pairs() const {
        for (const NeighList* list = &list_; list != nullptr;
             list = list->copy ? list->listcopy : nullptr) {
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
                                " to another style, but both are part of the model: use "
                                "hybrid/overlay, or NULL in pair_coeff");
                }
            }
        }
        return {};
    }

    std::string type_problem() const {
        for (int m = 0; m < neighbor_.nex_type; m++) {
            const int i = neighbor_.ex1_type[m], j = neighbor_.ex2_type[m];
            if (active(i) && active(j)) {
                return text("neigh_modify exclude type ", i, " ", j,
                            " hides neighbours of the model", kExclude);
            }
        }
        return {};
    }

    std::string group_problem() const {
        for (int m = 0; m < neighbor_.nex_group; m++) {
            const int i = neighbor_.ex1_group[m], j = neighbor_.ex2_group[m];
            if (count_active(group_.bitmask[i]) > 0 && count_active(group_.bitmask[j]) > 0) {
                return text("neigh_modify exclude group ", group_.names[i], " ", group_.names[j],
                            " hides neighbours of the model", kExclude);
            }
        }
        return {};
    }

    std::string molecule_problem() const {
        for (int m = 0; m < neighbor_.nex_mol; m++) {
            const int i = neighbor_.ex_mol_group[m];
            if (count_active(group_.bitmask[i]) > 1) {
                return text("neigh_modify exclude molecule (group ", group_.names[i],
                            ") hides neighbours of the model", kExclude);
            }
        }
        return {};
    }

    std::string include_problem() const {
        const int i = neighbor_.includegroup;
        if (i != 0 && count_active(group_.bitmask[i]) < count_active(0)) {
            return text("neigh_modify include ", group_.names[i], " hides neighbours of the model",
                        kExclude);
        }
        return {};
    }

    bool drops_special() const {
        return atom_.molecular != Atom::ATOMIC &&
               !(neighbor_.special_flag[1] && neighbor_.special_flag[2] &&
                 neighbor_.special_flag[3]);
    }

    /// One atom's bonded partners: does a factor of 0 take one of them, if it is part of the model,
    /// out of the list?
    bool loses_special(int i) const {
        for (int k = 0; k < atom_.nspecial[i][2]; k++) {
            const int level = k < atom_.nspecial[i][0] ? 1 : k < atom_.nspecial[i][1] ? 2 : 3;
            const int j = neighbor_.special_flag[level] ? -1 : atom_.map(atom_.special[i][k]);
            if (j >= 0 && active(atom_.type[j])) {
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
        if (atom_.molecular == Atom::TEMPLATE) {
            return text("special_bonds with a factor of 0 hides bonded neighbours from the model.",
                        kRemedy);
        }
        for (int i = 0; i < atom_.nlocal; i++) {
            if (active(atom_.type[i]) && loses_special(i)) {
                return text("special_bonds with a factor of 0 hides bonded neighbours of atom ",
                            atom_.tag[i], " from the model.", kRemedy);
            }
        }
        return {};
    }

    Atom& atom_;
    const Neighbor& neighbor_;
    const Group& group_;
    const NeighList& list_;
    const std::vector<int>& model_type_;
};

}  // namespace

bool may_miss_pairs(LAMMPS* lmp, const NeighList& list) {
    return !Guard(lmp, list, {}).nothing_to_check();
}

std::string find_missing_pairs(LAMMPS* lmp, const NeighList& list,
                               const std::vector<int>& model_type) {
    return agree(Guard(lmp, list, model_type).problem(), lmp->world);
}

}  // namespace dpcompressed
