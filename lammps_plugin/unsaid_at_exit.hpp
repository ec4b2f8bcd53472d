// SPDX-License-Identifier: GPL-2.0-only
// LAMMPS ends a run that has gone wrong (lost atoms) by ending the program, and destroys nothing.
// What the pair styles have not reported then is said when the program ends.
#pragma once

namespace LAMMPS_NS {
class PairDPCompressedBase;
}

namespace dpcompressed {

/// From now on until nothing_to_say(pair), the end of the program calls pair->say_pending().
void say_at_exit(LAMMPS_NS::PairDPCompressedBase* pair);
void nothing_to_say(LAMMPS_NS::PairDPCompressedBase* pair);

}  // namespace dpcompressed
