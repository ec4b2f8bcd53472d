// SPDX-License-Identifier: GPL-2.0-only
// The file of model deviations, in the format that programs for active learning (DP-GEN) read: a line of
// names, then a line a step, columns of 19 characters.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "model_deviation.hpp"

namespace dpcompressed {

class DeviationFile {
public:
    /// appends: go on with a file that may be there; otherwise what it held is lost. Throws
    /// dpc::InputError where it cannot be written, or another run or pair style is writing it.
    DeviationFile(const std::string& path, bool appends, bool each_atom);

    /// Throws dpc::InputError where the line cannot be written.
    void write(std::int64_t step, const ModelDeviation& deviation);

private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    void flush();

    std::string path_;
    std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace dpcompressed
