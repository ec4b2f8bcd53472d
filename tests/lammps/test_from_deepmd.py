# SPDX-License-Identifier: MIT
"""docs/from-deepmd.md: the lines of its table are the same words for both styles, and run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, System, setup, static

from pybuild.compress.build import build
from pybuild.readers import read_model
from pybuild.tablefile.file import write_tables

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "from-deepmd.md").read_text()
LINES = re.findall(r"^\| `pair_style deepmd (.*?)` \| `pair_style dpcompressed (.*?)` \|$", PAGE, re.MULTILINE)
COMMANDS = "\n".join(re.findall(r"^    (variable .*|compute .*|fix .*)$", PAGE, re.MULTILINE))
MODELS = {"water": "hybrid_a_r", "other": "hybrid_a_r", "hot": "parameters"}  # of tests/data/options


@pytest.fixture(scope="module")
def tables_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The file of a name on the page."""
    folder = tmp_path_factory.mktemp("page")

    def make(name: str) -> str:
        path = folder / f"{MODELS[name]}.bin"
        if not path.exists():
            write_tables(path, build(read_model(REPOSITORY / "tests" / "data" / "options" / f"{MODELS[name]}.pth"), 1.1).tables)
        return str(path)

    return make


def test_the_tests_of_reports_exist() -> None:
    """Every test that the page names for what others have reported is in the file named before it."""
    section = PAGE.split("## Reports of others' users")[1]
    rows = [line for line in section.splitlines() if re.match(r"\| \d", line)]
    named = 0
    for row in rows:
        text = ""
        for file, test in re.findall(r"`(?:tests/core/)?(test_\w+\.(?:py|cpp))`|\b(test_[a-z_]+)\b(?!\.)", row):
            if file:
                text = (REPOSITORY / "tests" / ("core" if file.endswith("cpp") else "lammps") / file).read_text()
            else:
                assert f"def {test}(" in text, f"{test} in {row}"
                named += 1
    assert len(rows) > 20
    assert named > 25


def test_there_are_lines() -> None:
    assert len(LINES) > 5
    assert COMMANDS.count("\n") > 5


@pytest.mark.parametrize(("there", "here"), LINES)
def test_a_line(lammps: Lammps, tables_of: Callable[[str], str], there: str, here: str) -> None:
    assert re.sub(r"\.(pb|pth)\b", ".bin", there) == here
    takes_parameters = here.startswith("hot")
    data = dict(np.load(REPOSITORY / "tests" / "data" / "options" / ("parameters.npz" if takes_parameters else "hybrid_a_r.npz")))
    system = System(("X", "X", "X"), data["types"].astype(np.int64) + 1, data["positions"], data["cell"])
    system.write(lammps.folder / "atoms.data")
    words = re.sub(r"(\w+)\.bin", lambda match: tables_of(match[1]), here)
    script = setup("atoms.data", lammps.style(words, "overflow warn"), "* * A B C") + (COMMANDS if takes_parameters else "")
    run = lammps.run(script + static() + ('print "derivatives: $(c_DEDN[1]) $(c_DEDN[2])"\n' if takes_parameters else ""))
    assert np.isfinite(run.value("energy")[0])
    assert not takes_parameters or np.abs(run.value("derivatives")).min() > 0
    files = [word for word in here.split() if word.endswith(".bin")]
    written = re.search(r"out_file (\S+)", here)
    assert (lammps.folder / (written[1] if written else "model_devi.out")).exists() == (len(files) > 1)
