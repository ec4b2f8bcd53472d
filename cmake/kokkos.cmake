# SPDX-License-Identifier: MIT
# Target dpc_kokkos: what compiles and links the Kokkos evaluator of core/include/dpc/kokkos, by -DDPC_KOKKOS=...
#   off      no such target
#   own      a Kokkos of the user's (Kokkos_ROOT), linked into what uses the target and hidden there
#   lammps   the Kokkos inside LAMMPS: its headers and flags only. The plugin takes the symbols from liblammps, for two copies of
#            Kokkos in a process crash at its end. Kokkos_ROOT, or LAMMPS_BUILD_DIR with the build's CMakeCache.txt, says where it is.
# Devices, their flags and the C++ standard (17, for Kokkos 5 20) come from Kokkos. With a Kokkos for CUDA the sources that use the
# target must go through nvcc: give -DCMAKE_CXX_COMPILER=.../bin/nvcc_wrapper, or leave the compiler alone and the scripts that
# come with Kokkos redirect these sources.
set(dpc_kokkos_oldest 4.5)
set(dpc_kokkos_too_new 6)

# Can Kokkos become part of a plugin? Its code must be position independent (only the linker knows), and it must have been
# compiled with the same C++ ABI as LAMMPS (old_abi_symbol comes from lammps.cmake).
function(dpc_check_kokkos_library)
    get_target_property(kind Kokkos::kokkoscore TYPE)
    if(NOT kind STREQUAL STATIC_LIBRARY)
        message(FATAL_ERROR "DPC_KOKKOS=own: ${Kokkos_DIR} is a shared library, which a LAMMPS or another plugin could load as well; two "
            "Kokkos in a process crash at its end. Build Kokkos with -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON.")
    endif()
    get_target_property(configurations Kokkos::kokkoscore IMPORTED_CONFIGURATIONS)
    list(GET configurations 0 configuration)
    get_target_property(library Kokkos::kokkoscore IMPORTED_LOCATION_${configuration})
    set(result ${CMAKE_CURRENT_BINARY_DIR}/kokkos_in_plugin.so)
    execute_process(COMMAND ${CMAKE_LINKER} -shared --whole-archive ${library} -o ${result}
        RESULT_VARIABLE status OUTPUT_VARIABLE complaint ERROR_VARIABLE complaint)
    file(REMOVE ${result})
    if(NOT status EQUAL 0 AND complaint MATCHES "-fPIC")
        message(FATAL_ERROR "DPC_KOKKOS=own: ${library} is not position independent and cannot become part of a plugin. Build "
            "Kokkos with -DCMAKE_POSITION_INDEPENDENT_CODE=ON.")
    endif()
    file(STRINGS ${library} new_abi_symbol REGEX "_ZN6Kokkos5fenceERKNSt7__cxx11" LIMIT_COUNT 1)
    if(old_abi_symbol AND new_abi_symbol)
        message(FATAL_ERROR "DPC_KOKKOS=own: LAMMPS uses the C++ ABI from before GCC 5, ${library} the new one. Build Kokkos with "
            "-DCMAKE_CXX_FLAGS=-D_GLIBCXX_USE_CXX11_ABI=0 for this LAMMPS.")
    endif()
endfunction()

function(dpc_link_kokkos)
    dpc_check_kokkos_library()
    target_link_libraries(dpc_kokkos INTERFACE Kokkos::kokkos)
    # The program that loads the plugin may hold a Kokkos too: neither may see the other's symbols.
    target_link_options(dpc_kokkos INTERFACE LINKER:--exclude-libs,ALL)
endfunction()

# What users of Kokkos compile and link with, without the libraries of Kokkos themselves.
function(dpc_use_kokkos_flags)
    foreach(target Kokkos::kokkoscore Kokkos::kokkoscontainers Kokkos::kokkosalgorithms Kokkos::kokkossimd)
        foreach(property COMPILE_DEFINITIONS COMPILE_FEATURES COMPILE_OPTIONS LINK_OPTIONS)
            get_target_property(value ${target} INTERFACE_${property})
            if(value)
                set_property(TARGET dpc_kokkos APPEND PROPERTY INTERFACE_${property} "${value}")
            endif()
        endforeach()
        get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
        target_include_directories(dpc_kokkos SYSTEM INTERFACE "${folders}")
        get_target_property(libraries ${target} INTERFACE_LINK_LIBRARIES)
        if(libraries)
            list(FILTER libraries EXCLUDE REGEX "^Kokkos::kokkos")
            target_link_libraries(dpc_kokkos INTERFACE ${libraries})
        endif()
    endforeach()
endfunction()

# The vendor's matrix products for the fitting net; without them the evaluator has its own.
function(dpc_use_vendor_blas library definition)
    if(TARGET ${library})
        target_link_libraries(dpc_kokkos INTERFACE ${library})
        target_compile_definitions(dpc_kokkos INTERFACE ${definition})
    else()
        message(STATUS "${library} was not found: matrix products by Kokkos, which are slower")
    endif()
endfunction()

# What does not use Kokkos is not for a GPU, whose compiler would take it for device code, too. The option that keeps it from that.
function(dpc_host_only option)
    set(uses_kokkos $<IN_LIST:DPC_HAVE_KOKKOS,$<TARGET_PROPERTY:COMPILE_DEFINITIONS>>)
    add_compile_options($<$<NOT:${uses_kokkos}>:${option}>)
endfunction()

# Hints for find_package and the precision of LAMMPS's KOKKOS arrays, from the cache of its build.
function(dpc_read_lammps_build folder hints_variable)
    load_cache(${folder} READ_WITH_PREFIX lammps_ PKG_KOKKOS EXTERNAL_KOKKOS DOWNLOAD_KOKKOS Kokkos_DIR KOKKOS_PREC)
    if(NOT lammps_PKG_KOKKOS)
        message(FATAL_ERROR "DPC_KOKKOS=lammps: the LAMMPS built in ${folder} has no KOKKOS package (-DPKG_KOKKOS=ON).")
    endif()
    if(lammps_KOKKOS_PREC)
        string(TOLOWER ${lammps_KOKKOS_PREC} precision)
        set(name_double DOUBLE_DOUBLE)
        set(name_mixed SINGLE_DOUBLE)
        set(name_single SINGLE_SINGLE)
        target_compile_definitions(dpc_kokkos INTERFACE LMP_KOKKOS_${name_${precision}})
    endif()
    if(lammps_EXTERNAL_KOKKOS)
        set(folders ${lammps_Kokkos_DIR})
    elseif(lammps_DOWNLOAD_KOKKOS)
        set(folders ${folder}/kokkos_build-prefix)
    else()
        set(folders ${folder}/lib/kokkos)
    endif()
    set(${hints_variable} PATHS ${folders} NO_DEFAULT_PATH PARENT_SCOPE)
endfunction()

# Headers and definitions of LAMMPS's KOKKOS package, and the hints with which find_package finds its Kokkos.
function(dpc_use_lammps_kokkos_package hints_variable)
    if(NOT TARGET dpc_lammps)
        message(FATAL_ERROR "DPC_KOKKOS=lammps is for the LAMMPS plugin: give -DDPC_BUILD_LAMMPS=ON as well.")
    endif()
    find_path(DPC_LAMMPS_KOKKOS_HEADERS kokkos_type.h PATHS ${DPC_LAMMPS_HEADERS}/KOKKOS ${DPC_LAMMPS_HEADERS} NO_DEFAULT_PATH)
    if(NOT DPC_LAMMPS_KOKKOS_HEADERS)
        message(FATAL_ERROR "DPC_KOKKOS=lammps: ${DPC_LAMMPS_HEADERS} has no KOKKOS/kokkos_type.h. Most installed copies of LAMMPS "
            "leave these headers out: give the source tree that it was built from with -DLAMMPS_SOURCE_DIR=...")
    endif()
    target_compile_definitions(dpc_kokkos INTERFACE LMP_KOKKOS)
    target_include_directories(dpc_kokkos SYSTEM INTERFACE ${DPC_LAMMPS_KOKKOS_HEADERS})
    set(build ${LAMMPS_BUILD_DIR})
    if(NOT build)
        set(build ${LAMMPS_SOURCE_DIR}/build)
    endif()
    set(hints NO_DEFAULT_PATH)  # a Kokkos that merely lies on this machine is not that of LAMMPS
    if(EXISTS ${build}/CMakeCache.txt)
        dpc_read_lammps_build(${build} hints)
    elseif(LAMMPS_BUILD_DIR)
        message(FATAL_ERROR "LAMMPS_BUILD_DIR=${LAMMPS_BUILD_DIR} has no CMakeCache.txt: not the folder where LAMMPS was built with CMake.")
    endif()
    if(Kokkos_ROOT OR DEFINED ENV{Kokkos_ROOT})
        set(hints "")
    endif()
    set(${hints_variable} ${hints} PARENT_SCOPE)
endfunction()

if(NOT DPC_KOKKOS MATCHES "^(off|own|lammps)$")
    message(FATAL_ERROR "DPC_KOKKOS=${DPC_KOKKOS} is not one of off, own, lammps.")
endif()
if(DPC_KOKKOS STREQUAL off)
    return()
endif()

add_library(dpc_kokkos INTERFACE)
target_include_directories(dpc_kokkos INTERFACE ${PROJECT_SOURCE_DIR}/core/include)
target_compile_definitions(dpc_kokkos INTERFACE DPC_HAVE_KOKKOS)
if(DPC_KOKKOS STREQUAL lammps)
    dpc_use_lammps_kokkos_package(hints)
    set(advice "Give the build folder of LAMMPS with -DLAMMPS_BUILD_DIR=..., or the prefix of the Kokkos that LAMMPS was built with "
        "by -DKokkos_ROOT=...")
else()
    set(hints "")
    set(advice "Give the prefix where Kokkos is installed with -DKokkos_ROOT=...")
endif()
if(Kokkos_ROOT OR hints)
    unset(Kokkos_DIR CACHE)  # of an earlier run, which may have had other hints
endif()
find_package(Kokkos CONFIG ${hints})
if(NOT Kokkos_FOUND)
    message(FATAL_ERROR "DPC_KOKKOS=${DPC_KOKKOS}: no Kokkos (KokkosConfig.cmake) was found. " ${advice})
endif()
if(Kokkos_VERSION VERSION_LESS dpc_kokkos_oldest OR NOT Kokkos_VERSION VERSION_LESS dpc_kokkos_too_new)
    message(FATAL_ERROR "DPC_KOKKOS=${DPC_KOKKOS}: ${Kokkos_DIR} is Kokkos ${Kokkos_VERSION}; this package needs "
        "${dpc_kokkos_oldest} or newer, but older than ${dpc_kokkos_too_new}. " ${advice})
endif()
if(Kokkos_COMPILE_LANGUAGE AND NOT Kokkos_COMPILE_LANGUAGE STREQUAL CXX)
    message(FATAL_ERROR "DPC_KOKKOS=${DPC_KOKKOS}: ${Kokkos_DIR} was built with Kokkos_ENABLE_COMPILE_AS_CMAKE_LANGUAGE, which is not "
        "supported here. Build Kokkos without it, with nvcc_wrapper, hipcc or icpx as the C++ compiler.")
endif()
if(DPC_KOKKOS STREQUAL lammps)
    dpc_use_kokkos_flags()
else()
    dpc_link_kokkos()
endif()
if(Kokkos_ENABLE_CUDA)
    if(Kokkos_VERSION VERSION_LESS 4.7.2)
        target_compile_options(dpc_kokkos INTERFACE "SHELL:-include ${PROJECT_SOURCE_DIR}/cmake/kokkos_cuda13.hpp")
    endif()
    if(CMAKE_CXX_COMPILER MATCHES "nvcc_wrapper$")
        # nvcc lacks GCC's vector types: the wrapper hands what has this option to the host's compiler.
        dpc_host_only(--host-only)
    endif()
    dpc_use_vendor_blas(CUDA::cublas DPC_HAVE_CUBLAS)
elseif(Kokkos_ENABLE_HIP)
    if(CMAKE_CXX_COMPILER MATCHES "hipcc(\\.bin)?$")
        dpc_host_only(--cuda-host-only)
    endif()
    # Forces are added to memory of the GPU's own: by its instruction, and not by compare and swap, as for memory that may be elsewhere.
    target_compile_options(dpc_kokkos INTERFACE -munsafe-fp-atomics)
    find_package(hipblas CONFIG QUIET)
    dpc_use_vendor_blas(roc::hipblas DPC_HAVE_HIPBLAS)
endif()
message(STATUS "Kokkos ${Kokkos_VERSION} (${DPC_KOKKOS}): ${Kokkos_DIR}")
