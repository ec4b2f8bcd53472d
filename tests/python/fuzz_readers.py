# SPDX-License-Identifier: MIT
"""Readers fed with damaged and made-up files: the answer is a valid model or one PybuildError, in bounded time.

    cd tests && python python/fuzz_readers.py [--inputs 100000] [--seed 0] [TARGET ...]
    cd tests && python python/fuzz_readers.py --cut [FORMAT ...]

Bytes are changed, and values of the tree or of a pickle's objects are put in others' places. The files are made of the small
models of this repository. h5py runs in child processes here, too, since libhdf5
crashes on some and never ends on others; how often is counted. --cut: a file of each format, cut off after every byte; what is
read all the same must be the whole model.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import pickle
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import graph_writer
import numpy as np
from deepmd_files import write_dp, write_json, write_package, write_yaml, written_out
from pwmlff_files import Archive, checkpoint_root, random_pwmlff, script_root
from test_reader_tensorflow_hostile import tiny as tiny_graph

from pybuild.errors import PybuildError
from pybuild.model.description import Provenance
from pybuild.readers import read_model, read_source
from pybuild.readers.deepmd import trees
from pybuild.readers.deepmd.source import DeepmdSource
from pybuild.readers.deepmd.torch_checkpoint import checkpoint_tree, is_checkpoint
from pybuild.readers.deepmd.torch_frozen import frozen_tree
from pybuild.readers.files import hdf5, hdf5_extract
from pybuild.readers.files.restricted_pickle import NumberArray, ScriptObject, TensorRef
from pybuild.readers.files.torch_archive import TorchArchive
from pybuild.readers.pwmlff.checkpoint import checkpoint_parts
from pybuild.readers.pwmlff.elements import DEFAULT_PROPERTIES
from pybuild.readers.pwmlff.script import script_parts
from pybuild.readers.pwmlff.source import PwmlffSource
from pybuild.readers.source import Choices

OPTIONS = Path(__file__).resolve().parents[1] / "data" / "options"
SMALL, CHECKPOINT, HEAD = OPTIONS / "atom_exclude.pth", OPTIONS / "two_heads.pt", "beta"
SECONDS = 5.0  # of processor time, for one input
DP_SECONDS = 10  # for libhdf5; hdf5_extract.py waits longer
BATCH = 100  # inputs of one child process
CUT_STEPS = {"dp": 97, "yaml": 61}  # each with a process of its own, or much to parse: not every byte
NUMBERS = (0, -1, 1, 2**31, 2**63, 2**70, 1e308, -0.0, math.nan, math.inf)
STRANGE = (None, True, False, *NUMBERS, "", "x", "linear", [], {}, [[]], [None])
SOURCE = Provenance("fuzz", "0" * 64, "made by a test", "float64")


def whole_tree() -> dict[str, Any]:
    """A small model as DeePMD-kit's files have it."""
    source = read_source(SMALL)
    model = {"@class": "Model", "@version": 2} | source.tree
    descriptor = model["descriptor"] = dict(model["descriptor"])
    begins = np.cumsum([0, *descriptor["sel"][:-1]])
    statistics = descriptor["@variables"].items()
    descriptor |= {"sel": [1] * len(begins), "@variables": {name: value[:, begins] for name, value in statistics}}
    return {"software": "deepmd-kit", "backend": "PyTorch", "model": model, "min_nbor_dist": source.min_nbor_dist}


def other_trees() -> Iterator[dict[str, Any]]:
    """A net with a pair table, two parts, a hybrid of DPA-1, se_e3_tebd and se_e3."""
    for name in ("combined/zbl.pth", "combined/linear_sum.pth", "exportable/hybrid.pt"):
        model = {"@class": "Model", "@version": 2} | read_source(OPTIONS.parent / name).tree
        yield {"model": model}
        yield {"model": model | {"pair_exclude_types": [[0, 1]]}, "backend": "PyTorch"}


def changed_bytes(data: bytes, rng: random.Random) -> bytes:
    """Some bytes flipped, replaced, moved, doubled, left out, or the end cut off."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at, length = rng.randrange(len(made)), rng.choice((1, 1, 2, 4, 8, 64))
        action = rng.randrange(6)
        if action == 0:
            made[at] ^= 1 << rng.randrange(8)
        elif action == 1:
            made[at : at + length] = bytes(rng.choice((0, 255, 127, 128)) for _ in made[at : at + length])
        elif action == 2:
            made[at : at + length] = bytes(rng.randrange(256) for _ in made[at : at + length])
        elif action == 3:
            source = rng.randrange(len(made))
            made[at : at + rng.choice((0, length))] = made[source : source + length]
        elif action == 4 and len(made) > length + 1:
            del made[at : at + length]
        elif rng.random() < 0.05:
            del made[max(1, at) :]
    return bytes(made)


def _children(value: Any) -> Any:
    if isinstance(value, ScriptObject):
        return value.attributes
    return value if isinstance(value, (dict, list)) else None


def changed_values(root: Any, rng: random.Random, cycles: bool = False) -> Any:
    """Some values at any depth replaced by strange ones or by each other, renamed or left out; with cycles, what holds a value
    may take its place."""
    places = []
    waiting = [root]
    while waiting:
        inner = _children(waiting.pop())
        if inner is not None:
            keys = list(inner) if isinstance(inner, dict) else range(len(inner))
            places += [(inner, key) for key in keys]
            waiting += [inner[key] for key in keys]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        inner, key = rng.choice(places)
        if isinstance(inner, dict) and key not in inner:
            continue
        action = rng.randrange(5)
        if action == 0 and isinstance(inner, dict):
            del inner[key]
        elif action == 1 and isinstance(inner, dict):
            inner[rng.choice((f"{key}_", "type", "layers"))] = inner[key]
        elif action == 2:
            other, name = rng.choice(places)
            if not isinstance(other, dict) or name in other:
                inner[key] = rng.choice((other, other[name])) if cycles else copy.deepcopy(other[name])
        elif action == 3:
            inner[key] = _strange_number(inner[key], rng)
        else:
            inner[key] = copy.copy(rng.choice((*STRANGE, root)) if cycles else rng.choice(STRANGE))
    return root


def _strange_number(value: Any, rng: random.Random) -> Any:
    if isinstance(value, np.ndarray) and value.size:
        made = value.copy()
        strange = (0.0, -1.0, 1e300, math.nan, math.inf) if value.dtype.kind == "f" else (0, -1, 119, 2**31 - 1)
        made.reshape(-1)[rng.randrange(value.size)] = rng.choice(strange)
        return rng.choice((made, made.reshape(-1), made[..., :0], made.astype(np.float32), made.astype("<f2")))
    if isinstance(value, TensorRef):
        shape = tuple(rng.choice((0, 1, n, n + 1, 2**40)) for n in value.shape)
        return TensorRef(value.storage, rng.choice((0, 1, 2**62)), shape, value.strides)
    if isinstance(value, NumberArray) and value.values is not None:
        return NumberArray(_strange_number(value.values, rng))
    if isinstance(value, (int, float)):
        return rng.choice((-value, value + 1, value * 1e6, float(value)))
    return [value]


class Fuzz:
    """Feeds targets and counts what they answer."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng, self.path, self.counts, self.slowest = random.Random(seed), folder / "model", Counter(), 0.0
        self.tree, self.others = whole_tree(), list(other_trees())
        self.texts = {name: write(self.tree, folder / name).read_bytes() for name, write in FILES.items()}
        self.texts |= {"pb": graph_writer.encode(tiny_graph()), "pbtxt": graph_writer.as_text(tiny_graph())}
        self.pwmlff = dict(pwmlff_archives())

    def answer(self, read: Callable[[], Any]) -> str:
        """What a reader makes of one input. Any exception but a PybuildError passes through, and ends the run."""
        start = time.process_time()
        try:
            model = read()
            model.validate()
            said = "read"
        except PybuildError as error:
            said = type(error).__name__
        self.slowest = max(self.slowest, time.process_time() - start)
        assert self.slowest < SECONDS
        return said

    def read_bytes(self, data: bytes, head: str | None = None) -> str:
        self.path.write_bytes(data)
        return self.read_file(head)

    def read_file(self, head: str | None = None) -> str:
        return self.answer(lambda: read_model(self.path, head))

    def run(self, target: str, inputs: int) -> None:
        feed = TARGETS[target]
        for _ in range(inputs):
            self.counts[target, feed(self)] += 1


FILES = {"dp": write_dp, "yaml": write_yaml, "json": write_json, "pt2": write_package}


def pwmlff_archives() -> Iterator[tuple[str, tuple[Archive, bytes]]]:
    """A small model of PWMLFF as checkpoint and as TorchScript model, each without and with a type embedding: the archive, whose
    tensors are views of one storage, and its pickle."""
    vectors = np.linspace(0.1, 0.9, 2 * len(DEFAULT_PROPERTIES)).reshape(2, -1)
    for typed in ({}, {"vectors": vectors, "properties": DEFAULT_PROPERTIES}):
        small = random_pwmlff(widths=(2,), hidden=(3, 3), m2=1, **typed)
        for kind, make in (("ckpt", checkpoint_root), ("jit", script_root)):
            archive = Archive()
            pickled = archive.pickled(make(small, archive))
            yield f"{kind}-types" if typed else kind, (archive, pickled)


def frozen_bytes(fuzz: Fuzz) -> str:
    return fuzz.read_bytes(changed_bytes(SMALL.read_bytes(), fuzz.rng))


def checkpoint_bytes(fuzz: Fuzz) -> str:
    return fuzz.read_bytes(changed_bytes(CHECKPOINT.read_bytes(), fuzz.rng), HEAD)


def _of_objects(fuzz: Fuzz, path: Path, make: Callable[[TorchArchive, Any], Any]) -> str:
    with TorchArchive(path) as archive:
        root = changed_values(archive.load(), fuzz.rng, cycles=True)
        return fuzz.answer(lambda: DeepmdSource("fuzz", *make(archive, root)).description(SOURCE))


def frozen_objects(fuzz: Fuzz) -> str:
    return _of_objects(fuzz, SMALL, frozen_tree)


def checkpoint_objects(fuzz: Fuzz) -> str:
    def make(archive: TorchArchive, root: Any) -> Any:
        if not is_checkpoint(root):
            raise PybuildError("no checkpoint: torch.py says so")
        return checkpoint_tree(archive, root, HEAD)

    return _of_objects(fuzz, CHECKPOINT, make)


def pwmlff_bytes(fuzz: Fuzz) -> str:
    """The pickle changed in a sound archive."""
    archive, pickled = fuzz.rng.choice(list(fuzz.pwmlff.values()))
    archive.write_pickled(fuzz.path, changed_bytes(pickled, fuzz.rng))
    return fuzz.answer(lambda: read_model(fuzz.path))


def pwmlff_objects(fuzz: Fuzz) -> str:
    kind, (made, pickled) = fuzz.rng.choice(list(fuzz.pwmlff.items()))
    with TorchArchive(made.write_pickled(fuzz.path, pickled)) as archive:
        root = changed_values(archive.load(), fuzz.rng, cycles=True)

        def read() -> Any:
            parts = (script_parts if kind.startswith("jit") else checkpoint_parts)(archive, root)
            source = PwmlffSource(parts, tuple(range(len(parts.numbers))))
            source.facts()
            return source.description(replace(SOURCE, precision=source.precision()))

        return fuzz.answer(read)


def yaml_bytes(fuzz: Fuzz) -> str:
    return fuzz.read_bytes(b"# @class @version\n" + changed_bytes(fuzz.texts["yaml"], fuzz.rng))


def json_bytes(fuzz: Fuzz) -> str:
    return fuzz.read_bytes(changed_bytes(fuzz.texts["json"], fuzz.rng))


def package_bytes(fuzz: Fuzz) -> str:
    return fuzz.read_bytes(changed_bytes(fuzz.texts["pt2"], fuzz.rng))


def graph_bytes(fuzz: Fuzz) -> str:
    return fuzz.read_bytes(changed_bytes(fuzz.texts["pb"], fuzz.rng))


def graph_text(fuzz: Fuzz) -> str:
    return fuzz.read_bytes(changed_bytes(fuzz.texts["pbtxt"], fuzz.rng))


def tree_values(fuzz: Fuzz) -> str:
    """Values of the tree itself, as JSON."""
    return _read_values(fuzz, fuzz.tree)


def other_tree_values(fuzz: Fuzz) -> str:
    """The same of models of other kinds and of several parts, by the rules of different back ends."""
    return _read_values(fuzz, fuzz.rng.choice(fuzz.others))


def _read_values(fuzz: Fuzz, tree: dict[str, Any]) -> str:
    made = changed_values(copy.deepcopy(written_out(tree)), fuzz.rng)
    return fuzz.read_bytes(b'{"@class": 1, "@version": 1,' + json.dumps(made).encode()[1:])


def dp_bytes(fuzz: Fuzz) -> str:
    """A batch in a child process, in which libhdf5 may crash or hang: the input after the crash is the next batch's first."""
    data = fuzz.texts["dp"]
    receive, send = os.pipe()
    seed = fuzz.rng.random()
    child = os.fork()
    if child == 0:
        os.close(receive)
        status = _dp_child(fuzz, data, random.Random(seed), send)
        os._exit(status)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        answers = []
        while True:
            try:
                answers.append(pickle.load(pipe))
            except EOFError:
                break
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, answers[-1:]
    fuzz.counts.update(("dp_bytes", answer) for answer in answers)
    return "crash of libhdf5 or no end, in its process" if os.WIFSIGNALED(status) else "batch"


def _dp_child(fuzz: Fuzz, data: bytes, rng: random.Random, send: int) -> int:
    hdf5_extract.limit(len(data))
    with os.fdopen(send, "wb") as pipe:
        for _ in range(BATCH):
            fuzz.path.write_bytes(changed_bytes(data, rng))
            signal.alarm(DP_SECONDS)  # libhdf5 never ends on some
            try:
                answer = fuzz.answer(lambda: _read_dp(fuzz.path))
            except BaseException as error:
                pickle.dump(repr(error), pipe)
                return 1
            pickle.dump(answer, pipe)
            pipe.flush()
    return 0


def _read_dp(path: Path) -> Any:
    """As hdf5.py does, without a process of its own."""
    try:
        found = hdf5_extract.extract(str(path), "json")
    except SystemExit as refused:
        raise PybuildError(str(refused)) from refused
    except Exception as error:  # of h5py: hdf5_extract.main turns each into one line
        raise PybuildError(str(error)) from error
    return trees.source_of_contents(hdf5.contents_of(found), Choices()).description(SOURCE)


TARGETS: dict[str, Callable[[Fuzz], str]] = {
    target.__name__: target
    for target in (
        frozen_bytes, checkpoint_bytes, frozen_objects, checkpoint_objects, pwmlff_bytes, pwmlff_objects, yaml_bytes, json_bytes,
        package_bytes, graph_bytes, graph_text, tree_values, other_tree_values, dp_bytes,
    )
}  # fmt: skip


def whole_files(fuzz: Fuzz) -> dict[str, bytes]:
    """A small file of every format, each of which is read without --head."""
    pwmlff = {name: archive.write_pickled(fuzz.path, pickled).read_bytes() for name, (archive, pickled) in fuzz.pwmlff.items()}
    return {**fuzz.texts, "pth": SMALL.read_bytes(), **pwmlff}


def numbers_of(model: Any) -> tuple[Any, ...]:
    """What tells two models apart."""
    nets = [*model.fitting.nets, *(net for d in model.descriptors for net in d.nets)]
    weights = [layer.weight.tobytes() + layer.bias.tobytes() for net in nets for layer in net.layers]
    statistics = [d.mean.tobytes() + d.std.tobytes() for d in model.descriptors]
    rules = model.type_map, model.fitting.excluded, model.pair_excluded, model.neighbour_rule
    return weights, statistics, model.fitting.energy_bias.tobytes(), rules


def cut_everywhere(fuzz: Fuzz, name: str, data: bytes) -> str:
    """Every beginning of a file. What is read must be the whole model."""
    fuzz.path.write_bytes(data)
    whole = numbers_of(read_model(fuzz.path))
    n_read = 0

    def read() -> Any:
        model = read_model(fuzz.path)
        assert numbers_of(model) == whole, f"{name} cut off after {length} bytes reads as another model"
        return model

    for length in range(0, len(data), CUT_STEPS.get(name, 1)):
        fuzz.path.write_bytes(data[:length])
        n_read += fuzz.answer(read) == "read"
    return f"{name}: {len(data)} bytes, every {CUT_STEPS.get(name, 1)}; {n_read} of its beginnings read as the whole model"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--inputs", type=int, default=1000, help="of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cut", action="store_true", help="cut off files of the formats named (default: all) after every byte")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(Path(folder), arguments.seed)
        if arguments.cut:
            for name, data in whole_files(fuzz).items():
                if name in arguments.targets or not arguments.targets:
                    print(cut_everywhere(fuzz, name, data), f"slowest {fuzz.slowest:.2f} s", flush=True)
            return 0
        arguments.targets = arguments.targets or list(TARGETS)
        for target in arguments.targets:
            fuzz.run(target, arguments.inputs // BATCH if target == "dp_bytes" else arguments.inputs)
            said = {answer: count for (name, answer), count in fuzz.counts.items() if name == target}
            print(target, said, f"slowest {fuzz.slowest:.2f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
