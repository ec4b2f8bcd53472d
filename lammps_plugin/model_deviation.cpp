// SPDX-License-Identifier: GPL-2.0-only
// See model_deviation.hpp. Two passes, mean and then distances from it: models that agree to many digits
// keep those of the difference.
#include "model_deviation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dpcompressed {
namespace {

/// deviation of a quantity whose mean has this length; level: DeviationSettings::relative.
double relative_to(double deviation, double mean, double level) {
    return level < 0 || deviation == 0 ? deviation : deviation / (mean + level);
}

}  // namespace

ModelDeviation::ModelDeviation(const DeviationSettings& settings, std::size_t n_models)
    : settings_(settings), forces_(n_models), virials_(kVirial * n_models) {}

void ModelDeviation::start(int n_all) {
    for (std::vector<double>& forces : forces_) {
        forces.assign(3 * static_cast<std::size_t>(n_all), 0.0);
    }
    std::fill(virials_.begin(), virials_.end(), 0.0);
}

/// Of the force on one atom: root of the mean square distance from the mean force.
double ModelDeviation::of_atom(std::size_t i) const {
    const auto n = static_cast<double>(forces_.size());
    double mean[3] = {}, sum = 0;
    for (const std::vector<double>& forces : forces_) {
        for (std::size_t c = 0; c < 3; c++) {
            mean[c] += forces[3 * i + c] / n;
        }
    }
    for (const std::vector<double>& forces : forces_) {
        for (std::size_t c = 0; c < 3; c++) {
            const double distance = forces[3 * i + c] - mean[c];
            sum += distance * distance;
        }
    }
    return relative_to(std::sqrt(sum / n), std::hypot(mean[0], mean[1], mean[2]), settings_.relative);
}

void ModelDeviation::measure(int n_local, const std::vector<std::int64_t>& ids, MPI_Comm world) {
    long long own = n_local, n_atoms = 0;
    MPI_Allreduce(&own, &n_atoms, 1, MPI_LONG_LONG, MPI_SUM, world);
    values_ = {};
    measure_forces(n_local, n_atoms, world);
    measure_virial(n_atoms, world);
    if (settings_.each_atom) {
        gather(n_local, ids, world);
    }
}

void ModelDeviation::measure_forces(int n_local, long long n_atoms, MPI_Comm world) {
    own_.resize(static_cast<std::size_t>(n_local));
    for (std::size_t i = 0; i < own_.size(); i++) {
        own_[i] = of_atom(i);
    }
    double largest[2] = {0, -HUGE_VAL};  // of the deviation, of its negative
    double sum = std::accumulate(own_.begin(), own_.end(), 0.0);
    for (const double deviation : own_) {
        largest[0] = std::max(largest[0], deviation);
        largest[1] = std::max(largest[1], -deviation);
    }
    double all_largest[2], all_sum = 0;
    MPI_Allreduce(largest, all_largest, 2, MPI_DOUBLE, MPI_MAX, world);
    MPI_Allreduce(&sum, &all_sum, 1, MPI_DOUBLE, MPI_SUM, world);
    if (n_atoms > 0) {
        values_[kMaxF] = all_largest[0];
        values_[kMinF] = -all_largest[1];
        values_[kMeanF] = all_sum / static_cast<double>(n_atoms);
    }
}

/// The largest and the smallest of nine components, and the root of the mean of their squares.
void ModelDeviation::measure_virial(long long n_atoms, MPI_Comm world) {
    std::vector<double> virials(virials_.size());
    MPI_Allreduce(virials_.data(), virials.data(), static_cast<int>(virials.size()), MPI_DOUBLE, MPI_SUM, world);
    if (n_atoms == 0) {
        return;
    }
    const std::size_t n_models = forces_.size();
    double largest = 0, smallest = HUGE_VAL, squares = 0;
    for (std::size_t c = 0; c < kVirial; c++) {
        double mean = 0, sum = 0;
        for (std::size_t k = 0; k < n_models; k++) {
            mean += virials[kVirial * k + c] / static_cast<double>(n_models);
        }
        for (std::size_t k = 0; k < n_models; k++) {
            const double distance = virials[kVirial * k + c] - mean;
            sum += distance * distance;
        }
        const auto n = static_cast<double>(n_atoms);
        const double deviation =
            relative_to(std::sqrt(sum / static_cast<double>(n_models)) / n, std::fabs(mean) / n, settings_.relative_v);
        largest = std::max(largest, deviation);
        smallest = std::min(smallest, deviation);
        squares += deviation * deviation;
    }
    values_[kMaxV] = largest;
    values_[kMinV] = smallest;
    values_[kMeanV] = std::sqrt(squares / kVirial);
}

void ModelDeviation::gather(int n_local, const std::vector<std::int64_t>& ids, MPI_Comm world) {
    int rank = 0, n_ranks = 1;
    MPI_Comm_rank(world, &rank);
    MPI_Comm_size(world, &n_ranks);
    std::vector<int> counts(static_cast<std::size_t>(n_ranks)), begins(counts.size() + 1, 0);
    MPI_Gather(&n_local, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, world);
    std::partial_sum(counts.begin(), counts.end(), begins.begin() + 1);
    const auto n = static_cast<std::size_t>(begins.back());  // 0 on the other ranks
    std::vector<std::int64_t> all_ids(n);
    std::vector<double> deviations(n);
    static_assert(sizeof(std::int64_t) == sizeof(long long));  // LAMMPS' stubs of MPI have no MPI_INT64_T
    MPI_Gatherv(const_cast<std::int64_t*>(ids.data()), n_local, MPI_LONG_LONG, all_ids.data(), counts.data(), begins.data(),
                MPI_LONG_LONG, 0, world);
    MPI_Gatherv(own_.data(), n_local, MPI_DOUBLE, deviations.data(), counts.data(), begins.data(), MPI_DOUBLE, 0, world);
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return all_ids[a] < all_ids[b]; });
    of_atoms_.clear();
    for (const std::size_t k : order) {
        of_atoms_.push_back(deviations[k]);
    }
}

std::size_t ModelDeviation::bytes() const {
    std::size_t numbers = virials_.capacity() + own_.capacity() + of_atoms_.capacity();
    for (const std::vector<double>& forces : forces_) {
        numbers += forces.capacity();
    }
    return numbers * sizeof(double);
}

}  // namespace dpcompressed
