# SPDX-License-Identifier: MIT
"""The pictures of the README from measured results.

    python benchmarks/plots.py bars benchmarks/results/NAME.json --system water --atoms 1536 -o docs/figures/speed.png
    python benchmarks/plots.py stages benchmarks/results/cpu_stages.json -o docs/figures/stages.png
    python benchmarks/plots.py rank benchmarks/results/accuracy.json -o docs/figures/accuracy_rank.png
    python benchmarks/plots.py energy OWN.csv tests/data/water_nve/peer_nve.csv -o docs/figures/energy.png

OWN.csv is made by tests/data/water_nve/collect.py from a run of in.nve with this project's pair style. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from bench_lammps import OWN

TIMESTEP = 0.00025  # ps, of in.nve
ATOMS = 192
OWN_COLOUR, PEER_COLOUR = "#c44e52", "#8c8c8c"


def bars(chosen: argparse.Namespace) -> plt.Figure:
    """Atom-steps per second of every variant of one case; whiskers from the smallest to the largest."""
    report = json.loads(chosen.results.read_text())
    wanted = {"system": chosen.system, "atoms": chosen.atoms, "ranks": chosen.ranks, "threads": chosen.threads}
    cases = [case for case in report["results"] if wanted.items() <= case.items()]
    if len(cases) != 1:
        raise SystemExit(f"{chosen.results} has {len(cases)} cases with {wanted}")
    rows = sorted(cases[0]["variants"], key=lambda row: row["median"])
    middle = np.array([row["median"] for row in rows]) / 1e3
    span = np.array([[row["smallest"], row["largest"]] for row in rows]).T / 1e3
    figure, axes = plt.subplots(figsize=(6.4, 0.6 + 0.4 * len(rows)), layout="constrained")
    colours = [OWN_COLOUR if row["label"].startswith(OWN) else PEER_COLOUR for row in rows]
    drawn = axes.barh([row["label"] for row in rows], middle, color=colours)
    axes.errorbar(middle, np.arange(len(rows)), xerr=np.abs(span - middle), fmt="none", ecolor="black", lw=1)
    axes.bar_label(drawn, fmt="%.3g", padding=6)
    axes.margins(x=0.12)
    axes.set_xlabel("thousand atom-steps per second")
    axes.set_title("{system}, {atoms} atoms, {ranks} rank(s), {threads} thread(s)".format(**wanted), fontsize="medium")
    return figure


# Stages as the picture groups them, from the pairs to the forces.
GROUPS = {
    "pairs inside the cut-off": ("gather_pairs", "bookkeeping of pairs"),
    "environment and back": ("compute_environment", "locate", "reverse_environment", "sums of forces"),
    "tables": ("compute_moments", "moments to rows of C"),
    "tables, reverse": ("reverse_moments", "dE/dC to weights"),
    "products and reverse": ("compute_products", "reverse_products", "multiply (direct form)"),
    "fitting net": ("compute_layer", "last layer"),
    "fitting net, reverse": ("reverse_layer",),
}


def stages(chosen: argparse.Namespace) -> plt.Figure:
    """Microseconds per atom by group of stages, stacked, for every system and precision."""
    systems = json.loads(chosen.results.read_text())["systems"]
    runs = {f"{name}, {run['precision']}": run for name, system in systems.items() for run in system["precisions"]}
    times = [{stage["stage"]: stage["us_per_atom"] for stage in run["stages"]} for run in runs.values()]
    figure, axes = plt.subplots(figsize=(6.4, 1.3 + 0.4 * len(runs)), layout="constrained")
    left = np.zeros(len(runs))
    for k, (label, members) in enumerate(GROUPS.items()):
        width = np.array([sum(time.get(member, 0.0) for member in members) for time in times])
        axes.barh(list(runs), width, left=left, label=label, color=plt.get_cmap("tab20c")(k * 2))
        left += width
    axes.invert_yaxis()
    axes.set_xlabel("µs per atom and step, one core")
    figure.legend(fontsize="x-small", ncols=4, loc="outside upper center")
    return figure


def rank(chosen: argparse.Namespace) -> plt.Figure:
    """Largest force error against the number of columns, for both orders."""
    rows = [row for row in json.loads(chosen.results.read_text())["rows"] if row["kind"] == "rank"]
    figure, axes = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
    for order, marker in ((5, "o"), (3, "s")):
        points = [(row["rank"], row["force_error"]) for row in rows if row["order"] == order]
        axes.semilogy(*zip(*points, strict=True), marker=marker, ms=4, lw=1, label=f"order {order}")
    axes.set(xlabel="columns kept per table", ylabel="largest force error (eV/Å)")
    axes.legend(fontsize="small")
    return figure


def energy(chosen: argparse.Namespace) -> plt.Figure:
    """Total energy per atom from its start, ours and the uncompressed peer's, and their difference."""
    own, peer = (np.genfromtxt(path, delimiter=",", names=True) for path in (chosen.own, chosen.peer))
    if not np.array_equal(own["step"], peer["step"]):
        raise SystemExit(f"{chosen.own} and {chosen.peer} do not have the same steps")
    time = own["step"] * TIMESTEP
    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(6.4, 4.2), layout="constrained")
    for rows, label, colour, width in ((peer, "DeePMD-kit, uncompressed", PEER_COLOUR, 2.0), (own, OWN, OWN_COLOUR, 0.7)):
        above.plot(time, 1e6 * (rows["etotal"] - peer["etotal"][0]) / ATOMS, color=colour, lw=width, label=label)
    above.set_ylabel("total energy from start\n(µeV/atom)", fontsize="small")
    above.legend(fontsize="small", loc="upper right")
    below.semilogy(time, np.maximum(np.abs(own["etotal"] - peer["etotal"]) / ATOMS, 1e-13), color=OWN_COLOUR, lw=0.7)
    below.set_ylabel("difference (eV/atom)", fontsize="small")
    below.set_xlabel("time (ps)")
    return figure


def main() -> None:
    """Choose a picture and save it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(required=True)
    for function, files in ((bars, ["results"]), (stages, ["results"]), (rank, ["results"]), (energy, ["own", "peer"])):
        kind = kinds.add_parser(function.__name__, description=function.__doc__)
        for name in files:
            kind.add_argument(name, type=Path)
        kind.add_argument("-o", "--output", type=Path, required=True)
        kind.set_defaults(draw=function)
        if function is bars:
            kind.add_argument("--system", default="water")
            kind.add_argument("--atoms", type=int, default=1536)
            kind.add_argument("--ranks", type=int, default=1)
            kind.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.draw(chosen).savefig(chosen.output, dpi=150)


if __name__ == "__main__":
    main()
