# SPDX-License-Identifier: MIT
"""What a benchmark result must say besides its figures: machine, date, commit, versions."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent


def shared_folder() -> Path:
    """Folder of the full-size models and the training data (DPC_SHARED, else beside the repository)."""
    return Path(os.environ.get("DPC_SHARED", REPOSITORY.parent / "shared")).resolve()


def processor() -> str:
    """The processor's own name, with the widest vector extension it has."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    values = {key.strip(): value.strip() for key, value in fields.items()}
    flags = values.get("flags", "").split()
    widest = next((name for name in ("avx512f", "avx2", "avx", "sse4_2") if name in flags), platform.machine())
    return f"{values.get('model name', platform.machine())} (family {values.get('cpu family', '?')}, {widest})"


def commit() -> str:
    """Commit of the working tree, with "+changes" where it differs from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
        ).stdout.strip()

    return (git("rev-parse", "--short=12", "HEAD") or "none") + ("+changes" if git("status", "--porcelain") else "")


def describe() -> dict[str, Any]:
    """Machine, date and commit for a JSON result."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def write(report: dict[str, Any], path: Path) -> None:
    """A result as JSON; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")


def package_versions(venv: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Versions of packages in another virtual environment; a package that is not there is left out."""
    code = (
        "import importlib.metadata as m\n"
        f"for n in {names!r}:\n"
        "    if any(m.distributions(name=n)): print(n, m.version(n))\n"
    )
    output = subprocess.run([venv / "bin" / "python", "-c", code], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in output.splitlines())
