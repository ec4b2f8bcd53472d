# SPDX-License-Identifier: MIT
"""se_e3_tebd in DeePMD-kit's tree. With the type embeddings E of two neighbours j and k, in this order,

- concat: G is a net of [x, E_j, E_k];
- strip: G = net(x) (1 + w g), g = strip net([E_j, E_k]), with w = sw(r_j) sw(r_k) (smooth) or w = 1.

Both orders are summed, so the mean of the two is the function of a pair. An empty slot has x = 0 and adds nothing, whatever type
DeePMD-kit gives it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np

from ...arrays import Array, IntArray
from ...model.activations import parse
from ...model.net import Layer, Net, Skip, check_net
from ...model.piecewise import Piecewise
from ..deepmd import Tree, net_of_tree, one_per_centre, slot_statistics, symmetric
from ..dpa1.deepmd import beside, is_strip, only_network, refuse_changed_slots, scaled
from ..dpa1.type_embedding import type_embedding
from .descriptor import SeE3Tebd


def make(tree: Tree, n_types: int) -> SeE3Tebd:
    """Of its part of the tree. Raises UnsupportedModel, ReadError, ModelError."""
    refuse_changed_slots(tree)
    n_slots = int(np.sum(tree["sel"]))
    mean, std = one_per_centre(*slot_statistics(tree["@variables"], n_types, n_slots, 4))
    nets, gates = _functions(tree, n_types)
    net_of = np.zeros((n_types, n_types), dtype=np.int32)
    if len(nets) > 1:
        for place, (b, c) in enumerate(combinations_with_replacement(range(n_types), 2)):
            net_of[b, c] = net_of[c, b] = place
    return SeE3Tebd(
        rcut=tree["rcut"],
        rcut_smth=tree["rcut_smth"],
        env_protection=tree["env_protection"],
        sel=(n_slots,) * n_types,
        n_sel=n_slots,
        mean=mean,
        std=std,
        nets=nets,
        net_of=net_of,
        excluded=symmetric(tree["exclude_types"]),
        exclusion=tree["exclusion"],
        gates=gates,
    )


def _functions(tree: Tree, n_types: int) -> tuple[tuple[Net | Piecewise, ...], Array | None]:
    """One net for all types, or one for each pair of types b <= c, one b after the other; and gates (N, N, M)."""
    net = net_of_tree(only_network(tree, "embeddings"), "descriptor")
    e = type_embedding(tree["type_embedding"], n_types)
    ordered = np.concatenate([np.repeat(e[:, None], n_types, axis=1), np.repeat(e[None], n_types, axis=0)], axis=2)
    pairs = list(combinations_with_replacement(range(n_types), 2))
    if not is_strip(tree):
        check_net(net, "descriptor.nets[0]", 1 + ordered.shape[2])
        return tuple(_mean(*(beside(ordered[pair], net) for pair in {(b, c), (c, b)})) for b, c in pairs), None
    strip = net_of_tree(only_network(tree, "embeddings_strip"), "descriptor")
    check_net(strip, "descriptor.embeddings_strip", ordered.shape[2])
    g = strip.forward(ordered.reshape(n_types**2, -1))[0].reshape(n_types, n_types, -1)
    g = 0.5 * (g + g.transpose(1, 0, 2))
    if tree["smooth"]:
        return (net,), g
    return tuple(scaled(net, 1.0 + g[pair]) for pair in pairs), None


def _mean(net: Net, *others: Net) -> Net:
    """Of nets of one number that differ in their weights alone: side by side, and a layer that takes the mean."""
    nets = (net, *others)
    if not others:
        return net
    # Of the numbers of each net among those of all; x is common.
    places: list[IntArray] = [np.zeros(1, dtype=np.int64)] * len(nets)
    size, layers = 1, []
    for of_all in zip(*(n.layers for n in nets), strict=True):
        n_out, skip = of_all[0].weight.shape[1], of_all[0].skip
        after = [_places(skip, mine, size, k * n_out + np.arange(n_out)) for k, mine in enumerate(places)]
        layers.append(_side_by_side(of_all, places, after, size))
        places, size = after, n_out * len(nets)
    mean = np.zeros((size, nets[0].n_out))
    for mine in places:
        mean[mine, np.arange(len(mine))] = 1.0 / len(nets)
    return Net((*layers, Layer(mean, np.zeros(nets[0].n_out), None, parse("linear"), Skip.NONE)))


def _places(skip: Skip, before: IntArray, size: int, new: IntArray) -> IntArray:
    """Of the outputs of one net's layer: where the skip of a layer of all, which has ``size`` inputs, puts its inputs."""
    return {Skip.NONE: new, Skip.IDENTITY: before, Skip.DOUBLED: np.concatenate([before, size + before])}[skip]


def _side_by_side(of_all: tuple[Layer, ...], before: list[IntArray], after: list[IntArray], size: int) -> Layer:
    """One layer of ``size`` inputs from those of all nets, whose numbers are at the places before and after it."""
    n_out = sum(layer.weight.shape[1] for layer in of_all)
    weight, bias, idt = np.zeros((size, n_out)), np.zeros(n_out), np.ones(n_out)
    for layer, rows, columns in zip(of_all, before, after, strict=True):
        weight[np.ix_(rows, columns)] = layer.weight
        bias[columns] = layer.bias
        idt[columns] = 1.0 if layer.idt is None else layer.idt
    return replace(of_all[0], weight=weight, bias=bias, idt=None if of_all[0].idt is None else idt)
