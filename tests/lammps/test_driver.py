# SPDX-License-Identifier: MIT
"""LAMMPS as the force engine of another program: fix ipi, whose server sets atoms and cell and asks for the rest."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from lammps_runs import Array, Lammps, System, evaluate_frames, has_style, setup

BOHR, HARTREE = 0.52917721, 8.617343e-5 / 3.1668152e-06  # angstrom and eV as LAMMPS converts metal units for i-PI
WAIT = 60.0  # seconds for any answer


class Server:
    """i-PI's protocol over a socket: for each (cell (3, 3) rows, positions (n, 3)), angstrom, energy, forces and virial in eV."""

    def __init__(self, frames: list[tuple[Array, Array]]) -> None:
        self._listener = socket.create_server(("localhost", 0))
        self._listener.settimeout(WAIT)
        self.port = self._listener.getsockname()[1]
        self.results: list[tuple[float, Array, Array]] = []
        self._thread = threading.Thread(target=self._serve, args=(frames,))
        self._thread.start()

    def join(self) -> None:
        self._thread.join(WAIT)
        self._listener.close()

    def _serve(self, frames: list[tuple[Array, Array]]) -> None:
        client, _ = self._listener.accept()
        client.settimeout(WAIT)
        with client, client.makefile("rwb") as stream:
            for cell, positions in frames:
                self._say(stream, "STATUS")
                assert stream.read(12).strip() == b"READY"
                self._say(stream, "POSDATA")
                for matrix in (cell / BOHR, np.linalg.inv(cell / BOHR)):
                    stream.write(np.ascontiguousarray(matrix.T).tobytes())
                stream.write(struct.pack("i", len(positions)) + np.ascontiguousarray(positions / BOHR).tobytes())
                self._say(stream, "GETFORCE")
                assert stream.read(12).strip() == b"FORCEREADY"
                energy, n = struct.unpack("=di", stream.read(12))
                forces, virial = np.frombuffer(stream.read(24 * n)), np.frombuffer(stream.read(72))
                stream.read(struct.unpack("i", stream.read(4))[0])
                self.results.append((energy * HARTREE, forces.reshape(n, 3) * HARTREE / BOHR, virial.reshape(3, 3) * HARTREE))
            self._say(stream, "EXIT")

    @staticmethod
    def _say(stream: BinaryIO, word: str) -> None:
        stream.write(word.ljust(12).encode())
        stream.flush()


@pytest.mark.parametrize("ranks", [1, 2])
def test_ipi(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """Atoms that jump over the borders of ranks and of the box, and a box that changes."""
    if not has_style(lammps, "ipi"):
        pytest.skip("this LAMMPS has no package MISC")
    random = np.random.default_rng(1)
    frames = []
    for scale, shift in ((1.0, 0.0), (1.02, 0.0), (0.99, 5.0)):
        moved = water.positions * scale + random.uniform(-0.02, 0.02, water.positions.shape) + shift
        frames.append((water.cell * scale, moved))
    server = Server(frames)
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    run = lammps.run(script + f"fix driver all ipi localhost {server.port}\nrun 100\n", ranks, check=False)
    server.join()
    if ranks == 1:  # of several the one that stops the others may not be heard
        assert "Got EXIT message" in run.output
    systems = [System(water.names, water.types, positions, cell) for cell, positions in frames]
    expected = evaluate_frames(Lammps(lammps.folder), systems, small)
    assert len(server.results) == len(expected)
    for (energy, forces, virial), (alone, of_atoms, strain) in zip(server.results, expected, strict=True):
        assert energy == pytest.approx(alone, rel=1e-9)
        np.testing.assert_allclose(forces, of_atoms, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(virial, np.triu(strain), rtol=1e-5, atol=1e-5)
