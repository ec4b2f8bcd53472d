// SPDX-License-Identifier: GPL-2.0-only
// See deviation_file.hpp. Every line is flushed: a run may end at any step.
#include "deviation_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "dpc/errors.hpp"
#include "text.hpp"

namespace dpcompressed {
namespace {

constexpr const char* kNames[ModelDeviation::kValues] = {"max_devi_v", "min_devi_v", "avg_devi_v",
                                                         "max_devi_f", "min_devi_f", "avg_devi_f"};

[[noreturn]] void fail(const std::string& path, const std::string& problem) {
    throw dpc::InputError(text("the file of model deviations (out_file) ", path, " ", problem));
}

/// Whether a file has something in it, or may have, that is not of deviations: those begin with a line of their columns.
bool is_of_others(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    const bool is_empty = file.eof() && line.empty();
    return !is_empty && (line.empty() || line.front() != '#' || line.find(kNames[0]) == std::string::npos);
}

/// Others, /dev/null, have neither owner nor length; /dev/stdout may be a file, in which the program has written already.
bool is_file_of_its_own(int descriptor) {
    struct stat file = {}, standard = {};
    if (fstat(descriptor, &file) != 0 || !S_ISREG(file.st_mode)) {
        return false;
    }
    for (const int known : {STDOUT_FILENO, STDERR_FILENO}) {
        if (fstat(known, &standard) == 0 && standard.st_dev == file.st_dev && standard.st_ino == file.st_ino) {
            return false;
        }
    }
    return true;
}

}  // namespace

DeviationFile::DeviationFile(const std::string& path, bool appends, bool each_atom) : path_(path) {
    // Without O_NONBLOCK the opening of a pipe would wait for somebody who reads it.
    const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0666);
    file_.reset(descriptor >= 0 ? fdopen(descriptor, "a") : nullptr);
    if (!file_) {
        fail(path, errno == ENXIO ? "is a pipe that nobody reads" : text("cannot be opened: ", std::strerror(errno)));
    }
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
    const bool is_own = is_file_of_its_own(descriptor);
    if (is_own) {
        if (is_of_others(path)) {
            fail(path, "is there already and is no such file: remove it or give another name");
        }
        // Some file systems have no locks: then nobody is kept out.
        if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            fail(path, "is being written by another run or pair style: give each its own");
        }
        if (!appends && ftruncate(descriptor, 0) != 0) {
            fail(path, text("cannot be emptied: ", std::strerror(errno)));
        }
    }
    if (!is_own || lseek(descriptor, 0, SEEK_END) <= 0) {
        std::fprintf(file_.get(), "#%11s", "step");
        for (const char* name : kNames) {
            std::fprintf(file_.get(), "%19s", name);
        }
        std::fprintf(file_.get(), "%*s\n", each_atom ? 19 : 0, each_atom ? "atm_devi_f(N)" : "");
        flush();
    }
}

void DeviationFile::write(std::int64_t step, const ModelDeviation& deviation) {
    std::fprintf(file_.get(), "%12lld", static_cast<long long>(step));
    for (const double value : deviation.values()) {
        std::fprintf(file_.get(), "%19.6e", value);
    }
    for (const double value : deviation.of_atoms()) {
        std::fprintf(file_.get(), "%19.6e", value);
    }
    std::fputc('\n', file_.get());
    flush();
}

void DeviationFile::flush() {
    if (std::fflush(file_.get()) != 0 || std::ferror(file_.get()) != 0) {
        fail(path_, text("cannot be written: ", std::strerror(errno)));
    }
}

}  // namespace dpcompressed
