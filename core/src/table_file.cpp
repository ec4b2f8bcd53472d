// SPDX-License-Identifier: MIT
// Checks in the order of docs/tables-format.md section 4: every rule has its own message. Holds against hostile bytes: no size is
// believed before it was compared with the bytes that are there, whether the checksums fit or not.
#include "table_file.hpp"

#include <algorithm>
#include <cstring>

#include "crc32c.hpp"
#include "dpc/errors.hpp"

namespace dpc {
namespace {

constexpr unsigned char kMagic[8] = {0x89, 'D', 'P', 'T', '\r', '\n', 0x1A, '\n'};
constexpr std::uint16_t kMajor = 1;
constexpr std::uint32_t kEndianTag = 0x01020304;
constexpr std::uint32_t kSwappedEndianTag = 0x04030201;
constexpr std::uint32_t kMostSections = 65536;
constexpr std::uint64_t kAlignment = 64;
constexpr std::uint32_t kRequired = 1;
constexpr std::uint32_t kMostRank = 6;
constexpr std::uint64_t kMostBytes = INT64_MAX;

struct Header {
    unsigned char magic[8];
    std::uint16_t major_version, minor_version;
    std::uint32_t endian_tag;
    std::uint64_t file_size, directory_offset;
    std::uint32_t n_sections, entry_size, alignment, flags;
    std::uint64_t reserved;
    std::uint32_t directory_crc, header_crc;
};
static_assert(sizeof(Header) == 64);
constexpr std::size_t kHeaderBytesWithCrc = 60;

struct Entry {
    char name[48];
    std::uint32_t dtype, rank, flags, crc;
    std::uint64_t shape[kMostRank];
    std::uint64_t offset, n_bytes;
};
static_assert(sizeof(Entry) == 128);

[[noreturn]] void fail(const std::string& problem) { throw FormatError("damaged table file: " + problem); }

std::string hex(std::uint32_t value) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text = "0x00000000";
    for (std::size_t k = 0; k < 8; ++k) {
        text[9 - k] = digits[(value >> (4 * k)) & 0xF];
    }
    return text;
}

void require_equal(const std::string& what, std::uint64_t found, std::uint64_t expected) {
    if (found != expected) {
        fail(what + " is " + std::to_string(found) + ", expected " + std::to_string(expected));
    }
}

void require_crc(const std::string& what, const unsigned char* data, std::uint64_t n_bytes, std::uint32_t stored) {
    const std::uint32_t computed = crc32c(data, static_cast<std::size_t>(n_bytes));
    if (stored != computed) {
        fail(what + " has the checksum " + hex(computed) + ", expected " + hex(stored) + ": its bytes were changed");
    }
}

std::uint64_t round_up(std::uint64_t n) { return (n + (kAlignment - 1)) / kAlignment * kAlignment; }

/// Where the bytes are those of no table file, say what they may be.
void check_magic(const unsigned char* bytes, std::size_t n_bytes) {
    const std::string trained = trained_model_message(bytes, n_bytes, "MODEL");
    if (!trained.empty()) {
        throw FormatError(trained);
    }
    if (n_bytes == 0) {
        throw FormatError("the table file is empty");
    }
    if (std::equal(kMagic, kMagic + std::min(n_bytes, sizeof kMagic), bytes)) {
        return;
    }
    const bool letters = n_bytes >= 4 && std::equal(kMagic + 1, kMagic + 4, bytes + 1);
    if (letters && (bytes[0] == kMagic[0] || bytes[0] == (kMagic[0] & 0x7F))) {
        fail("its first bytes were changed as those of a text; copy it again in binary mode");
    }
    throw FormatError("not a table file: its first bytes are not those of a tables.bin written by `python -m pybuild`");
}

Header read_header(const unsigned char* bytes, std::size_t n_bytes) {
    check_magic(bytes, n_bytes);
    if (n_bytes < sizeof(Header)) {
        fail("it has " + std::to_string(n_bytes) + " bytes, fewer than the 64 of its header: it was cut short");
    }
    Header header;
    std::memcpy(&header, bytes, sizeof header);
    if (header.endian_tag == kSwappedEndianTag) {
        fail("its byte order is not that of this machine; table files are for little-endian machines");
    }
    if (header.endian_tag != kEndianTag) {
        fail("header: the endian tag is " + hex(header.endian_tag) + ", expected " + hex(kEndianTag));
    }
    if (header.major_version != kMajor) {
        throw FormatError("the table file has format " + std::to_string(header.major_version) + "." +
                          std::to_string(header.minor_version) + ", this program reads format 1: " +
                          (header.major_version > kMajor ? "install a newer version, or make the file again with this one"
                                                         : "make the file again"));
    }
    require_crc("header", bytes, kHeaderBytesWithCrc, header.header_crc);
    if (header.file_size != n_bytes) {
        fail("it has " + std::to_string(n_bytes) + " bytes, expected " + std::to_string(header.file_size) + ": it " +
             (n_bytes < header.file_size ? "was cut short" : "has bytes at its end that do not belong to it"));
    }
    return header;
}

void check_header(const Header& header, const unsigned char* bytes, std::size_t n_bytes) {
    require_equal("header: the offset of the directory", header.directory_offset, sizeof(Header));
    require_equal("header: the size of a directory entry", header.entry_size, sizeof(Entry));
    require_equal("header: the alignment", header.alignment, kAlignment);
    require_equal("header: the flags field", header.flags, 0);
    require_equal("header: the reserved field", header.reserved, 0);
    if (header.n_sections > kMostSections) {
        fail("header: the number of sections is " + std::to_string(header.n_sections) + ", expected at most " +
             std::to_string(kMostSections));
    }
    const std::size_t n_directory = header.n_sections * sizeof(Entry);
    if (n_directory > n_bytes - sizeof(Header)) {
        fail("header: the directory of " + std::to_string(header.n_sections) + " sections goes beyond the end of the file");
    }
    require_crc("directory", bytes + sizeof(Header), n_directory, header.directory_crc);
}

std::string read_name(const Entry& entry, std::size_t position) {
    const std::string where = "directory entry " + std::to_string(position) + ": the name ";
    const char* const begin = entry.name;
    const char* const last = entry.name + sizeof entry.name;
    const char* const end = std::find(begin, last, '\0');
    if (end == begin) {
        fail(where + "is empty");
    }
    if (end == last) {
        fail(where + "has no zero byte at its end");
    }
    const auto is_legal = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'; };
    if (!std::all_of(begin, end, is_legal)) {
        fail(where + "has a character other than a-z, 0-9, '_' and '.'");
    }
    if (std::any_of(end, last, [](char c) { return c != '\0'; })) {
        fail(where + "is followed by bytes that are not zero");
    }
    return {begin, end};
}

std::uint64_t item_size(DType dtype) {
    constexpr std::uint64_t sizes[] = {8, 4, 8, 4, 1};
    return sizes[static_cast<std::size_t>(dtype) - 1];
}

/// Product of the shape times the item size.
std::uint64_t size_of(const Section& section, const std::string& where) {
    std::uint64_t size = item_size(section.dtype);
    for (const std::uint64_t extent : section.shape) {
        if (extent != 0 && size > kMostBytes / extent) {
            fail(where + "the shape " + shape_text(section.shape) + " has more bytes than can be counted");
        }
        size *= extent != 0 ? extent : 1;
    }
    return std::count(section.shape.begin(), section.shape.end(), 0U) > 0 ? 0 : size;
}

/// Everything about an entry that does not depend on the other sections.
Section read_entry(const Entry& entry, std::size_t position) {
    Section section;
    section.name = read_name(entry, position);
    const std::string where = "section '" + section.name + "': ";
    if (entry.dtype < static_cast<std::uint32_t>(DType::f64) || entry.dtype > static_cast<std::uint32_t>(DType::u8)) {
        fail(where + "the dtype is " + std::to_string(entry.dtype) + ", expected 1 to 5");
    }
    section.dtype = static_cast<DType>(entry.dtype);
    if ((entry.flags & ~kRequired) != 0) {
        fail(where + "the flags are " + hex(entry.flags) + ", expected 0 or 1");
    }
    section.required = (entry.flags & kRequired) != 0;
    if (entry.rank > kMostRank) {
        fail(where + "the rank is " + std::to_string(entry.rank) + ", expected at most " + std::to_string(kMostRank));
    }
    if (std::any_of(entry.shape + entry.rank, entry.shape + kMostRank, [](std::uint64_t extent) { return extent != 0; })) {
        fail(where + "an unused dimension is not 0");
    }
    section.shape.assign(entry.shape, entry.shape + entry.rank);
    section.n_bytes = entry.n_bytes;
    require_equal(where + "the size in bytes", section.n_bytes, size_of(section, where));
    return section;
}

/// Where the array lies: right behind the previous one, inside the file, with zeros between. Returns its end.
std::uint64_t place(Section& section, const Entry& entry, const unsigned char* bytes, std::size_t n_bytes,
                    std::uint64_t previous_end) {
    const std::string where = "section '" + section.name + "': ";
    require_equal(where + "the offset", entry.offset, round_up(previous_end));
    if (entry.offset > n_bytes || section.n_bytes > n_bytes - entry.offset) {
        fail(where + "its " + std::to_string(section.n_bytes) + " bytes at offset " + std::to_string(entry.offset) +
             " go beyond the end of the file at " + std::to_string(n_bytes));
    }
    if (std::any_of(bytes + previous_end, bytes + entry.offset, [](unsigned char byte) { return byte != 0; })) {
        fail(where + "the bytes before it are not zero");
    }
    section.data = bytes + entry.offset;
    require_crc("section '" + section.name + "'", section.data, section.n_bytes, entry.crc);
    return entry.offset + section.n_bytes;
}

/// A TensorFlow GraphDef: protobuf field 1 (a node, preceded by its length), in it field 1 (a printable name), then field 2.
bool is_tensorflow_graph(const unsigned char* bytes, std::size_t n_bytes) {
    constexpr unsigned char kField1 = 0x0A, kField2 = 0x12, kMoreDigits = 0x80;
    std::size_t at = 1;
    while (at < std::min<std::size_t>(n_bytes, 5) && (bytes[at] & kMoreDigits) != 0) {
        ++at;
    }
    if (n_bytes < at + 3 || bytes[0] != kField1 || bytes[at + 1] != kField1) {
        return false;
    }
    const std::size_t name = at + 3, n_name = bytes[at + 2];
    return n_name > 0 && n_name < kMoreDigits && name + n_name < n_bytes && bytes[name + n_name] == kField2 &&
           std::all_of(bytes + name, bytes + name + n_name, [](unsigned char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

std::string trained_model_message(const unsigned char* bytes, std::size_t n_bytes, const std::string& path) {
    const auto starts_with = [&](const char* text, std::size_t n) { return n_bytes >= n && std::memcmp(bytes, text, n) == 0; };
    std::string kind;
    if (starts_with("PK\x03\x04", 4)) {
        kind = "a zip archive, as PyTorch writes trained models";
    } else if (starts_with("\x89HDF\r\n\x1A\n", 8)) {
        kind = "an HDF5 file, as DeePMD-kit writes trained models";
    } else if (is_tensorflow_graph(bytes, n_bytes)) {
        kind = "a TensorFlow graph, as DeePMD-kit writes trained models";
    } else {
        return "";
    }
    return "not a table file but " + kind + "; compress the model first: python -m pybuild " + path + " tables.bin";
}

TableFile::TableFile(const unsigned char* bytes, std::size_t n_bytes) {
    const Header header = read_header(bytes, n_bytes);
    check_header(header, bytes, n_bytes);
    minor_version_ = header.minor_version;
    header_crc_ = header.header_crc;
    std::uint64_t end = sizeof(Header) + header.n_sections * sizeof(Entry);
    for (std::size_t k = 0; k < header.n_sections; ++k) {
        Entry entry;
        std::memcpy(&entry, bytes + sizeof(Header) + k * sizeof(Entry), sizeof entry);
        Section section = read_entry(entry, k);
        if (!index_.emplace(section.name, k).second) {
            fail("section '" + section.name + "': the name occurs twice");
        }
        end = place(section, entry, bytes, n_bytes, end);
        sections_.push_back(std::move(section));
    }
    if (end != n_bytes) {
        fail("its last array ends at byte " + std::to_string(end) + ", expected the end of the file at " +
             std::to_string(n_bytes));
    }
}

const Section* TableFile::find(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &sections_[found->second];
}

const char* dtype_name(DType dtype) {
    constexpr const char* names[] = {"f64", "f32", "i64", "i32", "u8"};
    return names[static_cast<std::size_t>(dtype) - 1];
}

std::string shape_text(const std::vector<std::uint64_t>& shape) {
    std::string text = "(";
    for (std::size_t k = 0; k < shape.size(); ++k) {
        text += (k == 0 ? "" : ", ") + std::to_string(shape[k]);
    }
    return text + ")";
}

}  // namespace dpc
