// SPDX-License-Identifier: MIT
// Codes that a tables.bin stores as numbers (docs/tables-format.md section 3), in the order of their values.
#pragma once

namespace dpc {

enum class Activation { linear, tanh, gelu, relu, relu6, softplus, sigmoid, silu, silut, gelu_erf };
enum class Skip { none, identity, doubled };
/// Excluded by the descriptor: neighbours fill their slots (descriptor_excluded), or every slot is masked (section_excluded); excluded
/// by the model: neighbours vanish, their slots are empty; absent: sel of the neighbour type is 0.
enum class PairKind { ordinary, descriptor_excluded, model_excluded, absent, section_excluded };
enum class InputForm { direct, square, rectangular, linear };
/// r: rcut - r, so that all of them grow as a pair gets closer.
enum class TableArgument { x, r, product };
/// Which neighbours a centre keeps where there are more than sel (docs/theory.md section 1).
enum class NeighbourRule { all, per_type, total, united, mixed };
enum class DescriptorKind { se_e2_a, se_e2_r, se_e3, se_e3_tebd };

/// Sums are over pairs of neighbours.
constexpr bool is_three_body(DescriptorKind kind) { return kind == DescriptorKind::se_e3 || kind == DescriptorKind::se_e3_tebd; }

/// As in the file, and for people.
const char* name_of(DescriptorKind kind);

}  // namespace dpc
