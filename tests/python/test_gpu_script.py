# SPDX-License-Identifier: MIT
"""benchmarks/gpu.sh with programs that fail, hang or work: stages go on, and results say when and where they were made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.sh"

TESTS = "#!/bin/sh\necho '[       OK ] Each/KokkosEqualsHost.Of/serial1double (1 ms)'\n"
# The first run of a start is slow.
LAMMPS = f"""#!{sys.executable}
import math, os, re, sys
text = open(sys.argv[sys.argv.index("-in") + 1]).read()
atoms = 192 * math.prod(map(int, re.search("^replicate (.*)", text, re.M)[1].split()))
runs = [int(n) for n in re.findall(r"^run (\\d+)", text, re.M)]
for k, n in enumerate(runs):
    print(f"Loop time of {{n * atoms * (1e-6 if k else 1e-3)}} on 1 procs for {{n}} steps with {{atoms}} atoms")
    print("99.0% CPU use with 1 MPI tasks x 1 OpenMP threads")
print("Total wall time: 0:00:00")
graphs = ["graphs"] if os.environ.get("DPC_GRAPH") == "1" else []
print(atoms, *runs, *graphs, file=open(os.environ["STARTS"], "a"))
"""
# Of 7 atoms it fails, of 8 it hangs.
BENCH = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in --atoms) atoms=$2 ;; --json) json=$2 ;; --structure) structure=$2 ;; esac
    shift
done
echo "double precision, $PRODUCTS"
[ "$DPC_FUSED_NET" != 1 ] || echo "$FUSED_NET"
[ "$DPC_GRAPH" != 1 ] || echo "$GRAPHS"
[ "$atoms" != 7 ] || exit 3
[ "$atoms" != 8 ] || sleep 60
cat >"$json" <<END
{"structure": "$structure", "atoms": $atoms, "precisions": [{"precision": "double", "us_per_atom": {"median": 0.5},
  "atom_steps_per_s": 2e6, "device_bytes": 1e9,
  "kernels": [{"kernel": "dpc::gather_pairs", "us_per_atom": 0.5, "predicted_us_per_atom": [0.25, 0.75]}]}]}
END
"""


@pytest.fixture
def folders(tmp_path):
    """What was packed, and what was built."""
    pack, build = tmp_path / "pack", tmp_path / "build"
    (pack / "tables").mkdir(parents=True)
    (pack / "kokkos.tar.gz").touch()
    programs = {
        "core/tests/core/kokkos_tests": TESTS, "core/tests/core/kokkos_at_exit": "#!/bin/sh\n",
        "core/benchmarks/bench_kokkos": BENCH, "lammps/build/lmp": LAMMPS,
    }  # fmt: skip
    for name, text in programs.items():
        path = build / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    # The package need not be installed where the GPU is.
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "pybuild.py").write_text("raise ImportError('pybuild is not here')\n")
    return pack, build


def run(folders, *options, backend="serial", **variables):
    pack, build = folders
    command = ["bash", SCRIPT, "run", pack, pack / "out", "--backend", backend, "--build", build, *options]
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "STARTS": str(pack / "starts"), **variables}
    environment["PYTHONPATH"] = str(pack.parent / "without")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    summary = pack / "out" / "summary.txt"
    return done, summary.read_text() if summary.exists() else ""


def test_results_say_where_and_when(folders):
    done, summary = run(folders, "--stages", "test bench", "--sizes", "192")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all stages passed: test bench" in summary
    assert "gather_pairs" in summary
    assert "500.00 ns/atom, predicted 250.00 to 750.00" in summary
    assert (folders[0] / "out" / "results-serial" / "bench-water-192.json").exists()
    results = json.loads((folders[0] / "out" / "bench.json").read_text())
    assert set(results["machine"]) >= {"date", "commit", "card", "processor"}
    assert [(result["structure"], result["atoms"]) for result in results["results"]] == [("fcc", 192), ("water", 192)]


def test_in_lammps(folders):
    """Starts for the number of steps and of three rounds, for each system, size and precision; few atoms also with graphs."""
    done, summary = run(folders, "--stages", "lammps", "--sizes", "192 3456 50331648", "--seconds", "0.05")
    assert done.returncode == 0, done.stdout + done.stderr
    starts = (folders[0] / "starts").read_text().splitlines()
    plain, with_graphs = "dpcompressed/kk {}", "dpcompressed/kk {}, graphs"
    few = 2 * ["192 5 5", "192 10 260 260 260", "192 5 5 graphs", "192 10 260 260 260 graphs"]
    assert starts == 2 * (few + 2 * ["3456 5 5", "3456 10 20 20 20"])
    for system in ("water", "copper"):
        for atoms, labels in ((192, (plain, with_graphs)), (3456, (plain,))):
            for label in (text.format(precision) for text in labels for precision in ("double", "mixed")):
                assert f"{system:6}{atoms:>10} {label:30}    1.000 M atom-steps/s in LAMMPS" in summary


# What a run writes; with KOKKOS one force is another in double precision.
CHECKED = f"""#!{sys.executable}
import os, sys
text = open(sys.argv[sys.argv.index("-in") + 1]).read()
error = float(os.environ["ERROR"]) if "-k" in sys.argv and "precision double" in text else 0.0
print("   Step PotEng Press\\n 0 -1.5 2 2 2 2 0 0 0 8\\n 10 -1.5 2 2 2 2 0 0 0 8\\nLoop time of 1\\nTotal wall time: 0")
for name, columns in [("end", 6), ("atoms", 16)]:
    if name + ".dump" in text:
        rows = [[k] + [0.5 * k] * (columns - 1) + [0.25 * k + error] for k in (1, 2)]
        head = "ITEM: TIMESTEP\\n0\\nITEM: NUMBER OF ATOMS\\n2\\nITEM: BOX\\n0 1\\n0 1\\n0 1\\nITEM: ATOMS\\n"
        open(name + ".dump", "w").write(head + "".join(" ".join(map(str, row)) + "\\n" for row in rows))
"""


@pytest.mark.parametrize("error", [0.0, 1e-6])
def test_checks_in_lammps(folders, error):
    (folders[1] / "lammps" / "build" / "lmp").write_text(CHECKED)
    done, summary = run(folders, "--stages", "checks", ERROR=str(error))
    assert done.returncode == (1 if error else 0), done.stdout + done.stderr
    assert f"/kk against the host style in LAMMPS: {22 if error else 44} of 44 checks passed" in summary
    assert ("FAILED npt, double: differs by 1.0e-06" in summary) == bool(error)
    assert "left out: two ranks, there is no mpirun" in (folders[0] / "out" / "gpu.log").read_text()


def test_a_report_that_fails(folders):
    (folders[1] / "core" / "benchmarks" / "bench_kokkos").write_text(BENCH.replace('"precisions"', '"precisions'))
    done, summary = run(folders, "--stages", "bench", "--sizes", "192")
    assert done.returncode == 1
    assert "FAILED: the report" in summary


def test_others_go_on(folders):
    """After a program that fails, one that hangs, and a stage that there is not."""
    (folders[1] / "core" / "tests" / "core" / "kokkos_at_exit").write_text("#!/bin/sh\nexit 4\n")
    done, summary = run(folders, "--stages", "test bench nothing largest", "--sizes", "7 8 192", "--stage-limit", "7")
    assert done.returncode == 1
    failed = [line.removeprefix("FAILED: ") for line in summary.splitlines() if line.startswith("FAILED: ")]
    assert failed == [
        "kokkos_at_exit: exit 4",
        "bench water 7: exit 3",
        "bench water 8: exit 124, out of time",
        "bench water 192: no time left",
        *(f"bench copper {atoms}: no time left" for atoms in (7, 8, 192)),
        "nothing: no such stage",
    ]
    assert "left out: the largest system" in done.stdout


@pytest.mark.parametrize("products", ["cuBLAS", "portable products"])
def test_products_that_are_not_cublas(folders, products):
    switched = {"FUSED_NET": "fused net", "GRAPHS": "9 graphs in 9 steps"}
    done, summary = run(folders, "--stages", "bench", "--sizes", "192", backend="cuda", PRODUCTS=products, **switched)
    failed = [line for line in summary.splitlines() if line.startswith("FAILED: ")]
    assert failed == ([] if products == "cuBLAS" else ["FAILED: bench: built without cuBLAS, products are Kokkos' own"])
    assert done.returncode == len(failed)


@pytest.mark.parametrize("switched", [{"FUSED_NET": ""}, {"GRAPHS": "0 graphs in 9 steps"}])
def test_what_was_switched_on_must_be_seen(folders, switched):
    """Graphs of small systems only."""
    variables = {"PRODUCTS": "cuBLAS", "FUSED_NET": "fused net", "GRAPHS": "9 graphs in 9 steps", **switched}
    done, summary = run(folders, "--stages", "bench", "--sizes", "192 20000", backend="cuda", **variables)
    assert done.returncode == 1
    failed = [line.split(":")[1].strip() for line in summary.splitlines() if line.startswith("FAILED: ")]
    ways = ("192, graphs", "192, fused net and graphs") if "GRAPHS" in switched else ("192, fused net", "20000, fused net")
    assert failed == [f"bench {system} {way}" for system in ("water", "copper") for way in ways]


def test_headers_of_cublas_without_the_library(folders, tmp_path):
    for path in ("cuda/bin/nvcc", "cuda/include/cuda.h", "nvidia/include/cublas_v2.h", "nvidia/lib/libcublas.so.13"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch(mode=0o755)
    header = tmp_path / "nvidia" / "include" / "cublas_v2.h"
    options = ("--build-only", "--arch", "HOPPER90")
    done, _ = run(folders, *options, backend="cuda", PATH=f"{tmp_path}/cuda/bin:/usr/bin:/bin", DPC_CUBLAS=str(header))
    assert done.returncode == 2
    assert f"{header} is here, but not" in done.stderr
    assert "libcublasLt.so" in done.stderr


SANITIZER = """#!/bin/sh
echo "$@" >>"$STARTS"
[ -z "$REFUSAL" ] || { echo "========= Error: $REFUSAL"; exit 9; }
"""


@pytest.mark.parametrize("refusal", ["Device not supported. Please refer to the documentation", ""])
def test_a_card_that_nobody_may_debug(folders, tmp_path, refusal):
    (tmp_path / "sanitizer").mkdir()
    (tmp_path / "sanitizer" / "compute-sanitizer").write_text(SANITIZER)
    (tmp_path / "sanitizer" / "compute-sanitizer").chmod(0o755)
    path = f"{tmp_path}/sanitizer:/usr/bin:/bin"
    done, summary = run(folders, "--stages", "sanitize", backend="cuda", PATH=path, REFUSAL=refusal)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all stages passed: sanitize" in summary
    assert ("left out: compute-sanitizer: ========= Error: Device not supported" in done.stdout) == bool(refusal)
    starts = (folders[0] / "starts").read_text().splitlines()
    assert len(starts) == (1 if refusal else 6)  # the first finds out
    assert ["kns=FusedNet" in line for line in starts if "racecheck" in line] == ([] if refusal else [True])


def test_what_is_wrong_with_the_options(folders):
    pack, build = folders
    (pack / "kokkos.tar.gz").unlink()
    for arguments, error in (
        (["run", pack], "was not made by gpu.sh pack"),
        (["run", pack, "--stages"], "--stages needs a value"),
        (["run", pack, "--fast"], "--fast is not an option"),
        (["run", pack, "--backend", "quantum"], "cuda or serial"),
    ):
        done = subprocess.run(
            ["bash", SCRIPT, *arguments, *([] if "--stages" in arguments else ["--build", build])],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode != 0
        assert error in done.stderr
