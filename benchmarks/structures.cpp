// SPDX-License-Identifier: MIT
// See structures.hpp.
#include "structures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "dpc/errors.hpp"

namespace dpc::bench {
namespace {

using Vector = std::array<double, 3>;

/// Reproducible numbers in (0, 1).
class Sequence {
public:
    double next() {
        state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<double>(state_ >> 11U) / 9007199254740992.0;
    }
    Vector direction() {
        for (;;) {
            const Vector v = {2 * next() - 1, 2 * next() - 1, 2 * next() - 1};
            const double norm = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
            if (norm > 0.1 && norm < 1) {
                return {v[0] / norm, v[1] / norm, v[2] / norm};
            }
        }
    }

private:
    std::uint64_t state_ = 20240229;
};

int type_index(const std::vector<std::string>& type_map, const std::string& symbol) {
    const auto at = std::find(type_map.begin(), type_map.end(), symbol);
    if (at == type_map.end()) {
        throw InputError("the model has no type " + symbol);
    }
    return static_cast<int>(at - type_map.begin());
}

/// The most cube-like nx ny nz with that product.
std::array<int, 3> factors(int n) {
    std::array<int, 3> best = {1, 1, n};
    for (int a = 1; a * a * a <= n; ++a) {
        for (int b = a; n % a == 0 && a * b * b <= n; ++b) {
            if ((n / a) % b == 0 && n / a / b - a < best[2] - best[0]) {
                best = {a, b, n / a / b};
            }
        }
    }
    return best;
}

struct Site {
    Vector at;
    int type;
};

/// O and two H at 0.97 A and 104.5 degrees, in any orientation.
std::vector<Site> water_molecule(const std::vector<std::string>& type_map, Sequence& sequence) {
    constexpr double bond = 0.97, half_angle = 0.5 * 104.5 * 3.14159265358979 / 180;
    const Vector along = sequence.direction();
    const Vector other = sequence.direction();
    const double common = along[0] * other[0] + along[1] * other[1] + along[2] * other[2];
    const double norm = std::sqrt(1 - common * common);
    Vector h[2];
    for (int c = 0; c < 3; ++c) {
        const double across = (other[static_cast<std::size_t>(c)] - common * along[static_cast<std::size_t>(c)]) / norm;
        for (int k = 0; k < 2; ++k) {
            h[k][static_cast<std::size_t>(c)] = bond * (std::cos(half_angle) * along[static_cast<std::size_t>(c)] +
                                                        (k == 0 ? 1 : -1) * std::sin(half_angle) * across);
        }
    }
    const int type_h = type_index(type_map, "H");
    return {{{0, 0, 0}, type_index(type_map, "O")}, {h[0], type_h}, {h[1], type_h}};
}

/// Four sites of the cubic fcc cell, types drawn by composition.
std::vector<Site> fcc_cell(double edge, const StructureOptions& options, const std::vector<std::string>& type_map,
                           Sequence& sequence) {
    double total = 0;
    for (const auto& part : options.composition) {
        total += part.second;
    }
    std::vector<Site> sites;
    for (const Vector& at : {Vector{0, 0, 0}, Vector{0, .5, .5}, Vector{.5, 0, .5}, Vector{.5, .5, 0}}) {
        double draw = sequence.next() * total;
        std::size_t k = 0;
        while (k + 1 < options.composition.size() && draw > options.composition[k].second) {
            draw -= options.composition[k++].second;
        }
        sites.push_back({{at[0] * edge, at[1] * edge, at[2] * edge}, type_index(type_map, options.composition[k].first)});
    }
    return sites;
}

double distance2(const double* a, const double* b) {
    return (a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]);
}

}  // namespace

Structure::Structure(const StructureOptions& options, const std::vector<std::string>& type_map, double list_cutoff) {
    make_atoms(options, type_map);
    add_images(list_cutoff);
    list_neighbours(list_cutoff);
}

void Structure::make_atoms(const StructureOptions& options, const std::vector<std::string>& type_map) {
    const bool water = options.kind == "water";
    if (!water && options.kind != "fcc") {
        throw InputError("structure " + options.kind + ": water or fcc");
    }
    const int per_cell = water ? 3 : 4;
    const std::array<int, 3> cells = factors((options.n_atoms + per_cell - 1) / per_cell);
    const double edge = std::cbrt(per_cell / options.density);
    Sequence sequence;
    for (int cell = 0; cell < cells[0] * cells[1] * cells[2]; ++cell) {
        const int at[3] = {cell / (cells[1] * cells[2]), cell / cells[2] % cells[1], cell % cells[2]};
        for (const Site& site : water ? water_molecule(type_map, sequence) : fcc_cell(edge, options, type_map, sequence)) {
            for (int c = 0; c < 3; ++c) {
                x_.push_back(edge * at[c] + site.at[static_cast<std::size_t>(c)] +
                             options.displacement * (2 * sequence.next() - 1));
            }
            types_.push_back(site.type);
            centres_.push_back(static_cast<int>(centres_.size()));
        }
    }
    for (int c = 0; c < 3; ++c) {
        box_[c] = edge * cells[static_cast<std::size_t>(c)];
    }
}

/// Images of all atoms that are within the cut-off (and a margin for molecules that stick out) of the box.
void Structure::add_images(double cutoff) {
    constexpr double margin = 2;
    const int n = n_atoms();
    int most[3];
    for (int c = 0; c < 3; ++c) {
        most[c] = static_cast<int>(std::ceil((cutoff + margin) / box_[c]));
    }
    for (int a = -most[0]; a <= most[0]; ++a) {
        for (int b = -most[1]; b <= most[1]; ++b) {
            for (int d = -most[2]; d <= most[2]; ++d) {
                const double shift[3] = {a * box_[0], b * box_[1], d * box_[2]};
                for (int k = 0; k < n && (a != 0 || b != 0 || d != 0); ++k) {
                    double at[3];
                    bool near = true;
                    for (int c = 0; c < 3; ++c) {
                        at[c] = x_[static_cast<std::size_t>(3 * k + c)] + shift[c];
                        near = near && at[c] > -cutoff - margin && at[c] < box_[c] + cutoff + margin;
                    }
                    if (near) {
                        x_.insert(x_.end(), at, at + 3);
                        types_.push_back(types_[static_cast<std::size_t>(k)]);
                    }
                }
            }
        }
    }
}

void Structure::list_neighbours(double cutoff) {
    rows_.resize(centres_.size());
    for (int i = 0; i < n_atoms(); ++i) {
        std::vector<int>& row = rows_[static_cast<std::size_t>(i)];
        for (int j = 0; j < n_all(); ++j) {
            if (j != i && distance2(x_.data() + 3 * i, x_.data() + 3 * j) < cutoff * cutoff) {
                row.push_back(j);
            }
        }
        counts_.push_back(static_cast<int>(row.size()));
        pointers_.push_back(row.data());
    }
}

double Structure::distance(int i, int j) const { return std::sqrt(distance2(x_.data() + 3 * i, x_.data() + 3 * j)); }

double Structure::neighbours_within(double cutoff) const {
    long n = 0;
    for (int i = 0; i < n_atoms(); ++i) {
        for (const int j : rows_[static_cast<std::size_t>(i)]) {
            n += distance(i, j) < cutoff ? 1 : 0;
        }
    }
    return static_cast<double>(n) / n_atoms();
}

}  // namespace dpc::bench
