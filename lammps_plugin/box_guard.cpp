// SPDX-License-Identifier: GPL-2.0-only
// What a change of the box can cost; see box_guard.hpp.
#include "box_guard.hpp"

#include <mpi.h>

#include <algorithm>
#include <cmath>

#include "comm.h"
#include "domain.h"
#include "force.h"
#include "lammps.h"
#include "neighbor.h"
#include "pair.h"
#include "text.hpp"

using namespace LAMMPS_NS;

namespace dpcompressed {
namespace {

constexpr char kRemedy[] =
    ". No fix says that it changes the box, and without that LAMMPS takes notice of it when a run is set up: `run` without "
    "`pre no` after change_box and other commands that change the box";

std::array<double, 3> triple(const double* values) { return {values[0], values[1], values[2]}; }

}  // namespace

BoxGuard::BoxGuard(LAMMPS* lmp) {
    const Domain& domain = *lmp->domain;
    const Neighbor& neighbor = *lmp->neighbor;
    is_triclinic_ = domain.triclinic != 0;
    lo_ = triple(domain.boxlo);
    hi_ = triple(domain.boxhi);
    tilt_ = {domain.xy, domain.xz, domain.yz};
    const double* inverse = domain.h_inv;  // xx yy zz yz xz xy
    per_height_ = {std::hypot(inverse[0], inverse[5], inverse[4]), std::hypot(inverse[1], inverse[3]), inverse[2]};
    bound_lo_ = triple(is_triclinic_ ? domain.boxlo_bound : domain.boxlo);
    bound_hi_ = triple(is_triclinic_ ? domain.boxhi_bound : domain.boxhi);
    for (std::size_t k = 0; k < 3; k++) {
        is_periodic_[k] = domain.periodicity[k] != 0;
        has_border_[k] = is_periodic_[k] || lmp->comm->procgrid[k] > 1;
        sub_lo_[k] = is_triclinic_ ? 0 : domain.sublo[k];
        sub_hi_[k] = is_triclinic_ ? 0 : domain.subhi[k];
    }
    reach_ = neighbor.cutneighmax;
    skin_ = reach_ - lmp->force->pair->cutforce;  // of the last setup, whatever `neighbor` has said since
    bin_ = neighbor.binsizeflag != 0 ? neighbor.binsize_user : 0.5 * reach_;
}

bool BoxGuard::is_same_as(const BoxGuard& now) const {
    return lo_ == now.lo_ && hi_ == now.hi_ && tilt_ == now.tilt_ && is_of_kind_of(now);
}

/// Some classes of LAMMPS ask for these at a setup, others at every step.
bool BoxGuard::is_of_kind_of(const BoxGuard& now) const {
    return is_triclinic_ == now.is_triclinic_ && is_periodic_ == now.is_periodic_;
}

/// How much nearer an image of an atom, among those that the list reaches, can have come since. Where an edge becomes longer
/// images go away.
double BoxGuard::approach_of_images(const BoxGuard& now) const {
    Triple images{}, shorter{}, tilted{};
    for (std::size_t k = 0; k < 3; k++) {
        images[k] = is_periodic_[k] ? std::ceil(reach_ * std::max(per_height_[k], now.per_height_[k])) : 0;
        shorter[k] = std::max(0.0, (hi_[k] - lo_[k]) - (now.hi_[k] - now.lo_[k]));
        tilted[k] = std::abs(now.tilt_[k] - tilt_[k]);
    }
    const double along_x = images[0] * shorter[0] + images[1] * tilted[0] + images[2] * tilted[1];
    const double along_y = images[1] * shorter[1] + images[2] * tilted[2];
    return std::hypot(along_x, along_y, images[2] * shorter[2]);
}

/// By how much the strips along the borders of this rank, whose atoms are ghosts elsewhere, are too narrow now: they stay where they
/// were, or in a triclinic box the same fraction of it, and reach over as many ranks and images as before.
double BoxGuard::loss_at_borders(const BoxGuard& now) const {
    double loss = 0;
    for (std::size_t k = 0; k < 3; k++) {
        if (has_border_[k]) {
            const double of_fraction = reach_ * (1 - per_height_[k] / now.per_height_[k]);
            loss = std::max({loss, of_fraction, now.sub_lo_[k] - sub_lo_[k], sub_hi_[k] - now.sub_hi_[k]});
        }
    }
    return loss;
}

/// How far ghost atoms can lie farther outside than those for which there are bins.
double BoxGuard::growth_of_bounds(const BoxGuard& now) const {
    double growth = 0;
    for (std::size_t k = 0; k < 3; k++) {
        growth = std::max({growth, bound_lo_[k] - now.bound_lo_[k], now.bound_hi_[k] - bound_hi_[k]});
    }
    return growth;
}

/// "x 0 to 12 became 0 to 6, xy 0 became 3"
std::string BoxGuard::describe_change(const BoxGuard& now) const {
    static constexpr const char* kEdges[] = {"x", "y", "z"};
    static constexpr const char* kTilts[] = {"xy", "xz", "yz"};
    std::string all;
    const auto add = [&all](const std::string& change) { all += (all.empty() ? "" : ", ") + change; };
    for (std::size_t k = 0; k < 3; k++) {
        if (lo_[k] != now.lo_[k] || hi_[k] != now.hi_[k]) {
            add(text(kEdges[k], ' ', lo_[k], " to ", hi_[k], " became ", now.lo_[k], " to ", now.hi_[k]));
        }
        if (is_periodic_[k] != now.is_periodic_[k]) {
            add(text(kEdges[k], now.is_periodic_[k] ? " became periodic" : " is no longer periodic"));
        }
    }
    for (std::size_t k = 0; k < 3; k++) {
        if (tilt_[k] != now.tilt_[k]) {
            add(text(kTilts[k], ' ', tilt_[k], " became ", now.tilt_[k]));
        }
    }
    if (is_triclinic_ != now.is_triclinic_) {
        add(now.is_triclinic_ ? "it became triclinic" : "it became orthogonal");
    }
    return all;
}

std::string BoxGuard::problem_of_list(LAMMPS* lmp) const {
    const BoxGuard now(lmp);
    if (is_same_as(now)) {
        return {};
    }
    const double approach = approach_of_images(now);
    if (is_of_kind_of(now) && approach <= 0.5 * skin_) {
        return {};
    }
    const std::string why = approach > 0.5 * skin_ ? text(". Images of atoms have come nearer by up to ", approach,
                                                          ", half the skin is ", 0.5 * skin_)
                                                   : std::string();
    return text("since the neighbour list was built the box has changed, and the list may lack pairs: ", describe_change(now),
                why, kRemedy);
}

std::string BoxGuard::problem_of_borders(LAMMPS* lmp) const {
    const BoxGuard now(lmp);
    if (is_same_as(now)) {
        return {};
    }
    const double mine[2] = {loss_at_borders(now), growth_of_bounds(now)};
    double most[2];
    MPI_Allreduce(mine, most, 2, MPI_DOUBLE, MPI_MAX, lmp->world);
    const bool is_narrow = most[0] > 0.5 * skin_, is_outside = most[1] > bin_;
    if (is_of_kind_of(now) && !is_narrow && !is_outside) {
        return {};
    }
    const std::string why =
        is_narrow    ? text(". Ghost atoms are missing in a strip of up to ", most[0], ", half the skin is ", 0.5 * skin_)
        : is_outside ? text(". Ghost atoms are up to ", most[1], " outside of the bins of the list, of size ", bin_)
                     : std::string();
    return text(
        "since the last setup of a run the box has changed, and the neighbour list was made with ghost atoms as of then: ",
        describe_change(now), why, kRemedy);
}

}  // namespace dpcompressed
