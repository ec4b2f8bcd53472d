# SPDX-License-Identifier: MIT
"""Who may include or import what (docs/architecture.md). `python tests/check_layers.py` prints every breach and exits with 1.

C++: the core sees neither LAMMPS nor Python, and the BLAS through one header; LAMMPS only in lammps_plugin; Python.h only in cython_ext.
Python: each module of pybuild may import the siblings listed here and the packages listed here; a heavy package inside a function only.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What each C++ folder may include beside the standard library, and its own files.
CXX_FOLDERS = {
    "core": r"dpc/.*|omp\.h|dlfcn\.h|immintrin\.h|arm_neon\.h|cblas\.h|fcntl\.h|unistd\.h|sys/.*",
    "lammps_plugin": r"dpc/.*|mpi\.h|dlfcn\.h|limits\.h|std(io|lib)\.h|string\.h|LAMMPS",
    "cython_ext": r"dpc/.*|Python\.h|numpy/.*",
}
LAMMPS_HEADERS = {
    "atom", "comm", "error", "force", "group", "lammps", "lmptype", "memory", "neigh_list", "neighbor", "pair", "update", "utils",
}
STANDARD_CXX = re.compile(r"[a-z_]+")  # <vector>: no dot, no slash
CBLAS_DOOR = "core/src/host/blas.cpp"

# Modules of pybuild: which siblings they may import. "*": all. Everything may import errors.
SIBLINGS = {
    "errors": set(),
    "activations": set(),
    "description": {"activations"},
    "tableset": set(),
    "cli": {"*"},
    "__main__": {"cli"},
}
# The rest of pybuild, by what it must never import.
FORBIDDEN = {
    "readers": {"cli", "calculator", "_core", "tables_file", "tableset", "tabulate", "accuracy"},
    "reference": {"cli", "calculator", "_core", "tables_file", "tableset", "tabulate", "accuracy", "readers"},
    "tabulate": {"cli", "calculator", "_core", "readers"},
    "tables_file": {"cli", "calculator", "_core", "readers", "description", "tabulate"},
    "calculator": {"cli", "readers", "tabulate", "tables_file", "description"},
}
ALWAYS_FORBIDDEN = {"cli"}  # nothing imports the command line but its entry
AT_TOP = {"numpy"}  # packages that a module may import at its top; others (torch, ase, mpi4py, ...) inside functions
AT_TOP_EXCEPTIONS = {"calculator": {"ase", "vesin"}, "reference_torch": {"torch"}}


def cxx_breaches() -> Iterator[str]:
    for folder, allowed in CXX_FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".cpp", ".hpp", ".h"}:
                yield from _include_breaches(path, folder, allowed)


def _include_breaches(path: Path, folder: str, allowed: str) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not found:
            if re.search(r"cblas_[ds]", line) and folder == "core" and name != CBLAS_DOOR and not line.lstrip().startswith("//"):
                yield f"{name}:{number}: calls the BLAS past {CBLAS_DOOR}"
            continue
        kind, header = found.groups()
        own = kind == '"' and _is_own(path, folder, header)
        lammps = "LAMMPS" in allowed and header.removesuffix(".h") in LAMMPS_HEADERS
        if not (own or lammps or (kind == "<" and STANDARD_CXX.fullmatch(header)) or re.fullmatch(allowed, header)):
            yield f"{name}:{number}: {folder} must not include {header}"


def _is_own(path: Path, folder: str, header: str) -> bool:
    places = [path.parent, ROOT / folder / "src", ROOT / folder / "include"]
    return any((place / header).exists() or (place / f"{header}.in").exists() for place in places)


def python_breaches() -> Iterator[str]:
    for path in sorted((ROOT / "pybuild").rglob("*.py")):
        inside = path.relative_to(ROOT / "pybuild")
        module = inside.parts[0].removesuffix(".py")
        for number, target, at_top in _imports(path):
            problem = _sibling_problem(module, target) if target.startswith("pybuild") else _package_problem(module, target, at_top)
            if problem:
                yield f"pybuild/{inside.as_posix()}:{number}: {problem}"


def _imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, full name, whether it runs when the module is imported."""
    tree = ast.parse(path.read_text())
    package = ["pybuild", *path.relative_to(ROOT / "pybuild").parts[:-1]]
    later = {id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)}
    later |= {id(node) for test in ast.walk(tree) if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.dump(test.test) for node in ast.walk(test)}
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
    sibling = target.split(".")[1] if "." in target else "__init__"
    if sibling in {module, "errors", "__init__"}:
        return None
    allowed = SIBLINGS.get(module)
    if allowed is not None and "*" not in allowed and sibling not in allowed:
        return f"{module} must not import {sibling}"
    if sibling in FORBIDDEN.get(module, set()) | (ALWAYS_FORBIDDEN if module not in {"__main__", "cli"} else set()):
        return f"{module} must not import {sibling}"
    return None


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
