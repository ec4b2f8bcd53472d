# SPDX-License-Identifier: MIT
"""Sections fitting.a.*: what the first layer of each net takes, and the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...arrays import Array, IntArray
from ...model.activations import CODES, LARGEST_CUBIC, from_code
from ...model.descriptor import Form
from ...model.net import Layer, Skip
from ..tableset import DescriptorArrays, FittingArrays, InputArrays, TableArrays
from .access import NamedArray, Sections, as_f64, as_i32, require, require_at_most, require_evaluated
from .kinds import KINDS

GELU, SILUT, LAST_ACTIVATION, LAST_SKIP = CODES["gelu"], CODES["silut"], max(CODES.values()), max(Skip)
MOST_LAYERS, MOST_INPUTS, MOST_NEURONS = 256, 2**24, 2**16
PRECISIONS = ("double", "mixed")
EMPTY = -1  # in place of a neighbour type: the slots without neighbour, where they are counted for all types together
ARRAYS = ("columns", "row_end", "row_end_double", "row_end_mixed", "rank_double", "rank_mixed", "n_double", "n_mixed")
OPTIONAL_ARRAYS = ("row_end_exact",)  # evaluators that do not know them give the same numbers


def fitting_sections(fittings: Sequence[FittingArrays | None]) -> list[NamedArray]:
    return [
        section
        for centre, fitting in enumerate(fittings)
        if fitting is not None
        for section in _sections_of(f"fitting.{centre}.", fitting)
    ]


def _sections_of(prefix: str, fitting: FittingArrays) -> list[NamedArray]:
    out: list[NamedArray] = [(prefix + "inputs", as_i32([i.descriptor for i in fitting.inputs]), True)]
    for first in fitting.inputs:
        of_input = f"{prefix}input.{first.descriptor}."
        out.append((of_input + "form", as_i32(int(first.form)), True))
        given = ((name, getattr(first, name)) for name in ARRAYS)
        out += [(of_input + name, as_i32(array), True) for name, array in given if array is not None]
        given = ((name, getattr(first, name)) for name in OPTIONAL_ARRAYS)
        out += [(of_input + name, as_i32(array), False) for name, array in given if array is not None]
        if first.combination is not None:
            out.append((of_input + "combination", as_f64(first.combination), True))
    codes = [[layer.activation.code, int(layer.skip)] for layer in fitting.layers]
    out += [
        (prefix + "layers", as_i32(codes), True),
        (prefix + "activation_parameter", as_f64([layer.activation.parameter for layer in fitting.layers]), True),
    ]
    for index, layer in enumerate(fitting.layers):
        out += [(f"{prefix}{index}.weight", as_f64(layer.weight), True), (f"{prefix}{index}.bias", as_f64(layer.bias), True)]
        if layer.idt is not None:
            out.append((f"{prefix}{index}.idt", as_f64(layer.idt), True))
    return out


def read_fittings(
    s: Sections, model: dict[str, Any], descriptors: Sequence[DescriptorArrays], tables: Sequence[TableArrays]
) -> tuple[FittingArrays | None, ...]:
    """model: what read_model gave."""
    n, masks = model["n_fparam"] + model["n_aparam"], model["energy_mask"].tolist()
    fittings = tuple(_read_fitting(s, a, n, descriptors, tables) if mask else None for a, mask in enumerate(masks))
    used = {i.descriptor for fitting in fittings if fitting is not None for i in fitting.inputs}
    for d in range(len(descriptors)):
        require(d in used, f"descriptor.{d}.kind", "is in the inputs of no fitting net")
    return fittings


def _read_fitting(
    s: Sections, a: int, n_parameters: int, descriptors: Sequence[DescriptorArrays], tables: Sequence[TableArrays]
) -> FittingArrays:
    prefix = f"fitting.{a}."
    name = prefix + "inputs"
    numbers = s.i32(name, None).tolist()
    require(len(numbers) > 0, name, "is empty")
    inputs: list[InputArrays] = []
    n_in = 0
    for d in numbers:
        require(0 <= d < len(descriptors), name, f"names descriptor {d}, expected 0 to {len(descriptors) - 1}")
        require(all(d != i.descriptor for i in inputs), name, f"names descriptor {d} twice")
        first, n = _read_input(s, f"{prefix}input.{d}.", a, d, descriptors[d], tables)
        inputs.append(first)
        n_in += n
    n_in += n_parameters
    require(n_in <= MOST_INPUTS, name, f"gives {n_in} inputs, format 1 allows at most {MOST_INPUTS}")
    layers = _read_layers(s, prefix, n_in, any(first.form != Form.DIRECT for first in inputs))
    alone = n_parameters == 0 or layers[0].skip is Skip.NONE
    require(alone, prefix + "layers", "the first layer has a skip, which frame and atomic parameters do not allow")
    return FittingArrays(tuple(inputs), layers)


def _read_input(
    s: Sections, prefix: str, a: int, index: int, d: DescriptorArrays, tables: Sequence[TableArrays]
) -> tuple[InputArrays, int]:
    """What the first layer takes of a descriptor, and how many numbers that is."""
    form = _read_form(s, prefix + "form", d.kind)
    ranks = {group: tables[t].rank for group, t in d.tables_around(a).items()}
    first = InputArrays(index, form)
    if form == Form.DIRECT:
        double, mixed = (_read_rank_part(s, f"{prefix}rank_{part}", d.n_groups, ranks) for part in PRECISIONS)
        first, n_in = replace(first, rank_double=double, rank_mixed=mixed), d.width * max(1, d.axis_neuron)
    else:
        if d.padding is not None:
            ranks[EMPTY] = 1
        columns = _read_columns(s, prefix + "columns", ranks)
        first, n_in = replace(first, columns=columns), len(columns)
        if form == Form.SQUARE:
            first, n_in = _read_products(s, prefix, first)
        else:
            first, n_in = _read_counts(s, prefix, first), n_in * d.n_per_column
    require(1 <= n_in <= MOST_INPUTS, prefix + "form", f"gives {n_in} inputs, format 1 allows 1 to {MOST_INPUTS}")
    return first, n_in


def _read_products(s: Sections, prefix: str, first: InputArrays) -> tuple[InputArrays, int]:
    """Of columns or, where the file has a matrix for that, of combinations of them; and how many."""
    n_factors = n_columns = _n_columns(first)
    name = prefix + "combination"
    if s.has(name):
        combination = s.f64(name, None, n_columns)
        n_factors = len(combination)
        require_at_most(name, n_factors, MOST_INPUTS)
        require(n_columns > 0, name, "has no columns")
        first = _read_counts(s, prefix, replace(first, combination=combination))
    row_end = _read_row_end(s, prefix + "row_end", n_factors)
    double, mixed, exact = (_read_row_end_part(s, f"{prefix}row_end_{part}", row_end) for part in (*PRECISIONS, "exact"))
    first = replace(first, row_end=row_end, row_end_double=double, row_end_mixed=mixed, row_end_exact=exact)
    return first, int((row_end.astype(np.int64) - np.arange(n_factors)).sum())


def _read_counts(s: Sections, prefix: str, first: InputArrays) -> InputArrays:
    """Which leading columns ordinary centres take."""
    double, mixed = (_read_count_part(s, f"{prefix}n_{part}", _n_columns(first)) for part in PRECISIONS)
    return replace(first, n_double=double, n_mixed=mixed)


def _n_columns(first: InputArrays) -> int:
    """In the list, which has been read."""
    assert first.columns is not None
    return len(first.columns)


def _read_form(s: Sections, name: str, kind: str) -> Form:
    form = Form(s.code(name, max(Form)))
    found = f"is {int(form)} ({form.name.lower()})"
    require_evaluated(form != Form.RECTANGULAR, name, found)
    require(form in KINDS[kind].forms, name, f"{found}, which a descriptor {kind} does not have")
    return form


def _read_columns(s: Sections, name: str, ranks: dict[int, int]) -> IntArray:
    columns = s.i32(name, None, 2)
    seen = set()
    for p, (b, k) in enumerate(columns.tolist()):
        which = f"row {p} is group of neighbours {b}, channel {k}"
        require(b in ranks, name, f"{which}, but there is no table for that")
        require(0 <= k < ranks[b], name, f"{which}, expected a channel of 0 to {ranks[b] - 1}")
        require((b, k) not in seen, name, f"{which}, which occurs twice")
        seen.add((b, k))
    return columns


def _read_row_end(s: Sections, name: str, n: int) -> IntArray:
    """Each row ends no later than the one before it, or has at most its first product."""
    row_end = s.i32(name, n)
    p = np.arange(n)
    require(bool(((row_end >= p) & (row_end <= n)).all()), name, f"row p must end at p to {n}")
    rises = (row_end[1:] > row_end[:-1]) & (row_end[1:] > p[1:] + 1)
    require(not rises.any(), name, f"increases at row {int(np.argmax(rises)) + 1 if rises.any() else 0}")
    require(bool((row_end > p).any()), name, "leaves no product")
    return row_end


def _read_row_end_part(s: Sections, name: str, row_end: IntArray) -> IntArray | None:
    """A part of the staircase; None where a precision evaluates all of it."""
    if not s.has(name):
        return None
    part = _read_row_end(s, name, len(row_end))
    beyond = part > row_end
    require(not beyond.any(), name, f"goes beyond row_end at row {int(np.argmax(beyond)) if beyond.any() else 0}")
    return part


def _read_rank_part(s: Sections, name: str, n_groups: int, ranks: dict[int, int]) -> IntArray | None:
    """Leading columns of the table of each group of neighbours; None where a precision evaluates all of them."""
    if not s.has(name):
        return None
    part = s.i32(name, n_groups)
    for b, columns in enumerate(part.tolist()):
        least, most = min(1, ranks.get(b, 0)), ranks.get(b, 0)
        require(least <= columns <= most, name, f"is {columns} for group of neighbours {b}, expected {least} to {most}")
    return part


def _read_count_part(s: Sections, name: str, n_columns: int) -> int | None:
    """Leading columns of the list; None where a precision evaluates all of them."""
    if not s.has(name):
        return None
    count = s.integer(name, 1)
    require(count <= n_columns, name, f"is {count}, expected 1 to the {n_columns} columns")
    return count


def _read_layers(s: Sections, prefix: str, n_in: int, folded: bool) -> tuple[Layer, ...]:
    codes = s.i32(prefix + "layers", None, 2).tolist()
    require(len(codes) > 0, prefix + "layers", "is empty")
    require_at_most(prefix + "layers", len(codes), MOST_LAYERS)
    parameters = s.f64(prefix + "activation_parameter", len(codes)).tolist()
    layers = []
    for index, ((activation, skip), parameter) in enumerate(zip(codes, parameters, strict=True)):
        require(
            0 <= activation <= LAST_ACTIVATION,
            prefix + "layers",
            f"the activation is {activation} for layer {index}, expected 0 to {LAST_ACTIVATION}",
        )
        require(0 <= skip <= LAST_SKIP, prefix + "layers", f"the skip is {skip} for layer {index}, expected 0 to {LAST_SKIP}")
        _check_parameter(prefix + "activation_parameter", activation, parameter, index)
        weight, bias, idt = _read_weights(s, f"{prefix}{index}.", n_in)
        layers.append(Layer(weight, bias, idt, from_code(activation, parameter), Skip(skip)))
        n_out = weight.shape[1]
        fits = layers[-1].skip.fits(n_in, n_out)
        require(fits, prefix + "layers", f"the skip of layer {index} does not go with {n_in} inputs and {n_out} outputs")
        n_in = n_out
    first_is_plain = not folded or layers[0].skip is Skip.NONE
    require(first_is_plain, prefix + "layers", "the first layer has a skip, which its folded input does not allow")
    last, l_last = layers[-1], len(layers) - 1
    require(codes[-1] == [0, Skip.NONE], prefix + "layers", f"the last layer {l_last} has an activation or a skip, expected 0, 0")
    require(n_in == 1, f"{prefix}{l_last}.weight", f"the last layer has {n_in} outputs, expected one energy")
    require(last.idt is None, f"{prefix}{l_last}.idt", "the last layer must have none")
    return tuple(layers)


def _check_parameter(name: str, activation: int, parameter: float, index: int) -> None:
    """Any threshold of silut; gelu's constant, 0 standing for the usual one; 0 for all others."""
    if activation == GELU:
        legal = 0 <= parameter <= LARGEST_CUBIC
        require(legal, name, f"is {parameter} for layer {index}, expected 0 to {LARGEST_CUBIC:g} for gelu (2)")
    else:
        only = f"is {parameter} for layer {index}, expected 0: only gelu (2) and silut (8) have a parameter"
        require(activation == SILUT or parameter == 0, name, only)


def _read_weights(s: Sections, prefix: str, n_in: int) -> tuple[Array, Array, Array | None]:
    weight = s.f64(prefix + "weight", n_in, None)
    n_out = weight.shape[1]
    require(n_out > 0, prefix + "weight", "has no outputs")
    require_at_most(prefix + "weight", n_out, MOST_NEURONS)
    bias = s.f64(prefix + "bias", n_out)
    idt = s.f64(prefix + "idt", n_out) if s.has(prefix + "idt") else None
    return weight, bias, idt
