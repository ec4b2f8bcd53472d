// SPDX-License-Identifier: MIT
// Which copy of the kernels runs: the best that this processor has, or the one that DPC_ISA in the environment names.
#include <cstdlib>
#include <cstring>
#include <string>

#include "dpc/errors.hpp"
#include "host/kernels/kernels.hpp"

namespace dpc::host {

/// The tables of functions that the sources of the components define, put together.
#define DPC_KERNELS(isa)                                                                                                      \
    namespace isa {                                                                                                           \
    extern const InBoth<PairKernels> pair_kernels;                                                                            \
    extern const InBoth<TableKernels> table_kernels;                                                                          \
    extern const InBoth<BundleKernels> bundle_kernels;                                                                        \
    extern const InBoth<TripleKernels> triple_kernels;                                                                        \
    extern const InBoth<ProductKernels> product_kernels;                                                                      \
    extern const InBoth<NetKernels> net_kernels;                                                                              \
    static const InBoth<Kernels>& kernels() {                                                                                 \
        static const InBoth<Kernels> all = {{#isa, pair_kernels.in_double, table_kernels.in_double, bundle_kernels.in_double, \
                                             triple_kernels.in_double, product_kernels.in_double, net_kernels.in_double},     \
                                            {#isa, pair_kernels.in_float, table_kernels.in_float, bundle_kernels.in_float,    \
                                             triple_kernels.in_float, product_kernels.in_float, net_kernels.in_float}};       \
        return all;                                                                                                           \
    }                                                                                                                         \
    }
DPC_KERNELS(portable)
#if defined(DPC_HAVE_X86_KERNELS)
DPC_KERNELS(x86_64_v2)
DPC_KERNELS(x86_64_v3)
DPC_KERNELS(x86_64_v4)
#endif

namespace {

struct Candidate {
    const InBoth<Kernels>& kernels;
    bool runs_here;
    const char* name() const { return kernels.in_double.name; }
};

const InBoth<Kernels>& select() {
    // Best first.
    const Candidate candidates[] = {
#if defined(DPC_HAVE_X86_KERNELS)
        {x86_64_v4::kernels(), __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                   __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                                   __builtin_cpu_supports("avx512vl")},
        {x86_64_v3::kernels(), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")},
        {x86_64_v2::kernels(), __builtin_cpu_supports("sse4.2") != 0},
#endif
        {portable::kernels(), true}};
    const char* wanted = std::getenv("DPC_ISA");
    for (const Candidate& candidate : candidates) {
        if (wanted == nullptr || *wanted == '\0' ? candidate.runs_here : std::strcmp(wanted, candidate.name()) == 0) {
            if (!candidate.runs_here) {
                throw InputError(std::string("DPC_ISA=") + wanted + ": this processor lacks that instruction set");
            }
            return candidate.kernels;
        }
    }
    std::string names;
    for (const Candidate& candidate : candidates) {
        names += std::string(" ") + candidate.name();
    }
    throw InputError(std::string("DPC_ISA=") + wanted + " is no instruction set of this build; it has:" + names);
}

}  // namespace

template <>
const Kernels<double>& select_kernels<double>() {
    return select().in_double;
}

template <>
const Kernels<float>& select_kernels<float>() {
    return select().in_float;
}

}  // namespace dpc::host
