// SPDX-License-Identifier: MIT
// Which copy of the kernels runs: the best that this processor has, or the one that DPC_ISA in the environment names.
#include <cstdlib>
#include <cstring>
#include <string>

#include "dpc/errors.hpp"
#include "kernels.hpp"

namespace dpc::host {

#define DPC_DECLARE(isa)                         \
    namespace isa {                              \
    extern const Kernels<double> double_kernels; \
    extern const Kernels<float> float_kernels;   \
    }
DPC_DECLARE(portable)
#if defined(DPC_HAVE_X86_KERNELS)
DPC_DECLARE(x86_64_v2)
DPC_DECLARE(x86_64_v3)
DPC_DECLARE(x86_64_v4)
#endif

namespace {

struct Candidate {
    const Kernels<double>* in_double;
    const Kernels<float>* in_float;
    bool runs_here;
    const char* name() const { return in_double->name; }
};

Candidate select() {
    // Best first.
    const Candidate candidates[] = {
#if defined(DPC_HAVE_X86_KERNELS)
        {&x86_64_v4::double_kernels, &x86_64_v4::float_kernels, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                                         __builtin_cpu_supports("avx512vl")},
        {&x86_64_v3::double_kernels, &x86_64_v3::float_kernels, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")},
        {&x86_64_v2::double_kernels, &x86_64_v2::float_kernels, __builtin_cpu_supports("sse4.2") != 0},
#endif
        {&portable::double_kernels, &portable::float_kernels, true}};
    const char* wanted = std::getenv("DPC_ISA");
    for (const Candidate& candidate : candidates) {
        if (wanted == nullptr || *wanted == '\0' ? candidate.runs_here : std::strcmp(wanted, candidate.name()) == 0) {
            if (!candidate.runs_here) {
                throw InputError(std::string("DPC_ISA=") + wanted + ": this processor lacks that instruction set");
            }
            return candidate;
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
    return *select().in_double;
}

template <>
const Kernels<float>& select_kernels<float>() {
    return *select().in_float;
}

}  // namespace dpc::host
