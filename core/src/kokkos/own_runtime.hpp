// SPDX-License-Identifier: MIT
// The Kokkos that this library brings along: started when the first evaluator asks for it, ended with the program (or when the plugin
// is unloaded). A Kokkos that somebody else in the program has started is used as it is and left to them. Views must not outlive
// Kokkos, so that whoever owns some is told to drop them first.
#pragma once

#include <mutex>
#include <set>

namespace dpc::kokkos {

/// An owner of device memory.
class DeviceOwner {
public:
    DeviceOwner();
    virtual ~DeviceOwner();
    DeviceOwner(const DeviceOwner&) = delete;
    DeviceOwner& operator=(const DeviceOwner&) = delete;
    /// Kokkos is about to end.
    virtual void drop() = 0;
};

/// Start Kokkos if it does not run yet. device: number of the GPU, -1: whichever, the first if it does not run. Throws InputError where Kokkos has ended already or
/// runs on another GPU.
void start_kokkos(int n_threads, int device);

/// GPUs that this build has code for: the first ones of the driver's list, fast ones first, up to one that it has none for.
int count_gpus();

/// One engine on the GPU at a time, whatever thread calls it: all share one stream, and what Kokkos needs for its sums. The GPU of Kokkos is also this
/// thread's then.
class TurnOnGpu {
public:
    TurnOnGpu();  // throws nothing: also for what is destroyed

private:
    std::unique_lock<std::mutex> lock_;
};

}  // namespace dpc::kokkos
