#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tests and times the Kokkos evaluator on a machine with a GPU and no network, with what was packed on a machine with one.
#   gpu.sh pack DIR                 sources of Kokkos, LAMMPS and GoogleTest, compressed tables of the models, MPICH: some 60 MB in DIR
#   gpu.sh run DIR [OUT] [options]  builds and runs; results in OUT (default DIR/out): gpu.log, summary.txt, *.json, and
#                                 as they came in OUT/results-cuda or -serial
# Options of run:
#   --stages "build test ..."  of: build test bench largest sanitize lammps-build checks lammps (default: all, in this order). What was built
#                              stays in --build; a machine without compilers takes it from there
#   --backend cuda|serial      serial: Kokkos on one core of the processor, to try the script itself (default: cuda where there is a GPU)
#   --build FOLDER             (default build/gpu in the repository, build/gpu-serial)    --jobs N     (default: all cores)
#   --limit SECONDS            of this call: what is not done then is listed as failed (default 3000)
#   --stage-limit SECONDS      of each stage that does not build (default 600): one that hangs leaves their time to the others
#   --sizes "N ..."            atoms (default 192 to 50 million)       --seconds S  of timing each case (default 2)
#   --build-only --arch NAME   compile for that architecture (Kokkos' name, HOPPER90) where there is no GPU
# A step that fails is listed at the end, and the exit status is 1. DPC_PEER_TORCH: virtual environment of a peer (README.md), for lammps.
# DPC_CUBLAS: cublas_v2.h, where neither the toolkit nor the first Python has it.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(dirname "$here")
python=${PYTHON:-python3}

die() {
    echo "gpu.sh: $*" >&2
    exit 2
}

# --- pack ---------------------------------------------------------------------------------------------------------------------

# Tables of every model in the shared folder, for the tests; the full-size models themselves, which a peer compresses.
pack_models() {
    local shared=${DPC_SHARED:-$repository/../shared} model name
    mkdir -p "$1/tables"
    for model in "$shared"/models/*/model.pth; do
        name=$(basename "$(dirname "$model")")
        (cd "$repository" && "$python" -m pybuild "$model" "$1/tables/$name.bin") >"$1/tables/$name.log" 2>&1 ||
            echo "no tables of $name: $(tail -n 1 "$1/tables/$name.log")"
        rm "$1/tables/$name.log"
    done
    for name in water-full cu-full; do
        [ -e "$1/tables/$name.bin" ] || die "the full-size model $name was not compressed: is the package installed for $python?"
        mkdir -p "$1/models/$name"
        cp "$shared/models/$name/model.pth" "$1/models/$name"
    done
}

pack_sources() {
    source "$repository/.ci/cache.sh"
    build_tools
    kokkos_source
    tar -czf "$1/kokkos.tar.gz" --exclude=unit_tests --exclude=unit_test --exclude=perf_test kokkos
    "$repository/.ci/lammps_source" "$PWD/lammps"
    "$python" "$here/gpu_trim.py" lammps "$1/lammps.tar.gz"
    tools/bin/pip install --quiet --no-deps --prefix mpich "mpich==$mpich_version"
    tar -czf "$1/mpich.tar.gz" --exclude='libmpi_abi*' --exclude=hydra_nameserver --exclude=hydra_persist mpich/bin mpich/include mpich/lib
    if [ -d /usr/src/googletest ]; then
        tar -czf "$1/googletest.tar.gz" --exclude=test --exclude=samples --exclude=docs -C /usr/src googletest
    else
        echo "no /usr/src/googletest (Debian: libgtest-dev): the tests need GoogleTest where they run"
    fi
}

pack() {
    local scratch
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
    scratch=$(mktemp -d)
    trap "rm -rf '$scratch'" EXIT
    pack_models "$folder"
    (set -e; cd "$scratch" && pack_sources "$folder") || die "the sources were not packed"
    (cd "$repository" && git rev-parse HEAD 2>/dev/null || echo unknown) >"$folder/commit"
    (cd "$folder" && find . -type f ! -name SHA256SUMS -not -path './out/*' -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
    du -sh "$folder"
}

# --- run: building ------------------------------------------------------------------------------------------------------------

failures=()

# step NAME COMMAND...: within what is left of the stage's time, at most `longest` seconds where a stage sets that; into the log; a
# failure is kept for the end.
step() {
    local name=$1 status=0 left=$((stage_end - SECONDS)) start=$SECONDS
    shift
    [ $left -le "${longest:-$left}" ] || left=$longest
    if [ $left -le 5 ]; then
        failures+=("$name: no time left")
        return 1
    fi
    echo "== $name" | tee -a "$log"
    timeout --kill-after=10 "$left" "$@" >"$build/step.log" 2>&1 || status=$?
    cat "$build/step.log" >>"$log"
    [ $status -eq 0 ] || tail -n 25 "$build/step.log"
    echo "   $name: exit $status, $((SECONDS - start)) s" | tee -a "$log"
    [ $status -eq 0 ] && return
    failures+=("$name: exit $status$([ $status -eq 124 ] && echo ', out of time')")
    return 1
}

# A part that this machine cannot do.
left_out() { echo "   left out: $*" | tee -a "$log"; }

unpack() {
    [ -d "$build/$1" ] && return
    mkdir -p "$build/unpacking" && tar -xzf "$folder/$1.tar.gz" -C "$build/unpacking" && mv "$build/unpacking/$1" "$build/$1"
}
export -f unpack

# Kokkos' name of the card's architecture.
architecture_of_card() {
    case $(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1) in
        7.0) echo VOLTA70 ;; 7.5) echo TURING75 ;; 8.0) echo AMPERE80 ;; 8.6) echo AMPERE86 ;; 8.9) echo ADA89 ;; 9.0) echo HOPPER90 ;;
        *) die "Kokkos 4.5.1 does not know this card: $(nvidia-smi -L | head -n 1)" ;;
    esac
}

# The driver's library, or an empty one of its name: programs link as far as stub_of_driver fills it, and run where the driver itself is.
find_driver() {
    local found
    for found in "$cuda"/lib64/stubs/libcuda.so "$cuda"/targets/*/lib/stubs/libcuda.so $(ldconfig -p | sed -n 's/.*libcuda\.so.*=> //p') \
        /usr/local/nvidia/lib64/libcuda.so.1; do
        [ -e "$found" ] && echo "$found" && return
    done
    [ -e "$build/stub/libcuda.so" ] || { mkdir -p "$build/stub" && g++ -shared -Wl,-soname,libcuda.so.1 -x c++ /dev/null -o "$build/stub/libcuda.so"; }
    echo "$build/stub/libcuda.so"
}

# Functions of the driver that Kokkos calls, in the empty library.
stub_of_driver() {
    nm -u "$build/kokkos-install/lib/libkokkoscore.a" 2>/dev/null | sed -n 's/^ *U \(cu[A-Z].*\)/extern "C" int \1() { return 999; }/p' | sort -u |
        g++ -shared -fPIC -Wl,-soname,libcuda.so.1 -x c++ - -o "$build/stub/libcuda.so"
}

# cuBLAS of the toolkit, or that of the Python packages of NVIDIA, whose headers are taken alone: CMake options on standard output.
find_cublas() {
    local header name
    [ ! -e "$cuda/include/cublas_v2.h" ] || return 0
    header=$("$python" -c 'import glob, site, sys
folders = site.getsitepackages() + [site.getusersitepackages()] + sys.path
print(next((h for f in folders for h in glob.glob(f + "/nvidia/cu*/include/cublas_v2.h")), ""))')
    header=${DPC_CUBLAS:-$header}
    [ -e "$header" ] || return 0
    mkdir -p "$build/cublas"
    ln -sf "$(dirname "$header")"/cublas*.h "$build/cublas"
    for name in cublas cublasLt; do
        set -- "$(dirname "$header")"/../lib/lib$name.so*
        [ -e "$1" ] || die "$header is here, but not $1"
        echo "-DCUDA_${name}_LIBRARY=$(realpath "$1")"
    done
}

set_compiler() {
    compiler=() devices=() cublas=() cuda=
    if [ "$backend" = serial ]; then
        devices=(-DKokkos_ENABLE_SERIAL=ON -DKokkos_ARCH_NATIVE=ON)
        return
    fi
    cuda=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
    [ -e "$cuda/include/cuda.h" ] || cuda=/usr/local/cuda
    [ -n "$architecture" ] || architecture=$(architecture_of_card) || exit 2
    export NVCC_WRAPPER_DEFAULT_ARCH=sm_${architecture//[^0-9]/}
    local found flags="-include $repository/cmake/kokkos_cuda13.hpp"
    found=$(find_cublas) || exit 2
    mapfile -t cublas < <(printf %s "$found")
    [ ${#cublas[@]} -eq 0 ] || flags+=" -isystem $build/cublas"
    compiler=(-DCMAKE_CXX_COMPILER="$build/kokkos/bin/nvcc_wrapper" "-DCMAKE_CXX_FLAGS=$flags" "-DCUDA_cuda_driver_LIBRARY=$(find_driver)")
    devices=(-DKokkos_ENABLE_SERIAL=ON -DKokkos_ENABLE_CUDA=ON "-DKokkos_ARCH_$architecture=ON")
}

build_kokkos() {
    [ -e "$build/kokkos-install/lib/libkokkoscore.a" ] && return
    [ "$backend" = serial ] ||
        sed -i "s/^default_arch=.*/default_arch=\"$NVCC_WRAPPER_DEFAULT_ARCH\"/" "$build/kokkos/bin/nvcc_wrapper"
    step "configure Kokkos" cmake -S "$build/kokkos" -B "$build/kokkos-build" "${generator[@]}" "${compiler[@]}" "${devices[@]}" \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$build/kokkos-install" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_CXX_STANDARD=17 \
        -DCMAKE_CXX_EXTENSIONS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON &&
        step "build Kokkos" cmake --build "$build/kokkos-build" -j "$jobs" --target install
}

stage_build() {
    step "unpack Kokkos" bash -c 'unpack kokkos' && build_kokkos || return
    [ "$backend" = serial ] || [ ! -e "$build/stub/libcuda.so" ] || stub_of_driver
    local with_tests=ON
    build_googletest || with_tests=OFF
    step "configure the core" cmake -S "$repository" -B "$build/core" "${generator[@]}" "${compiler[@]}" "${cublas[@]}" -DCMAKE_BUILD_TYPE=Release \
        -DDPC_BUILD_LAMMPS=OFF -DDPC_BUILD_BENCHMARKS=ON -DDPC_BUILD_TESTS=$with_tests -DDPC_KOKKOS=own \
        -DKokkos_ROOT="$build/kokkos-install" -DGTest_ROOT="$build/gtest" || return
    ! grep -q 'cublas was not found' "$build/step.log" || failures+=("build: there is no cuBLAS, products are Kokkos' own")
    step "build bench_kokkos" cmake --build "$build/core" -j "$jobs" --target bench_kokkos
    [ $with_tests = ON ] && step "build the tests" cmake --build "$build/core" -j "$jobs" --target kokkos_tests kokkos_at_exit
}

build_googletest() {
    [ -e /usr/include/gtest/gtest.h ] || [ -d "$build/gtest" ] && return
    step "unpack GoogleTest" bash -c 'unpack googletest' &&
        step "configure GoogleTest" cmake -S "$build/googletest" -B "$build/gtest-build" "${generator[@]}" -DCMAKE_INSTALL_PREFIX="$build/gtest" \
            -DBUILD_GMOCK=OFF &&
        step "build GoogleTest" cmake --build "$build/gtest-build" -j "$jobs" --target install
}

# --- run: tests and times -----------------------------------------------------------------------------------------------------

tests=tests/core/kokkos_tests
bench=benchmarks/bench_kokkos
most_in_lammps=786432 # ten minutes are to do for all cases
most_in_graphs=16384  # kFewGpuAtoms of dpc/kokkos/plan.hpp

# The whole matrix; on a GPU the tests of that backend must be among those that ran.
stage_test() {
    local way=serial1double longest=240
    [ "$backend" = serial ] || way=gpu1double
    step "kokkos_tests" env DPC_TEST_TABLES="$folder/tables" "$build/core/$tests"
    grep -q "OK.*/$way" "$build/step.log" || failures+=("kokkos_tests: no test of $way passed")
    [ "$backend" = serial ] || step "kokkos_tests, fused net" env DPC_FUSED_NET=1 DPC_TEST_TABLES="$folder/tables" "$build/core/$tests" \
        --gtest_filter='*gpu1mixed*'
    step "kokkos_at_exit" "$build/core/tests/core/kokkos_at_exit"
}

stage_sanitize() {
    local sanitizer tool
    sanitizer=$(command -v compute-sanitizer || ls "${cuda:-/usr/local/cuda}/bin/compute-sanitizer" 2>/dev/null)
    if [ "$backend" = serial ] || [ -z "$sanitizer" ]; then
        left_out "compute-sanitizer is not here, or there is nothing for it to look at"
        return
    fi
    timeout 60 "$sanitizer" "$build/core/tests/core/kokkos_at_exit" >"$build/step.log" 2>&1
    if grep -q 'Device not supported' "$build/step.log"; then # as on machines that let nobody debug the card
        left_out "compute-sanitizer: $(grep -m 1 'Device not supported' "$build/step.log")"
        return
    fi
    for tool in memcheck initcheck synccheck; do
        step "$tool, small models" "$sanitizer" --tool $tool --error-exitcode 9 "$build/core/$tests" --gtest_filter='*EqualsHost*gpu*:*KokkosGraphs*gpu*:-*Folder*'
    done
    step "racecheck, fused net" env DPC_FUSED_NET=1 "$sanitizer" --tool racecheck --kernel-regex kns=FusedNet \
        --error-exitcode 9 "$build/core/$tests" --gtest_filter='*EqualsHost*gpu1mixed*:-*Folder*'
    step "memcheck, water" "$sanitizer" --tool memcheck --error-exitcode 9 "$build/core/$bench" "$folder/tables/water-full.bin" --structure water \
        --atoms 192 --seconds 0 --limits no
}

# bench_switched NAME SUFFIX SEEN VARIABLE... -- OPTION...: a size of stage_bench with variables of the environment, of which the output must
# have SEEN.
bench_switched() {
    local what="bench $name $atoms, $1" json=$results/bench-$name-$atoms$2.json seen=$3 variables=()
    shift 3
    while [ "$1" != -- ]; do variables+=("$1"); shift; done
    shift
    step "$what" env "${variables[@]}" "$build/core/$bench" "$folder/tables/$model.bin" --structure "$structure" --atoms "$atoms" \
        --seconds "$seconds" --host $host --limits no --json "$json" "$@" || return
    grep -v '^Kokkos::' "$build/step.log"
    grep -q "$seen" "$build/step.log" || failures+=("$what: not seen in what it printed: $seen")
}

# Small systems also against the host evaluator.
stage_bench() {
    local system name model structure atoms host limits longest=150 own_products=
    rm -f "$results"/bench-*.json
    for system in water:water-full:water copper:cu-full:fcc; do
        IFS=: read -r name model structure <<<"$system"
        for atoms in $sizes; do
            host=no limits=no
            [ "$atoms" -gt 2000 ] || host=yes
            [ "$atoms" -lt 50000 ] && [ "$backend" = cuda ] || limits=yes # where the card is busy
            step "bench $name $atoms" "$build/core/$bench" "$folder/tables/$model.bin" --structure "$structure" --atoms "$atoms" --seconds "$seconds" \
                --host $host --limits $limits --json "$results/bench-$name-$atoms.json" &&
                { grep -v '^Kokkos::' "$build/step.log"; grep -q cuBLAS "$build/step.log" || own_products=yes; }
            [ "$backend" = cuda ] || continue
            bench_switched "fused net" "-fused" "fused net" DPC_FUSED_NET=1 -- --precision mixed
            [ "$atoms" -le "$most_in_graphs" ] || continue
            bench_switched "graphs" "-graphs" '[1-9][0-9]* graphs in' DPC_GRAPH=1 --
            bench_switched "fused net and graphs" "-fused-graphs" '[1-9][0-9]* graphs in' DPC_FUSED_NET=1 DPC_GRAPH=1 -- --precision mixed
        done
    done
    [ "$backend" = serial ] || [ -z "$own_products" ] || failures+=("bench: built without cuBLAS, products are Kokkos' own")
}

stage_largest() {
    if [ "$backend" = serial ]; then
        left_out "the largest system: not on a processor"
        return
    fi
    rm -f "$results"/largest-*.json
    for precision in mixed double; do
        step "largest copper system, $precision" "$build/core/$bench" "$folder/tables/cu-full.bin" --atoms 1000000 --largest yes --precision $precision \
            --json "$results/largest-$precision.json" && tail -n 3 "$build/step.log"
    done
}

# Kokkos as a library of its own, so that it is built once. MPICH knows nothing of a GPU's memory.
stage_lammps_build() {
    local mpi=(-DBUILD_MPI=ON -DMPI_CXX_COMPILER="$build/mpich/bin/mpicxx" -DMPI_CXX_SKIP_MPICXX=ON)
    step "unpack LAMMPS and MPICH" bash -c 'unpack lammps && unpack mpich' || return
    step "configure LAMMPS" cmake -S "$build/lammps/cmake" -B "$build/lammps/build" "${generator[@]}" "${compiler[@]}" -DCMAKE_BUILD_TYPE=Release \
        "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG" -DBUILD_SHARED_LIBS=ON "${mpi[@]}" -DBUILD_OMP=OFF -DPKG_KOKKOS=ON -DPKG_PLUGIN=ON \
        -DEXTERNAL_KOKKOS=ON -DKokkos_ROOT="$build/kokkos-install" -DWITH_GZIP=OFF -DWITH_JPEG=OFF -DWITH_PNG=OFF -DWITH_FFMPEG=OFF -DWITH_CURL=OFF &&
        step "build LAMMPS" cmake --build "$build/lammps/build" -j "$jobs" || return
    step "configure the plugin" cmake -S "$repository" -B "$build/plugin" "${generator[@]}" "${compiler[@]}" "${cublas[@]}" -DCMAKE_BUILD_TYPE=Release \
        -DDPC_KOKKOS=lammps -DLAMMPS_SOURCE_DIR="$build/lammps" -DDPC_MPI_INCLUDE="$build/mpich/include" -DKokkos_ROOT="$build/kokkos-install" &&
        step "build the plugin" cmake --build "$build/plugin" -j "$jobs"
}

# lmp_kk, with KOKKOS switched on, and lmp_host.
write_starters() {
    local device="g 1" start
    [ "$backend" = cuda ] || device="t 1"
    start=$(printf '#!/bin/sh\nexport LAMMPS_PLUGIN_PATH=%q\nexec %q' "$build/plugin/lammps_plugin" "$build/lammps/build/lmp")
    printf '%s -k on %s -sf kk -pk kokkos neigh half newton on gpu/aware off "$@"\n' "$start" "$device" >"$build/lmp_kk"
    printf '%s "$@"\n' "$start" >"$build/lmp_host"
    chmod +x "$build/lmp_kk" "$build/lmp_host"
}

stage_checks() {
    local several=() words=
    [ ! -x "$build/mpich/bin/mpirun" ] || several=(--mpirun "$build/mpich/bin/mpirun")
    [ "$backend" = cuda ] || words="device kokkos_serial"
    write_starters
    rm -f "$results/checks.json"
    step "checks" "$python" "$here/gpu_checks.py" --kk "$build/lmp_kk" --host "$build/lmp_host" --tables "$folder/tables/water-full.bin" \
        --words "$words" --scratch "$build/checks" --output "$results/checks.json" "${several[@]}"
    tail -n 1 "$build/step.log"
}

stage_lammps() {
    write_starters
    rm -f "$results/lammps.json"
    local atoms some=()
    for atoms in $sizes; do
        [ "$atoms" -gt $most_in_lammps ] || some+=("$atoms")
    done
    [ ${#some[@]} -gt 0 ] || { left_out "lammps: more than $most_in_lammps atoms"; return; }
    step "lammps" "$python" "$here/gpu_lammps.py" --lmp "$build/lmp_kk" --pack "$folder" --sizes "${some[@]}" --seconds "$seconds" \
        --scratch "$build/lammps-runs" --output "$results/lammps.json" ${DPC_PEER_TORCH:+--peer-torch "$DPC_PEER_TORCH"}
    cat "$build/step.log"
}

# --- run ----------------------------------------------------------------------------------------------------------------------

parse_run() {
    folder=$1 out=$1/out
    shift
    [[ ${1:---} == --* ]] || { out=$1; shift; }
    stages="build test bench largest sanitize lammps-build checks lammps" backend= build= jobs=$(nproc) limit=3000
    stage_limit=600 sizes="192 1536 12288 98304 786432 4194304 50331648" seconds=2 architecture= build_only=
    while [ $# -gt 0 ]; do
        case $1 in
            --stages | --backend | --build | --jobs | --limit | --sizes | --seconds) printf -v "${1#--}" %s "${2?$1 needs a value}"; shift 2 ;;
            --stage-limit) stage_limit=${2?--stage-limit needs a value}; shift 2 ;;
            --arch) architecture=${2?--arch needs a value}; shift 2 ;;
            --build-only) build_only=yes; stages="build lammps-build"; shift ;;
            *) die "$1 is not an option" ;;
        esac
    done
    if [ -z "$backend" ]; then
        backend=serial
        [ -z "$build_only" ] && ! nvidia-smi -L >/dev/null 2>&1 || backend=cuda
    fi
    [[ $backend =~ ^(cuda|serial)$ ]] || die "--backend $backend: cuda or serial"
    [ -n "$build" ] || build=$repository/build/gpu$([ "$backend" = cuda ] || echo "-$backend")
}

run() {
    parse_run "$@"
    [ -e "$folder/kokkos.tar.gz" ] || die "$folder was not made by gpu.sh pack"
    results=$out/results-$backend
    mkdir -p "$results" "$build"
    folder=$(cd "$folder" && pwd) out=$(cd "$out" && pwd) build=$(cd "$build" && pwd) results=$(cd "$results" && pwd) log=$out/gpu.log
    generator=()
    command -v ninja >/dev/null && generator=(-G Ninja)
    export build folder
    [[ ! $stages =~ build ]] || set_compiler
    { date -u; nproc; uname -sr; cmake --version | head -n 1; [ "$backend" = serial ] || { nvcc --version | tail -n 2; nvidia-smi; }; } >>"$log" 2>&1
    for stage in $stages; do
        declare -F "stage_${stage//-/_}" >/dev/null || { failures+=("$stage: no such stage"); continue; }
        local begin=$SECONDS
        stage_end=$((begin + stage_limit < limit ? begin + stage_limit : limit))
        [[ $stage != *build ]] || stage_end=$limit
        "stage_${stage//-/_}"
        echo "== stage $stage took $((SECONDS - begin)) s" | tee -a "$log"
    done
    "$python" "$here/gpu_report.py" --results "$results" --output "$out" --packed "$folder/commit" | tee "$out/summary.txt" | tee -a "$log" ||
        failures+=("the report")
    if [ ${#failures[@]} -gt 0 ]; then
        printf 'FAILED: %s\n' "${failures[@]}" | tee -a "$log" "$out/summary.txt"
        return 1
    fi
    echo "all stages passed: $stages" | tee -a "$log" "$out/summary.txt"
}

case "${1:-} ${2:-}" in
    "pack "?*) pack "$2" ;;
    "run "?*) shift; run "$@" ;;
    *) awk 'NR > 2 && !/^#/ { exit } NR > 2' "$0" | cut -c 3-; exit 2 ;;
esac
