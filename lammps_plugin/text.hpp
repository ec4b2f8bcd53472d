// SPDX-License-Identifier: GPL-2.0-only
// Messages as strings. LAMMPS' own formatting library changes its name with every release; a
// finished string does not.
#pragma once

#include <sstream>
#include <string>

namespace dpcompressed {

/// All arguments, one after the other; doubles with 6 significant digits.
template <class... Parts>
std::string text(const Parts&... parts) {
    std::ostringstream stream;
    (stream << ... << parts);
    return stream.str();
}

/// "O H Na"
template <class Names>
std::string listed(const Names& names) {
    std::string result;
    for (const auto& name : names) {
        if (!result.empty()) {
            result += ' ';
        }
        result += name;
    }
    return result;
}

}  // namespace dpcompressed
