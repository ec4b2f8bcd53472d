# SPDX-License-Identifier: MIT
# dpc_python_package_file(VAR distribution name.ext): where a file of an installed Python distribution lies, or VAR-NOTFOUND.
# Asks the interpreter of the build (scikit-build-core's, otherwise the python3 first in PATH or Python_EXECUTABLE).
function(dpc_python_package_file variable distribution file_name)
    set(${variable} ${variable}-NOTFOUND PARENT_SCOPE)
    find_package(Python COMPONENTS Interpreter QUIET)
    if(NOT Python_Interpreter_FOUND)
        return()
    endif()
    execute_process(
        COMMAND ${Python_EXECUTABLE} -c "
import sys
from importlib import metadata
try:
    files = metadata.files(sys.argv[1]) or []
except metadata.PackageNotFoundError:
    files = []
print(next((str(f.locate().resolve()) for f in files if f.name == sys.argv[2]), ''))
" ${distribution} ${file_name}
        OUTPUT_VARIABLE path OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(path)
        set(${variable} ${path} PARENT_SCOPE)
    endif()
endfunction()
