// SPDX-License-Identifier: GPL-2.0-only
// LAMMPS keeps a neighbour list for some steps, and the ghost atoms' borders from one setup of a run to the next. It looks at
// the box again where a fix says that it changes it, and nowhere else: `change_box` between two runs, of which the second is not
// set up, leaves lists without pairs that the model needs. This finds such lists.
#pragma once

#include <array>
#include <string>

namespace LAMMPS_NS {
class LAMMPS;
}

namespace dpcompressed {

/// The box at one moment, and how far the lists reach that were asked for then.
class BoxGuard {
public:
    BoxGuard() = default;
    explicit BoxGuard(LAMMPS_NS::LAMMPS* lmp);

    /// Why a list that was built in this box may lack pairs now; the same on all ranks, empty where it is complete.
    std::string problem_of_list(LAMMPS_NS::LAMMPS* lmp) const;

    /// Why a list that was just built, with the borders and bins of a setup in this box, may lack pairs; the same on all ranks,
    /// empty where it is complete. Collective where the box has changed.
    std::string problem_of_borders(LAMMPS_NS::LAMMPS* lmp) const;

private:
    using Triple = std::array<double, 3>;

    bool is_same_as(const BoxGuard& now) const;
    bool is_of_kind_of(const BoxGuard& now) const;
    double approach_of_images(const BoxGuard& now) const;
    double loss_at_borders(const BoxGuard& now) const;
    double growth_of_bounds(const BoxGuard& now) const;
    std::string describe_change(const BoxGuard& now) const;

    Triple lo_{}, hi_{}, tilt_{};        // tilt: xy xz yz
    Triple per_height_{};                // 1 / the distance of opposite faces
    Triple bound_lo_{}, bound_hi_{};     // of a tilted box
    Triple sub_lo_{}, sub_hi_{};         // of this rank; 0 in a triclinic box, where LAMMPS has fractions of it
    std::array<bool, 3> is_periodic_{};  // by dimension
    std::array<bool, 3> has_border_{};   // to images or other ranks
    bool is_triclinic_ = false;
    double skin_ = 0, reach_ = 0, bin_ = 0;  // of the lists; reach: cutoff and skin; bin: the least size
};

}  // namespace dpcompressed
