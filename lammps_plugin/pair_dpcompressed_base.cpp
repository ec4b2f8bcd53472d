// SPDX-License-Identifier: GPL-2.0-only
// The part of the pair styles that does not depend on where the atoms lie; see
// pair_dpcompressed_base.h. Exceptions of the core become LAMMPS errors in on_all_ranks and
// on_this_rank, nowhere else.
#include "pair_dpcompressed_base.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "agreement.hpp"
#include "atom.h"
#include "comm.h"
#include "dpc/errors.hpp"
#include "error.h"
#include "force.h"
#include "list_guard.hpp"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "shared_model.hpp"
#include "text.hpp"
#include "unsaid_at_exit.hpp"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using dpcompressed::kStyle;
using dpcompressed::text;

namespace {

constexpr int kLongestText = 1 << 20;  // bytes of settings or element names in a restart file

/// Boltzmann's constant in eV/K as LAMMPS' metal units have it: force->boltz / kBoltz is one eV in
/// the units of the run, with the same energies relative to kT in all of them.
constexpr double kBoltz = 8.617343e-5;

constexpr int kOutputDelay = 200;  // milliseconds from a rank's error message to MPI_Abort

/// LAMMPS' orders of virial components in terms of ours (xx xy xz yx yy yz zx zy zz).
constexpr int kSymmetric[6][2] = {{0, 0}, {4, 4}, {8, 8},
                                  {1, 3}, {2, 6}, {5, 7}};  // xx yy zz xy xz yz
constexpr int kCentroid[9] = {0, 4, 8, 1, 2, 5, 3, 6, 7};   // xx yy zz xy xz yz yx zx zy

}  // namespace

PairDPCompressedBase::PairDPCompressedBase(LAMMPS* lammps) : Pair(lammps), rank_(comm->me) {
    single_enable = 0;
    respa_enable = 0;
    restartinfo = 1;
    one_coeff = 1;
    manybody_flag = 1;
    writedata = 0;
    // The global virial comes from Totals: without this flag LAMMPS would ask for none of it where
    // newton is on.
    no_virial_fdotr_compute = 1;
    centroidstressflag = CENTROID_AVAIL;
    comm_forward = 1;  // types, where they change between two builds of the list
    dpcompressed::say_at_exit(this);
}

PairDPCompressedBase::~PairDPCompressedBase() {
    if (copymode) {
        return;
    }
    dpcompressed::nothing_to_say(this);
    say_pending();
    if (allocated) {
        memory->destroy(setflag);
        memory->destroy(cutsq);
        memory->destroy(scale_);
    }
}

void PairDPCompressedBase::fail_all(const std::string& what) { error->all(FLERR, kStyle + what); }

/// LAMMPS prints the message and then aborts MPI, and mpirun drops output that is still on its way
/// to it: wait for that.
void PairDPCompressedBase::fail_one(const std::string& what) {
    try {
        error->one(FLERR, kStyle + what);
    } catch (...) {
        if (comm->nprocs > 1) {
            std::this_thread::sleep_for(std::chrono::milliseconds(kOutputDelay));
        }
        throw;
    }
}

/// Run what all ranks run together; the core's exceptions, on whichever ranks, end the run with one
/// message.
template <class Action>
auto PairDPCompressedBase::on_all_ranks(const Action& action) {
    std::string problem;
    decltype(action()) result{};
    try {
        result = action();
    } catch (const std::exception& e) {
        problem = e.what();
    }
    if (const auto agreed = dpcompressed::agree(problem, world); !agreed.empty()) {
        fail_all(agreed);
    }
    return result;
}

/// Run what may fail on one rank alone, and say which atoms are to blame.
template <class Action>
auto PairDPCompressedBase::on_this_rank(const Action& action) {
    std::string what;
    try {
        return action();
    } catch (const dpc::InputError& e) {
        what = text("step ", update->ntimestep, ": ", e.what());
        if (e.atom_i >= 0) {
            sync_host();
            what += text(e.atom_j >= 0 ? " (atom IDs " : " (atom ID ", atom->tag[e.atom_i]);
            what += e.atom_j >= 0 ? text(" and ", atom->tag[e.atom_j], ")") : ")";
        }
    } catch (const std::exception& e) {
        what = e.what();
    }
    fail_one(what);
}

void PairDPCompressedBase::settings(int narg, char** arg) {
    settings_ = on_all_ranks([&] { return dpcompressed::parse_style(narg, arg); });
    load_model();
}

void PairDPCompressedBase::load_model() {
    drop();
    model_type_.clear();
    model_ = on_all_ranks([&] { return dpcompressed::read_model(settings_.file, world); });
    say_pending();
    rule_ = on_all_ranks([&] { return dpc::rule_for(*model_, settings_.neighbours); });
    overflow_ = std::make_unique<dpcompressed::OverflowLog>(model_->type_map, rule_);
}

void PairDPCompressedBase::map_types() {
    model_type_ =
        on_all_ranks([&] { return dpcompressed::map_types(names_, atom->ntypes, *model_); });
}

void PairDPCompressedBase::coeff(int narg, char** arg) {
    if (!model_) {
        load_model();  // in pair_style hybrid, after read_restart
    }
    names_ = on_all_ranks([&] { return dpcompressed::parse_coeff(narg, arg, atom->ntypes); });
    map_types();
    drop();
    set_flags();
}

/// The evaluator is made again when the next run is set up, which logs what it is made of.
void PairDPCompressedBase::drop() {
    drop_evaluator();
    is_set_up_ = false;
}

/// Which pairs of types are ours. Alone, all of them, NULL included; a hybrid style must be left
/// those with NULL.
void PairDPCompressedBase::set_flags() {
    const int n = atom->ntypes;
    if (!allocated) {
        memory->create(setflag, n + 1, n + 1, "pair:setflag");
        memory->create(cutsq, n + 1, n + 1, "pair:cutsq");
        memory->create(scale_, n + 1, n + 1, "pair:scale");
        allocated = 1;
    }
    const bool alone = force->pair == this;
    for (int i = 1; i <= n; i++) {
        for (int j = i; j <= n; j++) {
            setflag[i][j] = alone || (model_type_[i] >= 0 && model_type_[j] >= 0);
            scale_[i][j] = scale_[j][i] = 1.0;
        }
    }
}

void PairDPCompressedBase::init_style() {
    if (force->newton_pair == 0) {
        fail_all("needs `newton on`: forces on atoms of other ranks would be lost");
    }
    if (std::strcmp(update->unit_style, "lj") == 0) {
        fail_all("cannot be used with `units lj`: the model has electronvolts and angstroms");
    }
    if (!model_) {
        load_model();  // after read_restart
    }
    if (model_type_.empty()) {
        map_types();
    }
    units_.length = 1.0 / force->angstrom;
    energy_unit_ = force->boltz / kBoltz;
    if (!has_evaluator()) {
        log_start(on_all_ranks([this] { return start_evaluator(); }));
        warn_of_settings();
    }
    say_pending();  // of a run that ended with an error, in a program that went on
    overflow_->start_run();
    taken_.any = false;
    is_set_up_ = true;
    request_list();
}

/// What LAMMPS accepts in silence and the model does not know.
void PairDPCompressedBase::warn_of_settings() {
    if (atom->sp_flag) {
        warn("the atoms have spins (atom_style spin), but the model has none: energies do not "
             "depend on them and there are no magnetic forces");
    }
    if (force->pair == this && (offset_flag || tail_flag)) {
        warn("pair_modify shift and pair_modify tail have no effect: the energy of the model ends "
             "smoothly at its cutoff");
    }
}

void PairDPCompressedBase::log_start(const std::string& evaluator) {
    std::string types;
    for (int i = 1; i <= atom->ntypes; i++) {
        const int type = model_type_[i];
        types += text(' ', i, '=', type >= 0 ? model_->type_map[type] : "NULL");
    }
    std::string kinds;
    for (const dpc::Descriptor& descriptor : model_->descriptors) {
        kinds += text(kinds.empty() ? "" : " + ", dpc::name_of(descriptor.kind));
    }
    if (comm->me == 0) {
        utils::logmesg(
            lmp, text(kStyle, settings_.file, ", ", kinds, ", cutoff ",
                      model_->rcut(), " angstrom, elements ", dpcompressed::listed(model_->type_map),
                      "; atom types", types, "\n  ", evaluator, "\n  overflow is checked every ",
                      check_every(), " steps, ",
                      settings_.overflow_stops ? "and stops the run" : "and is warned of",
                      "\n  of more neighbours than sel ", dpc::describe(rule_), "\n"));
    }
}

/// Cutoff in the units of the run. Pairs with NULL have none: LAMMPS then lists no neighbours for
/// them.
double PairDPCompressedBase::init_one(int i, int j) {
    setflag[j][i] = setflag[i][j];
    scale_[j][i] = scale_[i][j];
    return model_type_[i] >= 0 && model_type_[j] >= 0 ? model_->rcut() / units_.length : 0.0;
}

int PairDPCompressedBase::n_all() const { return atom->nlocal + atom->nghost; }

/// For fix adapt, compute fep and others: factors of energy, forces and virial, (types + 1)^2.
void* PairDPCompressedBase::extract(const char* name, int& dim) {
    if (std::strcmp(name, "scale") != 0) {
        return nullptr;
    }
    dim = 2;
    return scale_;
}

/// A many-body energy is not a sum over pairs of types: all pairs of the model have one factor.
double PairDPCompressedBase::common_scale() {
    const double* first = nullptr;
    for (int i = 1; i <= atom->ntypes; i++) {
        for (int j = i; j <= atom->ntypes; j++) {
            if (model_type_[i] < 0 || model_type_[j] < 0) {
                continue;
            }
            first = first == nullptr ? &scale_[i][j] : first;
            if (scale_[i][j] != *first) {
                fail_all(text("scale is ", *first, " for some pairs of atom types and ",
                              scale_[i][j], " for ", i, " and ", j,
                              ", but the energy of the model is not a sum over pairs of types: "
                              "give all of them the same, `scale * *`"));
            }
        }
    }
    return *first;
}

bool PairDPCompressedBase::list_was_rebuilt() const {
    return !taken_.any || neighbor->lastcall != taken_.step || neighbor->ncalls != taken_.builds;
}

void PairDPCompressedBase::remember_list() {
    taken_ = {true, neighbor->lastcall, neighbor->ncalls, list, atom->nlocal, atom->nghost};
}

/// Give the evaluator what changed since the last evaluation: LAMMPS' list, or types alone. Whether
/// the list was rebuilt is the same on all ranks.
void PairDPCompressedBase::update_list() {
    if (list_was_rebuilt()) {
        take_new_list();
    } else {
        follow_types();
    }
}

void PairDPCompressedBase::take_new_list() {
    const bool is_first = !taken_.any;
    if (is_first) {
        rules_ = dpcompressed::ListRules(lmp);
    }
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
    remember_list();
    read_types();
    on_this_rank([this] { take_list(); });
}

/// The list is the one that the evaluator has, but LAMMPS may have changed types since, on some
/// ranks, and not have told the ghosts.
void PairDPCompressedBase::follow_types() {
    const bool is_other_list =
        list != taken_.list || atom->nlocal != taken_.n_local || atom->nghost != taken_.n_ghost;
    if (is_other_list) {
        remember_list();
        read_types();
    }
    int mine = is_other_list ? dpcompressed::kTypesChanged : update_types();
    int gravest = 0;
    MPI_Allreduce(&mine, &gravest, 1, MPI_INT, MPI_MAX, world);
    if (gravest >= dpcompressed::kJoinedModel) {
        fail_type_change();
    }
    if (gravest == dpcompressed::kSameTypes) {
        return;
    }
    ghosts_changed_ = false;
    forward_types();
    if (mine != dpcompressed::kSameTypes || ghosts_changed_) {
        on_this_rank([this] { take_list(); });
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
        if (type < 1 || type > atom->ntypes) {
            problem = text("atom ID ", atom->tag[i], " has type ", type,
                           ", but there are types 1 to ", atom->ntypes);
        } else if (types_[i] == dpcompressed::kNotInModel && model_type_[type] >= 0) {
            problem =
                text("atom ID ", atom->tag[i], " became ", model_->type_map[model_type_[type]],
                     " (atom type ", type,
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

void PairDPCompressedBase::compute(int eflag, int vflag) {
    if (!is_set_up_) {
        fail_all("pair_style or pair_coeff was given after the last setup of a run: the next `run` "
                 "must do it again, without `pre no`");
    }
    ev_init(eflag, vflag);
    units_.energy = energy_unit_ * common_scale();
    update_list();
    tally(on_this_rank([this] { return evaluate(); }));
    const dpc::Overflow& found = overflow_found();
    if (found.worst.i >= 0 || found.crowd.i >= 0) {
        sync_host();
    }
    overflow_->add(found, update->ntimestep,
                   [this](int i) { return static_cast<std::int64_t>(atom->tag[i]); });
    if (update->setupflag || update->ntimestep == update->laststep ||
        update->ntimestep % check_every() == 0) {
        report_overflow();
    }
}

void PairDPCompressedBase::tally(const Results& results) {
    if (eflag_global) {
        eng_vdwl += results.totals.energy;
    }
    if (vflag_global) {
        const double* w = results.totals.virial;
        for (int k = 0; k < 6; k++) {
            virial[k] += 0.5 * (w[kSymmetric[k][0]] + w[kSymmetric[k][1]]);
        }
    }
    for (int i = 0; results.atom_virial != nullptr && i < n_all(); i++) {
        const double* w = results.atom_virial + 9 * static_cast<std::size_t>(i);
        for (int k = 0; vflag_atom && k < 6; k++) {
            vatom[i][k] += 0.5 * (w[kSymmetric[k][0]] + w[kSymmetric[k][1]]);
        }
        for (int k = 0; cvflag_atom && k < 9; k++) {
            cvatom[i][k] += w[kCentroid[k]];
        }
    }
}

void PairDPCompressedBase::write_restart(FILE* fp) {
    write_restart_settings(fp);
    write_text(fp, dpcompressed::pack(names_));
}

void PairDPCompressedBase::read_restart(FILE* fp) {
    read_restart_settings(fp);
    names_ = dpcompressed::unpack_names(read_text(fp));
    set_flags();
}

void PairDPCompressedBase::write_restart_settings(FILE* fp) {
    write_text(fp, dpcompressed::pack(settings_));
}

/// The table file is opened later, so that another pair_style command can still name another one.
void PairDPCompressedBase::read_restart_settings(FILE* fp) {
    const std::string bytes = read_text(fp);
    settings_ = on_all_ranks([&] { return dpcompressed::unpack_settings(bytes); });
    model_.reset();
}

/// LAMMPS calls the writing side on rank 0 only, the reading side everywhere.
void PairDPCompressedBase::write_text(FILE* fp, const std::string& bytes) {
    const int length = static_cast<int>(bytes.size());
    fwrite(&length, sizeof length, 1, fp);
    fwrite(bytes.data(), 1, bytes.size(), fp);
}

std::string PairDPCompressedBase::read_text(FILE* fp) {
    int length = 0;
    if (comm->me == 0) {
        utils::sfread(FLERR, &length, sizeof length, 1, fp, nullptr, error);
    }
    MPI_Bcast(&length, 1, MPI_INT, 0, world);
    if (length < 0 || length > kLongestText) {
        fail_all("the restart file is damaged, or another version of this pair style wrote it");
    }
    std::string bytes(static_cast<std::size_t>(length), '\0');
    if (comm->me == 0) {
        utils::sfread(FLERR, bytes.data(), 1, bytes.size(), fp, nullptr, error);
    }
    MPI_Bcast(bytes.data(), length, MPI_CHAR, 0, world);
    return bytes;
}
