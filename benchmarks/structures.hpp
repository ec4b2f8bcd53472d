// SPDX-License-Identifier: MIT
// Periodic structures for the benchmarks with the neighbour list that an MD program would hand over: images of atoms as atoms of
// their own behind the real ones, everything listed within cut-off and skin.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dpc/evaluator.hpp"

namespace dpc::bench {

struct StructureOptions {
    std::string kind = "fcc";                                 // or "water"
    int n_atoms = 1536;                                       // at least; whole cells are made
    double density = 0.0847;                                  // atoms per cubic angstrom
    double displacement = 0.1;                                // largest component of random displacements, angstrom
    std::vector<std::pair<std::string, double>> composition;  // fcc: symbol and share
};

class Structure {
public:
    /// types: index into type_map. Throws InputError where a symbol is not in type_map or the kind is not known.
    Structure(const StructureOptions& options, const std::vector<std::string>& type_map, double list_cutoff);

    int n_atoms() const { return static_cast<int>(centres_.size()); }
    int n_all() const { return static_cast<int>(types_.size()); }
    const double* positions() const { return x_.data(); }
    const int* types() const { return types_.data(); }
    /// Edges of the periodic box, angstrom.
    const double* box() const { return box_; }
    NeighbourRows list() const { return {n_atoms(), centres_.data(), counts_.data(), pointers_.data(), ~0}; }
    double distance(int i, int j) const;
    /// Neighbours per atom within a distance.
    double neighbours_within(double cutoff) const;

private:
    void make_atoms(const StructureOptions& options, const std::vector<std::string>& type_map);
    void add_images(double cutoff);
    void list_neighbours(double cutoff);

    double box_[3];
    std::vector<double> x_;  // (n_all, 3)
    std::vector<int> types_, centres_, counts_;
    std::vector<std::vector<int>> rows_;
    std::vector<const int*> pointers_;
};

}  // namespace dpc::bench
