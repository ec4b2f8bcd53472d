// SPDX-License-Identifier: MIT
// See section_reader.hpp.
#include "section_reader.hpp"

#include <cmath>
#include <cstdio>

#include "dpc/errors.hpp"

namespace dpc {
namespace {

/// Fits an int with room for rounding up.
constexpr std::uint64_t kMostExtent = 1U << 30;

std::string expected_text(const SectionReader::Shape& shape) {
    std::string text = "(";
    for (std::size_t k = 0; k < shape.size(); ++k) {
        text += (k == 0 ? "" : ", ") + (shape[k] == SectionReader::kAny ? "any" : std::to_string(shape[k]));
    }
    return text + ")";
}

bool fits(const SectionReader::Shape& found, const SectionReader::Shape& expected) {
    if (found.size() != expected.size()) {
        return false;
    }
    for (std::size_t k = 0; k < expected.size(); ++k) {
        if (expected[k] == SectionReader::kAny ? found[k] > kMostExtent : found[k] != expected[k]) {
            return false;
        }
    }
    return true;
}

/// Bytes of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates, up to U+10FFFF); 0 if there is none.
std::size_t utf8_length(const unsigned char* p, const unsigned char* end) {
    const unsigned char lead = p[0];
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (length == 0 || static_cast<std::size_t>(end - p) < length) {
        return 0;
    }
    for (std::size_t k = 1; k < length; ++k) {
        if ((p[k] & 0xC0) != 0x80) {
            return 0;
        }
    }
    const bool too_long = (lead == 0xE0 && p[1] < 0xA0) || (lead == 0xF0 && p[1] < 0x90);
    const bool out_of_range = (lead == 0xED && p[1] >= 0xA0) || (lead == 0xF4 && p[1] >= 0x90);
    return too_long || out_of_range ? 0 : length;
}

}  // namespace

void model_error(const std::string& name, const std::string& problem) {
    throw ModelError("unusable table file: section '" + name + "': " + problem);
}

void not_evaluated(const std::string& name, const std::string& problem) {
    model_error(name, problem + ", which this version does not evaluate; install a newer version");
}

void require_at_most(const std::string& name, std::int64_t value, std::int64_t most) {
    if (value > most) {
        model_error(name, "is " + std::to_string(value) + ", format 1 allows at most " + std::to_string(most));
    }
}

std::string number_text(double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.10g", value);
    return buffer;
}

const Section& SectionReader::get(const std::string& name, DType dtype, const Shape& shape) {
    const Section* section = file_.find(prefix_ + name);
    if (section == nullptr) {
        model_error(name, "is missing");
    }
    known_->insert(prefix_ + name);
    if (section->dtype != dtype) {
        model_error(name, std::string("has dtype ") + dtype_name(section->dtype) + ", expected " + dtype_name(dtype));
    }
    if (!fits(section->shape, shape)) {
        model_error(name, "has shape " + shape_text(section->shape) + ", expected " + expected_text(shape));
    }
    return *section;
}

std::string SectionReader::text(const std::string& name) {
    const Section& section = get(name, DType::u8, {kAny});
    const unsigned char* end = section.data + section.n_bytes;
    for (const unsigned char* p = section.data; p < end;) {
        const std::size_t length = utf8_length(p, end);
        if (length == 0) {
            model_error(name, "byte " + std::to_string(p - section.data) + " is not UTF-8 text");
        }
        p += length;
    }
    return {section.data, end};
}

int SectionReader::integer(const std::string& name, int at_least) {
    const int value = *integers(name, {});
    if (value < at_least) {
        model_error(name, "is " + std::to_string(value) + ", expected at least " + std::to_string(at_least));
    }
    return value;
}

double SectionReader::number(const std::string& name) { return *doubles(name, {}); }

const double* SectionReader::doubles(const std::string& name, const Shape& shape) {
    const Section& section = get(name, DType::f64, shape);
    const auto* values = reinterpret_cast<const double*>(section.data);
    for (std::uint64_t k = 0; k < section.n_bytes / sizeof(double); ++k) {
        if (!std::isfinite(values[k])) {
            model_error(name, "element " + std::to_string(k) + " is not a finite number");
        }
    }
    return values;
}

const std::int32_t* SectionReader::integers(const std::string& name, const Shape& shape) {
    return reinterpret_cast<const std::int32_t*>(get(name, DType::i32, shape).data);
}

void SectionReader::refuse_unknown() const {
    for (const Section& section : file_.sections()) {
        const bool is_mine = section.name.compare(0, prefix_.size(), prefix_) == 0;
        if (section.required && is_mine && known_->count(section.name) == 0) {
            model_error(section.name.substr(prefix_.size()),
                        "is required by the file but unknown to this version, or not of this model");
        }
    }
}

}  // namespace dpc
