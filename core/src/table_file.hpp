// SPDX-License-Identifier: MIT
// The structure of a tables.bin (docs/tables-format.md sections 1 and 2): named arrays in a checked container. What the arrays
// mean is model.hpp's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace dpc {

enum class DType : std::uint32_t { f64 = 1, f32, i64, i32, u8 };

/// A view into the parsed bytes.
struct Section {
    std::string name;
    DType dtype = DType::u8;
    bool required = false;  // a reader that does not know the name must refuse the file
    std::vector<std::uint64_t> shape;
    const unsigned char* data = nullptr;  // 64-byte aligned if the bytes are
    std::uint64_t n_bytes = 0;
};

class TableFile {
public:
    /// The newest minor version that this program knows all of.
    static constexpr int kMinor = 0;

    /// Check the bytes from the outside in, checksums included; nothing is copied, so they must outlive this. Throws FormatError:
    /// which rule, where, what was found, what was expected.
    TableFile(const unsigned char* bytes, std::size_t n_bytes);

    /// The section of that name, or null.
    const Section* find(const std::string& name) const;
    /// In the order of the file.
    const std::vector<Section>& sections() const { return sections_; }
    /// The file has format 1.minor.
    int minor_version() const { return minor_version_; }
    /// Checksum of the header, which holds that of the directory, which holds those of all arrays.
    std::uint32_t header_crc() const { return header_crc_; }

private:
    int minor_version_ = 0;
    std::uint32_t header_crc_ = 0;
    std::vector<Section> sections_;
    std::map<std::string, std::size_t> index_;  // name -> position
};

/// If the first bytes of a file are those of a trained model: what it is and the command that compresses it. Otherwise empty.
std::string trained_model_message(const unsigned char* bytes, std::size_t n_bytes, const std::string& path);

/// "f64", "i32", ..
const char* dtype_name(DType dtype);

/// "(3, 4)"; "()" for a scalar.
std::string shape_text(const std::vector<std::uint64_t>& shape);

}  // namespace dpc
