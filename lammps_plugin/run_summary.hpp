// SPDX-License-Identifier: GPL-2.0-only
// What a run was like: neighbours, closest pairs and the time of each stage, gathered on every rank and
// said at its end. Neighbours are counted in the steps that check for overflow, stages are timed with
// `timer full` only; other steps pay nothing.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "dpc/measures.hpp"
#include "dpc/model.hpp"
#include "overflow_log.hpp"

namespace dpcompressed {

class RunSummary {
public:
    explicit RunSummary(int n_types = 0) : statistics_(n_types) {}

    /// For an evaluation of the model that drives. counts: its neighbours.
    dpc::Measures measures(bool counts);
    /// Of the steps to come; the same on all ranks.
    void take_times(bool takes) { takes_times_ = takes; }

    /// Adds the time until it goes out of scope; without seconds it does nothing.
    class Watch {
    public:
        explicit Watch(double* seconds) : seconds_(seconds) {
            if (seconds_ != nullptr) {
                start_ = Clock::now();
            }
        }
        ~Watch() {
            if (seconds_ != nullptr) {
                *seconds_ += std::chrono::duration<double>(Clock::now() - start_).count();
            }
        }
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;

    private:
        using Clock = std::chrono::steady_clock;
        double* seconds_;
        Clock::time_point start_;
    };
    Watch time_list() { return Watch(takes_times_ ? &list_ : nullptr); }
    Watch time_deviation() { return Watch(takes_times_ ? &deviation_ : nullptr); }

    bool has_any() const { return n_evaluations_ > 0; }
    /// Collective, the same on all ranks: lines about the model that drives. closest: pairs that the
    /// overflow reports know.
    std::string lines(MPI_Comm world, const dpc::Model& model, const dpc::Overflow::Pair& closest) const;
    /// The same, the time of each stage; "" without `timer full`.
    std::string times(MPI_Comm world) const;
    std::int64_t n_evaluations() const { return n_evaluations_; }
    std::int64_t n_counted() const { return n_counted_; }

private:
    dpc::NeighbourStatistics statistics_;
    dpc::StageTimes stages_;
    double list_ = 0, deviation_ = 0;  // seconds
    bool takes_times_ = false, has_times_ = false;
    std::int64_t n_evaluations_ = 0, n_counted_ = 0;
};

}  // namespace dpcompressed
