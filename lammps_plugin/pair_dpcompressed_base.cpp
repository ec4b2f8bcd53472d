// SPDX-License-Identifier: GPL-2.0-only
// The part of the pair styles that does not depend on where the atoms lie; see
// pair_dpcompressed_base.h.
#include "pair_dpcompressed_base.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "atom.h"
#include "build_info.hpp"
#include "comm.h"
#include "dpc/errors.hpp"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neighbor.h"
#include "text.hpp"
#include "timer.h"
#include "unsaid_at_exit.hpp"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using dpcompressed::kStyle;
using dpcompressed::text;

namespace {

/// Boltzmann's constant in eV/K as LAMMPS' metal units have it: force->boltz / kBoltz is one eV in
/// the units of the run, with the same energies relative to kT in all of them.
constexpr double kBoltz = 8.617343e-5;

std::string described(const dpc::Model& model) {
    std::string kinds;
    for (const dpc::Descriptor& descriptor : model.descriptors) {
        kinds += text(kinds.empty() ? "" : " + ", dpc::name_of(descriptor.kind));
    }
    return text(kinds, ", cutoff ", model.rcut(), " angstrom, elements ", dpcompressed::listed(model.type_map));
}

constexpr int kOutputDelay = 200;  // milliseconds from a rank's error message to MPI_Abort

/// LAMMPS' orders of virial components in terms of ours (xx xy xz yx yy yz zx zy zz).
constexpr int kSymmetric[6][2] = {{0, 0}, {4, 4}, {8, 8}, {1, 3}, {2, 6}, {5, 7}};  // xx yy zz xy xz yz
constexpr int kCentroid[9] = {0, 4, 8, 1, 2, 5, 3, 6, 7};                           // xx yy zz xy xz yz yx zx zy

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
    comm_reverse = 3;  // forces of one model after the other, where their deviation is measured
    pvector = values_.data();
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

/// What the exception at hand says and which atoms are to blame.
void PairDPCompressedBase::fail_with_exception() {
    std::string what;
    try {
        throw;
    } catch (const dpc::InputError& e) {
        what = text("step ", update->ntimestep, ": ", e.what());
        if (e.atom_i >= 0 && atom->tag_enable != 0) {
            sync_host();
            what += text(e.atom_j >= 0 ? " (atom IDs " : " (atom ID ", atom->tag[e.atom_i]);
            what += e.atom_j >= 0 ? text(" and ", atom->tag[e.atom_j], ")") : ")";
        }
    } catch (const std::exception& e) {
        what = e.what();
    }
    fail_one(what);
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
        }
    }
    reset_scale();
}

void PairDPCompressedBase::init_style() {
    if (force->newton_pair == 0) {
        fail_all("needs `newton on`: forces on atoms of other ranks would be lost");
    }
    if (std::strcmp(update->unit_style, "lj") == 0) {
        fail_all("cannot be used with `units lj`: the model has electronvolts and angstroms");
    }
    if (models_.empty()) {
        load_models();  // after read_restart
    }
    if (model_type_.empty()) {
        map_types(names_);
    }
    on_all_ranks([this] {
        sources().check();
        return true;
    });
    is_advised_ = false;
    units_ = {1.0 / force->angstrom, force->boltz / kBoltz};
    start_deviation();
    if (!has_engines()) {
        log_start(on_all_ranks([this] { return start_engines(); }));
        warn_of_settings();
    }
    say_pending();  // of a run that ended with an error, in a program that went on
    summary_ = dpcompressed::RunSummary(first().n_types());
    taken_.any = false;
    is_set_up_ = true;
    wants_fparam_gradient_ = false;
    fparam_gradient_.clear();
    request_list();
}

/// What LAMMPS accepts in silence and the model does not know.
void PairDPCompressedBase::warn_of_settings() {
    if (atom->sp_flag) {
        warn(
            "the atoms have spins (atom_style spin), but the model has none: energies do not "
            "depend on them and there are no magnetic forces");
    }
    if (names_.empty() && atom->labelmapflag != 0) {
        warn(
            "pair_coeff names no elements, so that atom types are those of the model in its order, whatever their labels "
            "(labelmap) say: name the elements");
    }
    if (force->pair == this && (offset_flag || tail_flag)) {
        warn(
            "pair_modify shift and pair_modify tail have no effect: the energy of the model ends "
            "smoothly at its cutoff");
    }
    for (const ModelInUse& in_use : models_) {
        if (const std::string advice = dpcompressed::advice_on_elements(*in_use.model, used_types(in_use)); !advice.empty()) {
            warn(named(in_use.file, advice));
        }
    }
}

/// Types of this model that atoms may have; kNotInModel among them.
std::vector<int> PairDPCompressedBase::used_types(const ModelInUse& in_use) const {
    std::vector<int> used = model_type_;
    for (int& type : used) {
        type = in_use.type_of.empty() ? type : dpcompressed::type_in_other(in_use.type_of.data(), type);
    }
    return used;
}

void PairDPCompressedBase::log_start(const std::string& engine) {
    std::string types;
    for (int i = 1; i <= atom->ntypes; i++) {
        const int type = model_type_[i];
        types += text(' ', i, '=', type >= 0 ? first().type_map[type] : "NULL");
    }
    std::string others;
    for (std::size_t k = 1; k < models_.size(); k++) {
        others += text("\n  ", models_[k].file, ", ", described(*models_[k].model));
        if (models_[k].rule != models_.front().rule) {
            others += text(", of more neighbours than sel ", dpc::describe(models_[k].rule));
        }
    }
    if (comm->me == 0) {
        utils::logmesg(
            lmp, text(kStyle, models_.front().file, ", ", described(first()), "; atom types", types, "\n  ", engine,
                      "; dpcompressed ", kVersion, "\n  overflow is checked every ", check_every(), " steps, ",
                      settings_.overflow_stops ? "and stops the run" : "and is warned of", "\n  of more neighbours than sel ",
                      dpc::describe(models_.front().rule), others, "\n", sources().describe(),
                      deviation_ ? text("  deviation of the ", models_.size(), " models in ", settings_.deviation.file, " every ",
                                        settings_.deviation.every, " steps\n")
                                 : ""));
    }
}

/// Cutoff in the units of the run. Pairs with NULL have none: LAMMPS then lists no neighbours for
/// them.
double PairDPCompressedBase::init_one(int i, int j) {
    setflag[j][i] = setflag[i][j];
    scale_[j][i] = scale_[i][j];
    return model_type_[i] >= 0 && model_type_[j] >= 0 ? largest_cutoff() / units_.length : 0.0;
}

/// In angstrom. One list serves all models.
double PairDPCompressedBase::largest_cutoff() const {
    double largest = 0;
    for (const ModelInUse& in_use : models_) {
        largest = std::max(largest, in_use.model->rcut());
    }
    return largest;
}

/// Whether some model must know atoms by their IDs, to drop the same neighbours beyond sel on any number of
/// ranks.
bool PairDPCompressedBase::needs_tags() const {
    return std::any_of(models_.begin(), models_.end(),
                       [](const ModelInUse& in_use) { return in_use.rule != dpc::NeighbourRule::all; });
}

dpcompressed::ParameterSources PairDPCompressedBase::sources() const {
    return {lmp, settings_.parameters, first().n_fparam, first().n_aparam};
}

/// Those of the step, of the atoms that are here.
void PairDPCompressedBase::update_parameters() {
    const dpcompressed::ParameterSettings& given = settings_.parameters;
    fparam_ = given.fparam;
    const std::size_t n = given.aparam.size();
    aparam_.resize(static_cast<std::size_t>(n_all()) * n);
    for (std::size_t k = 0; k < aparam_.size(); k++) {
        aparam_[k] = given.aparam[k % n];
    }
    if (!given.has_sources()) {
        return;
    }
    const auto is_in_model = [this](int i) {
        return dpcompressed::type_in_new_list(model_type_.data(), atom->type[i], atom->mask[i], absent_bits()) >= 0;
    };
    try {
        if (!is_advised_) {
            is_advised_ = true;
            sync_host();
            for (const std::string& advice : sources().advice(is_in_model)) {
                warn(advice);
            }
        }
        sources().read([this](Compute& compute) { sync_for(compute); }, is_in_model, n_all(), fparam_, aparam_);
        if (update->setupflag != 0) {
            if (const std::string doubt = sources().doubt(fparam_); !doubt.empty()) {
                warn(doubt);
            }
        }
    } catch (const dpc::InputError&) {  // not those of LAMMPS, which it has printed
        fail_with_exception();
    }
}

void PairDPCompressedBase::add_parameters(const dpc::Model& model, dpc::Inputs& inputs) const {
    const std::vector<double>& fparam = fparam_.empty() ? model.default_fparam : fparam_;
    inputs.fparam = {fparam.data(), fparam.size()};
    inputs.aparam = {aparam_.data(), aparam_.size()};
}

int PairDPCompressedBase::n_all() const { return atom->nlocal + atom->nghost; }

int PairDPCompressedBase::n_own() const { return neighbor->includegroup != 0 ? atom->nfirst : atom->nlocal; }

double PairDPCompressedBase::memory_usage() {
    const double bytes = Pair::memory_usage() + sizeof(int) * types_.capacity() + sizeof(double) * aparam_.capacity();
    return deviation_ ? bytes + static_cast<double>(deviation_->bytes()) : bytes;
}

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
                fail_all(text("scale is ", *first, " for some pairs of atom types and ", scale_[i][j], " for ", i, " and ", j,
                              ", but the energy of the model is not a sum over pairs of types: "
                              "give all of them the same, `scale * *` or, in hybrid, each of the model's pairs by itself"));
            }
        }
    }
    return *first;
}

void PairDPCompressedBase::compute(int eflag, int vflag) {
    if (!is_set_up_) {
        fail_all(
            "pair_style or pair_coeff was given after the last setup of a run: the next `run` "
            "must do it again, without `pre no`");
    }
    ev_init(eflag, vflag);
    fparam_gradient_.clear();
    const double scale = common_scale();
    summary_.take_times(settings_.says_summary && timer->has_full());
    update_list();
    update_parameters();
    const bool measures = deviation_ && update->ntimestep % settings_.deviation.every == 0;
    const Results driving = on_this_rank([&] {
        if (measures) {
            deviation_->start(n_all());
        }
        const bool is_alone = measures && scale == 1;
        fparam_gradient_.assign(wants_fparam_gradient_ ? static_cast<std::size_t>(first().n_fparam) : 0, 0.0);
        return evaluate(0, {true,
                            {units_.length, units_.energy * scale},
                            is_alone ? deviation_->forces(0) : nullptr,
                            wants_fparam_gradient_ ? fparam_gradient_.data() : nullptr,
                            summary_.measures(settings_.says_summary && is_check())});
    });
    note_overflow(0);
    tally(driving);
    if (measures) {
        const auto watch = summary_.time_deviation();
        measure_deviation(scale == 1 ? &driving.totals : nullptr);
    }
    if (is_check()) {
        report_overflow();
    }
}

std::vector<double> PairDPCompressedBase::fparam_gradient() {
    if (fparam_gradient_.empty()) {
        fail_all("the energy's derivatives along the frame parameters are asked for before there are forces");
    }
    std::vector<double> sum(fparam_gradient_.size());
    MPI_Allreduce(fparam_gradient_.data(), sum.data(), static_cast<int>(sum.size()), MPI_DOUBLE, MPI_SUM, world);
    return sum;
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

void PairDPCompressedBase::note_overflow(std::size_t k) {
    const dpc::Overflow& found = overflow_found(k);
    if (found.worst.i >= 0 || found.crowd.i >= 0) {
        sync_host();
    }
    models_[k].overflow->add(found, update->ntimestep, [this](int i) { return static_cast<std::int64_t>(atom->tag[i]); });
    models_[k].has_run = true;
}
