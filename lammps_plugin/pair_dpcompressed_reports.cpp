// SPDX-License-Identifier: GPL-2.0-only
// What the pair styles say of atoms that leave the range of the training data, and how it is
// printed; see overflow_log.hpp.
#include <cstdio>

#include "pair_dpcompressed_base.h"
#include "text.hpp"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using dpcompressed::kStyle;
using dpcompressed::text;

int PairDPCompressedBase::check_every() const {
    return settings_.check_every > 0 ? settings_.check_every : first().check_frequency;
}

/// Of the models that ran since the last report.
void PairDPCompressedBase::report_overflow() {
    for (ModelInUse& in_use : models_) {
        if (in_use.has_run) {
            in_use.has_run = false;
            say(in_use.file, in_use.overflow->report(world, update->ntimestep, settings_.overflow_stops));
        }
    }
}

/// End of a run: what a minimiser that stopped early, or a run between two checks, has not reported
/// yet.
void PairDPCompressedBase::finish() {
    std::vector<dpcompressed::OverflowLog::Report> reports;
    for (ModelInUse& in_use : models_) {
        reports.push_back(in_use.overflow->end_run(world, update->ntimestep));
        say(in_use.file, reports.back());
    }
    if (settings_.says_summary && summary_.has_any()) {
        say_summary(reports);
    }
    summary_ = dpcompressed::RunSummary(models_.empty() ? 0 : first().n_types());
}

/// Collective.
void PairDPCompressedBase::say_summary(const std::vector<dpcompressed::OverflowLog::Report>& of_models) {
    std::string overflow;
    for (std::size_t k = 0; k < models_.size(); k++) {
        const auto& counts = of_models[k].counts;
        overflow += text("  overflow", models_.size() > 1 ? " of " + models_[k].file : "", ": ", counts.close,
                         " closer than the training data, ", counts.beyond, " beyond the tables, ", counts.over_sel,
                         " times more neighbours than sel\n");
    }
    const std::string lines = summary_.lines(world, first(), of_models.front().worst) + overflow + summary_.times(world);
    if (rank_ == 0) {
        utils::logmesg(lmp, text(kStyle, "summary of this run with ", models_.front().file, ", ", summary_.n_evaluations(),
                                 " evaluations, neighbours counted in ", summary_.n_counted(), " of them\n", lines));
    }
}

bool PairDPCompressedBase::is_check() const {
    return update->setupflag || update->ntimestep == update->laststep || update->ntimestep % check_every() == 0;
}

/// Of several models the message says which.
std::string PairDPCompressedBase::named(const std::string& file, const std::string& message) const {
    return settings_.files.size() > 1 ? file + ": " + message : message;
}

void PairDPCompressedBase::say(const std::string& file, const dpcompressed::OverflowLog::Report& report) {
    if (!report.beyond.empty() && settings_.overflow_stops) {
        fail_all(named(file, report.beyond) + ". To go on all the same, say `overflow warn` in pair_style");
    }
    for (const auto* message : {&report.beyond, &report.close, &report.summary, &report.crowd}) {
        if (!message->empty()) {
            warn(named(file, *message));
        }
    }
}

void PairDPCompressedBase::warn(const std::string& what) {
    if (rank_ == 0) {
        utils::logmesg(lmp, text("WARNING: ", kStyle, what, '\n'));
    }
}

/// Not collective, and without MPI, which may have ended. Other ranks than the first have no log.
void PairDPCompressedBase::say_pending() {
    for (ModelInUse& in_use : models_) {
        const auto report = in_use.overflow->pending(rank_);
        for (const auto* message : {&report.close, &report.crowd}) {
            if (!message->empty() && rank_ == 0) {
                warn(named(in_use.file, *message));
            } else if (!message->empty()) {
                fputs(text("WARNING: ", kStyle, named(in_use.file, *message), '\n').c_str(), stderr);
            }
        }
        in_use.overflow->start_run();
    }
}
