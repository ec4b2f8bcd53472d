# SPDX-License-Identifier: MIT
# To be sourced: what is compiled without being run, the compiler's messages in BUILD/compiler.log; where it fails their end is printed.
#   compile BUILD TARGET...           these targets of a CMake build folder
#   compile_objects BUILD TARGET...   their objects: nothing is linked

compile() {
    cmake --build "$1" --target "${@:2}" >"$1/compiler.log" 2>&1 || { tail -n 60 "$1/compiler.log"; exit 1; }
}

compile_objects() {
    local build=$1 target of_target objects=()
    for target in "${@:2}"; do
        mapfile -t of_target < <(cmake --build "$build" -- -t targets all |
            sed -n "s|^\([^:]*/CMakeFiles/$target\.dir/[^:]*\.o\): .*|\1|p")
        [ ${#of_target[@]} -gt 0 ] || { echo "$build: no objects of $target"; exit 1; }
        objects+=("${of_target[@]}")
    done
    compile "$build" "${objects[@]}"
}
