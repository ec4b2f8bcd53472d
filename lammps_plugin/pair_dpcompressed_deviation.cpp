// SPDX-License-Identifier: GPL-2.0-only
// The deviation of several models: in the steps that write, each evaluates the atoms by itself.
#include <algorithm>
#include <cstring>

#include "atom.h"
#include "comm.h"
#include "pair_dpcompressed_base.h"
#include "universe.h"
#include "update.h"

using namespace LAMMPS_NS;

/// A file that a restarted run finds is gone on with. The second partition of run_style verlet/split has the part in k-space alone.
void PairDPCompressedBase::start_deviation() {
    const bool is_for_kspace = std::strcmp(update->integrate_style, "verlet/split") == 0 && universe->iworld == 1;
    if (nextra == 0 || deviation_ || is_for_kspace) {
        return;
    }
    const dpcompressed::DeviationSettings& settings = settings_.deviation;
    if (settings.each_atom && atom->tag_enable == 0) {
        fail_all("atomic needs atom IDs, which `atom_modify id no` has taken away");
    }
    deviation_file_ = on_all_ranks([&] {
        return rank_ == 0 ? std::make_unique<dpcompressed::DeviationFile>(settings.file, is_restarted_, settings.each_atom)
                          : nullptr;
    });
    deviation_ = std::make_unique<dpcompressed::ModelDeviation>(settings, models_.size());
}

/// of_first: the first model's totals where its forces are those of the deviation already; null where
/// they were scaled. Collective.
void PairDPCompressedBase::measure_deviation(const dpc::Totals* of_first) {
    for (std::size_t k = 0; k < models_.size(); k++) {
        const dpc::Totals totals = k == 0 && of_first != nullptr ? *of_first : evaluate_alone(k);
        std::copy_n(totals.virial, 9, deviation_->virial(k));
        comm_reverse_forces(deviation_->forces(k));
    }
    std::vector<std::int64_t> ids;
    if (settings_.deviation.each_atom) {
        sync_host();
        ids.assign(atom->tag, atom->tag + atom->nlocal);
    }
    deviation_->measure(atom->nlocal, ids, world);
    if (rank_ == 0) {
        values_ = deviation_->values();
        on_this_rank([this] { deviation_file_->write(update->ntimestep, *deviation_); });
    }
}

dpc::Totals PairDPCompressedBase::evaluate_alone(std::size_t k) {
    ModelInUse& in_use = models_[k];
    const Results results = on_this_rank([&] {
        if (!in_use.has_list) {
            take_list(k);
            in_use.has_list = true;
        }
        return evaluate(k, {false, units_, deviation_->forces(k)});
    });
    if (k > 0) {
        note_overflow(k);
    }
    return results.totals;
}

/// Forces on ghosts are added to the atoms that they stand for. Collective.
void PairDPCompressedBase::comm_reverse_forces(double* forces) {
    reversed_ = forces;
    comm->reverse_comm(this);
}

int PairDPCompressedBase::pack_reverse_comm(int n, int first, double* buf) {
    std::copy_n(reversed_ + 3 * static_cast<std::ptrdiff_t>(first), 3 * n, buf);
    return 3 * n;
}

void PairDPCompressedBase::unpack_reverse_comm(int n, int* indices, double* buf) {
    for (int k = 0; k < n; k++) {
        double* to = reversed_ + 3 * static_cast<std::ptrdiff_t>(indices[k]);
        for (int c = 0; c < 3; c++) {
            to[c] += buf[3 * k + c];
        }
    }
}
