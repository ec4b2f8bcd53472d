// SPDX-License-Identifier: GPL-2.0-only
// The neighbour list that LAMMPS made and the types of its atoms: what the engines take of them, when, and what they cannot.
#include "agreement.hpp"
#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "list_guard.hpp"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair_dpcompressed_base.h"
#include "text.hpp"
#include "update.h"

using namespace LAMMPS_NS;
using dpcompressed::text;

/// LAMMPS counts builds and steps since the last one.
bool PairDPCompressedBase::list_was_rebuilt() const {
    return !taken_.any || neighbor->lastcall != taken_.step || neighbor->ncalls != taken_.builds || neighbor->ago < taken_.ago;
}

/// A setup sets the count of builds to 0, and prd and tad make one without an init at the step of the one before it. No atoms are
/// exchanged in a setup but for its list.
bool PairDPCompressedBase::list_may_be_new() const { return update->setupflag != 0 && neighbor->ago == 0; }

/// LAMMPS counts the steps since a build, and its setups begin with one; some commands count on before they evaluate. It counts the
/// builds since a setup, too: one that a step of a run made without a setup has the ghost atoms of the box and the processors of
/// before. (dynamical_matrix and third_order build one that is counted, outside a run.)
void PairDPCompressedBase::check_list_is_new() {
    const bool is_kept = neighbor->ago != 0 && neighbor->lastcall != update->ntimestep;
    const bool is_step = update->firststep < update->ntimestep && update->ntimestep <= update->laststep;
    if (is_kept || (is_step && neighbor->ncalls != 0)) {
        fail_old_list();
    }
}

/// Collective.
void PairDPCompressedBase::fail_old_list() {
    fail_all(text("step ", update->ntimestep,
                  ": since the neighbour list was built a command between two runs (write_restart, write_data, write_coeff, "
                  "change_box, balance, reset_atoms, comm_style, ...) has set LAMMPS up anew or exchanged atoms, so that the "
                  "list may be of others: `run` without `pre no`, or write_restart and write_data with `noinit`"));
}

/// Give the engine that drives what changed since the last evaluation: LAMMPS' list, or types alone.
/// Whether the list was rebuilt is the same on all ranks. The other engines take it when they run.
void PairDPCompressedBase::update_list() {
    if (list_was_rebuilt()) {
        take_new_list();
    } else {
        follow_types();
    }
    taken_.ago = neighbor->ago;
}

void PairDPCompressedBase::take_new_list() {
    const bool is_first = !taken_.any;
    if (is_first) {
        check_list_is_new();
        rules_ = dpcompressed::ListRules(lmp);
    }
    check_borders(is_first);
    if (rules_.may_miss_pairs(lmp, *list)) {
        check_rules();
    }
    if (is_first && absent_bits() != 0) {
        if (const int n = rules_.count_absent(lmp, model_type_); n > 0) {
            warn(text("`neigh_modify exclude group ... all` leaves ", n,
                      " atoms out of the model: they have no energy and no forces from it, and "
                      "other atoms do not see them"));
        }
    }
    taken_ = {true, neighbor->lastcall, neighbor->ncalls, atom->nlocal, atom->nghost, comm, dpcompressed::BoxGuard(lmp)};
    read_types();
    give_list();
}

/// A setup makes borders and bins for the box as it is; a step of a run does so where a fix says that it changes the box. Collective.
void PairDPCompressedBase::check_borders(bool is_first) {
    const bool is_setup = is_first || neighbor->ncalls == 0;
    if (!is_setup && domain->box_change == 0) {
        fail_with_box(box_of_setup_.problem_of_borders(lmp));
    } else {
        box_of_setup_ = dpcompressed::BoxGuard(lmp);
    }
}

/// Of a list that is kept. Where a fix says that it changes the box LAMMPS adds that to what the atoms have moved.
void PairDPCompressedBase::check_box() {
    if (domain->box_change == 0) {
        fail_with_box(taken_.box.problem_of_list(lmp));
    }
}

/// problem: the same on all ranks; empty: none.
void PairDPCompressedBase::fail_with_box(const std::string& problem) {
    if (!problem.empty()) {
        fail_all(text("step ", update->ntimestep, ": ", problem));
    }
}

void PairDPCompressedBase::give_list() {
    for (ModelInUse& in_use : models_) {
        in_use.has_list = false;
    }
    const auto watch = summary_.time_list();
    on_this_rank([this] { take_list(0); });
    models_.front().has_list = true;
}

/// The list is the one that the engines have, but LAMMPS may have changed types since, on some
/// ranks, and not have told the ghosts.
void PairDPCompressedBase::follow_types() {
    const bool may_be_new = list_may_be_new();
    if (!may_be_new) {
        check_box();
    }
    // comm_style makes another `comm`, which knows of no ghosts.
    const bool has_other_atoms = atom->nlocal != taken_.n_local || atom->nghost != taken_.n_ghost || comm != taken_.comm;
    int mine = has_other_atoms ? dpcompressed::kOtherAtoms : update_types();
    int gravest = 0;
    MPI_Allreduce(&mine, &gravest, 1, MPI_INT, MPI_MAX, world);
    if (gravest == dpcompressed::kOtherAtoms && !may_be_new) {
        fail_old_list();
    }
    if (gravest != dpcompressed::kOtherAtoms && gravest >= dpcompressed::kJoinedModel) {
        fail_type_change();
    }
    if (may_be_new) {
        take_new_list();
    }
    if (gravest == dpcompressed::kSameTypes || gravest == dpcompressed::kOtherAtoms) {
        return;
    }
    ghosts_changed_ = false;
    forward_types();
    if (mine != dpcompressed::kSameTypes || ghosts_changed_) {
        give_list();
    }
}

void PairDPCompressedBase::comm_forward_types() { comm->forward_comm(this); }

int PairDPCompressedBase::pack_forward_comm(int n, int* indices, double* buf, int, int*) {
    for (int k = 0; k < n; k++) {
        buf[k] = types_[static_cast<std::size_t>(indices[k])];
    }
    return n;
}

void PairDPCompressedBase::unpack_forward_comm(int n, int first, double* buf) {
    for (int k = 0; k < n; k++) {
        int& type = types_[static_cast<std::size_t>(first + k)];
        ghosts_changed_ = ghosts_changed_ || type != static_cast<int>(buf[k]);
        type = static_cast<int>(buf[k]);
    }
}

/// Collective, though some ranks may have nothing to say.
void PairDPCompressedBase::fail_type_change() {
    sync_host();
    fetch_types();
    std::string problem;
    for (int i = 0; i < atom->nlocal && problem.empty(); i++) {
        const int type = atom->type[i];
        const std::string who = atom->tag_enable != 0 ? text("atom ID ", atom->tag[i]) : "an atom";
        if (type < 1 || type > atom->ntypes) {
            problem = text(who, " has type ", type, ", but there are types 1 to ", atom->ntypes);
        } else if (types_[i] == dpcompressed::kNotInModel && model_type_[type] >= 0) {
            problem = text(who, " became ", first().type_map[model_type_[type]], " (atom type ", type,
                           ") since the neighbour list was built. It was NULL then, so that the list "
                           "lacks its neighbours: have the list built after such a change (fix set with "
                           "rnflag 1, `run` without `pre no`)");
        }
    }
    fail_all(text("step ", update->ntimestep, ": ", dpcompressed::agree(problem, world)));
}

void PairDPCompressedBase::check_rules() {
    sync_host();
    const auto problem = rules_.find_missing_pairs(lmp, *list, model_type_);
    if (!problem.empty()) {
        fail_all(problem);
    }
}
