// SPDX-License-Identifier: MIT
// See dpc/team.hpp.
#include "dpc/team.hpp"

#include <unistd.h>

#include <atomic>

namespace dpc {

int team_size(int n_threads) {
    static std::atomic<pid_t> first{0};  // the process that started threads first, here or before a fork
    if (n_threads <= 1) {
        return n_threads;
    }
    const pid_t self = getpid();
    pid_t known = 0;
    return first.compare_exchange_strong(known, self) || known == self ? n_threads : 1;
}

}  // namespace dpc
