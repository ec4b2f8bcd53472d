// SPDX-License-Identifier: MIT
// What model.cpp asks of the other files that turn sections into a Model.
#pragma once

#include "dpc/model.hpp"
#include "section_reader.hpp"

namespace dpc {

/// The fitting net of centre type a; descriptor and tables of the model must be read already. Throws ModelError.
Fitting read_fitting(SectionReader& sections, const Model& model, int a);

}  // namespace dpc
