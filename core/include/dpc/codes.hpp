// SPDX-License-Identifier: MIT
// Codes that a tables.bin stores as numbers (docs/tables-format.md section 3), in the order of their values.
#pragma once

namespace dpc {

enum class Activation { linear, tanh, gelu, relu, relu6, softplus, sigmoid, silu, silut };
enum class Skip { none, identity, doubled };
enum class PairKind { ordinary, descriptor_excluded, model_excluded, absent };

}  // namespace dpc
