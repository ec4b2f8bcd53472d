// SPDX-License-Identifier: MIT
// What a step launches, kept as graphs of the driver's for the steps that follow on the same list: of a small system, whose kernels end
// sooner than the next is launched, all of a group of chunks is one launch then. docs/kokkos.md says what is in it and what is not.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "dpc/kokkos/launches.hpp"
#include "dpc/kokkos/warp.hpp"

namespace dpc::kokkos {

#if defined(KOKKOS_ENABLE_CUDA)
struct CudaGraphs {
    using Space = Kokkos::Cuda;
    using Status = cudaError_t;
    using Graph = cudaGraph_t;
    using Executable = cudaGraphExec_t;
    static constexpr Status success = cudaSuccess;
    static const char* text(Status status) { return cudaGetErrorString(status); }
    /// Relaxed: at every launch of teams Kokkos allocates 0 bytes, which is refused otherwise.
    static Status begin(const Space& space) { return cudaStreamBeginCapture(space.cuda_stream(), cudaStreamCaptureModeRelaxed); }
    static Status end(const Space& space, Graph* graph) { return cudaStreamEndCapture(space.cuda_stream(), graph); }
    static Status instantiate(Executable* executable, Graph graph) { return cudaGraphInstantiateWithFlags(executable, graph, 0); }
    static Status launch(const Space& space, Executable executable) { return cudaGraphLaunch(executable, space.cuda_stream()); }
    static void drop(Graph graph) { static_cast<void>(cudaGraphDestroy(graph)); }
    static void drop(Executable executable) { static_cast<void>(cudaGraphExecDestroy(executable)); }
};
#endif
#if defined(KOKKOS_ENABLE_HIP) && !defined(DPC_HAVE_HIPBLAS)
/// Not with hipBLAS: it may put its working memory elsewhere after a product was captured.
struct HipGraphs {
    using Space = Kokkos::HIP;
    using Status = hipError_t;
    using Graph = hipGraph_t;
    using Executable = hipGraphExec_t;
    static constexpr Status success = hipSuccess;
    static const char* text(Status status) { return hipGetErrorString(status); }
    static Status begin(const Space& space) { return hipStreamBeginCapture(space.hip_stream(), hipStreamCaptureModeRelaxed); }
    static Status end(const Space& space, Graph* graph) { return hipStreamEndCapture(space.hip_stream(), graph); }
    static Status instantiate(Executable* executable, Graph graph) {
        return hipGraphInstantiate(executable, graph, nullptr, nullptr, 0);
    }
    static Status launch(const Space& space, Executable executable) { return hipGraphLaunch(executable, space.hip_stream()); }
    static void drop(Graph graph) { static_cast<void>(hipGraphDestroy(graph)); }
    static void drop(Executable executable) { static_cast<void>(hipGraphExecDestroy(executable)); }
};
#endif

/// Of all evaluators of a program so far.
struct GraphCounts {
    std::atomic<long> made{0}, launched{0};
};
inline GraphCounts& graph_counts() {
    static GraphCounts counts;
    return counts;
}

/// A graph that the driver makes of what is launched on an execution space's stream. Nobody else may use the GPU while that is captured:
/// what another thread does is refused, or taken for a part of it.
template <class Calls>
class StreamGraph {
public:
    using Space = typename Calls::Space;
    static constexpr bool is_there = true;

    StreamGraph(const Space& space, const KeptLaunches<Space>& launches) {
        check(Calls::begin(space), "begin");
        typename Calls::Graph graph{};
        try {
            run_all(launches, space);
            check_launches<Space>();  // one that was refused would be missing, in silence
        } catch (...) {
            static_cast<void>(Calls::end(space, &graph));  // what was thrown says more
            drop(graph);
            throw;
        }
        const auto ended = Calls::end(space, &graph);
        const auto made = ended == Calls::success ? Calls::instantiate(&executable_, graph) : ended;
        drop(graph);
        check(made, ended == Calls::success ? "instantiate" : "end");
    }
    ~StreamGraph() { drop(executable_); }
    StreamGraph(StreamGraph&& other) noexcept : executable_(std::exchange(other.executable_, nullptr)) {}
    StreamGraph& operator=(StreamGraph&& other) noexcept {
        std::swap(executable_, other.executable_);
        return *this;
    }

    void launch(const Space& space) const { check(Calls::launch(space, executable_), "launch"); }
    /// Not while Kokkos waits after each kernel.
    static bool can_capture() {
#if defined(KOKKOS_ENABLE_DEBUG_BOUNDS_CHECK)
        return false;
#else
        return !Kokkos::Tools::profileLibraryLoaded();
#endif
    }

private:
    template <class Handle>
    static void drop(Handle handle) {
        if (handle != nullptr) {
            Calls::drop(handle);
        }
    }
    static void check(typename Calls::Status status, const char* what) {
        if (status != Calls::success) {
            throw std::runtime_error(std::string("the GPU's driver did not ") + what + " a graph of launches: " +
                                     Calls::text(status) + "; without DPC_GRAPH=1 in the environment there is none");
        }
    }
    typename Calls::Executable executable_ = nullptr;
};

/// No such driver.
template <class ExecSpace>
struct NoGraph {
    static constexpr bool is_there = false;
    NoGraph(const ExecSpace&, const KeptLaunches<ExecSpace>&) {}
    void launch(const ExecSpace&) const {}
    static bool can_capture() { return false; }
};

template <class ExecSpace>
struct GraphOf {
#if defined(DPC_KOKKOS_LIKE_GPU)
    using type = test::EmulatedGraph<ExecSpace, KeptLaunches<ExecSpace>>;
#else
    using type = NoGraph<ExecSpace>;
#endif
};
#if defined(KOKKOS_ENABLE_CUDA)
template <>
struct GraphOf<Kokkos::Cuda> {
    using type = StreamGraph<CudaGraphs>;
};
#endif
#if defined(KOKKOS_ENABLE_HIP) && !defined(DPC_HAVE_HIPBLAS)
template <>
struct GraphOf<Kokkos::HIP> {
    using type = StreamGraph<HipGraphs>;
};
#endif

/// What went into the launches of a step and may be another in the next: where arrays are and their strides, and numbers.
class StepArguments {
public:
    StepArguments& add(const void* pointer) {
        words_.push_back(reinterpret_cast<std::uintptr_t>(pointer));
        return *this;
    }
    StepArguments& add(double number) {
        words_.emplace_back();
        std::memcpy(&words_.back(), &number, sizeof(number));
        return *this;
    }
    template <class T, class... Traits>
    StepArguments& add(const Kokkos::View<T, Traits...>& view) {
        add(static_cast<const void*>(view.data()));
        words_.push_back(view.stride(0));
        words_.push_back(Kokkos::View<T, Traits...>::rank() > 1 ? view.stride(1) : 0);
        return *this;
    }
    bool operator==(const StepArguments& other) const { return words_ == other.words_; }

private:
    std::vector<std::uint64_t> words_;
};

/// The graphs of one list: of every group of chunks that are evaluated together. The first step with some arguments launches kernel by
/// kernel, the second makes the graphs, those that follow launch them; others between them do as the first.
template <class ExecSpace>
class StepGraphs {
public:
    using Graph = typename GraphOf<ExecSpace>::type;

    /// The list, or memory that arguments do not know, is another.
    void forget() {
        graphs_.clear();
        kept_.reset();
        before_.reset();
    }

    /// A step begins. Without arguments it is not to be kept.
    void start(std::optional<StepArguments> arguments, std::size_t n_groups) {
        group_ = 0;
        does_ = Does::launch;
        launched_.reset();
        if (arguments && arguments == kept_ && graphs_.size() == n_groups) {
            does_ = Does::repeat;
        } else if (arguments && arguments == before_) {
            does_ = Does::keep;
            graphs_.clear();
            kept_ = std::move(arguments);
        } else {
            launched_ = std::move(arguments);
        }
        before_.reset();
    }
    /// It has ended without an error; what is launched from here on is not of the list's groups.
    void end() {
        does_ = Does::launch;
        before_ = std::move(launched_);
        launched_.reset();
    }
    /// Whether the next group's launches are wanted, and whether all of them must be there before they run.
    bool wants_launches() const { return does_ != Does::repeat; }
    bool keeps_launches() const { return does_ == Does::keep; }

    /// The next group: these, or what was kept of it.
    void run(const ExecSpace& space, Launches<ExecSpace>& launches) {
        if (does_ == Does::launch) {
            run_all(launches.take_all(), space);
            return;
        }
        if (does_ == Does::keep) {
            graphs_.emplace_back(space, launches.take_all());
            ++graph_counts().made;
        }
        graphs_[group_].launch(space);
        ++graph_counts().launched;
        ++group_;
    }

private:
    enum class Does { launch, keep, repeat };
    Does does_ = Does::launch;
    std::size_t group_ = 0;
    std::vector<Graph> graphs_;                       // of all groups, or left unfinished by an error
    std::optional<StepArguments> kept_;               // of graphs_
    std::optional<StepArguments> before_, launched_;  // of the step before and of this one, if kernels are launched one by one
};

}  // namespace dpc::kokkos
