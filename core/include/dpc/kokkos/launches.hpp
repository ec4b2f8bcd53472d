// SPDX-License-Identifier: MIT
// Kernels that are launched at once, or kept until those of several chunks are there: what these launch of the same kind becomes one launch.
// A small system is as fast as a GPU can begin its kernels, and has a chunk of each type.
#pragma once

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dpc/kokkos/pack.hpp"

namespace dpc::kokkos {

/// Chunks that are evaluated together at most, on a GPU. Their arguments go to a kernel side by side.
constexpr int kMostTogether = 2;

/// A launch that the driver refuses, too many registers for instance, leaves arrays as they are: Kokkos does not ask, and no later call says so. The
/// driver keeps one such error for each thread, also those of others.
template <class ExecSpace>
const char* take_refusal() {
#if defined(KOKKOS_ENABLE_CUDA)
    if constexpr (std::is_same_v<ExecSpace, Kokkos::Cuda>) {
        const cudaError_t error = cudaGetLastError();
        return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
    }
#elif defined(KOKKOS_ENABLE_HIP)
    if constexpr (std::is_same_v<ExecSpace, Kokkos::HIP>) {
        const hipError_t error = hipGetLastError();
        return error == hipSuccess ? nullptr : hipGetErrorString(error);
    }
#endif
    return nullptr;
}
template <class ExecSpace>
void forget_refused_launches() {
    take_refusal<ExecSpace>();
}
template <class ExecSpace>
void check_launches() {
    if (const char* refusal = take_refusal<ExecSpace>()) {
        throw std::runtime_error(std::string("the GPU did not take a kernel: ") + refusal);
    }
}

/// A launch that is kept.
template <class ExecSpace>
class AnyLaunch {
public:
    AnyLaunch() = default;
    AnyLaunch(const AnyLaunch&) = delete;
    AnyLaunch& operator=(const AnyLaunch&) = delete;
    virtual ~AnyLaunch() = default;
    virtual bool join(const AnyLaunch& other) = 0;
    virtual void run(const ExecSpace& space) const = 0;
};

template <class ExecSpace>
using KeptLaunches = std::vector<std::unique_ptr<AnyLaunch<ExecSpace>>>;

template <class ExecSpace>
void run_all(const KeptLaunches<ExecSpace>& launches, const ExecSpace& space) {
    for (const auto& launch : launches) {
        launch->run(space);
    }
}

template <class ExecSpace>
class Launches {
public:
    explicit Launches(const ExecSpace& space) : space_(space) {}

    const ExecSpace& space() const { return space_; }

    /// From here on, until take_all, launches are kept.
    void keep_chunk() { chunks_.emplace_back(); }

    /// Launch: void run(const ExecSpace&), and bool join(const Launch&), which takes the other one over if it can.
    template <class Launch>
    void add(Launch launch) {
        if (chunks_.empty()) {
            launch.run(space_);
        } else {
            chunks_.back().push_back(std::make_unique<Kept<Launch>>(std::move(launch)));
        }
    }

    /// What was kept, those of a chunk in their order. Chunks do not depend on each other: a launch of one is joined with the first of
    /// another that is of its kind, and comes after what this one has before it.
    KeptLaunches<ExecSpace> take_all() {
        KeptLaunches<ExecSpace> all;
        for (std::size_t c = 0; c < chunks_.size(); ++c) {
            for (auto& launch : chunks_[c]) {
                for (std::size_t other = c + 1; launch != nullptr && other < chunks_.size(); ++other) {
                    join_first(*launch, chunks_[other], all);
                }
                take(launch, all);
            }
        }
        chunks_.clear();
        return all;
    }

private:
    template <class Launch>
    struct Kept final : AnyLaunch<ExecSpace> {
        explicit Kept(Launch&& what) : launch(std::move(what)) {}
        bool join(const AnyLaunch<ExecSpace>& other) override {
            const auto* same = dynamic_cast<const Kept*>(&other);
            return same != nullptr && launch.join(same->launch);
        }
        void run(const ExecSpace& space) const override { launch.run(space); }
        Launch launch;
    };

    using Chunk = KeptLaunches<ExecSpace>;  // null: was taken

    static void take(std::unique_ptr<AnyLaunch<ExecSpace>>& launch, KeptLaunches<ExecSpace>& to) {
        if (launch != nullptr) {
            to.push_back(std::move(launch));
        }
    }
    static void join_first(AnyLaunch<ExecSpace>& launch, Chunk& others, KeptLaunches<ExecSpace>& taken) {
        const auto found = std::find_if(others.begin(), others.end(),
                                        [&](const auto& other) { return other != nullptr && launch.join(*other); });
        if (found != others.end()) {
            std::for_each(others.begin(), found, [&](auto& before) { take(before, taken); });
            found->reset();
        }
    }

    const ExecSpace& space_;
    std::vector<Chunk> chunks_;
};

/// What chunks pass to one kernel. Part has what is to be done for one of them, and n, how many indices that are.
template <class Part>
struct Together {
    Part parts[kMostTogether];  // the first n_parts
    int n_parts = 1;

    explicit Together(const Part& only) : Together(only, std::make_index_sequence<kMostTogether>{}) {}

    bool join(const Together& other) {
        if (n_parts + other.n_parts > kMostTogether) {
            return false;
        }
        std::copy(other.parts, other.parts + other.n_parts, parts + n_parts);
        n_parts += other.n_parts;
        return true;
    }
    int n() const {
        int sum = 0;
        for (int p = 0; p < n_parts; ++p) {
            sum += parts[p].n;
        }
        return sum;
    }
    /// The part that an index belongs to; the index becomes one of that part's.
    KOKKOS_FORCEINLINE_FUNCTION const Part& part_of(int& index) const {
        int p = 0;
        while (p + 1 < n_parts && index >= parts[p].n) {
            index -= parts[p].n;
            ++p;
        }
        return parts[p];
    }

private:
    /// Lists and views need not have an empty state: what is not there is a copy.
    template <std::size_t... PLACES>
    Together(const Part& only, std::index_sequence<PLACES...>) : parts{(static_cast<void>(PLACES), only)...} {}
};

}  // namespace dpc::kokkos
