# SPDX-License-Identifier: MIT
"""Files as PWMLFF and MatPL write them, with random weights and without torch; and their model evaluated right from the arrays.

The pickles are written by Python's own pickler, which is told the names of torch's and NumPy's functions; data of tensors lie in
storages that several tensors may share.
"""

from __future__ import annotations

import io
import itertools
import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Named:
    """A name of a module, written as such."""

    module: str
    name: str

    def __call__(self) -> None:
        """So that the pickler takes it for a function."""


class Storage:
    """Numbers of some tensors one after the other, with stale ones between them where there are several."""

    def __init__(self, key: str, dtype: str) -> None:
        self.key, self.dtype, self.data = key, dtype, b""

    @property
    def count(self) -> int:
        return len(self.data) // np.dtype(self.dtype).itemsize

    def add(self, values: Any, stale: int) -> Tensor:
        array = np.asarray(values, dtype=self.dtype)
        self.data += np.full(stale, np.nan, self.dtype).tobytes()
        tensor = Tensor(self, self.count, array.shape)
        self.data += array.tobytes()
        return tensor


@dataclass(frozen=True)
class Tensor:
    storage: Storage
    offset: int
    shape: tuple[int, ...]

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(int(np.prod(self.shape[k + 1 :])) for k in range(len(self.shape)))


@dataclass(frozen=True)
class Script:
    """An object of a TorchScript archive."""

    module: str
    name: str
    attributes: dict[str, Any]


class Writer(pickle._Pickler):
    """torch.save's pickle."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Named):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Script):
            self.write(f"c{obj.module}\n{obj.name}\n".encode() + pickle.EMPTY_TUPLE + pickle.NEWOBJ)
            super().save(obj.attributes)
            self.write(pickle.BUILD)
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Storage):
            kind = {"<f8": "DoubleStorage", "<f4": "FloatStorage"}[obj.dtype]
            return ("storage", Named("torch", kind), obj.key, "cuda:0", obj.count)
        return None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            rest = (obj.offset, obj.shape, obj.strides, False, OrderedState())
            return Named("torch._utils", "_rebuild_tensor_v2"), (obj.storage, *rest)
        if isinstance(obj, OrderedState):
            return Named("collections", "OrderedDict"), (), {"_metadata": 1}, None, iter(obj.items())
        return NotImplemented


class OrderedState(dict):
    """torch's OrderedDict with an attribute of its own."""


class Archive:
    """A torch archive that is being made; shared: the tensors are views into one storage."""

    def __init__(self, dtype: str = "<f8", shared: bool = True) -> None:
        self.dtype, self.shared, self.storages = dtype, shared, list[Storage]()

    def tensor(self, values: Any) -> Tensor:
        if not self.storages or not self.shared:
            self.storages.append(Storage(str(len(self.storages)), self.dtype))
        return self.storages[-1].add(values, stale=3 if self.shared else 0)

    def pickled(self, root: Any, numpy_1: bool = False) -> bytes:
        stream = io.BytesIO()
        Writer(stream, 2).dump(root)
        names = (b"numpy._core.multiarray", b"numpy.core.multiarray")
        return stream.getvalue().replace(*(names if numpy_1 else names[::-1]))

    def write(self, path: Path, root: Any, numpy_1: bool = False) -> Path:
        return self.write_pickled(path, self.pickled(root, numpy_1))

    def write_pickled(self, path: Path, pickled: bytes) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("dp_model/data.pkl", pickled)
            archive.writestr("dp_model/version", b"3\n")
            for storage in self.storages:
                archive.writestr(f"dp_model/data/{storage.key}", storage.data)
        return path


# Models


@dataclass(frozen=True)
class Model:
    """The arrays of a model, as named in PWMLFF's dictionary: nets are lists of layers {"weight", "bias", "resnet_dt"}."""

    numbers: tuple[int, ...]
    rmax: float
    rmin: float
    m2: int
    max_neigh_num: int
    average: Array  # (n,)
    deviation: Array  # (n, 2)
    embedding: list[list[dict[str, Array]]]
    fitting: list[list[dict[str, Array]]]
    vectors: Array | None = None  # (n, P) of the type embedding
    properties: tuple[str, ...] = ()
    unused: list[list[dict[str, Array]]] = field(default_factory=list)  # the net of the types before the embedding net


def random_layers(rng: np.random.Generator, widths: tuple[int, ...], bias: bool, dt: Any) -> list[dict[str, Array]]:
    """dt(k): whether layer k has a resnet_dt."""
    layers = []
    for k, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        layer = {"weight": rng.normal(0, 0.7, (n_in, n_out))}
        if bias:
            layer["bias"] = rng.normal(0, 0.4, (1, n_out))
        if dt(k):
            layer["resnet_dt"] = rng.uniform(0.2, 0.9, (1, n_out))
        layers.append(layer)
    return layers


def random_pwmlff(
    seed: int = 0,
    numbers: tuple[int, ...] = (8, 1),
    widths: tuple[int, ...] = (4, 8, 8),
    hidden: tuple[int, ...] = (5, 5, 5),
    m2: int = 3,
    embedding_dt: bool = False,
    fitting_dt: bool = True,
    bias: bool = True,
    vectors: Array | None = None,
    properties: tuple[str, ...] = (),
    type_net: bool = False,
    dtype: str = "<f8",
) -> Model:
    rng, n = np.random.default_rng(seed), len(numbers)
    extra = 0 if vectors is None else vectors.shape[1]
    count = n * n if vectors is None else 1
    embedding = [random_layers(rng, (1 + extra, *widths), bias, lambda k: embedding_dt) for _ in range(count)]
    last = len(hidden)
    fit = lambda k: fitting_dt and 1 <= k <= last - 1  # noqa: E731
    fitting = [random_layers(rng, (m2 * widths[-1], *hidden, 1), True, fit) for _ in range(n)]
    unused = [random_layers(rng, (extra, extra), bias, lambda k: embedding_dt)] if type_net else []
    for layer in (layer for net in embedding + fitting for layer in net):
        for name in layer:
            layer[name] = layer[name].astype(dtype).astype("<f8")
    average, deviation = rng.uniform(0.02, 0.1, n), rng.uniform(0.1, 0.2, (n, 2))
    return Model(numbers, 4.0, 1.5, m2, 30, average, deviation, embedding, fitting, vectors, properties, unused)


def checkpoint_root(model: Model, archive: Archive, compressed: bool = False) -> dict[str, Any]:
    """The dictionary of a .ckpt; the optimizer's and the tables' numbers are nonsense."""
    n, slots = len(model.numbers), model.max_neigh_num * len(model.numbers)
    state = OrderedState()
    for name, nets in (("embedding_net", [*model.unused, *model.embedding]), ("fitting_net", model.fitting)):
        for i, net in enumerate(nets):
            for k, layer in enumerate(net):
                state |= {f"{name}.{i}.layers.{k}.{what}": archive.tensor(values) for what, values in layer.items()}
    descriptor: dict[str, Any] = {"Rmax": model.rmax, "Rmin": model.rmin, "M2": model.m2, "network_size": [1]}
    if model.vectors is not None:
        descriptor["type_embedding"] = {"physical_property": list(model.properties)}
    zero = np.zeros((n, 1))
    root = {
        "json_file": {
            "model_type": "DP", "atom_type": list(model.numbers), "max_neigh_num": model.max_neigh_num,
            "model": {"descriptor": descriptor, "fitting_net": {"network_size": [1]}}, "optimizer": {"optimizer": "LKF"},
        },
        "epoch": 3,
        "state_dict": OrderedState(state),
        "davg": np.tile(np.hstack([model.average[:, None], zero, zero, zero]), slots),
        "dstd": np.tile(np.hstack([model.deviation[:, :1], *[model.deviation[:, 1:]] * 3]), slots),
        "energy_shift": np.full(n, -100.0),
        "atom_type_order": np.array(model.numbers),
        "sij_max": archive.tensor(0.9),
        "optimizer": {"state": {0: {"kalman_lambda": 0.98, "P": [archive.tensor(np.eye(2))]}}, "param_groups": []},
    }  # fmt: skip
    if compressed:
        numbers = {"dx": 0.01, "order": 3, "sij_min": np.float64(0.5)}
        root["compress"] = {"table": np.full((n * n, 5, 8, 4), 7.0), **numbers, "type_vector": {np.int64(8): [0.1]}}
    return root


CONTAINER = "__torch__.torch.nn.modules.container.___torch_mangle_0"
NETS = "__torch__.src.model.dp_embedding"


def script_root(model: Model, archive: Archive, compressed: bool = False) -> Script:
    """The root object of a jit_dp.pt."""
    root = checkpoint_root(model, archive)
    typed = model.vectors is not None
    attributes = {
        "training": True, "model_type": "DP", "ntypes": len(model.numbers), "atom_type": list(model.numbers), "M2": model.m2,
        "Rmax": model.rmax, "Rmin": model.rmin, "maxNeighborNum": model.max_neigh_num, "dtype": 7,
        "davg": archive.tensor(root["davg"]), "dstd": archive.tensor(root["dstd"]),
        "compress_tab": archive.tensor(np.full((5, 8, 4), 7.0)) if compressed else None,
        "embedding_net": _modules([_net(net, archive, "EmbeddingNet") for net in [*model.unused, *model.embedding]]),
        "fitting_net": _modules([_net(net, archive, "FittingNet") for net in model.fitting]),
    }  # fmt: skip
    if typed:
        rows = zip(model.numbers, model.vectors.tolist(), strict=True)
        attributes["type_vector"] = dict(rows)
    name = "__torch__.src.model.dp_dp_typ_emb_script" if typed else "__torch__.src.model.dp_dp_script"
    return Script(name, "TypeDP" if typed else "DP", attributes)


def _modules(objects: list[Script]) -> Script:
    return Script(CONTAINER, "ModuleList", {"training": True} | {str(k): value for k, value in enumerate(objects)})


def _net(net: list[dict[str, Array]], archive: Archive, name: str) -> Script:
    layers = []
    for layer in net:
        parts = {what: archive.tensor(layer[what]) if what in layer else None for what in ("weight", "bias", "resnet_dt")}
        layers.append(Script(NETS, "LayerModule", parts))
    flags = {"bias_flag": any("bias" in layer for layer in net), "resnet_dt_flag": any("resnet_dt" in layer for layer in net)}
    return Script(NETS, name, {"network_size": [1], **flags, "layers": _modules(layers)})


# The model, slot by slot


def energies(model: Model, x: Array, z: NDArray[np.int64], cell: Array | None, passed: tuple[int, ...] | None = None) -> Array:
    """(n,) energies of atoms at x (n, 3) with atomic numbers z (n,) of a model that is given the elements passed: arrays of
    slots, empty ones filled with S = 0, every pair of atoms and images one by one."""
    passed = model.numbers if passed is None else passed
    order = [model.numbers.index(number) for number in passed]
    total = model.max_neigh_num * len(passed)
    found = np.zeros(len(x))
    for i, centre in enumerate(z):
        a = model.numbers.index(int(centre))
        t = np.zeros((4, model.embedding[-1][-1]["weight"].shape[1]))
        for b in order:
            rows = np.zeros((model.max_neigh_num, 4))
            vectors = _neighbours(model, x, z, cell, i, model.numbers[b])
            for slot, d in enumerate(vectors):
                r = float(np.linalg.norm(d))
                rows[slot] = _s(model, r) * np.array([1.0, *(d / r)])
            rows[:, 0] -= model.average[a]
            rows /= np.array([model.deviation[a, 0], *[model.deviation[a, 1]] * 3])
            t += rows.T @ _embed(model, a, b, rows[:, :1])
        t /= total
        found[i] = _fit(model.fitting[a], (t.T @ t[:, : model.m2]).reshape(1, -1))[0, 0]
    return found


def _neighbours(model: Model, x: Array, z: NDArray[np.int64], cell: Array | None, i: int, number: int) -> list[Array]:
    steps = range(-2, 3) if cell is not None else (0,)
    shifts = [np.array([p, q, r]) @ (np.zeros((3, 3)) if cell is None else cell) for p in steps for q in steps for r in steps]
    vectors = [x[j] + shift - x[i] for j in np.flatnonzero(z == number) for shift in shifts]
    return [d for d in vectors if 1e-4 < np.linalg.norm(d) < model.rmax]


def _s(model: Model, r: float) -> float:
    if r < model.rmin:
        return 1 / r
    u = (r - model.rmin) / (model.rmax - model.rmin)
    return (u**3 * (-6 * u**2 + 15 * u - 10) + 1) / r


def _embed(model: Model, a: int, b: int, s: Array) -> Array:
    if model.vectors is None:
        net, h = model.embedding[a * len(model.numbers) + b], s
    else:
        net, h = model.embedding[-1], np.hstack([s, np.tile(model.vectors[b], (len(s), 1))])
    for layer in net:
        y = np.tanh(h @ layer["weight"] + layer.get("bias", 0.0))
        if y.shape[1] == h.shape[1]:
            y = h + y * layer.get("resnet_dt", 1.0)
        elif y.shape[1] == 2 * h.shape[1]:
            y = np.hstack([h, h]) + y * layer.get("resnet_dt", 1.0)
        h = y
    return h


def _fit(net: list[dict[str, Array]], h: Array) -> Array:
    for k, layer in enumerate(net[:-1]):
        y = np.tanh(h @ layer["weight"] + layer["bias"])
        h = y if k == 0 else h + y * layer.get("resnet_dt", 1.0)
    return h @ net[-1]["weight"] + net[-1]["bias"]
