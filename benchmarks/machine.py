# SPDX-License-Identifier: MIT
"""What a benchmark result must say besides its figures: machine, date, commit, versions."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
NO_COMMIT = "none"  # no git here, or no repository


def shared_folder() -> Path:
    """Folder of the full-size models and the training data (DPC_SHARED, else beside the repository)."""
    return Path(os.environ.get("DPC_SHARED", REPOSITORY.parent / "shared")).resolve()


# Generations that cloud machines do not name: vendor, family, first and last model.
GENERATIONS = (
    ("AuthenticAMD", 23, 0x30, 0xAF, "Zen 2"), ("AuthenticAMD", 25, 0x00, 0x0F, "Zen 3"),
    ("AuthenticAMD", 25, 0x10, 0x1F, "Zen 4"), ("AuthenticAMD", 25, 0x20, 0x5F, "Zen 3"),
    ("AuthenticAMD", 25, 0x60, 0xAF, "Zen 4"), ("AuthenticAMD", 26, 0x00, 0xFF, "Zen 5"),
    ("GenuineIntel", 6, 0x6A, 0x6C, "Ice Lake"), ("GenuineIntel", 6, 0x8F, 0x8F, "Sapphire Rapids"),
    ("GenuineIntel", 6, 0xCF, 0xCF, "Emerald Rapids"), ("GenuineIntel", 6, 0xAD, 0xAE, "Granite Rapids"),
)  # fmt: skip


def processor() -> str:
    """The processor's own name, its generation or family and model, and the widest vector extension it has."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    values = {key.strip(): value.strip() for key, value in fields.items()}
    flags = values.get("flags", "").split()
    widest = next((name for name in ("avx512f", "avx2", "avx", "sse4_2") if name in flags), platform.machine())
    return f"{values.get('model name', platform.machine())} ({generation(values)}, {widest})"


def generation(values: dict[str, str]) -> str:
    """Of the fields of /proc/cpuinfo; family and model where it is not known."""
    family, model = values.get("cpu family", "?"), values.get("model", "?")
    if family.isdigit() and model.isdigit():
        for vendor, of, first, last, name in GENERATIONS:
            if values.get("vendor_id") == vendor and int(family) == of and first <= int(model) <= last:
                return name
    return f"family {family}, model {model}"


def commit() -> str:
    """Commit of the working tree, with "+changes" where it differs from it."""

    def git(*arguments: str) -> str:
        if shutil.which("git") is None:
            return ""
        return subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
        ).stdout.strip()

    return (git("rev-parse", "--short=12", "HEAD") or NO_COMMIT) + ("+changes" if git("status", "--porcelain") else "")


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
