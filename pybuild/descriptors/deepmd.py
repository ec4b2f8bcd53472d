# SPDX-License-Identifier: MIT
"""What the kinds share where DeePMD-kit's tree of a model becomes a descriptor (docs/deepmd-tree.md says what the tree is)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, IntArray
from ..errors import ModelError, ReadError, UnsupportedModel
from ..model.activations import parse
from ..model.net import Layer, Net, Skip
from ..model.piecewise import Piecewise

Tree = dict[str, Any]
WHOLE = 1e-3  # of a number of steps: what float32 leaves of it
STRIDES = (20, 10, 5, 2)  # of the knots of a table in float32 that are kept
ROUNDINGS = 4  # of float32, that two of its numbers may differ by
NO_NETS = (
    "no embedding net in the file: those of a compressed model are gone when it is converted; give the compressed file as it "
    "was, or convert the model before it is compressed"
)
SUPPORTED = "energy models with se_e2_a, se_e2_r, se_e3, se_e3_tebd, dpa1 without attention, or a hybrid, and fitting net ener"


def unsupported(what: str, needs: str) -> UnsupportedModel:
    """The error for a sound model with a feature that is not supported."""
    return UnsupportedModel(f"{what} is not supported; it needs {needs}. Supported: {SUPPORTED}")


def two_body_numbers(tree: Tree, n_types: int, n_components: int) -> dict[str, Any]:
    """What every kind of descriptors/two_body.py has, but std; n_components of the stored statistics."""
    sel = tuple(tree["sel"])
    networks = tree["embeddings"]["networks"]
    one_sided = tree["embeddings"]["ndim"] == 1
    expected = n_types if one_sided else n_types**2
    if len(networks) != expected:
        raise ReadError(f"{len(networks)} embedding nets for {n_types} types: {expected} are needed")
    if all(net is None for net in networks):
        raise ReadError(NO_NETS)
    mean, std = slot_statistics(tree["@variables"], n_types, sum(sel), n_components)
    return {
        "rcut": tree["rcut"],
        "rcut_smth": tree["rcut_smth"],
        "env_protection": tree["env_protection"],
        "sel": sel,
        "n_sel": tree["n_sel"] or sum(sel),
        "mean": mean[:, 0].astype(np.float64),
        "std": std.astype(np.float64),
        "nets": tuple(function_of_tree(net, "descriptor") for net in networks if net is not None),
        "net_of": net_indices(n_types, one_sided, [net is not None for net in networks]),
        "excluded": symmetric(tree["exclude_types"]),
        "exclusion": tree["exclusion"],
    }


def net_indices(n_types: int, one_sided: bool, there: Sequence[bool]) -> IntArray:
    """(N, N) the index of the net of centre a and neighbour b among those that are there, in DeePMD-kit's order; -1 for none."""
    a, b = np.indices((n_types, n_types))
    index = np.where(there, np.cumsum(there) - 1, -1)
    return index[b if one_sided else a + b * n_types].astype(np.int32)


def symmetric(pairs: Any) -> frozenset[tuple[int, int]]:
    """Pairs of types with their reverses."""
    return frozenset(pair for a, b in pairs for pair in ((a, b), (b, a)))


def slot_statistics(variables: Tree, n_types: int, n_slots: int, n_components: int) -> tuple[Array, Array]:
    """mean and std (N, components) from the per-slot arrays davg and dstd (N, n_slots, components), whose slots must agree."""
    if n_slots == 0:
        raise ReadError("descriptor.sel is 0 for all types: no atom has neighbours")
    found = []
    for name in ("davg", "dstd"):
        array = variables[name]
        if array.shape != (n_types, n_slots, n_components):
            raise ReadError(
                f"descriptor statistics {name} have shape {array.shape}, must be ({n_types}, {n_slots}, {n_components})"
            )
        finite = np.isfinite(array).all(axis=(1, 2))
        if not finite.all():
            listed = ", ".join(map(str, np.flatnonzero(~finite)))
            raise ReadError(
                f"descriptor statistics {name} hold numbers that are not finite, for type number {listed} (from 0): DeePMD-kit's "
                "TensorFlow back end writes these for types that the training data lack, and has no energy for them; train with "
                "a type_map without them"
            )
        if (array != array[:, :1, :]).any():  # computed once per type and copied to its slots: the very same numbers
            raise unsupported(
                f"a descriptor whose {name} differ between the slots of one type", "statistics per slot in the table file"
            )
        found.append(array[:, 0])
    return found[0], found[1]


def function_of_tree(tree: Tree, where: str) -> Net | Piecewise:
    """An embedding net, or the table that a compressed model has instead."""
    return function_of_table(**tree["table"]) if "table" in tree else net_of_tree(tree, where)


def function_of_table(coef: Array, info: Array, symmetric: bool) -> Piecewise:
    """Of DeePMD-kit's table: coef (rows, 6 M), six powers for each channel; info: lower, upper, end, fine and coarse step;
    symmetric: it begins at -end, with coarse steps to lower.

    Value, slope and curvature are taken where the intervals begin, in float64. The higher powers, which float32 has rounded to
    noise, follow from them.
    """
    rows = coef.shape[0] if coef.ndim == 2 else 0
    numbers = coef.dtype.kind == info.dtype.kind == "f"
    if rows < 2 or coef.shape[1] % 6 or not coef.shape[1] or info.shape != (6,) or not numbers:
        raise ReadError(f"a table of shape {coef.shape} with {info.size} numbers about its grid; the file is damaged")
    lower, upper, end, fine, coarse = info[:5].astype(np.float64).tolist()
    if not (np.isfinite(info[:5]).all() and lower < upper <= end and fine > 0 and coarse > 0):
        raise ReadError(f"a table from {lower} to {upper} and {end} in steps of {fine} and {coarse}; the file is damaged")
    if not np.isfinite(coef).all():
        raise unsupported(
            "a table with numbers that are not finite, as DeePMD-kit makes of softplus far from 0,", "the uncompressed model"
        )
    # float32 steps are decimal numbers, too: 0.1 in float32 adds up to an error of 1e-6 over 300 steps.
    fine, coarse = (float(str(np.float32(step))) if info.dtype == np.float32 else step for step in (fine, coarse))
    steps = (lower + end) / coarse if symmetric else 0
    if abs(steps - round(steps)) > WHOLE:
        raise unsupported(
            f"a table from {-end:g} to {lower:g} in steps of {coarse:g}, no whole number of steps, of which DeePMD-kit takes "
            "wrong rows from there on, so that its own energies are not those of the model,",
            "the uncompressed model",
        )
    n_before = round(steps)
    n_fine = min(rows, round((upper - lower) / fine))
    if abs(rows - n_before - n_fine - round((end - upper) / coarse)) > 1:  # a whole number of steps, rounded down
        raise ReadError(f"a table of {rows} rows from {lower} to {upper} and {end} in steps of {fine}, {coarse}; it is damaged")
    before, inside = lower + coarse * np.arange(-n_before, 0), lower + fine * np.arange(n_fine)
    knots = np.concatenate([before, inside, upper + coarse * np.arange(rows - n_before - n_fine + 1)])
    powers = coef.astype(np.float64).reshape(rows, -1, 6).transpose(2, 0, 1)
    h = np.diff(knots)[-1]
    last = [
        sum(powers[k, -1:] * (factors[k] * h ** max(k - order, 0)) for k in range(order, 6))
        for order, factors in enumerate(((1,) * 6, range(6), [k * (k - 1) for k in range(6)]))
    ]
    found = (np.concatenate([start, at_end]) for start, at_end in zip((powers[0], powers[1], 2 * powers[2]), last, strict=True))
    function = Piecewise(knots, *found)
    return _thinned(function, n_before, n_fine) if coef.dtype == np.float32 else function


def _thinned(function: Piecewise, n_before: int, n_fine: int) -> Piecewise:
    """Fewer of the n_fine knots after the first n_before, as long as what is left out is reproduced to the rounding of float32.

    Values that are rounded to float32 make slopes between two knots worse by the rounding over the distance of the knots.
    """
    knots = np.arange(len(function.knots))
    scale = ROUNDINGS * float(np.finfo(np.float32).eps) * max(1.0, float(np.abs(function.value).max()))
    for stride in (s for s in STRIDES if n_fine % s == 0):
        kept = knots[((knots - n_before) % stride == 0) | (knots < n_before) | (knots >= n_before + n_fine)]
        thin = Piecewise(*(a[kept] for a in (function.knots, function.value, function.slope, function.curvature)))
        value, slope, _ = thin.derivatives(function.knots)
        step = function.knots[n_before + stride] - function.knots[n_before]
        if np.abs(value - function.value).max() < scale and np.abs(slope - function.slope).max() < scale / step:
            return thin
    return function


def net_of_tree(tree: Tree, where: str) -> Net:
    """where: which part of the model it belongs to, for messages. Raises ReadError for one without layers."""
    if not tree["layers"]:
        raise ReadError(f"a net of the {where} has no layers")
    return Net(tuple(_layer(layer, where) for layer in tree["layers"]))


def _layer(tree: Tree, where: str) -> Layer:
    """DeePMD-kit's rule for the skip: wherever the layer is residual and its width is the input's, or twice that."""
    variables = tree["@variables"]
    weight = variables["w"]
    if weight.ndim != 2:
        raise ReadError(f"the matrix of a layer has shape {weight.shape}, must be (inputs, outputs)")
    n_in, n_out = weight.shape
    skip = Skip.of_widths(n_in, n_out) if tree["resnet"] else Skip.NONE
    try:
        activation = parse(tree["activation_function"])
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error
    bias = variables["b"] if variables["b"] is not None else np.zeros(n_out)
    return Layer(weight, bias, variables["idt"], activation, skip)


def one_per_centre(mean: Array, std: Array) -> tuple[Array, Array]:
    """mean (N,) of s(r), and std (N, 2) of it and of the angular components, of all four components (N, 4)."""
    if mean[:, 1:].any():
        raise unsupported(
            "a descriptor with a mean (davg) of the angular components other than 0", "one mean per component in the table file"
        )
    if (std[:, 1:] != std[:, 1:2]).any():
        raise unsupported(
            "a descriptor whose dstd differ between x, y and z", "one standard deviation per component in the table file"
        )
    return mean[:, 0], std[:, :2]
