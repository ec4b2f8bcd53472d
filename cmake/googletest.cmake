# SPDX-License-Identifier: MIT
# Targets GTest::gtest and GTest::gtest_main: the system's or that of GTest_ROOT, otherwise the sources of GoogleTest in a Python
# package, fetched by pip into the build folder, whose hash is fixed here. (Its wheels hold the same sources for every system.)
find_package(GTest QUIET)
if(GTest_FOUND)
    return()
endif()

# One rename at the end: what has the name is complete.
function(dpc_fetch_googletest folder)
    set(wheel ros_gtest_vendor-1.15.1-cp311-cp311-manylinux_2_28_x86_64.whl)
    set(scratch ${folder}.scratch)
    file(REMOVE_RECURSE ${scratch})
    file(WRITE ${scratch}/requirements.txt
        "ros-gtest-vendor==1.15.1 --hash=sha256:6a578c55eca01c7d215e54bf1dd3172ada677b591dd2f5d3c8260b882364ee6e\n")
    find_package(Python COMPONENTS Interpreter QUIET)
    set(pip ${Python_EXECUTABLE} -m pip download --quiet --disable-pip-version-check)
    execute_process(
        COMMAND ${pip} --no-deps --only-binary :all: --implementation cp --python-version 3.11 --abi cp311 --platform manylinux_2_28_x86_64
            --require-hashes --requirement requirements.txt --dest .
        WORKING_DIRECTORY ${scratch} RESULT_VARIABLE status OUTPUT_VARIABLE complaint ERROR_VARIABLE complaint)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "The C++ tests need GoogleTest: this system has none, and pip (of ${Python_EXECUTABLE}) could not fetch it. "
            "Install it (Debian: apt-get install libgtest-dev), or give its prefix with -DGTest_ROOT=...\n${complaint}")
    endif()
    file(ARCHIVE_EXTRACT INPUT ${scratch}/${wheel} DESTINATION ${scratch})
    file(RENAME ${scratch}/ros_gtest_vendor-1.15.1.data/data/src/gtest_vendor ${folder})
    file(REMOVE_RECURSE ${scratch})
endfunction()

set(googletest ${CMAKE_BINARY_DIR}/googletest-1.15.1)
if(NOT EXISTS ${googletest})
    dpc_fetch_googletest(${googletest})
endif()
message(STATUS "GoogleTest: ${googletest}")
find_package(Threads REQUIRED)
add_library(gtest STATIC ${googletest}/src/gtest-all.cc)
target_include_directories(gtest SYSTEM PUBLIC ${googletest}/include PRIVATE ${googletest})
target_link_libraries(gtest PUBLIC Threads::Threads)
add_library(gtest_main STATIC ${googletest}/src/gtest_main.cc)
target_link_libraries(gtest_main PUBLIC gtest)
add_library(GTest::gtest ALIAS gtest)
add_library(GTest::gtest_main ALIAS gtest_main)
