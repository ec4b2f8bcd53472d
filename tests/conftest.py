# SPDX-License-Identifier: MIT
"""What every test folder shares: where the trained models are, and a strict mode for continuous integration.

DPC_SHARED: folder with models/ and data/ (default: ../shared beside the repository). Tests that need it skip where it is absent.
DPC_KOKKOS_ROOT, DPC_KOKKOS_LAMMPS: a Kokkos, and a LAMMPS with its package KOKKOS, as .ci/kokkos makes them. Tests of the Kokkos
evaluator build what they need with them, in build/ of the checkout, and skip where they are not set.
DPC_NO_SKIP=1: a skip for any reason that is not among ALLOWED_SKIPS fails the run, so that an empty run cannot look green.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from model_files import SHARED

REPOSITORY = Path(__file__).resolve().parent.parent
# What a machine, or a LAMMPS, need not have: everything else is installed where all tests must run.
ALLOWED_SKIPS = re.compile(
    r"Skipped: (refused by name|there is a GPU here|no x86_64_v\d here|this LAMMPS has no (package|pair style) \S+)"
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the skips that strict mode does not allow; the exit status follows in pytest_sessionfinish."""
    for reason in _forbidden_skips(terminalreporter):
        terminalreporter.write_line(f"not allowed with DPC_NO_SKIP=1: skipped, {reason}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == pytest.ExitCode.OK and _forbidden_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _forbidden_skips(reporter: pytest.TerminalReporter) -> set[str]:
    if os.environ.get("DPC_NO_SKIP") != "1":
        return set()
    reasons = {report.longrepr[2] for report in reporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)}
    return {reason for reason in reasons if not ALLOWED_SKIPS.fullmatch(reason)}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with models/ and data/."""
    if not (SHARED / "models").is_dir():
        pytest.skip(f"no shared models in {SHARED} (set DPC_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def own_kokkos_build() -> Path:
    """A build with a Kokkos of its own, for the LAMMPS and the Python that run the tests: lammps_plugin/ and cython_ext/."""
    kokkos = _folder_of("DPC_KOKKOS_ROOT")
    return _build("kokkos-own", "-DDPC_KOKKOS=own", f"-DKokkos_ROOT={kokkos}", "-DDPC_BUILD_PYTHON=ON")


@pytest.fixture(scope="session")
def lammps_kokkos_build() -> Path:
    """A build for the LAMMPS of DPC_KOKKOS_LAMMPS and the Kokkos inside it: lammps_plugin/."""
    lammps = _folder_of("DPC_KOKKOS_LAMMPS")
    where = (f"-DLAMMPS_SOURCE_DIR={lammps}", f"-DDPC_MPI_INCLUDE={lammps}/mpich/include")
    return _build("kokkos-lammps", "-DDPC_KOKKOS=lammps", *where)


def _folder_of(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set (.ci/kokkos prints it)")
    return Path(os.environ[variable])


def _build(name: str, *options: str) -> Path:
    folder = REPOSITORY / "build" / name
    tools = {tool: shutil.which(tool, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") for tool in ("cmake", "ninja")}
    configure = [tools["cmake"], "-S", REPOSITORY, "-B", folder, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools['ninja']}"]
    for command in ([*configure, f"-DPython_EXECUTABLE={sys.executable}", *options], [tools["cmake"], "--build", folder]):
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout
    return folder
