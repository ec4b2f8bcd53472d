// SPDX-License-Identifier: MIT
// Our product kernel against a CBLAS that is given at run time, one thread, in double and float, for the products of a fitting net:
// a layer's W^T x forward and its W y backward on a block of atoms.
//
//     bench_products [--blas LIBRARY] [--prefix scipy_] [--inputs 500] [--neurons 240] [--atoms 64]
//
// The BLAS may order the block as it likes best, (feature, atom) as ours or (atom, feature): the better counts. Its threads are
// the caller's business (OPENBLAS_NUM_THREADS=1).
#include <dlfcn.h>

#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "dpc/aligned_array.hpp"
#include "dpc/errors.hpp"
#include "limits.hpp"

namespace {

using namespace dpc;

constexpr int kRepeats = 200;
constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;  // of the CBLAS interface

template <class Real>
using Gemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k, Real alpha, const Real* a, int lda,
                      const Real* b, int ldb, Real beta, Real* c, int ldc);

struct Blas {
    Gemm<double> in_double = nullptr;
    Gemm<float> in_float = nullptr;
    std::string name;
};

template <class Function>
Function symbol(void* library, const std::string& name) {
    void* found = dlsym(library, name.c_str());
    if (found == nullptr) {
        throw InputError("no " + name + " in that library; does it need another --prefix?");
    }
    return reinterpret_cast<Function>(found);
}

Blas load_blas(const std::string& path, const std::string& prefix) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        throw InputError(dlerror());
    }
    Blas blas;
    blas.in_double = symbol<Gemm<double>>(library, prefix + "cblas_dgemm");
    blas.in_float = symbol<Gemm<float>>(library, prefix + "cblas_sgemm");
    const auto core_name = reinterpret_cast<const char* (*)()>(dlsym(library, (prefix + "openblas_get_corename").c_str()));
    blas.name = core_name != nullptr ? std::string("OpenBLAS, kernels for ") + core_name() : path;
    return blas;
}

/// Best rate of the BLAS for y (n_out, atoms) = W^T x, in either order of the arrays.
template <class Real>
double blas_rate(Gemm<Real> gemm, int n_out, int n_in, int atoms) {
    const auto elements = [](int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); };
    AlignedArray<Real> weight, x, y;
    Real* w = weight.reserve(elements(n_out, n_in));
    Real* in = x.reserve(elements(n_in, atoms));
    Real* out = y.reserve(elements(n_out, atoms));
    std::fill_n(w, elements(n_out, n_in), Real(0.01));
    std::fill_n(in, elements(n_in, atoms), Real(0.5));
    const double seconds = std::min({
        bench::best_seconds(
            kRepeats,
            [&] { gemm(kRowMajor, kTranspose, kNoTranspose, n_out, atoms, n_in, 1, w, n_out, in, atoms, 0, out, atoms); }),
        bench::best_seconds(
            kRepeats,
            [&] { gemm(kRowMajor, kNoTranspose, kNoTranspose, n_out, atoms, n_in, 1, w, n_in, in, atoms, 0, out, atoms); }),
        bench::best_seconds(
            kRepeats,
            [&] { gemm(kRowMajor, kNoTranspose, kNoTranspose, atoms, n_out, n_in, 1, in, n_in, w, n_out, 0, out, n_out); }),
        bench::best_seconds(
            kRepeats,
            [&] { gemm(kRowMajor, kNoTranspose, kTranspose, atoms, n_out, n_in, 1, in, n_in, w, n_in, 0, out, n_out); }),
    });
    return 2.0 * n_out * n_in * atoms / seconds;
}

template <class Real>
void compare(const char* precision, Gemm<Real> gemm, const std::vector<std::pair<int, int>>& shapes, int atoms) {
    const host::Kernels<Real>& kernels = host::select_kernels<Real>();
    std::printf("%s, multiply-adds in registers %.1f GFLOP/s\n  %8s%8s%8s%16s%16s%8s\n", precision,
                bench::register_rate(kernels, kRepeats) * 1e-9, "out", "in", "atoms", "ours GFLOP/s", "BLAS GFLOP/s", "ratio");
    for (const auto& [n_out, n_in] : shapes) {
        const double ours = bench::product_rate(kernels, n_out, n_in, atoms, 4 * kRepeats);
        std::printf("  %8d%8d%8d%16.1f", n_out, n_in, atoms, ours * 1e-9);
        if (gemm != nullptr) {
            const double theirs = blas_rate(gemm, n_out, n_in, atoms);
            std::printf("%16.1f%8.2f\n", theirs * 1e-9, ours / theirs);
        } else {
            std::printf("%16s\n", "left out");
        }
    }
}

void run(int argc, char** argv) {
    std::map<std::string, std::string> options = {
        {"--blas", ""}, {"--prefix", ""}, {"--inputs", "500"}, {"--neurons", "240"}, {"--atoms", "64"}};
    for (int k = 1; k < argc; k += 2) {
        if (options.count(argv[k]) == 0 || k + 1 == argc) {
            throw InputError("bench_products [--blas LIBRARY] [--prefix scipy_] [--inputs 500] [--neurons 240] [--atoms 64]");
        }
        options[argv[k]] = argv[k + 1];
    }
    Blas blas;
    if (options["--blas"].empty()) {
        std::printf("no BLAS given (--blas LIBRARY): ours alone\n");
    } else {
        blas = load_blas(options["--blas"], options["--prefix"]);
        std::printf("%s\n", blas.name.c_str());
    }
    const int inputs = std::stoi(options["--inputs"]), neurons = std::stoi(options["--neurons"]),
              atoms = std::stoi(options["--atoms"]);
    const std::vector<std::pair<int, int>> shapes = {{neurons, inputs}, {neurons, neurons}, {inputs, neurons}};
    compare<double>("double", blas.in_double, shapes, atoms);
    compare<float>("float", blas.in_float, shapes, atoms);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
