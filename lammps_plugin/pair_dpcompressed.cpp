// SPDX-License-Identifier: GPL-2.0-only
// Between LAMMPS' host arrays and dpc::Evaluator; see pair_dpcompressed.h.
#include "pair_dpcompressed.h"

#include <algorithm>

#include "atom.h"
#include "comm.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "node_rank.hpp"
#include "universe.h"

using namespace LAMMPS_NS;
using dpcompressed::DeviceChoice;

namespace {

constexpr std::size_t kMegabyte = 1000000;

dpc::Backend backend_of(DeviceChoice device) {
    switch (device) {
        case DeviceChoice::gpu: return dpc::Backend::gpu;
        case DeviceChoice::kokkos_serial: return dpc::Backend::kokkos_serial;
        case DeviceChoice::kokkos_openmp: return dpc::Backend::kokkos_openmp;
        case DeviceChoice::automatic: {
            const auto available = dpc::available_backends();
            const auto gpu = std::find(available.begin(), available.end(), dpc::Backend::gpu);
            return gpu != available.end() ? dpc::Backend::gpu : dpc::Backend::host;
        }
        case DeviceChoice::cpu: break;
    }
    return dpc::Backend::host;
}

}  // namespace

/// Collective, since ranks of one computer take its GPUs in turn.
dpc::EvaluatorOptions PairDPCompressed::options() const {
    dpc::EvaluatorOptions options;
    options.n_threads = comm->nthreads;
    options.precision = settings_.precision;
    options.backend = backend_of(settings_.device);
    options.neighbours = settings_.neighbours;
    options.scratch_bytes = static_cast<std::size_t>(settings_.memory) * kMegabyte;
    if (settings_.device == DeviceChoice::gpu || settings_.device == DeviceChoice::automatic) {
        // With -partition every partition has ranks of its own: go on where the one before ended.
        const int rank = dpcompressed::node_rank(world) + universe->root_proc[universe->iworld];
        const int n_gpus = dpc::gpu_count();
        options.device = n_gpus > 0 ? rank % n_gpus : -1;
    }
    return options;
}

std::string PairDPCompressed::start_engines() {
    n_threads_ = comm->nthreads;
    engines_.clear();
    const dpc::EvaluatorOptions chosen = options();
    for (const ModelInUse& in_use : models_) {
        engines_.push_back(std::make_unique<dpc::Evaluator>(in_use.model, chosen));
    }
    return engines_.front()->describe();
}

bool PairDPCompressed::has_engines() const { return !engines_.empty() && n_threads_ == comm->nthreads; }

void PairDPCompressed::request_list() { neighbor->add_request(this, NeighConst::REQ_FULL); }

void PairDPCompressed::read_types() {
    types_.resize(static_cast<std::size_t>(n_all()));
    for (int i = 0; i < n_all(); i++) {
        types_[i] = dpcompressed::type_in_new_list(model_type_.data(), atom->type[i], atom->mask[i], absent_bits());
    }
}

dpcompressed::TypeChange PairDPCompressed::update_types() {
    auto gravest = dpcompressed::kSameTypes;
    for (int i = 0; i < atom->nlocal; i++) {
        gravest = std::max(gravest, dpcompressed::update_type(model_type_.data(), atom->ntypes, atom->type[i], types_[i]));
    }
    return gravest;
}

void PairDPCompressed::take_list(std::size_t k) {
    const bool has_other_types = !models_[k].type_of.empty();
    if (k > 0 && !has_other_types && engines_[k]->share_neighbours(*engines_.front())) {
        return;
    }
    if (has_other_types) {
        other_types_.resize(types_.size());
        std::transform(types_.begin(), types_.end(), other_types_.begin(),
                       [&](int type) { return dpcompressed::type_in_other(models_[k].type_of.data(), type); });
    }
    dpc::NeighbourRows rows;
    rows.n_centres = list->inum;
    rows.centre = list->ilist;
    rows.count = list->numneigh;
    rows.rows = list->firstneigh;
    rows.index_mask = NEIGHMASK;
    rows.stays = true;  // LAMMPS changes a list where it builds the next one
    if (needs_tags()) {
        if (k == 0) {  // the others take the same list
            tags_.assign(atom->tag, atom->tag + n_all());
        }
        rows.tag = tags_.data();
    }
    engines_[k]->set_neighbours(n_all(), has_other_types ? other_types_.data() : types_.data(), rows);
}

PairDPCompressedBase::Results PairDPCompressed::evaluate(std::size_t k, const Task& task) {
    const bool any = n_all() > 0;  // LAMMPS may have no arrays where there are no atoms
    double* forces = any ? atom->f[0] : nullptr;
    Results results;
    dpc::Output out;
    out.forces = task.forces != nullptr ? task.forces : forces;
    out.measures = task.measures;
    out.atom_energy = task.drives && eflag_atom ? eatom : nullptr;
    if (task.drives && wants_atom_virial()) {
        atom_virial_.assign(9 * static_cast<std::size_t>(n_all()), 0.0);
        out.atom_virial = atom_virial_.data();
        results.atom_virial = atom_virial_.data();
    }
    out.fparam_gradient = task.fparam_gradient;
    dpc::Inputs inputs{any ? atom->x[0] : nullptr, task.units};
    add_parameters(*models_[k].model, inputs);
    results.totals = engines_[k]->compute(inputs, out);
    if (task.drives && task.forces != nullptr) {
        for (int c = 0; c < 3 * n_all(); c++) {
            forces[c] += task.forces[c];
        }
    }
    return results;
}

double PairDPCompressed::memory_usage() {
    double bytes = PairDPCompressedBase::memory_usage() + sizeof(int) * other_types_.capacity() +
                   sizeof(std::int64_t) * tags_.capacity() + sizeof(double) * atom_virial_.capacity();
    for (const auto& engine : engines_) {
        bytes += static_cast<double>(engine->memory_bytes());
    }
    return bytes;
}
