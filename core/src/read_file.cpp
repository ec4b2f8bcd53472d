// SPDX-License-Identifier: MIT
// A whole file into memory, with one clear message for each way in which that fails.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "dpc/errors.hpp"
#include "dpc/model.hpp"
#include "table_file.hpp"

namespace dpc {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;
constexpr std::size_t kFirstBytes = 512;  // enough to recognise a trained model

[[noreturn]] void fail(const std::string& path, const std::string& problem) { throw FormatError(path + ": " + problem); }

void check_kind(const std::string& path) {
    std::error_code code;
    const std::filesystem::file_status status = std::filesystem::status(path, code);
    if (status.type() == std::filesystem::file_type::not_found) {
        fail(path, "no such file");
    }
    if (status.type() == std::filesystem::file_type::none) {
        fail(path, "cannot be opened: " + code.message());
    }
    if (std::filesystem::is_directory(status)) {
        fail(path, "is a folder, expected a table file");
    }
    if (!std::filesystem::is_regular_file(status)) {
        fail(path, "is not a regular file");
    }
}

}  // namespace

std::vector<unsigned char> read_file(const std::string& path) {
    check_kind(path);
    const auto close = [](std::FILE* file) { std::fclose(file); };
    const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
    if (file == nullptr) {
        fail(path, std::string("cannot be opened: ") + std::strerror(errno));
    }
    std::vector<unsigned char> bytes(kFirstBytes);
    bytes.resize(std::fread(bytes.data(), 1, kFirstBytes, file.get()));
    const std::string trained = trained_model_message(bytes.data(), bytes.size(), path);
    if (!trained.empty()) {
        fail(path, trained);
    }
    std::size_t n_read = bytes.size();
    while (n_read > 0 && std::feof(file.get()) == 0 && std::ferror(file.get()) == 0) {
        const std::size_t n = bytes.size();
        bytes.resize(n + kChunk);
        n_read = std::fread(bytes.data() + n, 1, kChunk, file.get());
        bytes.resize(n + n_read);
    }
    if (std::ferror(file.get()) != 0) {
        fail(path, std::string("cannot be read: ") + std::strerror(errno));
    }
    if (bytes.empty()) {
        fail(path, "the file is empty");
    }
    return bytes;
}

std::shared_ptr<const Model> Model::from_file(const std::string& path) {
    const std::vector<unsigned char> bytes = read_file(path);
    try {
        return from_bytes(bytes.data(), bytes.size());
    } catch (const FormatError& error) {
        throw FormatError(path + ": " + error.what());
    } catch (const ModelError& error) {
        throw ModelError(path + ": " + error.what());
    }
}

}  // namespace dpc
