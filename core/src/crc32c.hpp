// SPDX-License-Identifier: MIT
// CRC32C, the checksum of a tables.bin: Castagnoli polynomial 0x1EDC6F41, bits reflected, initial and final value inverted
// (RFC 3720, section 12.1).
#pragma once

#include <cstddef>
#include <cstdint>

namespace dpc {

/// CRC32C of n bytes. previous: checksum of the bytes before them, 0 for none. Uses the processor's instruction where it has one.
std::uint32_t crc32c(const void* data, std::size_t n_bytes, std::uint32_t previous = 0);

/// The same without special instructions.
std::uint32_t crc32c_portable(const void* data, std::size_t n_bytes, std::uint32_t previous = 0);

}  // namespace dpc
