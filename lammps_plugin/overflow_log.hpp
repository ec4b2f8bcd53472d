// SPDX-License-Identifier: GPL-2.0-only
// What left the range of the training data, gathered over steps and ranks until the next report.
// Every step adds; a report is collective, so nothing that happens between two reports is missed.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "dpc/evaluator.hpp"

namespace dpcompressed {

class OverflowLog {
public:
    /// Distances of all messages are in angstrom; names[model type].
    explicit OverflowLog(std::vector<std::string> names) : names_(std::move(names)) {}

    /// Add what one evaluation found. id_of(atom index) is the atom's ID.
    template <class IdOf>
    void add(const dpc::Overflow& found, std::int64_t step, const IdOf& id_of) {
        counts_.close += found.n_close;
        counts_.beyond += found.n_beyond;
        counts_.over_sel += found.n_over_sel;
        if (margin(found.worst) < margin(pair_.pair)) {
            pair_ = {step, id_of(found.worst.i), id_of(found.worst.j), found.worst};
        }
        if (margin(found.crowd) < margin(crowd_.crowd)) {
            crowd_ = {step, id_of(found.crowd.i), found.crowd};
        }
    }

    /// Sentences to print; empty: nothing to say. The same on all ranks.
    struct Report {
        std::string beyond;  // beyond the table: only `overflow warn` goes on
        std::string close;   // closer than the training data, and all inside the table
        std::string crowd;   // more neighbours than sel; said once per run
    };

    /// Collective over `world`: what was added on all ranks since the last report, which it
    /// forgets.
    Report report(MPI_Comm world);

    /// A new run: the remark on sel may be made again.
    void start_run() { crowd_reported_ = false; }

private:
    struct Counts {
        std::int64_t close = 0, beyond = 0, over_sel = 0;
    };
    struct WorstPair {
        std::int64_t step = 0, id_i = 0, id_j = 0;
        dpc::Overflow::Pair pair;
    };
    struct WorstCrowd {
        std::int64_t step = 0, id = 0;
        dpc::Overflow::Crowd crowd;
    };

    std::string pair_sentence(const WorstPair& worst) const;
    std::string crowd_sentence(const WorstCrowd& worst, std::int64_t count) const;
    const std::string& name(int type) const { return names_[static_cast<std::size_t>(type)]; }

    std::vector<std::string> names_;
    Counts counts_;
    WorstPair pair_;
    WorstCrowd crowd_;
    bool crowd_reported_ = false;
};

}  // namespace dpcompressed
