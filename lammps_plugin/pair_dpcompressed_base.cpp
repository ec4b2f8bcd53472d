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
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using dpcompressed::text;

namespace {

constexpr char kStyle[] = "pair_style dpcompressed: ";

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

PairDPCompressedBase::PairDPCompressedBase(LAMMPS* lammps) : Pair(lammps) {
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
}

PairDPCompressedBase::~PairDPCompressedBase() {
    if (copymode) {
        return;
    }
    if (allocated) {
        memory->destroy(setflag);
        memory->destroy(cutsq);
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
    drop_evaluator();
    model_type_.clear();
    model_ = on_all_ranks([&] { return dpcompressed::read_model(settings_.file, world); });
    overflow_ = std::make_unique<dpcompressed::OverflowLog>(model_->type_map);
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
    drop_evaluator();  // made again at the start of the run, which logs the new types
    set_flags();
}

/// Which pairs of types are ours. Alone, all of them, NULL included; a hybrid style must be left
/// those with NULL.
void PairDPCompressedBase::set_flags() {
    const int n = atom->ntypes;
    if (!allocated) {
        memory->create(setflag, n + 1, n + 1, "pair:setflag");
        memory->create(cutsq, n + 1, n + 1, "pair:cutsq");
        allocated = 1;
    }
    const bool alone = force->pair == this;
    for (int i = 1; i <= n; i++) {
        for (int j = i; j <= n; j++) {
            setflag[i][j] = alone || (model_type_[i] >= 0 && model_type_[j] >= 0);
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
    units_.energy = force->boltz / kBoltz;
    if (!has_evaluator()) {
        log_start(on_all_ranks([this] { return start_evaluator(); }));
    }
    overflow_->start_run();
    taken_.any = false;
    request_list();
}

void PairDPCompressedBase::log_start(const std::string& evaluator) {
    std::string types;
    for (int i = 1; i <= atom->ntypes; i++) {
        const int type = model_type_[i];
        types += text(' ', i, '=', type >= 0 ? model_->type_map[type] : "NULL");
    }
    if (comm->me == 0) {
        utils::logmesg(
            lmp, text(kStyle, settings_.file, ", ", model_->descriptor_kind, ", cutoff ",
                      model_->rcut, " angstrom, elements ", dpcompressed::listed(model_->type_map),
                      "; atom types", types, "\n  ", evaluator, "\n  overflow is checked every ",
                      check_every(), " steps, ",
                      settings_.overflow_stops ? "and stops the run" : "and is warned of", "\n"));
    }
}

/// Cutoff in the units of the run. Pairs with NULL have none: LAMMPS then lists no neighbours for
/// them.
double PairDPCompressedBase::init_one(int i, int j) {
    setflag[j][i] = setflag[i][j];
    return model_type_[i] >= 0 && model_type_[j] >= 0 ? model_->rcut / units_.length : 0.0;
}

int PairDPCompressedBase::n_all() const { return atom->nlocal + atom->nghost; }

int PairDPCompressedBase::check_every() const {
    return settings_.check_every > 0 ? settings_.check_every : model_->check_frequency;
}

bool PairDPCompressedBase::list_was_rebuilt() const {
    return !taken_.any || neighbor->ago == 0 || neighbor->lastcall != taken_.step ||
           neighbor->ncalls != taken_.builds;
}

/// Give the evaluator LAMMPS' list where it has another one. Whether it was rebuilt is the same on
/// all ranks, so that the check of its rules may be collective.
void PairDPCompressedBase::update_list() {
    const bool rebuilt = list_was_rebuilt();
    if (!rebuilt && list == taken_.list && atom->nlocal == taken_.n_local &&
        atom->nghost == taken_.n_ghost) {
        return;
    }
    if (rebuilt && dpcompressed::may_miss_pairs(lmp, *list)) {
        sync_host();
        const auto problem = dpcompressed::find_missing_pairs(lmp, *list, model_type_);
        if (!problem.empty()) {
            fail_all(problem);
        }
    }
    taken_ = {true, neighbor->lastcall, neighbor->ncalls, list, atom->nlocal, atom->nghost};
    on_this_rank([this] { take_list(); });
}

void PairDPCompressedBase::compute(int eflag, int vflag) {
    ev_init(eflag, vflag);
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

void PairDPCompressedBase::report_overflow() {
    const auto report = overflow_->report(world);
    if (!report.beyond.empty() && settings_.overflow_stops) {
        fail_all(report.beyond + ". To go on all the same, say `overflow warn` in pair_style");
    }
    for (const auto* message : {&report.beyond, &report.close, &report.crowd}) {
        if (!message->empty() && comm->me == 0) {
            error->warning(FLERR, kStyle + *message);
        }
    }
}

/// End of a run: what a minimiser that stopped early, or a run between two checks, has not reported
/// yet.
void PairDPCompressedBase::finish() {
    if (overflow_) {
        report_overflow();
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
