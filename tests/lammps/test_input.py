# SPDX-License-Identifier: MIT
"""Input scripts, right and wrong: every wrong one ends with one message that says what, where and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, System, after_a_failure, setup, static

SAME_MODEL = 1e-11  # eV/angstrom: two evaluations of the same atoms differ by rounding only


def the_error(lammps: Lammps, script: str, ranks: int = 1) -> str:
    """The one error message of a run that must fail."""
    run = lammps.run(script, ranks, check=False)
    assert len(run.errors) == 1, run.output
    return run.errors[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "the table file is missing"),
        ("{file} chek 5", "chek: no such file; nor is it a keyword"),
        ("{file} check 5 chek 5", "unknown keyword 'chek'"),
        ("{file} check", "keyword 'check' has no value"),
        ("{file} check 0", "check must be a number of steps of at least 1, not '0'"),
        ("{file} check 2.5", "check must be a number of steps of at least 1, not '2.5'"),
        ("{file} overflow ignore", "overflow must be warn or stop, not 'ignore'"),
        ("{file} precision single", "precision must be double or mixed, not 'single'"),
        ("{file} {file} out_freq -1", "out_freq must be a number of steps of at least 0, not '-1'"),
        ("{file} {file} out_file", "keyword 'out_file' has no value"),
        ("{file} {file} relative -0.1", "relative must be a number of at least 0, not '-0.1'"),
        ("{file} {file} relative_v much", "relative_v must be a number of at least 0, not 'much'"),
        ("{file} fparam 0.2", "the model takes no frame parameters, keyword fparam has 1: leave it out"),
        ("{file} aparam_from_compute ke", "the model takes no atomic parameters, keyword aparam_from_compute gives some"),
        ("{file} fparam 1 fparam 2", "keyword fparam is given twice: give it once, with all its values"),
        ("{file} aparam 1 check 5 aparam 2", "keyword aparam is given twice"),
        ("{file} fparam_from_fix a fparam_from_fix b", "keyword fparam_from_fix is given twice"),
        ("{file} fparam_from_fix", "keyword 'fparam_from_fix' has no value"),
        ("{file} ttm electrons", "LAMMPS shows other styles no electron temperature of a cell of fix ttm"),
        ("{file} charge_spin 0 1", "models with charge and spin are not supported"),
        ("{file} spin_norm 1.2", "run them with pair_style deepspin"),
        ("{file} virtual_len 0.4", "run them with pair_style deepspin"),
    ],
)
def test_wrong_style_arguments(arguments: str, message: str, lammps: Lammps, water: System, small: Path) -> None:
    error = the_error(lammps, setup("water.data", "dpcompressed " + arguments.format(file=small)))
    assert message in error
    assert "pair_style dpcompressed FILE [FILE2 ...] [check N] [overflow warn|stop] [precision double|mixed]" in error


@pytest.mark.parametrize(
    ("coeff", "message"),
    [
        ("* * O Xx", "element Xx of pair_coeff is not in the model, which has: O H"),
        ("* * O", "pair_coeff has 1 element names (O), but there are 2 atom types"),
        ("* * O H H", "pair_coeff has 3 element names (O H H), but there are 2 atom types"),
        ("* * NULL NULL", "NULL for every atom type"),
        ("1 2 O H", "* *"),
    ],
)
def test_wrong_coefficients(coeff: str, message: str, lammps: Lammps, water: System, small: Path) -> None:
    assert message in the_error(lammps, setup("water.data", f"dpcompressed {small}", coeff))


def test_no_names_need_enough_model_types(lammps: Lammps, water: System, small: Path) -> None:
    System((*water.names, "X"), water.types, water.positions, water.cell).write(lammps.folder / "three.data")
    error = the_error(lammps, setup("three.data", f"dpcompressed {small}", "* *"))
    assert "there are 3 atom types, but the model has only 2 (O H)" in error


def test_newton_off_is_refused(lammps: Lammps, water: System, small: Path) -> None:
    error = the_error(lammps, "newton off\n" + setup("water.data", f"dpcompressed {small}") + "run 0\n")
    assert "needs `newton on`" in error


@pytest.mark.parametrize(("words", "is_fine"), [("on off", True), ("off on", False)])
def test_newton_of_pairs_decides(words: str, is_fine: bool, lammps: Lammps, water: System, small: Path) -> None:
    run = lammps.run(f"newton {words}\n" + setup("water.data", f"dpcompressed {small}") + "run 0\n", check=is_fine)
    assert is_fine == (not any("needs `newton on`" in line for line in run.errors))


IGNORED = {
    "spins": ("atom_style spin", "the model has none"),
    "shift": ("pair_modify shift yes", "pair_modify shift and pair_modify tail have no effect"),
    "tail": ("pair_modify tail yes", "pair_modify shift and pair_modify tail have no effect"),
    "mix": ("pair_modify mix arithmetic", None),
}


@pytest.mark.parametrize("case", IGNORED)
def test_what_the_model_does_not_know_is_said_once(case: str, lammps: Lammps, small: Path) -> None:
    """And changes nothing: the energy is that of the same atoms without."""
    command, warning = IGNORED[case]
    style = command if command.startswith("atom_style") else "atom_style atomic"
    box = "lattice sc 2.6\nregion b block 0 5 0 5 0 5\ncreate_box 2 b\ncreate_atoms 1 box\nmass * 1\n"
    box += "set region b type/fraction 2 0.5 17\n"
    model = f"pair_style {lammps.style(small, 'overflow warn')}\npair_coeff * * O H\n"
    energy = 'run 0\nprint "energy: $(pe:%.17g)"\n'
    script = f"units metal\natom_style atomic\n{box}{model}{energy}clear\nunits metal\n{style}\n{box}"
    script += "set group all spin/atom/random 31 2.0\n" if case == "spins" else ""
    script += f"{model}{command if command != style else ''}\nrun 0\n{energy}"
    run = lammps.run(script, ranks=2)
    plain, same = run.values("energy")
    assert same[0] == pytest.approx(plain[0], abs=SAME_MODEL * 125)
    said = [line for line in run.warnings if "no effect" in line or "spins" in line]
    assert len(said) == (warning is not None), said
    assert warning is None or warning in said[0]


def test_units_lj_is_refused(lammps: Lammps, water: System, small: Path) -> None:
    error = the_error(lammps, setup("water.data", f"dpcompressed {small}", units="lj") + "run 0\n")
    assert "cannot be used with `units lj`" in error


def test_names_give_the_order(lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
    """No names: LAMMPS types in the order of the model; names: any order, here types 1 = H, 2 = O."""
    System(("H", "O"), 3 - water.types, water.positions, water.cell).write(lammps.folder / "swapped.data")
    script = setup("water.data", f"dpcompressed {small}", "* *") + static("order.dump")
    script += "clear\n" + setup("swapped.data", f"dpcompressed {small}", "* * H O") + static("names.dump")
    run = lammps.run(script)
    np.testing.assert_allclose(run.dump("names.dump"), run.dump("order.dump"), rtol=0, atol=SAME_MODEL)
    assert abs(run.values("energy")[0][0] - small_reference["energy0"]) < 1e-9 * len(water)
    assert "atom types 1=H 2=O" in run.output


@pytest.mark.parametrize(("names", "is_said"), [("", True), (" O H", False)])
def test_labels_of_types_are_not_read(names: str, is_said: bool, lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", f"dpcompressed {small}", "* *" + names)
    script = script.replace("pair_style", "labelmap atom 1 H 2 O\npair_style")
    said = [line for line in lammps.run(script + "run 0\nrun 0\n", ranks=2).warnings if "labelmap" in line]
    assert len(said) == is_said, said


def test_pair_style_can_be_given_again(lammps: Lammps, water: System, small: Path) -> None:
    """LAMMPS keeps the style's object where pair_style names the same style twice."""
    again = f"pair_style dpcompressed {small} check 3 overflow warn\npair_coeff * * O H\n"
    run = lammps.run(setup("water.data", f"dpcompressed {small}", "* * O NULL") + again + static())
    only = lammps.run(setup("water.data", f"dpcompressed {small}", "* * O H") + static("only.dump"))
    np.testing.assert_allclose(run.dump("forces.dump"), only.dump("only.dump"), rtol=0, atol=SAME_MODEL)
    assert "checked every 3 steps, and is warned of" in run.output


class TestFiles:
    """What is not an intact table file is refused on any number of ranks, without a hang and with one message."""

    @pytest.mark.parametrize("ranks", [1, 2])
    def test_no_such_file(self, ranks: int, lammps: Lammps, water: System) -> None:
        assert "no_such.bin" in the_error(lammps, setup("water.data", "dpcompressed no_such.bin"), ranks)

    @pytest.mark.parametrize("ranks", [1, 2])
    def test_trained_model_names_the_command(self, ranks: int, lammps: Lammps, water: System, shared: Path) -> None:
        model = shared / "models" / "se_e2_a-small" / "model.pth"
        error = the_error(lammps, setup("water.data", f"dpcompressed {model}"), ranks)
        assert f"python -m pybuild {model} tables.bin" in error

    def test_empty_file(self, lammps: Lammps, water: System) -> None:
        (lammps.folder / "empty.bin").touch()
        assert "empty.bin" in the_error(lammps, setup("water.data", "dpcompressed empty.bin"))

    def test_truncated(self, lammps: Lammps, water: System, small: Path) -> None:
        content = small.read_bytes()
        (lammps.folder / "cut.bin").write_bytes(content[: len(content) // 2])
        error = the_error(lammps, setup("water.data", "dpcompressed cut.bin"), ranks=2)
        assert "cut.bin" in error
        assert str(len(content)) in error, "the message should give the size that the header promises"

    def test_flipped_bit(self, lammps: Lammps, water: System, small: Path) -> None:
        content = bytearray(small.read_bytes())
        content[-100] ^= 4
        (lammps.folder / "bit.bin").write_bytes(content)
        assert "checksum" in the_error(lammps, setup("water.data", "dpcompressed bit.bin")).lower()

    def test_newer_format(self, lammps: Lammps, water: System, small: Path) -> None:
        content = bytearray(small.read_bytes())
        content[8:10] = (2).to_bytes(2, "little")
        (lammps.folder / "newer.bin").write_bytes(content)
        error = the_error(lammps, setup("water.data", "dpcompressed newer.bin"))
        assert "newer.bin" in error
        assert "version" in error


AFTER_A_WRONG_COEFF = """
run.command("write_restart kept.restart")
run.command("run 0 post no")
print("energy:", repr(run.get_thermo("pe")))
run.close()
run = lammps(cmdargs=["-log", "none"])
run.command("read_restart kept.restart")
run.command("run 0 post no")
print("energy:", repr(run.get_thermo("pe")))
"""


def test_a_pair_coeff_that_failed_changes_nothing(lammps: Lammps, water: System, small: Path) -> None:
    """Nor what a restart file holds."""
    script = setup("water.data", f"dpcompressed {small} overflow warn", "* * O H")
    script += 'run 0 post no\nprint "energy: $(pe:%.17g)"\n'
    lines = after_a_failure(lammps, script, "pair_coeff * * H Q", AFTER_A_WRONG_COEFF)
    energies = [float(line.split()[1]) for line in lines if line.startswith("energy:")]
    assert len(energies) == 3
    np.testing.assert_allclose(energies[1:], energies[0], rtol=1e-13)
