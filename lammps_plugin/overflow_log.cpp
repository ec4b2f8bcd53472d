// SPDX-License-Identifier: GPL-2.0-only
// Reduction over ranks and the words of the overflow reports; see overflow_log.hpp.
#include "overflow_log.hpp"

#include "text.hpp"

namespace dpcompressed {
namespace {

/// The record with the smallest key among all ranks, on all ranks. Records are plain data of one
/// program, sent as bytes.
template <class Record>
Record smallest(const Record& mine, double key, MPI_Comm world) {
    static_assert(std::is_trivially_copyable_v<Record>);
    struct {
        double key;
        int rank;
    } candidate{key, 0}, winner{};
    MPI_Comm_rank(world, &candidate.rank);
    MPI_Allreduce(&candidate, &winner, 1, MPI_DOUBLE_INT, MPI_MINLOC, world);
    Record result = mine;
    MPI_Bcast(&result, static_cast<int>(sizeof(Record)), MPI_BYTE, winner.rank, world);
    return result;
}

/// Reports of a run that are said one by one.
constexpr std::int64_t kFirstReports = 3;

constexpr char kHowOften[] = " since the last report, each pair counted for both atoms in every evaluation";

}  // namespace

/// LAMMPS' IDs begin with 1; `atom_modify id no` leaves 0.
std::string OverflowLog::who(std::int64_t id, int type) const {
    return text(id > 0 ? std::to_string(id) : "without ID", " (", name(type), ")");
}

std::string OverflowLog::pair_sentence(const WorstPair& worst) const {
    const auto& pair = worst.pair;
    return text("Worst: step ", worst.step, ", atoms ", who(worst.id_i, pair.type_i), " and ", who(worst.id_j, pair.type_j), ", ",
                pair.distance, " angstrom apart; the closest ", name(pair.type_i), "-", name(pair.type_j),
                " pair of the training data is at ", pair.limit, " and the table ends at ", pair.table_limit, " angstrom");
}

std::string OverflowLog::crowd_sentence(const WorstCrowd& worst, std::int64_t count) const {
    const auto& crowd = worst.crowd;
    const std::string of_type = crowd.type_j == dpc::kEveryType ? "" : name(crowd.type_j) + " ";
    return text("more neighbours than sel: at step ", worst.step, " atom ", who(worst.id, crowd.type_i), " has ", crowd.count,
                " ", of_type, "neighbours within the cutoff, sel is ", crowd.sel, "; ", count,
                " such cases since the last report. ", dpc::advice_on(rule_), ". This is said once per run");
}

void OverflowLog::Tally::add(const Tally& other) {
    counts.close += other.counts.close;
    counts.beyond += other.counts.beyond;
    counts.over_sel += other.counts.over_sel;
    if (margin(other.pair.pair) < margin(pair.pair)) {
        pair = other.pair;
    }
    if (margin(other.crowd.crowd) < margin(crowd.crowd)) {
        crowd = other.crowd;
    }
}

/// The sum of mine_ over the ranks, which is forgotten.
OverflowLog::Tally OverflowLog::collect(MPI_Comm world) {
    // LAMMPS' stubs of MPI have no MPI_INT64_T.
    static_assert(sizeof(Counts) == 3 * sizeof(long long));
    Tally total;
    MPI_Allreduce(&mine_.counts, &total.counts, 3, MPI_LONG_LONG, MPI_SUM, world);
    if (total.has_pairs()) {
        total.pair = smallest(mine_.pair, margin(mine_.pair.pair), world);
    }
    if (total.counts.over_sel > 0) {
        total.crowd = smallest(mine_.crowd, margin(mine_.crowd.crowd), world);
    }
    mine_ = {};
    return total;
}

/// Whether one more report is one that is said.
bool OverflowLog::is_due() {
    n_reports_++;
    if (n_reports_ < next_report_) {
        return false;
    }
    next_report_ = n_reports_ < kFirstReports ? n_reports_ + 1 : 2 * n_reports_;
    return true;
}

std::string OverflowLog::say_beyond() {
    return text("atoms closer than the tables reach. ", pair_sentence(held_.pair),
                ". Closer than the training data: ", held_.counts.close, ", beyond the table: ", held_.counts.beyond, kHowOften,
                ". The energy goes on as a straight line there, without physical meaning");
}

std::string OverflowLog::say_close() {
    return text("atoms closer than in the training data. ", pair_sentence(held_.pair), ". ", held_.counts.close, kHowOften,
                ". The model extrapolates there",
                n_reports_ == kFirstReports ? ". Such reports come at growing intervals from here on, and summed up at the "
                                              "end of the run"
                                            : "");
}

std::string OverflowLog::summary() const {
    return text("atoms closer than in the training data, in the whole run: ", run_.counts.close,
                " times, beyond the tables: ", run_.counts.beyond, ", each pair counted for both atoms in every evaluation; ",
                n_held_back_, " reports were not printed one by one. ", pair_sentence(run_.pair));
}

OverflowLog::Report OverflowLog::report(MPI_Comm world, std::int64_t step, bool is_last_word) {
    const Tally found = collect(world);
    held_.add(found);
    run_.add(found);
    Report report;
    if (held_.counts.over_sel > 0 && !crowd_reported_) {
        report.crowd = crowd_sentence(held_.crowd, held_.counts.over_sel);
        crowd_reported_ = true;
    }
    if (held_.counts.beyond > 0 && (is_last_word || step != said_beyond_)) {
        report.beyond = say_beyond();
        said_beyond_ = said_close_ = step;
    } else if (found.has_pairs() && step != said_close_ && held_.counts.beyond == 0 && is_due()) {
        report.close = say_close();
        said_close_ = step;
    }
    if (!report.beyond.empty() || !report.close.empty()) {
        held_ = {};
    } else {
        n_held_back_ += found.has_pairs() ? 1 : 0;
    }
    return report;
}

OverflowLog::Report OverflowLog::end_run(MPI_Comm world, std::int64_t step) {
    Report last = report(world, step, true);
    if (n_held_back_ > 0) {
        last.close.clear();  // part of the summary
        last.summary = summary();
    }
    last.counts = run_.counts;
    last.worst = run_.pair.pair;
    held_ = {};
    run_ = {};
    n_held_back_ = 0;
    return last;
}

OverflowLog::Report OverflowLog::pending(int rank) const {
    Tally known = mine_;
    if (rank == 0) {
        known.add(held_);
    }
    Report report;
    if (known.has_pairs()) {
        report.close = text("atoms closer than in the training data, not reported before: rank ", rank, " counted ",
                            known.counts.close, ", beyond the tables: ", known.counts.beyond, ". ", pair_sentence(known.pair));
    }
    if (known.counts.over_sel > 0 && !crowd_reported_) {
        report.crowd = crowd_sentence(known.crowd, known.counts.over_sel);
    }
    return report;
}

void OverflowLog::start_run() { *this = OverflowLog(std::move(names_), rule_); }

}  // namespace dpcompressed
