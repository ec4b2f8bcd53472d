# SPDX-License-Identifier: MIT
"""tables.bin from Python: checksum, round trips, the documented example, and a writer that is killed or runs out of space.

test_tables_rules.py has what a reader must refuse.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import signal
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pybuild.errors import FormatError, InputError
from pybuild.tablefile import container
from pybuild.tablefile.crc32c import crc32c
from pybuild.tablefile.file import from_bytes, list_sections, read_tables, to_bytes, write_tables
from pybuild.tablefile.sections import sections_of
from pybuild.tablefile.tableset import TableSet

try:
    from pybuild import _core
except ImportError:  # not built: the tests that need it say so when they skip
    _core = None

NOBODY = 65534  # user id


def assert_equal(a: Any, b: Any) -> None:
    """Same types, same values, same bits."""
    if is_dataclass(a):
        for field in fields(a):
            assert_equal(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()
    else:
        assert type(a) is type(b)
        assert a == b


class TestCrc32c:
    def test_known_values(self) -> None:
        """RFC 3720, appendix B.4."""
        assert crc32c(b"") == 0
        assert crc32c(b"123456789") == 0xE3069283
        assert crc32c(bytes(32)) == 0x8A9136AA
        assert crc32c(b"\xff" * 32) == 0x62A8AB43
        assert crc32c(bytes(range(32))) == 0x46DD794E

    @pytest.mark.parametrize("n", [2047, 2048, 2049, 16384, 16385, 100_003])
    def test_long_is_bit_by_bit(self, n: int) -> None:
        data = np.random.default_rng(n).integers(0, 256, n, dtype=np.uint8).tobytes()
        state = 0xFFFFFFFF
        for byte in data:
            state ^= byte
            for _ in range(8):
                state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
        assert crc32c(data) == state ^ 0xFFFFFFFF

    def test_continues_where_it_stopped(self) -> None:
        data = np.random.default_rng(1).integers(0, 256, 9_000_000, dtype=np.uint8).tobytes()  # more than one round of lanes
        whole = crc32c(data)
        for cut in (1, 4096, 8_388_608, 8_999_999):
            assert crc32c(data[cut:], crc32c(data[:cut])) == whole


class TestRoundTrip:
    def test_same_values(self, tables: TableSet, tmp_path: Path) -> None:
        write_tables(tmp_path / "tables.bin", tables)
        assert_equal(tables, read_tables(tmp_path / "tables.bin"))

    @pytest.mark.parametrize("of", ["radial_tables", "factor_tables", "double_tables"])
    def test_other_descriptors(self, of: str, request: pytest.FixtureRequest) -> None:
        tables = request.getfixturevalue(of)
        assert_equal(tables, from_bytes(to_bytes(tables)))

    def test_same_tables_same_bytes(self, tables: TableSet, tmp_path: Path) -> None:
        for name in ("a", "b"):
            write_tables(tmp_path / name, tables)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == to_bytes(tables)

    def test_type_without_energy(self, tables: TableSet) -> None:
        masked = replace(tables, energy_mask=np.array([1, 0], np.int32), fittings=(tables.fittings[0], None))
        assert_equal(masked, from_bytes(to_bytes(masked)))

    def test_no_provenance(self, tables: TableSet) -> None:
        assert from_bytes(to_bytes(replace(tables, provenance={}))).provenance == {}

    def test_listing(self, tables: TableSet, tmp_path: Path) -> None:
        write_tables(tmp_path / "tables.bin", tables)
        sections = {section.name: section for section in list_sections(tmp_path / "tables.bin")}
        assert len(sections) == len(sections_of(tables))
        coef = sections["table.1.coef"]
        assert (coef.dtype, coef.shape, coef.n_bytes, coef.required) == ("f64", (12, 4, 3), 12 * 4 * 3 * 8, True)
        assert coef.crc == crc32c(tables.tables[1].coef.tobytes())
        assert coef.offset % 64 == 0
        assert sections["descriptor.0.rcut"].shape == ()
        assert not sections["provenance.json"].required

    @pytest.mark.skipif(_core is None, reason="the compiled core is not built")
    def test_core_reads_it(self, tables: TableSet, tmp_path: Path) -> None:
        write_tables(tmp_path / "tables.bin", tables)
        model = _core.Model.from_file(tmp_path / "tables.bin")
        assert model.type_map == tables.type_map
        assert model.descriptors == ({"kind": "se_e2_a", "rcut": 6.0, "sel": (4, 8)},)
        assert [t["order"] for t in model.tables] == [5, 3]

    @pytest.mark.skipif(_core is None, reason="the compiled core is not built")
    def test_core_reads_other_descriptors(self, radial_tables: TableSet, double_tables: TableSet) -> None:
        kinds = [
            [d["kind"] for d in _core.Model.from_bytes(to_bytes(tables)).descriptors] for tables in (radial_tables, double_tables)
        ]
        assert kinds == [["se_e2_r"], ["se_e2_a", "se_e2_r"]]


KILLED_WRITER = """
import os, signal, sys
from pybuild.tablefile.file import read_tables, write_tables
tables = read_tables(sys.argv[1])
step, real = int(sys.argv[3]), {name: getattr(os, name) for name in ("open", "fsync", "replace")}
count = 0
def counted(name):
    def call(*arguments, **keywords):
        global count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real[name](*arguments, **keywords)
    return call
for name in real:
    setattr(os, name, counted(name))
write_tables(sys.argv[2], tables)
"""


class TestWriter:
    def run(self, script: str, *arguments: Any, **keywords: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(container.__file__).parents[2]), *sys.path])}
        return subprocess.run(command, capture_output=True, text=True, env=path, check=False, **keywords)

    @pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
    @pytest.mark.parametrize("old", [None, b"the old file"])
    def test_killed_at_any_step(self, step: int, old: bytes | None, tables: TableSet, tmp_path: Path) -> None:
        """SIGKILL before opening, syncing and renaming the temporary file, and before opening and syncing the folder."""
        write_tables(tmp_path / "source.bin", tables)
        target = tmp_path / "tables.bin"
        if old is not None:
            target.write_bytes(old)
        assert self.run(KILLED_WRITER, tmp_path / "source.bin", target, step).returncode == -signal.SIGKILL
        found = target.read_bytes() if target.exists() else None
        assert found == (old if step <= 3 else to_bytes(tables))

    def test_disk_full(self, tables: TableSet, tmp_path: Path) -> None:
        """A limit on the size of files stands in for a full disk: the write fails half way with an OSError."""
        write_tables(tmp_path / "source.bin", tables)
        (tmp_path / "tables.bin").write_bytes(b"old")
        script = (
            "import sys\nfrom pybuild.errors import InputError\nfrom pybuild.tablefile.file import *\n"
            "try: write_tables(sys.argv[2], read_tables(sys.argv[1]))\nexcept InputError as e: sys.exit(str(e))"
        )

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

        result = self.run(script, tmp_path / "source.bin", tmp_path / "tables.bin", preexec_fn=limit)
        assert result.returncode == 1
        assert result.stderr.strip() == f"{tmp_path}/tables.bin: cannot be written: File too large"
        assert (tmp_path / "tables.bin").read_bytes() == b"old"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["source.bin", "tables.bin"]

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
    def test_device_is_not_replaced(self, tables: TableSet) -> None:
        with pytest.raises(InputError, match="/dev/full: is not a regular file"):
            write_tables("/dev/full", tables)

    def test_folder_that_does_not_exist(self, tables: TableSet, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no_such/tables\.bin: cannot be written: No such file or directory"):
            write_tables(tmp_path / "no_such" / "tables.bin", tables)

    def test_target_is_a_folder(self, tables: TableSet, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="is not a regular file"):
            write_tables(tmp_path, tables)

    @pytest.mark.parametrize("mode", [0o500, 0o000])
    def test_unwritable_folder(self, mode: int, tables: TableSet, tmp_path: Path) -> None:
        """May be entered but not written, or not even entered. Root may do both, so root becomes somebody else."""
        folder = tmp_path / "closed"
        folder.mkdir(mode=mode)
        before = os.geteuid()
        try:
            if before == 0:
                os.seteuid(NOBODY)
            with pytest.raises(InputError, match=r"closed/tables\.bin: cannot be written: Permission denied"):
                write_tables(folder / "tables.bin", tables)
        finally:
            os.seteuid(before)

    def test_read_only_file_system(self, tables: TableSet) -> None:
        """/proc takes no files from anybody, root included."""
        if not os.path.isdir("/proc/self"):
            pytest.skip("no /proc")
        with pytest.raises(InputError, match=r"/proc/self/tables\.bin: cannot be written"):
            write_tables("/proc/self/tables.bin", tables)

    def test_interrupted(self, tables: TableSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(_: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_tables(tmp_path / "tables.bin", tables)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
    def test_mode_is_that_of_a_new_file(self, umask: int, mode: int, tables: TableSet, tmp_path: Path) -> None:
        before = os.umask(umask)
        try:
            write_tables(tmp_path / "tables.bin", tables)
        finally:
            os.umask(before)
        assert (tmp_path / "tables.bin").stat().st_mode & 0o777 == mode

    def test_link_stays_a_link(self, tables: TableSet, tmp_path: Path) -> None:
        (tmp_path / "link.bin").symlink_to("real.bin")
        write_tables(tmp_path / "link.bin", tables)
        assert (tmp_path / "link.bin").is_symlink()
        assert (tmp_path / "real.bin").read_bytes() == to_bytes(tables)


class TestReader:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match=r"none.bin: cannot be read: No such file"):
            read_tables(tmp_path / "none.bin")

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="is not a file"):
            list_sections(tmp_path)

    def test_trained_model_names_the_command(self, tmp_path: Path) -> None:
        (tmp_path / "model.pth").write_bytes(b"PK\x03\x04....")
        with pytest.raises(FormatError, match=f"python -m pybuild {tmp_path}/model.pth tables.bin"):
            read_tables(tmp_path / "model.pth")

    @pytest.mark.parametrize("start", [b"\x89HDF\r\n\x1a\n...", b"\x0a\x3b\x0a\x06t_type\x12\x05Const*\x0f"])
    def test_models_are_to_be_compressed_first(self, start: bytes, tmp_path: Path) -> None:
        (tmp_path / "model").write_bytes(start)
        with pytest.raises(FormatError, match=rf"python -m pybuild {tmp_path}/model tables\.bin"):
            read_tables(tmp_path / "model")

    def test_message_starts_with_the_path(self, tables: TableSet, tmp_path: Path) -> None:
        (tmp_path / "cut.bin").write_bytes(to_bytes(tables)[:-1])
        with pytest.raises(FormatError, match=f"^{tmp_path}/cut.bin: "):
            read_tables(tmp_path / "cut.bin")


class TestDocumentedExample:
    """The dumps in docs/ are what docs/make_format_dump.py makes today."""

    DOCS = Path(__file__).resolve().parents[2] / "docs"

    def test_dumps_are_up_to_date(self) -> None:
        spec = importlib.util.spec_from_file_location("make_format_dump", self.DOCS / "make_format_dump.py")
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        page = (self.DOCS / "tables-format.md").read_text()
        assert script.page_with_excerpt(page) == page
        assert script.dump() == (self.DOCS / "tables-format-example.txt").read_text()
