// SPDX-License-Identifier: MIT
// Table files made in memory, whole and damaged: the test's own writer of docs/tables-format.md, and a small model that uses
// every section of it: two types, two tables of different order, a folded and a direct fitting net. The same with a descriptor
// se_e2_r, and with both.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "crc32c.hpp"

namespace dpc::test {

using Bytes = std::vector<unsigned char>;

// Offsets in the header and in a directory entry.
constexpr std::size_t kHeaderSize = 64, kEntrySize = 128;
constexpr std::size_t kMajor = 8, kMinor = 10, kEndianTag = 12, kFileSize = 16, kDirectoryOffset = 24, kSectionCount = 32,
                      kEntrySizeField = 36, kAlignmentField = 40, kHeaderFlags = 44, kReserved = 48, kDirectoryCrc = 56,
                      kHeaderCrc = 60;
constexpr std::size_t kName = 0, kDType = 48, kRank = 52, kFlags = 56, kCrc = 60, kShape = 64, kOffset = 112, kSize = 120;

template <class Number>
void put(Bytes& bytes, std::size_t offset, Number value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

template <class Number>
Number get(const Bytes& bytes, std::size_t offset) {
    Number value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

/// Start of the directory entry of a section.
inline std::size_t entry(std::size_t position) { return kHeaderSize + position * kEntrySize; }

/// Make every checksum fit whatever the bytes are now, as far as the file holds what they are about.
inline void repair(Bytes& bytes) {
    if (bytes.size() < kHeaderSize) {
        return;
    }
    const std::size_t claimed = get<std::uint32_t>(bytes, kSectionCount);
    if (claimed <= (bytes.size() - kHeaderSize) / kEntrySize) {
        for (std::size_t k = 0; k < claimed; ++k) {
            const auto offset = get<std::uint64_t>(bytes, entry(k) + kOffset), size = get<std::uint64_t>(bytes, entry(k) + kSize);
            if (offset <= bytes.size() && size <= bytes.size() - offset) {
                put(bytes, entry(k) + kCrc, crc32c(bytes.data() + offset, size));
            }
        }
        put(bytes, kDirectoryCrc, crc32c(bytes.data() + kHeaderSize, claimed * kEntrySize));
    }
    put(bytes, kHeaderCrc, crc32c(bytes.data(), kHeaderCrc));
}

class TableBuilder {
public:
    struct Part {
        std::string name;
        std::uint32_t dtype, flags;
        std::vector<std::uint64_t> shape;
        Bytes data;
    };

    using Shape = std::vector<std::uint64_t>;

    /// Replace the section of that name, or add it at the end.
    void f64(const std::string& name, const Shape& shape, const std::vector<double>& values) { set(name, 1, shape, values); }
    void i32(const std::string& name, const Shape& shape, const std::vector<std::int32_t>& values) {
        set(name, 4, shape, values);
    }
    void text(const std::string& name, const std::string& value, std::uint32_t flags = 1) {
        set(name, 5, {value.size()}, std::vector<char>(value.begin(), value.end()), flags);
    }

    void remove(const std::string& name) {
        for (std::size_t k = 0; k < parts_.size(); ++k) {
            if (parts_[k].name == name) {
                parts_.erase(parts_.begin() + static_cast<std::ptrdiff_t>(k));
                return;
            }
        }
    }

    /// All sections whose names begin so.
    void remove_all(const std::string& prefix) {
        const auto begins_so = [&](const Part& part) { return part.name.compare(0, prefix.size(), prefix) == 0; };
        parts_.erase(std::remove_if(parts_.begin(), parts_.end(), begins_so), parts_.end());
    }

    /// The order of the sections has no meaning, but what lies behind the last one is not the file's.
    void move_to_end(std::size_t position) {
        std::rotate(parts_.begin() + static_cast<std::ptrdiff_t>(position),
                    parts_.begin() + static_cast<std::ptrdiff_t>(position) + 1, parts_.end());
    }

    Part& part(const std::string& name) {
        for (Part& part : parts_) {
            if (part.name == name) {
                return part;
            }
        }
        parts_.push_back({name, 5, 1, {}, {}});
        return parts_.back();
    }

    /// Replace one element of a section.
    template <class Number>
    void element(const std::string& name, std::size_t index, Number value) {
        std::memcpy(part(name).data.data() + index * sizeof value, &value, sizeof value);
    }

    std::size_t size() const { return parts_.size(); }

    Bytes bytes() const {
        Bytes out(kHeaderSize + parts_.size() * kEntrySize, 0);
        const unsigned char magic[8] = {0x89, 'D', 'P', 'T', '\r', '\n', 0x1A, '\n'};
        std::memcpy(out.data(), magic, sizeof magic);
        put<std::uint16_t>(out, kMajor, 1);
        put<std::uint32_t>(out, kEndianTag, 0x01020304);
        put<std::uint64_t>(out, kDirectoryOffset, kHeaderSize);
        put(out, kSectionCount, static_cast<std::uint32_t>(parts_.size()));
        put<std::uint32_t>(out, kEntrySizeField, kEntrySize);
        put<std::uint32_t>(out, kAlignmentField, 64);
        for (std::size_t k = 0; k < parts_.size(); ++k) {
            const Part& part = parts_[k];
            out.resize((out.size() + 63) / 64 * 64, 0);
            std::memcpy(out.data() + entry(k), part.name.data(), part.name.size());
            put(out, entry(k) + kDType, part.dtype);
            put(out, entry(k) + kRank, static_cast<std::uint32_t>(part.shape.size()));
            put(out, entry(k) + kFlags, part.flags);
            for (std::size_t d = 0; d < part.shape.size(); ++d) {
                put(out, entry(k) + kShape + 8 * d, part.shape[d]);
            }
            put<std::uint64_t>(out, entry(k) + kOffset, out.size());
            put<std::uint64_t>(out, entry(k) + kSize, part.data.size());
            out.insert(out.end(), part.data.begin(), part.data.end());
        }
        put<std::uint64_t>(out, kFileSize, out.size());
        repair(out);
        return out;
    }

private:
    template <class Values>
    void set(const std::string& name, std::uint32_t dtype, const Shape& shape, const Values& values, std::uint32_t flags = 1) {
        Part& p = part(name);
        p.dtype = dtype;
        p.flags = flags;
        p.shape = shape;
        p.data.resize(values.size() * sizeof values[0]);
        if (!p.data.empty()) {
            std::memcpy(p.data.data(), values.data(), p.data.size());
        }
    }

    std::vector<Part> parts_;
};

/// n numbers between -0.5 and 0.5 that differ from one another.
inline std::vector<double> numbers(std::size_t n) {
    std::vector<double> out(n);
    std::uint32_t state = 12345;
    for (double& value : out) {
        state = state * 1664525U + 1013904223U;
        value = static_cast<double>(state) / 4294967296.0 - 0.5;
    }
    return out;
}

inline void add_table(TableBuilder& file, const std::string& prefix, std::uint64_t rank, std::uint64_t n_powers) {
    constexpr std::uint64_t n_rows = 12;  // 10 intervals from -1 to 0, 2 from 0 to 1
    file.i32(prefix + "argument", {}, {0});
    file.f64(prefix + "segments", {2, 3}, {-1.0, 0.1, 10.0, 0.0, 0.5, 2.0});
    file.f64(prefix + "upper", {}, {0.0});
    file.f64(prefix + "coef", {n_rows, n_powers, rank}, numbers(n_rows * n_powers * rank));
    file.f64(prefix + "basis", {4, rank}, numbers(4 * rank));
}

inline void add_layer(TableBuilder& file, const std::string& prefix, std::uint64_t n_in, std::uint64_t n_out) {
    file.f64(prefix + "weight", {n_in, n_out}, numbers(n_in * n_out));
    file.f64(prefix + "bias", {n_out}, numbers(n_out));
}

/// Types O and H, M = 4, A = 2; pairs x-O use table 0 (rank 2, order 5), pairs x-H table 1 (rank 3, order 3).
inline TableBuilder small_model() {
    TableBuilder file;
    file.text("model.type_map", "O\nH");
    file.f64("model.energy_bias", {2}, {-5.0, -3.0});
    file.i32("model.energy_mask", {2}, {1, 1});
    file.f64("model.min_distance", {2, 2}, {2.2, 0.9, 0.9, 1.4});
    file.i32("model.check_frequency", {}, {10});
    file.i32("model.neighbour_rule", {}, {0});
    file.i32("model.n_fparam", {}, {0});
    file.i32("model.n_aparam", {}, {0});
    file.i32("descriptor.count", {}, {1});
    file.text("descriptor.0.kind", "se_e2_a");
    file.f64("descriptor.0.rcut", {}, {6.0});
    file.f64("descriptor.0.rcut_smth", {}, {0.5});
    file.f64("descriptor.0.env_protection", {}, {0.0});
    file.i32("descriptor.0.sel", {2}, {4, 8});
    file.i32("descriptor.0.n_sel", {}, {12});
    file.f64("descriptor.0.mean", {2}, {0.05, 0.04});
    file.f64("descriptor.0.std", {2, 2}, {0.125, 0.0625, 0.1, 0.05});
    file.i32("descriptor.0.width", {}, {4});
    file.i32("descriptor.0.axis_neuron", {}, {2});
    file.i32("descriptor.0.pair_kind", {2, 2}, {0, 0, 0, 1});
    file.i32("descriptor.0.pair_table", {2, 2}, {0, 1, 0, 1});
    add_table(file, "table.0.", 2, 6);
    add_table(file, "table.1.", 3, 4);
    file.i32("fitting.0.inputs", {1}, {0});
    file.i32("fitting.0.input.0.form", {}, {1});
    file.i32("fitting.0.input.0.columns", {4, 2}, {0, 0, 1, 0, 0, 1, 1, 2});
    file.i32("fitting.0.input.0.row_end", {4}, {4, 3, 3, 3});        // 4 + 2 + 1 + 0 products
    file.i32("fitting.0.input.0.row_end_mixed", {4}, {3, 2, 2, 3});  // 3 + 1 + 0 + 0 of them
    file.i32("fitting.0.layers", {4, 2}, {1, 0, 8, 1, 2, 2, 0, 0});
    file.f64("fitting.0.activation_parameter", {4}, {0.0, 3.0, 0.0, 0.0});
    add_layer(file, "fitting.0.0.", 7, 3);
    add_layer(file, "fitting.0.1.", 3, 3);
    file.f64("fitting.0.1.idt", {3}, numbers(3));
    add_layer(file, "fitting.0.2.", 3, 6);
    add_layer(file, "fitting.0.3.", 6, 1);
    file.i32("fitting.1.inputs", {1}, {0});
    file.i32("fitting.1.input.0.form", {}, {0});
    file.i32("fitting.1.layers", {2, 2}, {7, 0, 0, 0});
    file.f64("fitting.1.activation_parameter", {2}, {0.0, 0.0});
    add_layer(file, "fitting.1.0.", 8, 5);
    add_layer(file, "fitting.1.1.", 5, 1);
    file.text("provenance.json", "{\"source\": \"none\"}", 0);
    return file;
}

/// The same with products of combinations of the moments, more of these than moments.
inline TableBuilder small_combined_model() {
    TableBuilder file = small_model();
    file.remove_all("fitting.0.input.0.row_end");
    file.f64("fitting.0.input.0.combination", {5, 4}, numbers(20));
    file.i32("fitting.0.input.0.row_end", {5}, {5, 4, 4, 4, 4});         // 5 + 3 + 2 + 1 + 0 products
    file.i32("fitting.0.input.0.row_end_double", {5}, {4, 3, 3, 3, 4});  // 4 + 2 + 1 + 0 + 0 of them
    file.i32("fitting.0.input.0.row_end_mixed", {5}, {2, 2, 2, 3, 4});
    file.i32("fitting.0.input.0.n_double", {}, {3});
    file.i32("fitting.0.input.0.n_mixed", {}, {2});
    add_layer(file, "fitting.0.0.", 11, 3);
    return file;
}

/// The same with a descriptor se_e2_r: type 0 has a linear net, type 1 a direct one; pairs excluded by slots (0, 1) and by section
/// (1, 1), whose neighbours are looked up at 0.
inline TableBuilder small_radial_model() {
    TableBuilder file = small_model();
    file.text("descriptor.0.kind", "se_e2_r");
    file.f64("descriptor.0.std", {2, 1}, {0.125, 0.1});
    file.remove("descriptor.0.axis_neuron");
    file.i32("descriptor.0.pair_kind", {2, 2}, {0, 1, 0, 4});
    file.remove_all("fitting.0.input.0.row_end");
    file.i32("fitting.0.input.0.form", {}, {3});
    file.i32("fitting.0.input.0.n_mixed", {}, {2});
    add_layer(file, "fitting.0.0.", 4, 3);
    add_layer(file, "fitting.1.0.", 4, 5);
    return file;
}

/// Sections of a descriptor se_e3 but pair_kind; H sees no H. Groups of neighbours: 0 O-O, 1 O-H, 3 H-H.
inline void add_triple_descriptor(TableBuilder& file, const std::string& prefix, double rcut, int first_table) {
    file.text(prefix + "kind", "se_e3");
    file.f64(prefix + "rcut", {}, {rcut});
    file.f64(prefix + "rcut_smth", {}, {0.5});
    file.f64(prefix + "env_protection", {}, {0.1});
    file.i32(prefix + "sel", {2}, {4, 8});
    file.f64(prefix + "std", {2, 1}, {0.4, 0.3});
    file.i32(prefix + "width", {}, {4});
    file.i32(prefix + "pair_kind", {2, 2}, {0, 0, 0, 2});
    file.i32(prefix + "pair_table", {2, 2}, {first_table, first_table + 1, first_table + 1, first_table + 2});
}

/// The small model with a descriptor se_e3: type 0 has a linear net, type 1 a direct one.
inline TableBuilder small_triple_model() {
    TableBuilder file = small_model();
    file.remove_all("descriptor.0.");
    add_triple_descriptor(file, "descriptor.0.", 5.0, 0);
    add_table(file, "table.2.", 1, 6);
    for (const char* table : {"table.0.", "table.1.", "table.2."}) {
        file.i32(std::string(table) + "argument", {}, {2});
    }
    file.remove_all("fitting.0.input.0.row_end");
    file.i32("fitting.0.input.0.form", {}, {3});
    file.i32("fitting.0.input.0.columns", {4, 2}, {0, 0, 1, 2, 3, 0, 1, 0});
    file.i32("fitting.0.input.0.n_double", {}, {3});
    file.i32("fitting.0.input.0.n_mixed", {}, {2});
    file.i32("fitting.1.input.0.rank_mixed", {4}, {1, 2, 0, 1});
    add_layer(file, "fitting.0.0.", 4, 3);
    add_layer(file, "fitting.1.0.", 4, 5);
    return file;
}

/// The small model and a descriptor se_e3 of a smaller cut-off, with tables of its own.
inline TableBuilder two_and_three_bodies() {
    TableBuilder file = small_model();
    file.i32("descriptor.count", {}, {2});
    add_triple_descriptor(file, "descriptor.1.", 3.5, 2);
    for (const char* table : {"table.2.", "table.3.", "table.4."}) {
        add_table(file, table, 2, 6);
        file.i32(std::string(table) + "argument", {}, {2});
    }
    file.i32("fitting.0.inputs", {2}, {0, 1});
    file.i32("fitting.0.input.1.form", {}, {3});
    file.i32("fitting.0.input.1.columns", {3, 2}, {1, 0, 0, 1, 3, 0});
    add_layer(file, "fitting.0.0.", 10, 3);  // 7 products, 3 columns
    file.i32("fitting.1.inputs", {2}, {1, 0});
    file.i32("fitting.1.input.1.form", {}, {0});
    add_layer(file, "fitting.1.0.", 12, 5);  // 4 and 8 numbers
    return file;
}

/// The small model with a second descriptor, se_e2_r, with a table of its own beside a shared one; one net takes it after the first
/// descriptor, the other before.
inline TableBuilder two_descriptors() {
    TableBuilder file = small_model();
    file.i32("descriptor.count", {}, {2});
    file.text("descriptor.1.kind", "se_e2_r");
    file.f64("descriptor.1.rcut", {}, {4.0});
    file.f64("descriptor.1.rcut_smth", {}, {1.0});
    file.f64("descriptor.1.env_protection", {}, {0.0});
    file.i32("descriptor.1.sel", {2}, {3, 5});
    file.i32("descriptor.1.n_sel", {}, {8});
    file.f64("descriptor.1.mean", {2}, {0.05, 0.04});
    file.f64("descriptor.1.std", {2, 1}, {0.125, 0.1});
    file.i32("descriptor.1.width", {}, {4});
    file.i32("descriptor.1.pair_kind", {2, 2}, {0, 0, 0, 0});
    file.i32("descriptor.1.pair_table", {2, 2}, {0, 2, 0, 2});
    add_table(file, "table.2.", 1, 6);
    file.i32("fitting.0.inputs", {2}, {0, 1});
    file.i32("fitting.0.input.1.form", {}, {3});
    file.i32("fitting.0.input.1.columns", {2, 2}, {1, 0, 0, 0});
    add_layer(file, "fitting.0.0.", 9, 3);  // 7 products, 2 columns
    file.i32("fitting.1.inputs", {2}, {1, 0});
    file.i32("fitting.1.input.1.form", {}, {0});
    add_layer(file, "fitting.1.0.", 12, 5);  // 4 and 8 numbers
    return file;
}

}  // namespace dpc::test
