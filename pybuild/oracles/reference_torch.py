# SPDX-License-Identifier: MIT
"""A second oracle: the same model as reference.py, its derivatives by PyTorch's autograd. Needs torch.

Forces are the gradient with respect to the positions, the virial that with respect to a strain of all pair vectors, the per-atom
virial that with respect to each pair vector: three routes, none of which uses a derivative written by hand. Structure checks and
the neighbour search are reference.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, BoolArray, Index
from ..errors import InputError
from ..model.activations import Activation
from ..model.description import ModelDescription
from ..model.net import Net, Skip
from ..model.piecewise import Piecewise
from .kinds import KINDS
from .parts import HERMITE, Around, Pairs, net_parameters
from .reference import Result, checked_structure, find_neighbours, slots_of, taken_pairs

if TYPE_CHECKING:
    from torch import Tensor

CENTRES_AT_ONCE = 256  # 256 centres x 100 neighbours x 4 x 100 channels x 8 bytes x a few are 300 MB


def evaluate(
    model: ModelDescription,
    positions: ArrayLike,
    types: ArrayLike,
    cell: ArrayLike | None = None,
    fparam: ArrayLike | None = None,
    aparam: ArrayLike | None = None,
) -> Result:
    """Arguments, result and errors as reference.evaluate; InputError also where torch is not installed."""
    torch = _torch()
    x, t, box = checked_structure(model.type_map, positions, types, cell)
    pairs = find_neighbours(x, box, model.rcut)
    taken = taken_pairs(model.neighbour_rule, slots_of(model.descriptors), t, pairs)
    parameters = torch.from_numpy(net_parameters(model.fitting.parameters, len(t), fparam, aparam).copy())
    result = Result(0.0, np.zeros(len(t)), np.zeros_like(x), np.zeros((3, 3)), np.zeros((len(t), 9)))
    for start in range(0, len(t), CENTRES_AT_ONCE):
        first, last = np.searchsorted(pairs.centre, (start, start + CENTRES_AT_ONCE))
        block = Pairs(pairs.centre[first:last] - start, pairs.neighbour[first:last], pairs.vector[first:last])
        result = _add_block(torch, model, x, t, start, block, [mask[first:last] for mask in taken], parameters, result)
    return result


def _add_block(
    torch: Any,
    model: ModelDescription,
    x: Array,
    t: Index,
    start: int,
    pairs: Pairs,
    taken: list[BoolArray],
    parameters: Tensor,
    total: Result,
) -> Result:
    """total plus the share of the centres from `start` on; pairs.centre counts from there; taken: the pairs of each
    descriptor."""
    stop = min(start + CENTRES_AT_ONCE, len(t))
    leaf = torch.tensor(x, requires_grad=True)
    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    centre, neighbour = torch.from_numpy(pairs.centre + start), torch.from_numpy(pairs.neighbour)
    shift = torch.from_numpy(pairs.vector - (x[pairs.neighbour] - x[pairs.centre + start]))  # of the image, constant
    vector = (leaf[neighbour] - leaf[centre] + shift) @ (torch.eye(3, dtype=torch.float64) + strain)
    of_centres = parameters[start:stop]
    energies = _atom_energies(torch, model, t[start:stop], t[pairs.neighbour], pairs.centre, vector, taken, of_centres)
    gradient, d_strain, d_vector = (torch.zeros_like(leaf), torch.zeros_like(strain), torch.zeros_like(vector))
    if energies.requires_grad:  # not so where no centre has a neighbour
        gradient, d_strain, d_vector = torch.autograd.grad(energies.sum(), (leaf, strain, vector))
    pair_virial = -(vector[:, :, None] * d_vector[:, None, :]).detach().numpy().reshape(-1, 9)
    atom_energy, atom_virial = total.atom_energy.copy(), total.atom_virial.copy()
    atom_energy[start:stop] = energies.detach().numpy()
    np.add.at(atom_virial, pairs.neighbour, pair_virial)
    energy = total.energy + float(atom_energy[start:stop].sum())
    return Result(energy, atom_energy, total.forces - gradient.numpy(), total.virial - d_strain.numpy(), atom_virial)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise InputError("the second oracle needs PyTorch: pip install torch") from error
    return torch


def _atom_energies(
    torch: Any,
    model: ModelDescription,
    types: Index,
    neighbour_types: Index,
    centre: Index,
    vector: Tensor,
    taken: list[BoolArray],
    parameters: Tensor,
) -> Tensor:
    """E_i of some centres of the given types, from the pair vectors to their neighbours."""
    f = model.fitting
    energies = torch.zeros(len(types), dtype=torch.float64)
    for a in sorted(set(types.tolist()) - f.excluded):
        atoms = np.flatnonzero(types == a)
        numbers = []
        for d, mask in zip(model.descriptors, taken, strict=True):
            mine = np.flatnonzero((types[centre] == a) & mask)
            around = Around(len(atoms), np.searchsorted(atoms, centre[mine]), neighbour_types[mine], _seen(model, d, a))
            of_bodies = _of_two_bodies if d.n_bodies == 2 else _of_three_bodies
            numbers.append(of_bodies(torch, model, d, a, around, vector[torch.from_numpy(mine)]))
        numbers.append(parameters[torch.from_numpy(atoms)])
        descriptor = torch.cat(numbers, dim=1)
        energy = _net(torch, f.net(a), descriptor)[:, 0] + float(f.energy_bias[a])
        if a in f.vacuum_subtracted:
            vacuum = torch.cat([torch.zeros_like(part) for part in numbers[:-1]] + numbers[-1:], dim=1)
            energy = energy - _net(torch, f.net(a), vacuum)[:, 0]
        energies = energies.index_add(0, torch.from_numpy(atoms), energy)
    return energies


def _seen(model: ModelDescription, d: Any, a: int) -> list[int]:
    return [b for b in range(model.n_types) if d.sel[b] and (a, b) not in d.excluded | model.pair_excluded]


def _of_two_bodies(torch: Any, model: ModelDescription, d: Any, a: int, around: Around, vector: Tensor) -> Tensor:
    """The numbers of a descriptor for centres of one type, from the vectors to their neighbours."""
    moment = torch.zeros(around.n, d.width, d.n_components, dtype=torch.float64)
    absent = {b for b in range(model.n_types) if d.exclusion == "absent" and (a, b) in d.excluded - model.pair_excluded}
    for b in (b for b in range(model.n_types) if d.sel[b] and b not in absent):
        part = np.flatnonzero(around.types == b)
        moment = moment + _moment(torch, model, d, (a, b), around.centre[part], vector[torch.from_numpy(part)], around.n)
    if d.padding is not None:
        fills = np.array([(a, b) not in model.pair_excluded for b in range(model.n_types)])[around.types]
        n_empty = d.n_sel - np.bincount(around.centre[fills], minlength=around.n)
        moment[:, :, 0] += torch.outer(torch.tensor(n_empty, dtype=torch.float64), torch.tensor(d.padding[a]))
    return KINDS[d.kind].features_of(torch, d, moment / d.n_sel)


def _of_three_bodies(torch: Any, model: ModelDescription, d: Any, a: int, around: Around, vector: Tensor) -> Tensor:
    def function(b: int, c: int, x: Tensor) -> Tensor:
        return _net(torch, d.nets[d.net_of[b, c]], x)

    sw, r = _switch(d, vector)
    s = sw / (r + d.env_protection)
    return KINDS[d.kind].descriptor_of(torch, d, a, s, vector, around, function)


def _moment(
    torch: Any, model: ModelDescription, d: Any, pair: tuple[int, int], centre: Index, vector: Tensor, n: int
) -> Tensor:
    """sum over neighbours and slots without any of G (x) R for n centres of one type and neighbours of another, (n, M,
    components)."""
    kind, (a, b) = KINDS[d.kind], pair
    if pair in model.pair_excluded:
        centre, vector = centre[:0], vector[:0]
    n_empty, n_excluded = d.sel[b] - np.bincount(centre, minlength=n).astype(np.float64), np.zeros(n)
    if pair in d.excluded and pair not in model.pair_excluded:
        n_excluded, n_empty = (d.sel[b] - n_empty, n_empty) if d.exclusion == "slots" else (np.full(n, d.sel[b]), 0.0 * n_empty)
        centre, vector = centre[:0], vector[:0]
    moment = torch.zeros(n, d.width, d.n_components, dtype=torch.float64)
    for count, argument, row in kind.constant_slots(d, a, n_empty, n_excluded):
        g = _net(torch, d.net(*pair), torch.tensor([[argument]], dtype=torch.float64))[0]
        moment = moment + torch.tensor(count)[:, None, None] * torch.outer(g, torch.tensor(row))
    sw, r = _switch(d, vector)
    x, rows = kind.rows_of(torch, d, a, sw / (r + d.env_protection), vector)
    g = _net(torch, d.net(*pair), x)
    if d.gates is not None:
        g = g * (1.0 + _gate_switch(d, sw, r) * torch.tensor(d.gates[pair]))
    return moment.index_add(0, torch.from_numpy(centre), g[:, :, None] * rows[:, None, :])


def _switch(d: Any, vector: Tensor) -> tuple[Tensor, Tensor]:
    """sw(r) and r (p, 1)."""
    r = vector.norm(dim=1, keepdim=True)
    u = ((r - d.rcut_smth) / (d.rcut - d.rcut_smth)).clamp(0.0, 1.0)
    return 1.0 - u**3 * (6.0 * u**2 - 15.0 * u + 10.0), r


def _gate_switch(d: Any, sw: Tensor, r: Tensor) -> Tensor:
    """What multiplies the factors of the types: sw(r), or 1 - (1 - radius s)^3 between 0 and 1."""
    if d.switch_radius is None:
        return sw
    return (1.0 - (1.0 - d.switch_radius * sw / (r + d.env_protection)) ** 3).clamp(0.0, 1.0)


def _between_knots(torch: Any, function: Piecewise, x: Tensor) -> Tensor:
    """Value (n, M) at x (n, 1): a straight line through the value at the end, or the polynomial of the interval by HERMITE."""
    knots = torch.tensor(function.knots)
    inside = x.detach().clamp(knots[0], knots[-1])
    left = (torch.searchsorted(knots, inside[:, 0].contiguous(), right=True) - 1).clamp(0, len(knots) - 2)
    h = (knots[left + 1] - knots[left])[:, None]
    given = (function.value, function.slope, function.curvature)
    data = [torch.tensor(a)[left + k] * h**power for k in (0, 1) for power, a in enumerate(given)]

    def polynomial(t: Tensor) -> Tensor:
        weights = sum(t**k * torch.tensor(HERMITE[:, k]) for k in range(6))
        return sum(weights[:, k : k + 1] * data[k] for k in range(6))

    beyond = (x < knots[0]) | (x > knots[-1])
    end = ((inside - knots[left][:, None]) / h).requires_grad_()
    slope = torch.func.jvp(polynomial, (end,), (torch.ones_like(end),))[1].detach() / h
    return torch.where(beyond, polynomial(end).detach() + slope * (x - inside), polynomial((x - knots[left][:, None]) / h))


def _net(torch: Any, net: Net | Piecewise, x: Tensor) -> Tensor:
    if isinstance(net, Piecewise):
        return _between_knots(torch, net, x)
    for layer in net.layers:
        y = _activate(torch, layer.activation, x @ torch.tensor(layer.weight) + torch.tensor(layer.bias))
        if layer.idt is not None:
            y = y * torch.tensor(layer.idt)
        if layer.skip is not Skip.NONE:
            y = y + (x if layer.skip is Skip.IDENTITY else torch.cat([x, x], dim=1))
        x = y
    return x


def _activate(torch: Any, activation: Activation, x: Tensor) -> Tensor:
    functional = torch.nn.functional
    if activation.name == "silut":
        threshold = torch.tensor(activation.parameter, dtype=torch.float64)
        p = torch.sigmoid(threshold)
        slope = p * (1.0 + threshold * (1.0 - p))
        return torch.where(x < threshold, functional.silu(x), torch.tanh(slope * (x - threshold)) + threshold * p)
    if activation.name == "gelu":
        return 0.5 * x * (1.0 + torch.tanh((2.0 / torch.pi) ** 0.5 * (x + activation.cubic * x**3)))
    known = {
        "linear": lambda z: z,
        "tanh": torch.tanh,
        "relu": functional.relu,
        "relu6": functional.relu6,
        "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),  # torch's own is linear beyond 20
        "sigmoid": torch.sigmoid,
        "silu": functional.silu,
        "gelu_erf": functional.gelu,
    }
    return known[activation.name](x)
