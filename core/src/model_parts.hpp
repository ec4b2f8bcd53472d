// SPDX-License-Identifier: MIT
// The parts of Model::from_bytes, one function for each group of sections (docs/tables-format.md section 3), in the order in
// which they must run: each relies on what the ones before it have proved. All throw ModelError.
#pragma once

#include "dpc/model.hpp"
#include "section_reader.hpp"

namespace dpc {

void read_types(SectionReader& sections, Model& model);        // model.*
void read_descriptors(SectionReader& sections, Model& model);  // descriptor.*
void read_tables(SectionReader& sections, Model& model);       // table.*
void read_fittings(SectionReader& sections, Model& model);     // fitting.*

/// All of these.
void read_sections(SectionReader& sections, Model& model);
/// Instead of them part.* and switch.*, of a model of several.
void read_parts(SectionReader& sections, Model& model);

}  // namespace dpc
