// SPDX-License-Identifier: MIT
// CRC32C against the values of RFC 3720 (appendix B.4) and against one bit at a time.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "crc32c.hpp"

namespace {

using Function = std::uint32_t (*)(const void*, std::size_t, std::uint32_t);

std::uint32_t bit_by_bit(const std::vector<unsigned char>& bytes) {
    std::uint32_t state = 0xFFFFFFFF;
    for (const unsigned char byte : bytes) {
        state ^= byte;
        for (int bit = 0; bit < 8; ++bit) {
            state = (state & 1) != 0 ? (state >> 1) ^ 0x82F63B78U : state >> 1;
        }
    }
    return ~state;
}

std::vector<unsigned char> pattern(std::size_t n) {
    std::vector<unsigned char> bytes(n);
    for (std::size_t k = 0; k < n; ++k) {
        bytes[k] = static_cast<unsigned char>(k * k * 31 + k * 7 + 3);
    }
    return bytes;
}

class Crc32c : public testing::TestWithParam<Function> {};

TEST_P(Crc32c, KnownValues) {
    std::vector<unsigned char> up(32), down(32);
    for (std::size_t k = 0; k < 32; ++k) {
        up[k] = static_cast<unsigned char>(k);
        down[k] = static_cast<unsigned char>(31 - k);
    }
    EXPECT_EQ(GetParam()("", 0, 0), 0U);
    EXPECT_EQ(GetParam()("123456789", 9, 0), 0xE3069283U);
    EXPECT_EQ(GetParam()(std::vector<unsigned char>(32, 0x00).data(), 32, 0), 0x8A9136AAU);
    EXPECT_EQ(GetParam()(std::vector<unsigned char>(32, 0xFF).data(), 32, 0), 0x62A8AB43U);
    EXPECT_EQ(GetParam()(up.data(), 32, 0), 0x46DD794EU);
    EXPECT_EQ(GetParam()(down.data(), 32, 0), 0x113FDB5CU);
}

TEST_P(Crc32c, AnyLengthAndStart) {
    for (std::size_t n = 0; n < 70; ++n) {
        const std::vector<unsigned char> bytes = pattern(n);
        EXPECT_EQ(GetParam()(bytes.data(), n, 0), bit_by_bit(bytes)) << n;
        for (std::size_t start = 0; start < n && start < 9; ++start) {
            const std::vector<unsigned char> tail(bytes.begin() + static_cast<std::ptrdiff_t>(start), bytes.end());
            EXPECT_EQ(GetParam()(bytes.data() + start, n - start, 0), bit_by_bit(tail)) << n << " from " << start;
        }
    }
}

TEST_P(Crc32c, ContinuesWhereItStopped) {
    const std::vector<unsigned char> bytes = pattern(1000);
    for (const std::size_t cut : {0U, 1U, 63U, 64U, 501U, 1000U}) {
        EXPECT_EQ(GetParam()(bytes.data() + cut, bytes.size() - cut, GetParam()(bytes.data(), cut, 0)), bit_by_bit(bytes)) << cut;
    }
}

std::string name_of(const testing::TestParamInfo<Function>& info) { return info.index == 0 ? "fastest" : "portable"; }
INSTANTIATE_TEST_SUITE_P(Each, Crc32c, testing::Values(&dpc::crc32c, &dpc::crc32c_portable), name_of);

}  // namespace
