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

}  // namespace

std::string OverflowLog::pair_sentence(const WorstPair& worst) const {
    const auto& pair = worst.pair;
    return text("Worst: step ", worst.step, ", atoms ", worst.id_i, " (", name(pair.type_i),
                ") and ", worst.id_j, " (", name(pair.type_j), "), ", pair.distance,
                " angstrom apart; the closest ", name(pair.type_i), "-", name(pair.type_j),
                " pair of the training data is at ", pair.limit, " and the table ends at ",
                pair.table_limit, " angstrom");
}

std::string OverflowLog::crowd_sentence(const WorstCrowd& worst, std::int64_t count) const {
    const auto& crowd = worst.crowd;
    return text("more neighbours than sel: at step ", worst.step, " atom ", worst.id, " (",
                name(crowd.type_i), ") has ", crowd.count, " ", name(crowd.type_j),
                " neighbours within the cutoff, sel is ", crowd.sel, "; ", count,
                " such cases since the last report. All neighbours are used (DeePMD-kit drops the "
                "farthest). "
                "This is said once per run");
}

OverflowLog::Report OverflowLog::report(MPI_Comm world) {
    // LAMMPS' stubs of MPI have no MPI_INT64_T.
    static_assert(sizeof(Counts) == 3 * sizeof(long long));
    Counts total;
    MPI_Allreduce(&counts_, &total, 3, MPI_LONG_LONG, MPI_SUM, world);
    counts_ = {};
    Report report;
    if (total.close > 0 || total.beyond > 0) {
        const auto pair = pair_sentence(smallest(pair_, margin(pair_.pair), world));
        const auto how_often =
            " since the last report, each pair counted for both atoms in every step";
        if (total.beyond > 0) {
            report.beyond =
                text("atoms closer than the tables reach. ", pair, ". Closer than the training data: ",
                     total.close, ", beyond the table: ", total.beyond, how_often,
                     ". The energy goes on as a straight line there, without physical meaning");
        } else {
            report.close = text("atoms closer than in the training data. ", pair, ". ", total.close, how_often,
                                ". The model extrapolates there");
        }
    }
    if (total.over_sel > 0 && !crowd_reported_) {
        report.crowd = crowd_sentence(smallest(crowd_, margin(crowd_.crowd), world), total.over_sel);
        crowd_reported_ = true;
    }
    pair_ = {};
    crowd_ = {};
    return report;
}

}  // namespace dpcompressed
