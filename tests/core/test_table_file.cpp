// SPDX-License-Identifier: MIT
// The container: one damaged file for each rule of docs/tables-format.md sections 1, 2 and 4, each refused with its own
// message. All but the tests of the checksums have checksums that fit, so the rules stand without them.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "dpc/errors.hpp"
#include "dpc/model.hpp"
#include "table_builder.hpp"
#include "table_file.hpp"

namespace {

using namespace dpc::test;

/// Three sections: i32 (3), f64 (2, 2), u8 (5), at offsets 448, 512 and 576.
TableBuilder three_sections() {
    TableBuilder file;
    file.i32("counts", {3}, {1, 2, 3});
    file.f64("matrix", {2, 2}, {1.0, 2.0, 3.0, 4.0});
    file.text("note", "hello", 0);
    return file;
}
constexpr std::size_t kFirstArray = kHeaderSize + 3 * kEntrySize;

std::string refusal(const Bytes& bytes) {
    try {
        dpc::TableFile(bytes.data(), bytes.size());
    } catch (const dpc::FormatError& error) {
        return error.what();
    }
    return "accepted";
}

struct Damage {
    const char* name;
    const char* message;  // must occur in the refusal
    std::function<void(Bytes&)> change;
    bool with_fitting_checksums = true;
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

template <class Number>
std::function<void(Bytes&)> set(std::size_t offset, Number value) {
    return [=](Bytes& bytes) { put(bytes, offset, value); };
}

std::function<void(Bytes&)> set_text(std::size_t offset, const std::string& text) {
    return [=](Bytes& bytes) { std::copy(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset)); };
}

void start_with(Bytes& bytes, const std::string& text) { bytes.assign(text.begin(), text.end()); }

class DamagedFile : public testing::TestWithParam<Damage> {};

TEST_P(DamagedFile, IsRefused) {
    Bytes bytes = three_sections().bytes();
    ASSERT_EQ(refusal(bytes), "accepted");
    GetParam().change(bytes);
    if (GetParam().with_fitting_checksums) {
        repair(bytes);
    }
    EXPECT_NE(refusal(bytes).find(GetParam().message), std::string::npos) << refusal(bytes);
}

const std::string kLongName(48, 'x');

const Damage kHeaderDamage[] = {
    {"empty", "is empty", [](Bytes& b) { b.clear(); }},
    {"not_a_table_file", "not a table file", [](Bytes& b) { start_with(b, "This is a text of more than eight bytes."); }},
    {"pytorch_model",
     "zip archive, as PyTorch writes trained models; compress the model first: python -m pybuild MODEL tables.bin",
     [](Bytes& b) { start_with(b, std::string("PK\x03\x04\x00\x00", 6)); }},
    {"hdf5_model", "an HDF5 file, as DeePMD-kit writes trained models; compress the model first",
     [](Bytes& b) { start_with(b, "\x89HDF\r\n\x1a\n..."); }},
    {"tensorflow_model",
     "a TensorFlow graph, as DeePMD-kit writes trained models; compress the model first: python -m pybuild MODEL tables.bin",
     [](Bytes& b) {
         start_with(b,
                    "\x0a\x3b\x0a\x06t_type\x12\x05"
                    "Const*\x0f");
     }},
    {"line_ends_changed", "changed as those of a text", [](Bytes& b) { b.erase(b.begin() + 4); }, false},
    {"high_bit_stripped", "changed as those of a text", set<std::uint8_t>(0, 0x09)},
    {"cut_inside_header", "it has 63 bytes, fewer than the 64", [](Bytes& b) { b.resize(63); }},
    {"cut_inside_magic", "it has 3 bytes, fewer than the 64", [](Bytes& b) { b.resize(3); }},
    {"big_endian", "byte order", set<std::uint32_t>(kEndianTag, 0x04030201)},
    {"endian_tag", "the endian tag is 0x00000000, expected 0x01020304", set<std::uint32_t>(kEndianTag, 0)},
    {"newer_major", "has format 2.0, this program reads format 1: install a newer version", set<std::uint16_t>(kMajor, 2)},
    {"newer_major_unknown_layout", "install a newer version", set<std::uint16_t>(kMajor, 2), false},
    {"older_major", "has format 0.0, this program reads format 1: make the file again", set<std::uint16_t>(kMajor, 0)},
    {"header_checksum", "header has the checksum", set<std::uint64_t>(kReserved, 1), false},
    {"one_byte_cut", "it was cut short", [](Bytes& b) { b.pop_back(); }},
    {"one_byte_more", "bytes at its end that do not belong to it", [](Bytes& b) { b.push_back(0); }},
    {"file_size", "it has 581 bytes, expected 18446744073709551615", set<std::uint64_t>(kFileSize, UINT64_MAX)},
    {"directory_offset", "header: the offset of the directory is 128, expected 64", set<std::uint64_t>(kDirectoryOffset, 128)},
    {"entry_size", "header: the size of a directory entry is 64, expected 128", set<std::uint32_t>(kEntrySizeField, 64)},
    {"alignment", "header: the alignment is 8, expected 64", set<std::uint32_t>(kAlignmentField, 8)},
    {"header_flags", "header: the flags field is 1, expected 0", set<std::uint32_t>(kHeaderFlags, 1)},
    {"reserved", "header: the reserved field is 1, expected 0", set<std::uint64_t>(kReserved, 1)},
    {"too_many_sections", "is 65537, expected at most 65536", set<std::uint32_t>(kSectionCount, 65537)},
    {"directory_beyond_file", "the directory of 5 sections goes beyond the end", set<std::uint32_t>(kSectionCount, 5)},
    {"fewer_sections", "the bytes before it are not zero",
     [](Bytes& b) {
         put<std::uint32_t>(b, kSectionCount, 2);
         put<std::uint64_t>(b, entry(0) + kOffset, entry(2));
         put<std::uint64_t>(b, entry(1) + kOffset, entry(2) + 64);
     }},
    {"directory_checksum", "directory has the checksum",
     [](Bytes& b) {
         put<std::uint32_t>(b, entry(0) + kFlags, 0);
         put(b, kHeaderCrc, dpc::crc32c(b.data(), kHeaderCrc));
     },
     false},
};

const Damage kEntryDamage[] = {
    {"name_empty", "directory entry 1: the name is empty", set<std::uint8_t>(entry(1), 0)},
    {"name_without_end", "directory entry 0: the name has no zero byte at its end", set_text(entry(0), kLongName)},
    {"name_upper_case", "directory entry 0: the name has a character other than", set_text(entry(0), "Counts")},
    {"name_minus", "directory entry 0: the name has a character other than", set_text(entry(0), "co-nts")},
    {"name_not_padded", "directory entry 2: the name is followed by bytes that are not zero",
     set<std::uint8_t>(entry(2) + 47, 'x')},
    {"name_twice", "section 'counts': the name occurs twice", set_text(entry(1), "counts")},
    {"dtype_zero", "section 'counts': the dtype is 0, expected 1 to 5", set<std::uint32_t>(entry(0) + kDType, 0)},
    {"dtype_unknown", "section 'counts': the dtype is 6, expected 1 to 5", set<std::uint32_t>(entry(0) + kDType, 6)},
    {"flags", "section 'counts': the flags are 0x00000003, expected 0 or 1", set<std::uint32_t>(entry(0) + kFlags, 3)},
    {"rank", "section 'counts': the rank is 7, expected at most 6", set<std::uint32_t>(entry(0) + kRank, 7)},
    {"rank_huge", "section 'counts': the rank is 4294967295", set<std::uint32_t>(entry(0) + kRank, UINT32_MAX)},
    {"unused_dimension", "section 'matrix': an unused dimension is not 0", set<std::uint64_t>(entry(1) + kShape + 40, 1)},
    {"size_of_shape", "section 'matrix': the size in bytes is 32, expected 48", set<std::uint64_t>(entry(1) + kShape, 3)},
    {"size_of_dtype", "section 'matrix': the size in bytes is 32, expected 16", set<std::uint32_t>(entry(1) + kDType, 2)},
    {"size_overflow", "section 'matrix': the shape (4611686018427387904, 2) has more bytes than can be counted",
     set<std::uint64_t>(entry(1) + kShape, std::uint64_t{1} << 62)},
    {"size_overflow_to_the_right_number", "has more bytes than can be counted",
     [](Bytes& b) {
         put<std::uint64_t>(b, entry(1) + kShape, (std::uint64_t{1} << 61) + 2);  // times 2 times 8: 32 modulo 2^64
     }},
    {"size_zero_hides_overflow", "has more bytes than can be counted",
     [](Bytes& b) {
         put<std::uint32_t>(b, entry(1) + kRank, 3);
         put<std::uint64_t>(b, entry(1) + kShape, UINT64_MAX);
         put<std::uint64_t>(b, entry(1) + kShape + 8, UINT64_MAX);
         put<std::uint64_t>(b, entry(1) + kSize, 0);
     }},
    {"offset_unaligned", "section 'matrix': the offset is 520, expected 512", set<std::uint64_t>(entry(1) + kOffset, 520)},
    {"offset_overlaps", "section 'matrix': the offset is 448, expected 512", set<std::uint64_t>(entry(1) + kOffset, 448)},
    {"offset_leaves_hole", "section 'matrix': the offset is 576, expected 512", set<std::uint64_t>(entry(1) + kOffset, 576)},
    {"offset_huge", "section 'matrix': the offset is 18446744073709551552",
     set<std::uint64_t>(entry(1) + kOffset, UINT64_MAX - 63)},
    {"array_beyond_file", "section 'note': its 6 bytes at offset 576 go beyond the end of the file at 581",
     [](Bytes& b) {
         put<std::uint64_t>(b, entry(2) + kShape, 6);
         put<std::uint64_t>(b, entry(2) + kSize, 6);
     }},
    {"array_far_beyond_file", "section 'note': its 9223372036854775807 bytes",
     [](Bytes& b) {
         put<std::uint64_t>(b, entry(2) + kShape, INT64_MAX);
         put<std::uint64_t>(b, entry(2) + kSize, INT64_MAX);
     }},
    {"padding", "section 'matrix': the bytes before it are not zero", set<std::uint8_t>(kFirstArray + 63, 1)},
    {"bytes_after_last_array", "its last array ends at byte 580, expected the end of the file at 581",
     [](Bytes& b) {
         put<std::uint64_t>(b, entry(2) + kShape, 4);
         put<std::uint64_t>(b, entry(2) + kSize, 4);
     }},
    {"array_checksum", "section 'note' has the checksum", [](Bytes& b) { b.back() ^= 1; }, false},
};

std::string name_of(const testing::TestParamInfo<Damage>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Header, DamagedFile, testing::ValuesIn(kHeaderDamage), name_of);
INSTANTIATE_TEST_SUITE_P(Directory, DamagedFile, testing::ValuesIn(kEntryDamage), name_of);

TEST(TableFile, ListsItsSections) {
    const Bytes bytes = three_sections().bytes();
    const dpc::TableFile file(bytes.data(), bytes.size());
    ASSERT_EQ(file.sections().size(), 3U);
    const dpc::Section* matrix = file.find("matrix");
    ASSERT_NE(matrix, nullptr);
    EXPECT_EQ(matrix->dtype, dpc::DType::f64);
    EXPECT_EQ(matrix->shape, (std::vector<std::uint64_t>{2, 2}));
    EXPECT_EQ(get<double>(Bytes(matrix->data, matrix->data + matrix->n_bytes), 24), 4.0);
    EXPECT_TRUE(matrix->required);
    EXPECT_FALSE(file.find("note")->required);
    EXPECT_EQ(file.find("no_such"), nullptr);
}

TEST(TableFile, NewerMinorIsAccepted) {
    Bytes bytes = three_sections().bytes();
    put<std::uint16_t>(bytes, kMinor, 7);
    repair(bytes);
    EXPECT_EQ(dpc::TableFile(bytes.data(), bytes.size()).minor_version(), 7);
}

TEST(TableFile, EmptyArraysAndNoSections) {
    TableBuilder file;
    EXPECT_EQ(refusal(file.bytes()), "accepted");
    file.text("nothing", "");
    file.f64("none", {0, 3}, {});
    EXPECT_EQ(refusal(file.bytes()), "accepted");
}

TEST(TableFile, EveryTruncationIsRefused) {
    const Bytes whole = three_sections().bytes();
    for (std::size_t n = 0; n < whole.size(); ++n) {
        Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_NE(refusal(cut), "accepted") << n;
        repair(cut);
        EXPECT_NE(refusal(cut), "accepted") << n << " with fitting checksums";
    }
}

TEST(TableFile, EveryFlippedBitIsRefused) {
    Bytes bytes = three_sections().bytes();
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
        bytes[bit / 8] ^= static_cast<unsigned char>(1U << (bit % 8));
        EXPECT_NE(refusal(bytes), "accepted") << "byte " << bit / 8;
        bytes[bit / 8] ^= static_cast<unsigned char>(1U << (bit % 8));
    }
}

class ReadFile : public testing::Test {
protected:
    std::string path_ = testing::TempDir() + "dpc_read_file_" + testing::UnitTest::GetInstance()->current_test_info()->name();

    void write(const Bytes& bytes) {
        std::ofstream file(path_, std::ios::binary);
        file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    void TearDown() override { std::remove(path_.c_str()); }

    std::string error() {
        try {
            dpc::Model::from_file(path_);
        } catch (const dpc::FormatError& e) {
            return e.what();
        }
        return "accepted";
    }
};

TEST_F(ReadFile, WholeFile) {
    const Bytes bytes(3 * 1024 * 1024 + 17, 'x');
    write(bytes);
    EXPECT_EQ(dpc::read_file(path_), bytes);
}

TEST_F(ReadFile, Model) {
    write(small_model().bytes());
    EXPECT_EQ(dpc::Model::from_file(path_)->type_map.size(), 2U);
}

TEST_F(ReadFile, MissingFile) { EXPECT_EQ(error(), path_ + ": no such file"); }

TEST_F(ReadFile, EmptyFile) {
    write({});
    EXPECT_EQ(error(), path_ + ": the file is empty");
}

TEST_F(ReadFile, Folder) {
    path_ = testing::TempDir();
    EXPECT_EQ(error(), path_ + ": is a folder, expected a table file");
}

TEST_F(ReadFile, Device) {
    path_ = "/dev/null";
    EXPECT_EQ(error(), path_ + ": is not a regular file");
    path_ = testing::TempDir() + "nothing to remove";
}

TEST_F(ReadFile, TrainedModelNamesTheCommand) {
    write({'P', 'K', 3, 4, 20, 0});
    EXPECT_NE(error().find("python -m pybuild " + path_ + " tables.bin"), std::string::npos) << error();
}

TEST_F(ReadFile, DamageNamesTheFile) {
    Bytes bytes = small_model().bytes();
    bytes.pop_back();
    write(bytes);
    EXPECT_EQ(error().find(path_ + ": "), 0U) << error();
}

}  // namespace
