// SPDX-License-Identifier: MIT
// Typed access to the sections of a TableFile with the checks that all sections share: presence, dtype, shape, finite values. It
// remembers what was asked for, so that required sections nobody knows can be refused.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "table_file.hpp"

namespace dpc {

class SectionReader {
public:
    explicit SectionReader(const TableFile& file) : file_(file), known_(std::make_shared<std::set<std::string>>()) {}
    /// Of those whose names begin with a prefix, which names are given without.
    SectionReader(const SectionReader& all, const std::string& prefix)
        : file_(all.file_), prefix_(all.prefix_ + prefix), known_(all.known_) {}

    using Shape = std::vector<std::uint64_t>;
    /// In a Shape: any extent that an int can hold.
    static constexpr std::uint64_t kAny = UINT64_MAX;

    bool has(const std::string& name) const { return file_.find(prefix_ + name) != nullptr; }
    /// Of that dtype and shape. Throws ModelError where it is absent or different.
    const Section& get(const std::string& name, DType dtype, const Shape& shape);
    /// UTF-8.
    std::string text(const std::string& name);
    int integer(const std::string& name, int at_least);
    double number(const std::string& name);
    /// Exactly that shape, finite.
    const double* doubles(const std::string& name, const Shape& shape);
    const std::int32_t* integers(const std::string& name, const Shape& shape);
    /// Throws ModelError if the file holds a required section, of that prefix, that was never asked for.
    void refuse_unknown() const;

private:
    const TableFile& file_;
    std::string prefix_;
    std::shared_ptr<std::set<std::string>> known_;
};

/// ModelError "unusable table file: section 'NAME': PROBLEM".
[[noreturn]] void model_error(const std::string& name, const std::string& problem);

/// The same for what the format has and this version does not evaluate: "PROBLEM, which this version .."
[[noreturn]] void not_evaluated(const std::string& name, const std::string& problem);

/// A limit of format 1: keeps sizes and their products inside the integers of every evaluator. Throws ModelError.
void require_at_most(const std::string& name, std::int64_t value, std::int64_t most);

/// Short form for messages.
std::string number_text(double value);

}  // namespace dpc
