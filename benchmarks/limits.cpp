// SPDX-License-Identifier: MIT
// See limits.hpp.
#include "limits.hpp"

#include <string>
#include <type_traits>
#include <vector>

#include "dpc/aligned_array.hpp"
#include "dpc/errors.hpp"

namespace dpc::bench {

#define DPC_DECLARE_RATE(isa)  \
    namespace isa {            \
    double run_double(long n); \
    double run_float(long n);  \
    }
DPC_DECLARE_RATE(portable)
#if defined(DPC_HAVE_X86_KERNELS)
DPC_DECLARE_RATE(x86_64_v2)
DPC_DECLARE_RATE(x86_64_v3)
DPC_DECLARE_RATE(x86_64_v4)
#endif

namespace {

struct Loop {
    const char* name;
    double (*in_double)(long);
    double (*in_float)(long);
};

const Loop kLoops[] = {
    {"portable", portable::run_double, portable::run_float},
#if defined(DPC_HAVE_X86_KERNELS)
    {"x86_64_v2", x86_64_v2::run_double, x86_64_v2::run_float},
    {"x86_64_v3", x86_64_v3::run_double, x86_64_v3::run_float},
    {"x86_64_v4", x86_64_v4::run_double, x86_64_v4::run_float},
#endif
};

template <class Real>
double rate_of(const char* name, int repeats) {
    for (const Loop& loop : kLoops) {
        if (std::string(name) == loop.name) {
            constexpr long rounds = 20000;
            double operations = 0;
            const double seconds = best_seconds(
                repeats, [&] { operations = std::is_same_v<Real, double> ? loop.in_double(rounds) : loop.in_float(rounds); });
            return operations / seconds;
        }
    }
    throw InputError(std::string("no multiply-add loop for the kernels ") + name);
}

}  // namespace

template <>
double register_rate(const host::Kernels<double>& kernels, int repeats) {
    return rate_of<double>(kernels.name, repeats);
}

template <>
double register_rate(const host::Kernels<float>& kernels, int repeats) {
    return rate_of<float>(kernels.name, repeats);
}

template <class Real>
double product_rate(const host::Kernels<Real>& kernels, int n_out, int n_in, int lanes, int repeats) {
    const int rows = (n_out + kPanelRows - 1) / kPanelRows * kPanelRows;
    AlignedArray<Real> panels, x, y;
    const auto elements = [](int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); };
    Real* weights = panels.reserve(elements(rows, n_in));
    Real* input = x.reserve(elements(n_in, lanes));
    std::fill_n(weights, elements(rows, n_in), Real(0.01));
    std::fill_n(input, elements(n_in, lanes), Real(0.5));
    const PackedMatrix<Real> matrix = {n_out, n_in, weights};
    Real* output = y.reserve(elements(rows, lanes));
    const double seconds = best_seconds(repeats, [&] { kernels.net.multiply(matrix, lanes, input, output); });
    return 2.0 * n_out * n_in * lanes / seconds;
}

template double product_rate(const host::Kernels<double>&, int, int, int, int);
template double product_rate(const host::Kernels<float>&, int, int, int, int);

double stream_rate(int repeats) {
    constexpr std::size_t n = std::size_t{8} << 20U;  // 64 MiB an array
    std::vector<double> a(n), b(n, 1.0), c(n, 2.0);
    const double seconds = best_seconds(repeats, [&] {
        for (std::size_t k = 0; k < n; ++k) {
            a[k] = b[k] + 0.5 * c[k];
        }
        asm volatile("" : : "r"(a.data()) : "memory");
    });
    return 24.0 * static_cast<double>(n) / seconds;
}

}  // namespace dpc::bench
