# SPDX-License-Identifier: MIT
"""DPA-1 (se_atten, se_atten_v2) without attention in DeePMD-kit's tree.

The type embeddings E are vectors of numbers, so for a pair of types the embedding G depends on the distance alone:

- concat: a net of [x, E_j, E_i], which is a net of x whose first layer puts the embeddings beside it;
- strip: G = net(x) (1 + w g), g = strip net([E_j, E_i]), with w = sw(r) (smooth) or w = 1: one more linear layer.

One-sided, E_i is left out. What is summed is se_e2_a's, where lmax > 1 with components of degree 2 to lmax. E_i appended to the
descriptor goes into the first bias of the fitting net. TensorFlow has a switch w of its own, gives g as numbers where it
compressed the model, and calls se_e2_a what has slots of each type (tree["sections"]).
Of an empty slot DeePMD-kit's PyTorch back end takes the type of the structure's first atom, which matters where the mean is not
0 and nothing switches it off: our own key tree["padding_type"] says of which type that is, N for the zero embedding. With concat
and slots of each type it is the slot's type.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...arrays import Array
from ...errors import ReadError
from ...model.activations import parse
from ...model.net import Layer, Net, Skip, check_net
from ...model.piecewise import Piecewise, check_piecewise
from ..deepmd import NO_NETS, Tree, function_of_tree, net_of_tree, one_per_centre, slot_statistics, symmetric, unsupported
from ..se_e2_a.descriptor import SeE2A
from ..se_e2_a.harmonics import MOST_LMAX
from .type_embedding import type_embedding


def make(tree: Tree, n_types: int) -> SeE2A:
    """Of its part of the tree. Raises UnsupportedModel, ReadError, ModelError."""
    _refuse(tree)
    n_slots = int(np.sum(tree["sel"]))
    mean, std = one_per_centre(*slot_statistics(tree["@variables"], n_types, n_slots, 4))
    gates, nets = None, _pair_nets(tree, n_types)
    if is_strip(tree):
        gate = _gates(tree, n_types)
        if tree["smooth_type_embedding"]:
            gates = None if tree["switch_radius"] == 0.0 else gate[:n_types, :n_types]  # 1 - (1 - 0)^3: all are shut
        else:
            nets = _for_pairs(tree, n_types, lambda a, b: scaled(nets[a, b], 1.0 + gate[a, b]))
    padding = _padding(tree, nets, -mean / std[:, 0])
    different = {id(nets[a, b]): nets[a, b] for a, b in np.ndindex(n_types, n_types)}
    numbers = {key: k for k, key in enumerate(different)}
    return SeE2A(
        rcut=tree["rcut"],
        rcut_smth=tree["rcut_smth"],
        env_protection=tree["env_protection"],
        sel=tuple(tree["sections"] or (n_slots,) * n_types),
        n_sel=tree["n_sel"] or n_slots,
        mean=mean,
        std=std,
        nets=tuple(different.values()),
        net_of=np.array([[numbers[id(nets[a, b])] for b in range(n_types)] for a in range(n_types)]),
        excluded=symmetric(tree["exclude_types"]),
        exclusion=_exclusion(tree, padding),
        padding=padding,
        gates=gates,
        switch_radius=None if gates is None else tree["switch_radius"],
        axis_neuron=tree["axis_neuron"],
        degree_gains=_degree_gains(tree),
    )


def _refuse(tree: Tree) -> None:
    if tree["attn_layer"]:
        raise unsupported(
            f"attention between neighbours (attn_layer = {tree['attn_layer']})",
            "sums over pairs of neighbours that no table can hold",
        )
    refuse_changed_slots(tree)


def _degree_gains(tree: Tree) -> Array:
    """(lmax - 1,) what the components of degree 2 to lmax are multiplied by; the products of two have the square."""
    lmax, gains = tree["lmax"], tree["@variables"]["degree_gain_raw"]
    if not 1 <= lmax <= MOST_LMAX:
        raise unsupported(f"a basis beyond l = {MOST_LMAX} (lmax = {lmax})", "more components in the moments")
    gains = np.empty(0) if gains is None else gains
    if gains.shape != (lmax - 1,) or not np.isfinite(gains).all():
        raise ReadError(f"the gains of the degrees 2 to lmax = {lmax} have shape {gains.shape} or are not numbers; it is damaged")
    return gains.astype(np.float64)


def refuse_changed_slots(tree: Tree) -> None:
    """Raise UnsupportedModel where the divisor is not the number of slots."""
    if tree["n_sel"] not in (0, sum(tree["sel"])) and tree.get("sections") is None:
        raise unsupported("a number of slots that was changed after training", "a divisor other than the number of slots")


def is_strip(tree: Tree) -> bool:
    """The types enter by a factor, not beside x."""
    return bool(tree["tebd_input_mode"] == "strip")


Pair = tuple[int, int]  # centre and neighbour type; N: neither
Function = Net | Piecewise


def _pair_nets(tree: Tree, n_types: int) -> dict[Pair, Function]:
    """For every centre type and neighbour type, N included: strip, without the factor of the types."""
    network = only_network(tree, "embeddings")
    if is_strip(tree):
        function = function_of_tree(network, "descriptor")
        _check(function, 1)
        return dict.fromkeys(_pairs(n_types), function)
    net, inputs = net_of_tree(network, "descriptor"), _type_inputs(tree, n_types)
    _check(net, 1 + inputs.shape[2])
    return _for_pairs(tree, n_types, lambda a, b: beside(inputs[a, b], net))


def _pairs(n_types: int) -> list[Pair]:
    return [(a, b) for a in range(n_types) for b in range(n_types + 1)]


def _for_pairs(tree: Tree, n_types: int, make: Callable[[int, int], Function]) -> dict[Pair, Function]:
    """A net for each pair of types; one-sided, the very same for every centre type."""
    if tree["type_one_side"]:
        of_neighbour = [make(0, b) for b in range(n_types + 1)]
        return {(a, b): of_neighbour[b] for a, b in _pairs(n_types)}
    return {pair: make(*pair) for pair in _pairs(n_types)}


def _type_inputs(tree: Tree, n_types: int) -> Array:
    """(N + 1, N + 1, n) what a net takes of a centre's and a neighbour's type."""
    e = np.pad(type_embedding(tree["type_embedding"], n_types), ((0, 1), (0, 0)))
    neighbour = np.broadcast_to(e[None, :], (n_types + 1, *e.shape))
    if tree["type_one_side"]:
        return neighbour
    return np.concatenate([neighbour, np.broadcast_to(e[:, None], neighbour.shape)], axis=2)


def appended(tree: Tree, n_types: int) -> Array:
    """(N, n) the type embeddings, where they stand behind the descriptor's numbers."""
    e = type_embedding(tree["type_embedding"], n_types)
    return e if tree["concat_output_tebd"] else e[:, :0]


def _gates(tree: Tree, n_types: int) -> Array:
    """g (N + 1, N + 1, M)."""
    if tree["type_factors"] is not None:
        return _stored_gates(tree["type_factors"], n_types)
    net, inputs = net_of_tree(only_network(tree, "embeddings_strip"), "descriptor"), _type_inputs(tree, n_types)
    check_net(net, "descriptor.embeddings_strip", inputs.shape[2])
    flat = net.forward(inputs.reshape(-1, inputs.shape[2]))[0]
    return flat.reshape(*inputs.shape[:2], -1)


def _stored_gates(factors: Array, n_types: int) -> Array:
    """Of factors ((N + 1)^2, M), centre types first, or (N + 1, M) of neighbour types alone."""
    n, width = n_types + 1, factors.shape[-1]
    if factors.shape not in ((n * n, width), (n, width)) or not np.isfinite(factors).all():
        raise ReadError(f"the factors of {n_types} types have shape {factors.shape}; the file is damaged")
    return np.broadcast_to(factors.astype(np.float64).reshape(-1, n, width), (n, n, width))


def only_network(tree: Tree, name: str) -> Tree:
    """The one net of a collection."""
    networks = [net for net in (tree[name] or {"networks": []})["networks"] if net is not None]
    if not networks:
        raise ReadError(NO_NETS)
    if len(networks) != 1:
        raise ReadError(f"{len(networks)} {name} of {tree['type']}: one for all types is needed")
    return dict(networks[0])


def _check(function: Function, n_in: int) -> None:
    """Of the embedding net, before it is evaluated. Raises ModelError."""
    if isinstance(function, Piecewise):
        check_piecewise(function, "descriptor.nets[0]")
    else:
        check_net(function, "descriptor.nets[0]", n_in)


def beside(constants: Array, net: Net) -> Net:
    """A net of [x, constants] as one of x."""
    weight, bias = np.eye(1, 1 + len(constants)), np.concatenate([[0.0], constants])
    return Net((Layer(weight, bias, None, parse("linear"), Skip.NONE), *net.layers))


def scaled(net: Function, factor: Array) -> Function:
    """A net whose outputs are multiplied."""
    if factor.shape != (net.n_out,):
        raise ReadError(f"the strip net has {len(factor)} outputs, the embedding net {net.n_out}")
    if isinstance(net, Piecewise):
        return Piecewise(net.knots, *(numbers * factor for numbers in (net.value, net.slope, net.curvature)))
    return Net((*net.layers, Layer(np.diag(factor), np.zeros(net.n_out), None, parse("linear"), Skip.NONE)))


def _is_switched_off(tree: Tree) -> bool:
    """The factor of the types, in an empty slot."""
    return is_strip(tree) and bool(tree["smooth_type_embedding"])


def takes_padding_type(tree: Tree) -> bool:
    """Whether what an empty slot adds depends on a type of which the tree does not say which it is."""
    davg = tree["@variables"]["davg"]
    has_mean = davg.ndim > 0 and bool(davg[..., :1].any())  # of any shape: it is not checked yet
    has_its_row = tree["sections"] is None or is_strip(tree)
    return has_mean and has_its_row and not _is_switched_off(tree) and tree.get("padding_type") is None


def _padding(tree: Tree, nets: dict[Pair, Function], x_pad: Array) -> Array | None:
    """(N, M) what an empty slot adds, by centre type; None where it adds what a neighbour of its type with s = 0 does."""
    n_types, width = len(x_pad), nets[0, 0].n_out
    if tree["sections"] is not None and not (is_strip(tree) and x_pad.any()):
        return None
    if not x_pad.any():
        return np.zeros((n_types, width))
    if takes_padding_type(tree):
        raise unsupported(
            "DPA-1 without smooth_type_embedding and with a mean (davg) that is not 0, where DeePMD-kit gives an empty slot the "
            "type of the structure's first atom, so that its energies depend on the order of the atoms,",
            "to be told of which element that atom was in training: --padding-type NAME",
        )
    b = 0 if _is_switched_off(tree) else tree["padding_type"]
    return np.concatenate([_value(nets[a, b], x_pad[a : a + 1]) * x_pad[a] for a in range(n_types)])


def _exclusion(tree: Tree, padding: Array | None) -> str:
    """As in descriptors/two_body.py; nobody knows of what type an empty slot is that all are counted together."""
    if padding is None or not tree["exclude_types"] or tree["exclusion"] == "slots":
        return "slots" if padding is not None else str(tree["exclusion"])
    raise unsupported(
        "se_e2_a with the type embedding as a factor (se_a_ebd_v2), exclude_types and a mean (davg) that is not 0",
        "empty slots of each type that have the embedding of none; a model that was trained with set_davg_zero has no such",
    )


def _value(net: Function, x: Array) -> Array:
    """(n, M) at x (n,)."""
    return net.derivatives(x)[0] if isinstance(net, Piecewise) else net.forward(x[:, None])[0]
