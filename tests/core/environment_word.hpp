// SPDX-License-Identifier: MIT
// A variable of the environment for the length of a test.
#pragma once

#include <cstdlib>
#include <string>

namespace dpc::test {

/// As it was when the guard dies.
class EnvironmentWord {
public:
    EnvironmentWord(const char* name, const char* value) : name_(name) {
        const char* before = std::getenv(name);
        was_set_ = before != nullptr;
        before_ = was_set_ ? before : "";
        setenv(name, value, 1);
    }
    ~EnvironmentWord() { was_set_ ? setenv(name_.c_str(), before_.c_str(), 1) : unsetenv(name_.c_str()); }
    EnvironmentWord(const EnvironmentWord&) = delete;
    EnvironmentWord& operator=(const EnvironmentWord&) = delete;

private:
    std::string name_, before_;
    bool was_set_;
};

}  // namespace dpc::test
