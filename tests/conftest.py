# SPDX-License-Identifier: MIT
"""What every test folder shares: where the trained models are, and a strict mode for continuous integration.

DPC_SHARED: folder with models/ and data/ (default: ../shared beside the repository). Tests that need it skip where it is absent.
DPC_NO_SKIP=1: a test skipped for want of that folder or of a program fails the run, so that an empty run cannot look green.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("DPC_SHARED", REPOSITORY.parent / "shared"))
MUST_NOT_BE_MISSING = ("shared", "DPC_SHARED", "lmp", "mpirun", "g++")


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
    return {reason for reason in reasons if any(word in reason for word in MUST_NOT_BE_MISSING)}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with models/ and data/."""
    if not (SHARED / "models").is_dir():
        pytest.skip(f"no shared models in {SHARED} (set DPC_SHARED)")
    return SHARED
