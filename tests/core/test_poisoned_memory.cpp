// SPDX-License-Identifier: MIT
// What the host reads or writes of a device's memory outside of kernels and copies: with AddressSanitizer every allocation of ours (their
// labels begin with "dpc::") is poisoned while neither runs, so that an access ends the program.
#include <Kokkos_Core.hpp>

#include <sanitizer/asan_interface.h>

#include <cstring>
#include <map>

#include "descriptor_models.hpp"
#include "kokkos_test.hpp"

namespace {

using namespace dpc::test;
namespace hooks = Kokkos::Tools::Experimental;

/// The device's memory; on a processor Kokkos puts a header before every allocation and reports where that begins.
class DeviceMemory {
public:
    static void watch() {
        hooks::EventSet events = hooks::get_callbacks();
        events.allocate_data = allocate;
        events.deallocate_data = deallocate;
        events.begin_parallel_for = events.begin_parallel_reduce = events.begin_parallel_scan = begin;
        events.end_parallel_for = events.end_parallel_reduce = events.end_parallel_scan = end;
        events.begin_deep_copy = begin_copy;
        events.end_deep_copy = leave;
        hooks::set_callbacks(events);
    }
    static long allocations() { return n_allocations_; }
    static long kernels() { return n_kernels_; }

private:
    static char* data(const void* address) {
        return static_cast<char*>(const_cast<void*>(address)) + sizeof(Kokkos::Impl::SharedAllocationHeader);
    }
    static void allocate(Kokkos_Profiling_SpaceHandle, const char* label, const void* address, std::uint64_t size) {
        if (std::strncmp(label, "dpc::", 5) != 0) {
            return;
        }
        memory_[data(address)] = size;
        ++n_allocations_;
        if (depth_ == 0) {
            ASAN_POISON_MEMORY_REGION(data(address), size);
        }
    }
    static void deallocate(Kokkos_Profiling_SpaceHandle, const char*, const void* address, std::uint64_t) {
        const auto at = memory_.find(data(address));
        if (at != memory_.end()) {
            ASAN_UNPOISON_MEMORY_REGION(at->first, at->second);
            memory_.erase(at);
        }
    }
    static void enter() {
        if (depth_++ == 0) {
            for (const auto& [address, size] : memory_) {
                ASAN_UNPOISON_MEMORY_REGION(address, size);
            }
        }
    }
    static void leave() {
        if (--depth_ == 0) {
            for (const auto& [address, size] : memory_) {
                ASAN_POISON_MEMORY_REGION(address, size);
            }
        }
    }
    static void begin(const char*, std::uint32_t, std::uint64_t* id) {
        *id = 0;
        ++n_kernels_;
        enter();
    }
    static void end(std::uint64_t) { leave(); }
    static void begin_copy(Kokkos_Profiling_SpaceHandle, const char*, const void*, Kokkos_Profiling_SpaceHandle, const char*,
                           const void*, std::uint64_t) {
        enter();
    }

    static inline std::map<char*, std::size_t> memory_;
    static inline int depth_ = 0;
    static inline long n_allocations_ = 0, n_kernels_ = 0;
};

class PoisonedMemory : public testing::Test {
protected:
    static void SetUpTestSuite() {
        const Way way{dpc::Backend::kokkos_serial, 1, dpc::Precision::float64};
        const dpc::Evaluator first(load(small_model()), way.options());  // starts Kokkos
        DeviceMemory::watch();
    }
};

TEST_F(PoisonedMemory, IsLeftAloneByTheHost) {
    const OpenSystem system(40);
    dpc::Precision precision = dpc::Precision::float64;
    for (const DescriptorCase& c : descriptor_cases()) {
        SCOPED_TRACE(c.name);
        precision = precision == dpc::Precision::mixed ? dpc::Precision::float64 : dpc::Precision::mixed;
        const Way way{dpc::Backend::kokkos_serial, 1, precision};
        dpc::Evaluator evaluator(c.model, way.options()), host(c.model, 1, precision);
        Step found, expected;
        for (int n = 0; n < 2; ++n) {  // a second list and step: what is kept
            for (dpc::Evaluator* each : {&evaluator, &host}) {
                each->set_neighbours(system.n_atoms(), system.types.data(), system.list());
            }
            found.compute(evaluator, system.positions(n));
            expected.compute(host, system.positions(n));
            expect_same(found, expected, way);
        }
    }
    EXPECT_GT(DeviceMemory::allocations(), 100);
    EXPECT_GT(DeviceMemory::kernels(), 500);
}

TEST_F(PoisonedMemory, IsSeenToBeTouched) {
    const Kokkos::View<double*, Kokkos::HostSpace> view("dpc::touched", 8);
    EXPECT_TRUE(__asan_address_is_poisoned(view.data()));
    EXPECT_DEATH(Kokkos::printf("%g", view(3)), "use-after-poison");
}

}  // namespace
