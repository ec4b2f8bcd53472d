// SPDX-License-Identifier: MIT
// Command lines of the programs that time the evaluators: one file name and --name value.
#pragma once

#include <map>
#include <sstream>
#include <string>

#include "dpc/errors.hpp"
#include "structures.hpp"

namespace dpc::bench {

class Options {
public:
    Options(int argc, char** argv) {
        for (int k = 1; k < argc; ++k) {
            const std::string word = argv[k];
            if (word.rfind("--", 0) == 0 && k + 1 < argc) {
                values_[word.substr(2)] = argv[++k];
            } else {
                file_ = word;
            }
        }
    }
    const std::string& file() const { return file_; }
    std::string take(const std::string& name, const std::string& otherwise) {
        const auto at = values_.find(name);
        const std::string value = at == values_.end() ? otherwise : at->second;
        values_.erase(name);
        return value;
    }
    /// After all have been taken. Throws InputError with the usage where the file or an option's meaning is missing.
    void finish(const std::string& usage) const {
        if (file_.empty() || !values_.empty()) {
            throw InputError(usage + (values_.empty() ? "" : "; not known: --" + values_.begin()->first));
        }
    }

private:
    std::string file_;
    std::map<std::string, std::string> values_;
};

/// --structure water|fcc, --atoms, --density (atoms per cubic angstrom), --composition Cu:3,Ni:1.
inline StructureOptions take_structure(Options& options) {
    StructureOptions structure;
    structure.kind = options.take("structure", "fcc");
    const bool water = structure.kind == "water";
    structure.n_atoms = std::stoi(options.take("atoms", "1536"));
    structure.density = std::stod(options.take("density", water ? "0.1" : "0.0847"));
    structure.displacement = water ? 0.0 : 0.1;
    std::istringstream parts(options.take("composition", "Cu:1"));
    for (std::string part; std::getline(parts, part, ',');) {
        const std::size_t colon = part.find(':');
        structure.composition.emplace_back(part.substr(0, colon),
                                           colon == std::string::npos ? 1.0 : std::stod(part.substr(colon + 1)));
    }
    return structure;
}

}  // namespace dpc::bench
