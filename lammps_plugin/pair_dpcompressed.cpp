// SPDX-License-Identifier: GPL-2.0-only
// The adapter between LAMMPS and dpc::Evaluator; see pair_dpcompressed.h. Exceptions of the core
// become LAMMPS errors in on_all_ranks and on_this_rank, nowhere else.
#include "pair_dpcompressed.h"

#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "atom.h"
#include "comm.h"
#include "dpc/errors.hpp"
#include "dpc/evaluator.hpp"
#include "error.h"
#include "force.h"
#include "list_guard.hpp"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "overflow_log.hpp"
#include "pair_settings.hpp"
#include "shared_model.hpp"
#include "text.hpp"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using dpcompressed::text;

namespace {

constexpr char kStyle[] = "pair_style dpcompressed: ";

/// Boltzmann's constant in eV/K as LAMMPS' metal units have it: force->boltz / kBoltz is one eV in
/// the units of the run, with the same energies relative to kT in all of them.
constexpr double kBoltz = 8.617343e-5;

constexpr int kOutputDelay = 200;  // milliseconds from a rank's error message to MPI_Abort

/// LAMMPS' orders of virial components in terms of ours (xx xy xz yx yy yz zx zy zz).
constexpr int kSymmetric[6][2] = {{0, 0}, {4, 4}, {8, 8},
                                  {1, 3}, {2, 6}, {5, 7}};  // xx yy zz xy xz yz
constexpr int kCentroid[9] = {0, 4, 8, 1, 2, 5, 3, 6, 7};   // xx yy zz xy xz yz yx zx zy

}  // namespace

struct PairDPCompressed::Impl {
    dpcompressed::StyleSettings settings;
    std::vector<std::string> names;  // of pair_coeff
    std::shared_ptr<const dpc::Model> model;
    std::unique_ptr<dpc::Evaluator> evaluator;
    std::unique_ptr<dpcompressed::OverflowLog> overflow;
    int n_threads = 0;
    dpc::Units units;
    std::vector<int> model_type;      // per LAMMPS type, [0] unused
    std::vector<int> types;           // (n_all) model types
    std::vector<double> atom_virial;  // (n_all, 9)

    // The list that the evaluator has: LAMMPS' build, and what else could change without one.
    bool has_list = false;
    bigint list_step = -1, list_builds = -1;
    const NeighList* list = nullptr;
    int n_local = -1, n_ghost = -1;

    int check_every() const {
        return settings.check_every > 0 ? settings.check_every : model->check_frequency;
    }
};

struct PairDPCompressed::Results {
    dpc::Totals totals;
    const double* atom_virial = nullptr;  // (n_all, 9)
};

PairDPCompressed::PairDPCompressed(LAMMPS* lammps) : Pair(lammps), impl_(std::make_unique<Impl>()) {
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

PairDPCompressed::~PairDPCompressed() {
    if (copymode) {
        return;
    }
    if (allocated) {
        memory->destroy(setflag);
        memory->destroy(cutsq);
    }
}

void PairDPCompressed::fail_all(const std::string& what) { error->all(FLERR, kStyle + what); }

/// LAMMPS prints the message and then aborts MPI, and mpirun drops output that is still on its way
/// to it: wait for that.
void PairDPCompressed::fail_one(const std::string& what) {
    try {
        error->one(FLERR, kStyle + what);
    } catch (...) {
        if (comm->nprocs > 1) {
            std::this_thread::sleep_for(std::chrono::milliseconds(kOutputDelay));
        }
        throw;
    }
}

/// Run what happens alike on all ranks; the core's exceptions end the run with one message.
template <class Action>
auto PairDPCompressed::on_all_ranks(const Action& action) {
    std::string what;
    try {
        return action();
    } catch (const std::exception& e) {
        what = e.what();
    }
    fail_all(what);
}

/// Run what may fail on one rank alone, and say which atoms are to blame.
template <class Action>
auto PairDPCompressed::on_this_rank(const Action& action) {
    std::string what;
    try {
        return action();
    } catch (const dpc::InputError& e) {
        what = text("step ", update->ntimestep, ": ", e.what());
        if (e.atom_i >= 0) {
            what += text(e.atom_j >= 0 ? " (atom IDs " : " (atom ID ", atom->tag[e.atom_i]);
            what += e.atom_j >= 0 ? text(" and ", atom->tag[e.atom_j], ")") : ")";
        }
    } catch (const std::exception& e) {
        what = e.what();
    }
    fail_one(what);
}

void PairDPCompressed::settings(int narg, char** arg) {
    impl_->settings = on_all_ranks([&] { return dpcompressed::parse_style(narg, arg); });
    load_model();
}

void PairDPCompressed::load_model() {
    Impl& s = *impl_;
    s.evaluator.reset();
    s.model_type.clear();
    s.model = on_all_ranks([&] { return dpcompressed::read_model(s.settings.file, world); });
    s.overflow = std::make_unique<dpcompressed::OverflowLog>(s.model->type_map);
}

void PairDPCompressed::coeff(int narg, char** arg) {
    Impl& s = *impl_;
    if (!s.model) {
        load_model();  // in pair_style hybrid, after read_restart
    }
    s.names = on_all_ranks([&] { return dpcompressed::parse_coeff(narg, arg, atom->ntypes); });
    s.model_type =
        on_all_ranks([&] { return dpcompressed::map_types(s.names, atom->ntypes, *s.model); });
    s.evaluator.reset();  // made again at the start of the run, which logs the new types
    set_flags();
}

/// Which pairs of types are ours. Alone, all of them, NULL included; a hybrid style must be left
/// those with NULL.
void PairDPCompressed::set_flags() {
    const int n = atom->ntypes;
    if (!allocated) {
        memory->create(setflag, n + 1, n + 1, "pair:setflag");
        memory->create(cutsq, n + 1, n + 1, "pair:cutsq");
        allocated = 1;
    }
    const bool alone = force->pair == this;
    const auto& model_type = impl_->model_type;
    for (int i = 1; i <= n; i++) {
        for (int j = i; j <= n; j++) {
            setflag[i][j] = alone || (model_type[i] >= 0 && model_type[j] >= 0);
        }
    }
}

void PairDPCompressed::init_style() {
    if (force->newton_pair == 0) {
        fail_all("needs `newton on`: forces on atoms of other ranks would be lost");
    }
    if (std::strcmp(update->unit_style, "lj") == 0) {
        fail_all("cannot be used with `units lj`: the model has electronvolts and angstroms");
    }
    Impl& s = *impl_;
    if (!s.model) {
        load_model();  // after read_restart
    }
    if (s.model_type.empty()) {
        s.model_type =
            on_all_ranks([&] { return dpcompressed::map_types(s.names, atom->ntypes, *s.model); });
    }
    s.units.length = 1.0 / force->angstrom;
    s.units.energy = force->boltz / kBoltz;
    if (!s.evaluator || s.n_threads != comm->nthreads) {
        start_evaluator();
    }
    s.overflow->start_run();
    s.has_list = false;
    neighbor->add_request(this, NeighConst::REQ_FULL);
}

void PairDPCompressed::start_evaluator() {
    Impl& s = *impl_;
    s.n_threads = comm->nthreads;
    s.evaluator = on_all_ranks([&] {
        return std::make_unique<dpc::Evaluator>(s.model, s.n_threads, s.settings.precision);
    });
    std::string types;
    for (int i = 1; i <= atom->ntypes; i++) {
        const int type = s.model_type[i];
        types += text(' ', i, '=', type >= 0 ? s.model->type_map[type] : "NULL");
    }
    if (comm->me == 0) {
        utils::logmesg(
            lmp,
            text(kStyle, s.settings.file, ", ", s.model->descriptor_kind, ", cutoff ",
                 s.model->rcut, " angstrom, elements ", dpcompressed::listed(s.model->type_map),
                 "; atom types", types, "\n  ", s.evaluator->describe(),
                 "\n  overflow is checked every ", s.check_every(), " steps, ",
                 s.settings.overflow_stops ? "and stops the run" : "and is warned of", "\n"));
    }
}

/// Cutoff in the units of the run. Pairs with NULL have none: LAMMPS then lists no neighbours for
/// them.
double PairDPCompressed::init_one(int i, int j) {
    const Impl& s = *impl_;
    setflag[j][i] = setflag[i][j];
    return s.model_type[i] >= 0 && s.model_type[j] >= 0 ? s.model->rcut / s.units.length : 0.0;
}

bool PairDPCompressed::list_was_rebuilt() const {
    const Impl& s = *impl_;
    return !s.has_list || neighbor->ago == 0 || neighbor->lastcall != s.list_step ||
           neighbor->ncalls != s.list_builds;
}

void PairDPCompressed::take_list() {
    Impl& s = *impl_;
    s.has_list = true;
    s.list_step = neighbor->lastcall;
    s.list_builds = neighbor->ncalls;
    s.list = list;
    s.n_local = atom->nlocal;
    s.n_ghost = atom->nghost;

    const int n_all = atom->nlocal + atom->nghost;
    s.types.resize(n_all);
    for (int i = 0; i < n_all; i++) {
        s.types[i] = s.model_type[atom->type[i]];
    }
    dpc::NeighbourRows rows;
    rows.n_centres = list->inum;
    rows.centre = list->ilist;
    rows.count = list->numneigh;
    rows.rows = list->firstneigh;
    rows.index_mask = NEIGHMASK;
    on_this_rank([&] { s.evaluator->set_neighbours(n_all, s.types.data(), rows); });
}

void PairDPCompressed::compute(int eflag, int vflag) {
    ev_init(eflag, vflag);
    Impl& s = *impl_;
    if (list_was_rebuilt()) {
        if (const auto problem = dpcompressed::find_missing_pairs(lmp, *list, s.model_type);
            !problem.empty()) {
            fail_all(problem);
        }
        take_list();
    } else if (list != s.list || atom->nlocal != s.n_local || atom->nghost != s.n_ghost) {
        take_list();
    }

    const std::size_t n_all = s.types.size();
    Results results;
    dpc::Output out;
    out.forces = n_all > 0 ? atom->f[0] : nullptr;
    out.atom_energy = eflag_atom ? eatom : nullptr;
    if (vflag_atom || cvflag_atom) {
        s.atom_virial.assign(9 * n_all, 0.0);
        out.atom_virial = s.atom_virial.data();
        results.atom_virial = s.atom_virial.data();
    }
    const double* x = n_all > 0 ? atom->x[0] : nullptr;
    results.totals = on_this_rank([&] { return s.evaluator->compute(x, s.units, out); });
    tally(results);

    s.overflow->add(s.evaluator->overflow(), update->ntimestep,
                    [this](int i) { return static_cast<std::int64_t>(atom->tag[i]); });
    if (update->setupflag || update->ntimestep == update->laststep ||
        update->ntimestep % s.check_every() == 0) {
        report_overflow();
    }
}

void PairDPCompressed::tally(const Results& results) {
    if (eflag_global) {
        eng_vdwl += results.totals.energy;
    }
    if (vflag_global) {
        const double* w = results.totals.virial;
        for (int k = 0; k < 6; k++) {
            virial[k] += 0.5 * (w[kSymmetric[k][0]] + w[kSymmetric[k][1]]);
        }
    }
    if (results.atom_virial == nullptr) {
        return;
    }
    for (std::size_t i = 0; i < impl_->types.size(); i++) {
        const double* w = results.atom_virial + 9 * i;
        for (int k = 0; vflag_atom && k < 6; k++) {
            vatom[i][k] += 0.5 * (w[kSymmetric[k][0]] + w[kSymmetric[k][1]]);
        }
        for (int k = 0; cvflag_atom && k < 9; k++) {
            cvatom[i][k] += w[kCentroid[k]];
        }
    }
}

void PairDPCompressed::report_overflow() {
    const auto report = impl_->overflow->report(world);
    if (!report.beyond.empty() && impl_->settings.overflow_stops) {
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
void PairDPCompressed::finish() {
    if (impl_->overflow) {
        report_overflow();
    }
}

double PairDPCompressed::memory_usage() {
    const Impl& s = *impl_;
    double bytes = Pair::memory_usage() + sizeof(int) * s.types.capacity() +
                   sizeof(double) * s.atom_virial.capacity();
    return s.evaluator ? bytes + static_cast<double>(s.evaluator->memory_bytes()) : bytes;
}

void PairDPCompressed::write_restart(FILE* fp) {
    write_restart_settings(fp);
    write_text(fp, dpcompressed::pack(impl_->names));
}

void PairDPCompressed::read_restart(FILE* fp) {
    read_restart_settings(fp);
    impl_->names = dpcompressed::unpack_names(read_text(fp));
    set_flags();
}

void PairDPCompressed::write_restart_settings(FILE* fp) {
    write_text(fp, dpcompressed::pack(impl_->settings));
}

/// The table file is opened later, so that another pair_style command can still name another one.
void PairDPCompressed::read_restart_settings(FILE* fp) {
    impl_->settings = dpcompressed::unpack_settings(read_text(fp));
    impl_->model.reset();
}

/// LAMMPS calls the writing side on rank 0 only, the reading side everywhere.
void PairDPCompressed::write_text(FILE* fp, const std::string& bytes) {
    const int length = static_cast<int>(bytes.size());
    fwrite(&length, sizeof length, 1, fp);
    fwrite(bytes.data(), 1, bytes.size(), fp);
}

std::string PairDPCompressed::read_text(FILE* fp) {
    int length = 0;
    if (comm->me == 0) {
        utils::sfread(FLERR, &length, sizeof length, 1, fp, nullptr, error);
    }
    MPI_Bcast(&length, 1, MPI_INT, 0, world);
    std::string bytes(static_cast<std::size_t>(length), '\0');
    if (comm->me == 0) {
        utils::sfread(FLERR, bytes.data(), 1, bytes.size(), fp, nullptr, error);
    }
    MPI_Bcast(bytes.data(), length, MPI_CHAR, 0, world);
    return bytes;
}
