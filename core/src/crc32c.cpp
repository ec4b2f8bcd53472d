// SPDX-License-Identifier: MIT
// Eight bytes at a time: with one table per byte position ("slicing by 8"), or with the CRC32 instruction of SSE 4.2, which is
// chosen when the program runs.
#include "crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define DPC_HAVE_SSE42_CRC
#include <nmmintrin.h>
#endif

namespace dpc {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

/// tables[k][b]: the remainder of byte b followed by k zero bytes.
constexpr Tables make_tables() {
    Tables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t remainder = byte;
        for (int bit = 0; bit < 8; ++bit) {
            remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kReflectedPolynomial : 0);
        }
        tables[0][byte] = remainder;
    }
    for (std::size_t k = 1; k < 8; ++k) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t before = tables[k - 1][byte];
            tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
    return tables;
}

constexpr Tables kTables = make_tables();

#ifdef DPC_HAVE_SSE42_CRC
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(const void* data, std::size_t n_bytes, std::uint32_t previous) {
    const auto* p = static_cast<const unsigned char*>(data);
    std::uint64_t state = ~previous;
    for (; n_bytes >= 8; n_bytes -= 8, p += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, p, 8);
        state = _mm_crc32_u64(state, word);
    }
    auto tail = static_cast<std::uint32_t>(state);
    for (; n_bytes > 0; --n_bytes, ++p) {
        tail = _mm_crc32_u8(tail, *p);
    }
    return ~tail;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(const void* data, std::size_t n_bytes, std::uint32_t previous) {
    const auto* p = static_cast<const unsigned char*>(data);
    std::uint32_t state = ~previous;
    for (; n_bytes >= 8; n_bytes -= 8, p += 8) {
        std::uint32_t next = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            next ^= kTables[7 - k][((state >> (8 * k)) ^ p[k]) & 0xFF] ^ kTables[3 - k][p[4 + k]];
        }
        state = next;
    }
    for (; n_bytes > 0; --n_bytes, ++p) {
        state = (state >> 8) ^ kTables[0][(state ^ *p) & 0xFF];
    }
    return ~state;
}

std::uint32_t crc32c(const void* data, std::size_t n_bytes, std::uint32_t previous) {
#ifdef DPC_HAVE_SSE42_CRC
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) {
        return crc32c_sse42(data, n_bytes, previous);
    }
#endif
    return crc32c_portable(data, n_bytes, previous);
}

}  // namespace dpc
