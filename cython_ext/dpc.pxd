# SPDX-License-Identifier: MIT
# The C++ core, one to one (core/include/dpc/).
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp.memory cimport shared_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector


cdef extern from "translate_errors.hpp":
    cdef void translate_errors()


cdef extern from "dpc/model.hpp" namespace "dpc":
    cdef cppclass CppSegment "dpc::Table::Segment":
        double start, step
        int n_intervals

    cdef cppclass CppTable "dpc::Table":
        vector[CppSegment] segments
        double upper
        int n_intervals, order, rank
        double max()

    cdef enum class CppDescriptorKind "dpc::DescriptorKind":
        pass

    cdef enum class CppNeighbourRule "dpc::NeighbourRule":
        pass

    const char* cpp_name_of "dpc::name_of"(CppDescriptorKind kind)

    cdef cppclass CppDescriptor "dpc::Descriptor":
        CppDescriptorKind kind
        double rcut
        vector[int] sel

    cdef cppclass CppModel "const dpc::Model":
        vector[string] type_map
        double rcut()
        int check_frequency
        int n_fparam, n_aparam
        vector[double] default_fparam
        vector[CppDescriptor] descriptors
        vector[CppTable] tables
        string provenance
        uint64_t n_bytes
        uint32_t header_crc
        int n_types()

    shared_ptr[CppModel] model_from_bytes "dpc::Model::from_bytes"(const void* data, size_t n_bytes) except +translate_errors
    shared_ptr[CppModel] model_from_file "dpc::Model::from_file"(const string& path) except +translate_errors


cdef extern from "dpc/team.hpp" namespace "dpc":
    int cpp_team_size "dpc::team_size"(int)

cdef extern from "dpc/evaluator.hpp" namespace "dpc":
    cdef cppclass CppRows "dpc::NeighbourRows":
        int n_centres
        const int* centre
        const int* count
        const int* const* rows
        int index_mask
        const int64_t* tag

    cdef cppclass CppSpan "dpc::Span":
        const double* values
        size_t n

    cdef cppclass CppInputs "dpc::Inputs":
        const double* x
        CppSpan fparam, aparam

    cdef cppclass CppOutput "dpc::Output":
        double* forces
        double* atom_energy
        double* atom_virial
        double* fparam_gradient

    cdef cppclass CppTotals "dpc::Totals":
        double energy
        double[9] virial

    cdef cppclass CppOverflowPair "dpc::Overflow::Pair":
        int i, j, type_i, type_j
        double distance, limit, table_limit

    cdef cppclass CppOverflowCrowd "dpc::Overflow::Crowd":
        int i, type_i, type_j, count, sel

    cdef cppclass CppOverflow "dpc::Overflow":
        int64_t n_close, n_beyond, n_over_sel
        CppOverflowPair worst
        CppOverflowCrowd crowd

    cdef enum class CppPrecision "dpc::Precision":
        float64
        mixed

    cdef enum class CppBackend "dpc::Backend":
        host
        kokkos_serial
        kokkos_openmp
        gpu

    cdef enum class CppNeighbours "dpc::Neighbours":
        trained
        all

    const char* cpp_advice_on "dpc::advice_on"(CppNeighbourRule rule)
    CppNeighbourRule cpp_rule_for "dpc::rule_for"(const CppModel& model, CppNeighbours neighbours) except +translate_errors

    cdef cppclass CppOptions "dpc::EvaluatorOptions":
        int n_threads, device
        CppPrecision precision
        CppBackend backend
        CppNeighbours neighbours
        size_t scratch_bytes

    vector[CppBackend] cpp_available_backends "dpc::available_backends"() except +translate_errors

    cdef cppclass CppEvaluator "dpc::Evaluator":
        CppEvaluator(shared_ptr[CppModel] model, const CppOptions& options) except +translate_errors
        void set_neighbours(int n_all, const int* types, const CppRows& rows) except +translate_errors nogil
        CppTotals compute(const CppInputs& inputs, const CppOutput& output) except +translate_errors nogil
        const CppOverflow& overflow()
        string describe()
        size_t memory_bytes()
