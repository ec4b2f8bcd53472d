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
    return settings_.check_every > 0 ? settings_.check_every : model_->check_frequency;
}

void PairDPCompressedBase::report_overflow() {
    say(overflow_->report(world, update->ntimestep, settings_.overflow_stops));
}

/// End of a run: what a minimiser that stopped early, or a run between two checks, has not reported
/// yet.
void PairDPCompressedBase::finish() {
    if (overflow_) {
        say(overflow_->end_run(world, update->ntimestep));
    }
}

void PairDPCompressedBase::say(const dpcompressed::OverflowLog::Report& report) {
    if (!report.beyond.empty() && settings_.overflow_stops) {
        fail_all(report.beyond + ". To go on all the same, say `overflow warn` in pair_style");
    }
    for (const auto* message : {&report.beyond, &report.close, &report.summary, &report.crowd}) {
        if (!message->empty()) {
            warn(*message);
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
    if (!overflow_) {
        return;
    }
    const auto report = overflow_->pending(rank_);
    for (const auto* message : {&report.close, &report.crowd}) {
        if (!message->empty() && rank_ == 0) {
            warn(*message);
        } else if (!message->empty()) {
            fputs(text("WARNING: ", kStyle, *message, '\n').c_str(), stderr);
        }
    }
    overflow_->start_run();
}
