// SPDX-License-Identifier: GPL-2.0-only
// What left the range of the training data, gathered over steps and ranks until the next report.
// Every step adds; a report is collective, so nothing that happens between two reports is missed.
// Reports of atoms that come too close, but not beyond the tables, keep to a pace: the first few are
// said, then one at twice the number of the one before; a summary at the end of the run covers all.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "dpc/evaluator.hpp"

namespace dpcompressed {

class OverflowLog {
public:
    /// Distances of all messages are in angstrom; names[model type]; rule: what is done with
    /// neighbours beyond sel.
    OverflowLog(std::vector<std::string> names, dpc::NeighbourRule rule) : names_(std::move(names)), rule_(rule) {}

    /// Add what one evaluation found. id_of(atom index) is the atom's ID.
    template <class IdOf>
    void add(const dpc::Overflow& found, std::int64_t step, const IdOf& id_of) {
        mine_.counts.close += found.n_close;
        mine_.counts.beyond += found.n_beyond;
        mine_.counts.over_sel += found.n_over_sel;
        if (margin(found.worst) < margin(mine_.pair.pair)) {
            mine_.pair = {step, id_of(found.worst.i), id_of(found.worst.j), found.worst};
        }
        if (margin(found.crowd) < margin(mine_.crowd.crowd)) {
            mine_.crowd = {step, id_of(found.crowd.i), found.crowd};
        }
    }

    struct Counts {
        std::int64_t close = 0, beyond = 0, over_sel = 0;
    };

    /// Sentences to print; empty: nothing to say.
    struct Report {
        std::string beyond;         // beyond the table: only `overflow warn` goes on
        std::string close;          // closer than the training data, and all inside the table
        std::string crowd;          // more neighbours than sel; said once per run
        std::string summary;        // of the run, where reports were held back
        Counts counts;              // of the run, where it ends
        dpc::Overflow::Pair worst;  // the same
    };

    /// Collective over `world`, the same on all ranks. What was added on all ranks since the last
    /// report, which it forgets once it is said. Says one thing once in a step, however often the
    /// step is evaluated; with is_last_word, all that is beyond the tables at once.
    Report report(MPI_Comm world, std::int64_t step, bool is_last_word);

    /// Collective, the same on all ranks: report() at the end of a run, where nothing stays unsaid.
    Report end_run(MPI_Comm world, std::int64_t step);

    /// Not collective: what this rank knows and nobody has said. Rank 0 knows what was held back.
    Report pending(int rank) const;

    /// A new run: the remark on sel may be made again, and the pace begins anew. What is pending is
    /// forgotten.
    void start_run();

private:
    struct WorstPair {
        std::int64_t step = 0, id_i = 0, id_j = 0;
        dpc::Overflow::Pair pair;
    };
    struct WorstCrowd {
        std::int64_t step = 0, id = 0;
        dpc::Overflow::Crowd crowd;
    };
    struct Tally {
        Counts counts;
        WorstPair pair;
        WorstCrowd crowd;

        bool has_pairs() const { return counts.close > 0 || counts.beyond > 0; }
        void add(const Tally& other);
    };

    Tally collect(MPI_Comm world);
    bool is_due();
    std::string say_beyond();
    std::string say_close();
    std::string summary() const;
    std::string who(std::int64_t id, int type) const;
    std::string pair_sentence(const WorstPair& worst) const;
    std::string crowd_sentence(const WorstCrowd& worst, std::int64_t count) const;
    const std::string& name(int type) const { return names_[static_cast<std::size_t>(type)]; }

    std::vector<std::string> names_;
    dpc::NeighbourRule rule_;
    Tally mine_;                                       // this rank, since the last report
    Tally held_, run_;                                 // all ranks: not said yet; since the run began
    std::int64_t said_beyond_ = -1, said_close_ = -1;  // steps
    std::int64_t n_reports_ = 0, next_report_ = 1;     // of this run; the next one to be said
    std::int64_t n_held_back_ = 0;                     // reports of this run
    bool crowd_reported_ = false;
};

}  // namespace dpcompressed
