// SPDX-License-Identifier: MIT
// The GPU vendor's matrix product on an execution space's stream, where the build found the library: DPC_HAVE_CUBLAS, DPC_HAVE_HIPBLAS.
#pragma once

#include <stdexcept>
#include <string>

#include "dpc/kokkos/pack.hpp"
#include "dpc/kokkos/switches.hpp"
#if defined(KOKKOS_ENABLE_CUDA) && defined(DPC_HAVE_CUBLAS)
#include <cublas_v2.h>
#endif
#if defined(KOKKOS_ENABLE_HIP) && defined(DPC_HAVE_HIPBLAS)
#include <hipblas/hipblas.h>
#endif

namespace dpc::kokkos {

/// No library: the portable kernel works.
template <class ExecSpace>
struct VendorBlas {
    static constexpr bool is_there = false;
    static constexpr const char* name = "";
    explicit VendorBlas(const ExecSpace&) {}
    static std::size_t bytes() { return 0; }
};

#if defined(KOKKOS_ENABLE_CUDA) && defined(DPC_HAVE_CUBLAS)
template <>
class VendorBlas<Kokkos::Cuda> {
public:
    static constexpr bool is_there = true;
    static constexpr const char* name = "cuBLAS";

    explicit VendorBlas(const Kokkos::Cuda& space) {
        if (wants_graphs()) {  // the library would put memory of its own into each; as much as it takes itself
            const std::size_t n_bytes = std::size_t(space.cuda_device_prop().major >= 9 ? 32 : 8) << 20;
            workspace_ = decltype(workspace_)(Kokkos::view_alloc(space, Kokkos::WithoutInitializing, "dpc::products"), n_bytes);
        }
        check(cublasCreate(&handle_), "cublasCreate");
        check(cublasSetStream(handle_, space.cuda_stream()), "cublasSetStream");
        // The matrix units of doubles, which the pedantic mode leaves alone; float products in float: TF32 is a mode of its own.
        check(cublasSetMathMode(handle_, CUBLAS_DEFAULT_MATH), "cublasSetMathMode");
        if (workspace_.size() > 0) {
            check(cublasSetWorkspace(handle_, workspace_.data(), workspace_.size()), "cublasSetWorkspace");
        }
    }
    ~VendorBlas() { cublasDestroy(handle_); }
    VendorBlas(const VendorBlas&) = delete;
    VendorBlas& operator=(const VendorBlas&) = delete;

    std::size_t bytes() const { return workspace_.size(); }

    /// y (n_out, lanes) = matrix (n_out, n_in) x (n_in, lanes), rows contiguous: to a library of column-major arrays, y^T = x^T matrix^T.
    void multiply(int lanes, int n_out, int n_in, const double* x, const double* matrix, double* y) {
        const double one = 1, zero = 0;
        check(cublasDgemm(handle_, CUBLAS_OP_N, CUBLAS_OP_N, lanes, n_out, n_in, &one, x, lanes, matrix, n_in, &zero, y, lanes),
              "cublasDgemm");
    }
    void multiply(int lanes, int n_out, int n_in, const float* x, const float* matrix, float* y) {
        const float one = 1, zero = 0;
        check(cublasSgemm(handle_, CUBLAS_OP_N, CUBLAS_OP_N, lanes, n_out, n_in, &one, x, lanes, matrix, n_in, &zero, y, lanes),
              "cublasSgemm");
    }

private:
    static void check(cublasStatus_t status, const char* call) {
        if (status != CUBLAS_STATUS_SUCCESS) {
            throw std::runtime_error(std::string(call) + " failed: " + cublasGetStatusString(status));
        }
    }
    cublasHandle_t handle_ = nullptr;
    Kokkos::View<char*, Kokkos::CudaSpace> workspace_;
};
#endif

#if defined(KOKKOS_ENABLE_HIP) && defined(DPC_HAVE_HIPBLAS)
template <>
class VendorBlas<Kokkos::HIP> {
public:
    static constexpr bool is_there = true;
    static constexpr const char* name = "hipBLAS";

    explicit VendorBlas(const Kokkos::HIP& space) {
        check(hipblasCreate(&handle_), "hipblasCreate");
        check(hipblasSetStream(handle_, space.hip_stream()), "hipblasSetStream");
        // The same bits in every run.
        check(hipblasSetAtomicsMode(handle_, HIPBLAS_ATOMICS_NOT_ALLOWED), "hipblasSetAtomicsMode");
    }
    ~VendorBlas() { hipblasDestroy(handle_); }
    VendorBlas(const VendorBlas&) = delete;
    VendorBlas& operator=(const VendorBlas&) = delete;

    static std::size_t bytes() { return 0; }

    void multiply(int lanes, int n_out, int n_in, const double* x, const double* matrix, double* y) {
        const double one = 1, zero = 0;
        check(
            hipblasDgemm(handle_, HIPBLAS_OP_N, HIPBLAS_OP_N, lanes, n_out, n_in, &one, x, lanes, matrix, n_in, &zero, y, lanes),
            "hipblasDgemm");
    }
    void multiply(int lanes, int n_out, int n_in, const float* x, const float* matrix, float* y) {
        const float one = 1, zero = 0;
        check(
            hipblasSgemm(handle_, HIPBLAS_OP_N, HIPBLAS_OP_N, lanes, n_out, n_in, &one, x, lanes, matrix, n_in, &zero, y, lanes),
            "hipblasSgemm");
    }

private:
    static void check(hipblasStatus_t status, const char* call) {
        if (status != HIPBLAS_STATUS_SUCCESS) {
            throw std::runtime_error(std::string(call) + " failed: " + hipblasStatusToString(status));
        }
    }
    hipblasHandle_t handle_ = nullptr;
};
#endif

}  // namespace dpc::kokkos
