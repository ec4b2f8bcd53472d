# SPDX-License-Identifier: MIT
"""Who may include or import what (docs/architecture.md). `python tests/check_layers.py` prints every breach and exits with 1.

C++: the core sees neither LAMMPS nor Python; Kokkos and the vendors' BLAS only in its kokkos folders; LAMMPS only in
lammps_plugin; Python.h only in cython_ext.
Python: each folder of pybuild may import the folders, modules and packages listed here; a heavy package inside a function only.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ANY_STANDARD = r"[a-z_]+"  # <vector>: no dot, no slash
SYSTEM = r"d(lfcn|irent)\.h|fcntl\.h|li(mits|nk)\.h|sys/(file|stat)\.h|unistd\.h"
# What the files of a C++ folder may include beside their own: standard headers, others. The first folder that fits counts.
KOKKOS = r"dpc/.*|Kokkos_\w+\.hpp|cublas_v2\.h|cuda_fp16\.h|hipblas/hipblas\.h|omp\.h"
CXX_FOLDERS = {
    "core/include/dpc/math": ("cmath|cstdint", r"dpc/math/.*|dpc/codes\.hpp"),
    "core/include/dpc/kokkos": (ANY_STANDARD, KOKKOS),
    "core/src/kokkos": (ANY_STANDARD, KOKKOS),
    "core": (ANY_STANDARD, r"dpc/.*|omp\.h|dlfcn\.h|[a-z]*mmintrin\.h|arm_neon\.h|fcntl\.h|unistd\.h|sys/.*"),
    "lammps_plugin": (ANY_STANDARD, rf"dpc/.*|mpi\.h|math\.h|std(def|int|io|lib)\.h|string\.h|{SYSTEM}"),
    "cython_ext": (ANY_STANDARD, r"dpc/.*|Python\.h|numpy/.*"),
}
LAMMPS_HEADERS = {
    "atom",
    "atom_kokkos",
    "atom_masks",
    "comm",
    "compute",
    "domain",
    "error",
    "fix",
    "force",
    "group",
    "kokkos",
    "kokkos_type",
    "lammps",
    "lmptype",
    "memory",
    "modify",
    "neigh_list",
    "neigh_list_kokkos",
    "neigh_request",
    "neighbor",
    "pair",
    "timer",
    "universe",
    "update",
    "utils",
}

# What each folder, or module at the top, of pybuild may import beside itself, the arrays' types and the errors: folders, modules.
# What is not named here may import nothing.
IMPORTS = {
    "model": set(),
    "descriptors": {"model"},
    "readers": {"descriptors", "model"},
    "structures": {"model", "progress"},
    "compress": {"blas", "descriptors", "model", "progress", "structures", "tablefile.tableset"},
    "oracles": {"descriptors", "model", "tablefile.tableset"},
    "tablefile": {"model"},
    "calculator": {"structures", "turns", "_core"},
    "info": {"compress", "descriptors", "model", "tablefile.tableset"},
    "verify": {"calculator", "compress", "model", "oracles", "readers", "structures", "tablefile"},
    "show": {"readers"},
    "cli": {"arguments", "compress", "info", "outputs", "ranks", "readers", "show", "structures", "tablefile", "verify"},
    "__main__": {"cli"},
}
ANYBODY = {"__version__", "arrays", "errors"}
AT_TOP = {"numpy"}  # packages that a module may import at its top; others (torch, ase, mpi4py, ...) inside functions
AT_TOP_EXCEPTIONS = {"calculator": {"ase", "vesin"}, "oracles": {"torch"}}


def cxx_breaches() -> Iterator[str]:
    for top in ("core", "lammps_plugin", "cython_ext"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in {".cpp", ".hpp", ".h"}:
                yield from _include_breaches(path, top)


def _include_breaches(path: Path, top: str) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    folder = next(folder for folder in CXX_FOLDERS if name.startswith(folder + "/"))
    standard, allowed = CXX_FOLDERS[folder]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not found:
            continue
        kind, header = found.groups()
        own = kind == '"' and folder != "core/include/dpc/math" and _is_own(path, top, header)
        lammps = top == "lammps_plugin" and header.removesuffix(".h") in LAMMPS_HEADERS
        if not (own or lammps or (kind == "<" and re.fullmatch(standard, header)) or re.fullmatch(allowed, header)):
            yield f"{name}:{number}: {folder} must not include {header}"


def _is_own(path: Path, folder: str, header: str) -> bool:
    """Beside the file or among its folder's headers or sources; headers, which others include, must do without sources."""
    inside = ROOT / folder / "include"
    places = [path.parent, inside, *([] if inside in path.parents else [ROOT / folder / "src"])]
    return any((place / header).exists() or (place / f"{header}.in").exists() for place in places)


def python_breaches() -> Iterator[str]:
    for path in sorted((ROOT / "pybuild").rglob("*.py")):
        inside = path.relative_to(ROOT / "pybuild")
        module = inside.parts[0].removesuffix(".py")
        for number, target, at_top in _imports(path):
            problem = (
                _sibling_problem(module, target) if target.startswith("pybuild") else _package_problem(module, target, at_top)
            )
            if problem:
                yield f"pybuild/{inside.as_posix()}:{number}: {problem}"


def _imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, full name, whether it runs when the module is imported."""
    tree = ast.parse(path.read_text())
    package = ["pybuild", *path.relative_to(ROOT / "pybuild").parts[:-1]]
    later = {id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)}
    later |= {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.dump(test.test)
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, id(node) not in later
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = [*base, *([node.module] if node.module else [])]
            names = [".".join(stem)] if node.module else [".".join([*stem, alias.name]) for alias in node.names]
            for name in names:
                yield node.lineno, name, id(node) not in later


def _sibling_problem(module: str, target: str) -> str | None:
    parts = target.split(".")
    sibling = parts[1] if len(parts) > 1 else "__init__"
    if {sibling, ".".join(parts[1:3])} & ({module, "__init__"} | ANYBODY | IMPORTS.get(module, set())):
        return None
    return f"{module} must not import {sibling}"


def _package_problem(module: str, target: str, at_top: bool) -> str | None:
    package = target.split(".")[0]
    if package in sys.stdlib_module_names or package in AT_TOP or not at_top:
        return None
    if package in AT_TOP_EXCEPTIONS.get(module, set()):
        return None
    return f"imports {package} at its top; import it inside the function that needs it"


def main() -> int:
    breaches = [*cxx_breaches(), *python_breaches()]
    print("\n".join(breaches) if breaches else "layers: every include and import is allowed")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
