// SPDX-License-Identifier: MIT
// See own_runtime.hpp.
#include "own_runtime.hpp"

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>
#if defined(KOKKOS_ENABLE_OPENMP)
#include <omp.h>
#endif

#include "dpc/errors.hpp"

namespace dpc::kokkos {
namespace {

/// Never destroyed: owners may die later than static objects.
struct Registry {
    std::mutex mutex;
    std::set<DeviceOwner*> owners;
    bool hook_is_set = false;
};

Registry& registry() {
    static auto* const one = new Registry;
    return *one;
}

void drop_all() {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    for (DeviceOwner* owner : registry().owners) {
        owner->drop();
    }
}

void end_kokkos() {
    if (Kokkos::is_initialized() && !Kokkos::is_finalized()) {
        Kokkos::finalize();
    }
}

/// On a GPU that the build has no code for Kokkos would end the program, or the first kernel fail.
bool has_code_for([[maybe_unused]] int device) {
#if defined(KOKKOS_ENABLE_CUDA) && defined(__CUDA_ARCH_LIST__)
    constexpr int compiled_for[] = {__CUDA_ARCH_LIST__};  // 900: 9.0. The driver compiles for newer GPUs what is for older ones
    int major = 0, minor = 0;
    return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
           cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) == cudaSuccess &&
           100 * major + 10 * minor >= *std::min_element(std::begin(compiled_for), std::end(compiled_for));
#elif defined(KOKKOS_ENABLE_HIP)
    hipDeviceProp_t properties;  // the name may go on with features, gfx90a:sramecc+:xnack-
    return hipGetDeviceProperties(&properties, device) == hipSuccess &&
           std::string(properties.gcnArchName).find(KOKKOS_ARCH_AMD_GPU) == 0;
#else
    return true;
#endif
}

void initialize(int n_threads, int device) {
#if defined(KOKKOS_ENABLE_OPENMP)
    const int before = omp_get_max_threads();  // the program's, which Kokkos would change
#endif
    Kokkos::InitializationSettings settings;
    settings.set_num_threads(n_threads);
    settings.set_disable_warnings(true);
    if (count_gpus() > 0) {
        settings.set_device_id(device < 0 ? 0 : device);
    }
    Kokkos::initialize(settings);
#if defined(KOKKOS_ENABLE_OPENMP)
    omp_set_num_threads(before);
#endif
    std::atexit(end_kokkos);
}

}  // namespace

DeviceOwner::DeviceOwner() {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    registry().owners.insert(this);
}

DeviceOwner::~DeviceOwner() {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    registry().owners.erase(this);
}

void start_kokkos(int n_threads, int device) {
    if (Kokkos::is_finalized()) {
        throw InputError("Kokkos has ended in this program and cannot be started again");
    }
    if (device >= 0 && device >= count_gpus()) {
        throw InputError("GPU " + std::to_string(device) + " was asked for, but this machine has " +
                         std::to_string(count_gpus()) + " that this build has code for, numbered from 0");
    }
    const std::lock_guard<std::mutex> lock(registry().mutex);
    if (!Kokkos::is_initialized()) {
        initialize(n_threads, device);
    } else if (device >= 0 && device != Kokkos::device_id()) {
        throw InputError("GPU " + std::to_string(device) + " was asked for, but this program runs on GPU " +
                         std::to_string(Kokkos::device_id()) + " already; a program uses one");
    }
    if (!registry().hook_is_set) {
        Kokkos::push_finalize_hook(drop_all);
        registry().hook_is_set = true;
    }
}

TurnOnGpu::TurnOnGpu() {
    static auto* const mutex = new std::mutex;  // never destroyed, as the registry
    lock_ = std::unique_lock<std::mutex>(*mutex);
#if defined(KOKKOS_ENABLE_HIP)
    // Every thread has a GPU of its own choice, and other libraries may choose; with CUDA Kokkos sets it at every call. Where this fails,
    // what follows does, too, and says why.
    if (Kokkos::is_initialized()) {
        static_cast<void>(hipSetDevice(Kokkos::device_id()));
    }
#endif
}

/// Asks the driver, which needs no context: Kokkos need not run.
int count_gpus() {
    int n = 0;
#if defined(KOKKOS_ENABLE_CUDA)
    n = cudaGetDeviceCount(&n) == cudaSuccess ? n : 0;
#elif defined(KOKKOS_ENABLE_HIP)
    n = hipGetDeviceCount(&n) == hipSuccess ? n : 0;
#endif
    int usable = 0;
    while (usable < n && has_code_for(usable)) {
        ++usable;
    }
    return usable;
}

}  // namespace dpc::kokkos
