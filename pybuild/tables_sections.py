# SPDX-License-Identifier: MIT
"""TableSet to named arrays and back: every shape, range and code rule of docs/tables-format.md section 3.

`tables_of` checks as much as the compiled loader does, so that a file which Python accepts runs, and the other way round.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, IntArray
from .errors import ModelError
from .tables_container import Container
from .tableset import FittingArrays, LayerArrays, TableArrays, TableSet, end_of

KINDS = ("se_e2_a",)
ABSENT = 3  # descriptor.pair_kind
SILUT, LAST_ACTIVATION, LAST_SKIP = 8, 8, 2
NO_SKIP, IDENTITY, DOUBLED = range(3)
CHANNEL_MULTIPLE = 8
ORDERS = (3, 5)
JOINT_TOLERANCE = 1e-9  # of the larger end of a segment: two ends that should be one point are that close, by rounding only
PADDING_MARGIN = 0.5  # last steps between x_pad and the end of the table, so that rounding cannot put it beyond
# Limits of format 1: sizes and their products stay inside the integers of every evaluator.
MOST_TYPES, MOST_WIDTH, MOST_ROWS, MOST_LAYERS, MOST_INPUTS, MOST_NEURONS = 1024, 16384, 2**24, 256, 2**24, 2**16
MOST_SEGMENTS = 2**16
MOST_RCUT = 1e4  # angstrom

ROW_END_PARTS = ("row_end_double", "row_end_mixed")
RANK_PARTS = ("rank_double", "rank_mixed")
PARTS = ROW_END_PARTS + RANK_PARTS

NamedArray = tuple[str, NDArray[Any], bool]


def sections_of(t: TableSet) -> list[NamedArray]:
    """(name, array, required) of all sections, in the order of the file."""
    out: list[NamedArray] = [
        ("model.type_map", _text("\n".join(t.type_map), "model.type_map"), True),
        ("model.energy_bias", _f64(t.energy_bias), True),
        ("model.energy_mask", _i32(t.energy_mask), True),
        ("model.min_distance", _f64(t.min_distance), True),
        ("model.check_frequency", _i32(t.check_frequency), True),
        ("descriptor.kind", _text(t.kind, "descriptor.kind"), True),
        ("descriptor.rcut", _f64(t.rcut), True),
        ("descriptor.rcut_smth", _f64(t.rcut_smth), True),
        ("descriptor.env_protection", _f64(t.env_protection), True),
        ("descriptor.sel", _i32(t.sel), True),
        ("descriptor.n_sel", _i32(t.n_sel), True),
        ("descriptor.mean", _f64(t.mean), True),
        ("descriptor.std", _f64(t.std), True),
        ("descriptor.width", _i32(t.width), True),
        ("descriptor.axis_neuron", _i32(t.axis_neuron), True),
        ("descriptor.pair_kind", _i32(t.pair_kind), True),
        ("descriptor.pair_table", _i32(t.pair_table), True),
    ]
    for index, table in enumerate(t.tables):
        out += _table_sections(f"table.{index}.", table)
    for centre, fitting in enumerate(t.fittings):
        if fitting is not None:
            out += _fitting_sections(f"fitting.{centre}.", fitting)
    if t.provenance:
        out.append(("provenance.json", _json(t.provenance), False))
    return out


def _table_sections(prefix: str, table: TableArrays) -> list[NamedArray]:
    return [
        (prefix + "segments", _f64(table.segments), True),
        (prefix + "upper", _f64(table.upper), True),
        (prefix + "rank", _i32(table.rank), True),
        (prefix + "coef", _f64(table.coef), True),
        (prefix + "basis", _f64(table.basis), True),
    ]


def _fitting_sections(prefix: str, fitting: FittingArrays) -> list[NamedArray]:
    folded = fitting.columns is not None
    out: list[NamedArray] = [(prefix + "form", _i32(int(folded)), True)]
    if fitting.columns is not None and fitting.row_end is not None:
        out += [(prefix + "columns", _i32(fitting.columns), True), (prefix + "row_end", _i32(fitting.row_end), True)]
    for name in PARTS:
        if (part := getattr(fitting, name)) is not None:
            out.append((prefix + name, _i32(part), True))
    codes = [[layer.activation, layer.skip] for layer in fitting.layers]
    parameters = [layer.activation_parameter for layer in fitting.layers]
    out += [(prefix + "layers", _i32(codes), True), (prefix + "activation_parameter", _f64(parameters), True)]
    for index, layer in enumerate(fitting.layers):
        out += [(f"{prefix}{index}.weight", _f64(layer.weight), True), (f"{prefix}{index}.bias", _f64(layer.bias), True)]
        if layer.idt is not None:
            out.append((f"{prefix}{index}.idt", _f64(layer.idt), True))
    return out


def _f64(values: Any) -> NDArray[Any]:
    return np.asarray(values, dtype="<f8", order="C")


def _i32(values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or (array.size and not -(2**31) <= int(array.min()) <= int(array.max()) < 2**31):
        raise ModelError(f"expected integers of 32 bits, found {array.dtype} {values!r}")
    return np.asarray(array, dtype="<i4", order="C")


def _text(text: str, name: str) -> NDArray[Any]:
    try:
        return np.frombuffer(text.encode(), dtype=np.uint8)
    except UnicodeEncodeError as error:
        raise ModelError(f"{name}: {text!r} cannot be written as UTF-8: {error}") from error


def _json(value: dict[str, Any]) -> NDArray[Any]:
    try:
        return np.frombuffer(json.dumps(value, allow_nan=False, indent=1).encode(), dtype=np.uint8)
    except (TypeError, ValueError) as error:
        raise ModelError(f"provenance.json: cannot be written as JSON: {error}") from error


def _fail(name: str, problem: str) -> None:
    raise ModelError(f"unusable table file: section '{name}': {problem}")


def _require(condition: bool, name: str, problem: str) -> None:
    if not condition:
        _fail(name, problem)


def _require_at_most(name: str, value: int, most: int) -> None:
    _require(value <= most, name, f"is {value}, format 1 allows at most {most}")


class _Sections:
    """Typed access with the checks that all sections share; remembers what was asked for."""

    def __init__(self, container: Container):
        self._container = container
        self._known: set[str] = set()

    def has(self, name: str) -> bool:
        return name in self._container.sections

    def get(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """The array; None leaves a dimension to the file. Floating point numbers must be finite."""
        _require(self.has(name), name, "is missing")
        self._known.add(name)
        info, array = self._container.sections[name].info, self._container.sections[name].array
        _require(info.dtype == dtype, name, f"has dtype {info.dtype}, expected {dtype}")
        fits = len(info.shape) == len(shape) and all(want in (None, have) for have, want in zip(info.shape, shape, strict=True))
        expected = tuple("any" if want is None else want for want in shape)
        _require(fits, name, f"has shape {info.shape}, expected {expected}")
        if dtype == "f64":
            _require(bool(np.isfinite(array).all()), name, "has a number that is not finite")
        return array

    def f64(self, name: str, *shape: int | None) -> Array:
        return self.get(name, "f64", shape)

    def i32(self, name: str, *shape: int | None) -> IntArray:
        return self.get(name, "i32", shape)

    def number(self, name: str) -> float:
        return float(self.f64(name))

    def integer(self, name: str, least: int) -> int:
        value = int(self.i32(name))
        _require(value >= least, name, f"is {value}, expected at least {least}")
        return value

    def text(self, name: str) -> str:
        try:
            return self.get(name, "u8", (None,)).tobytes().decode()
        except UnicodeDecodeError as error:
            raise ModelError(f"unusable table file: section '{name}': byte {error.start} is not UTF-8 text") from error

    def refuse_unknown(self) -> None:
        minor = self._container.minor
        for name, section in self._container.sections.items():
            unknown = section.info.required and name not in self._known
            advice = "install a newer version, or make the file again with this one"
            _require(not unknown, name, f"is required by the file (format 1.{minor}) but unknown to this version; {advice}")


def tables_of(container: Container) -> TableSet:
    """The TableSet in a container. Raises ModelError naming the section."""
    s = _Sections(container)
    types = _read_types(s)
    descriptor = _read_descriptor(s, len(types["type_map"]))
    tables = _read_tables(s, descriptor)
    fittings = tuple(
        _read_fitting(s, a, descriptor, tables) if mask else None for a, mask in enumerate(types["energy_mask"].tolist())
    )
    provenance = _read_provenance(s) if s.has("provenance.json") else {}
    s.refuse_unknown()
    return TableSet(**types, **descriptor, tables=tables, fittings=fittings, provenance=provenance)


def _read_provenance(s: _Sections) -> dict[str, Any]:
    text = s.text("provenance.json")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"unusable table file: section 'provenance.json': is not JSON: {error}") from error
    _require(isinstance(value, dict), "provenance.json", "is not a JSON object")
    return value


def _read_types(s: _Sections) -> dict[str, Any]:
    name = "model.type_map"
    type_map = tuple(s.text(name).split("\n"))
    for a, element in enumerate(type_map):
        _require(element != "", name, f"the name of type {a} is empty")
        blank = any(c <= " " or c == "\x7f" for c in element)
        _require(not blank, name, f"the name of type {a} has a blank or control character")
    _require_at_most(name, len(type_map), MOST_TYPES)
    _require(len(set(type_map)) == len(type_map), name, f"names a type twice: {' '.join(type_map)}")
    n = len(type_map)
    bias, mask = s.f64("model.energy_bias", n), s.i32("model.energy_mask", n)
    _require(bool(np.isin(mask, (0, 1)).all()), "model.energy_mask", "has a value other than 0 and 1")
    _require(bool(mask.any()), "model.energy_mask", "is 0 for every type: nothing is left to evaluate")
    distance = s.f64("model.min_distance", n, n)
    _require(bool((distance > 0).all()), "model.min_distance", "has a value that is not positive")
    _require(bool((distance == distance.T).all()), "model.min_distance", "is not symmetric")
    frequency = s.integer("model.check_frequency", 1)
    return {
        "type_map": type_map,
        "energy_bias": bias,
        "energy_mask": mask,
        "min_distance": distance,
        "check_frequency": frequency,
    }


def _has_reciprocal(values: Any) -> bool:
    """Positive, and 1/value does not overflow."""
    with np.errstate(all="ignore"):
        return bool(np.all((np.asarray(values) > 0) & np.isfinite(1.0 / np.asarray(values))))


def _read_descriptor(s: _Sections, n: int) -> dict[str, Any]:
    kind = s.text("descriptor.kind")
    _require(kind in KINDS, "descriptor.kind", f"is '{kind}', this version knows {', '.join(KINDS)}; install a newer version")
    rcut, smooth, protection = (s.number(f"descriptor.{key}") for key in ("rcut", "rcut_smth", "env_protection"))
    _require(0 < rcut <= MOST_RCUT, "descriptor.rcut", f"is {rcut}, expected a positive number of at most {MOST_RCUT}")
    _require(
        0 <= smooth and _has_reciprocal(rcut - smooth),
        "descriptor.rcut_smth",
        f"is {smooth}, expected 0 <= rcut_smth < rcut = {rcut}",
    )
    _require(protection >= 0, "descriptor.env_protection", f"is {protection}, expected no negative number")
    sel = s.i32("descriptor.sel", n)
    _require(bool((sel >= 0).all()), "descriptor.sel", "has a negative value")
    _require(bool(sel.any()), "descriptor.sel", "is 0 for every type: no atom has neighbours")
    n_sel = s.integer("descriptor.n_sel", 1)
    mean, std = s.f64("descriptor.mean", n), s.f64("descriptor.std", n, 2)
    _require(_has_reciprocal(std), "descriptor.std", "has a value that is not a positive number with a finite reciprocal")
    width = s.integer("descriptor.width", 1)
    _require_at_most("descriptor.width", width, MOST_WIDTH)
    axis = s.integer("descriptor.axis_neuron", 1)
    _require(axis <= width, "descriptor.axis_neuron", f"is {axis}, expected 1 to the width {width}")
    pair_kind, pair_table = _read_pairs(s, n, sel)
    return {
        "kind": kind, "rcut": rcut, "rcut_smth": smooth, "env_protection": protection, "sel": sel, "n_sel": n_sel,
        "mean": mean, "std": std, "width": width, "axis_neuron": axis, "pair_kind": pair_kind, "pair_table": pair_table,
    }  # fmt: skip


def _read_pairs(s: _Sections, n: int, sel: IntArray) -> tuple[IntArray, IntArray]:
    kind, table = s.i32("descriptor.pair_kind", n, n), s.i32("descriptor.pair_table", n, n)
    _require(bool(np.isin(kind, range(ABSENT + 1)).all()), "descriptor.pair_kind", "has a value other than 0 to 3")
    absent = kind == ABSENT
    _require(bool((absent == (sel == 0)).all()), "descriptor.pair_kind", "must be 3 exactly where sel of the neighbour type is 0")
    legal = (table >= -1).all() and (absent == (table == -1)).all()
    _require(bool(legal), "descriptor.pair_table", "must be a table, or -1 exactly where pair_kind is 3")
    used = np.unique(table[~absent])
    _require(len(used) == used[-1] + 1, "descriptor.pair_table", f"names table {used[-1]} but not all tables before it")
    return kind, table


def _read_tables(s: _Sections, d: dict[str, Any]) -> tuple[TableArrays, ...]:
    tables = tuple(_read_table(s, f"table.{t}.", d["width"]) for t in range(int(d["pair_table"].max()) + 1))
    with np.errstate(over="ignore"):
        x_pad = -d["mean"] / d["std"][:, 0]
    for a, b in np.argwhere(d["pair_table"] >= 0).tolist():
        table, x = tables[d["pair_table"][a, b]], float(x_pad[a])
        inside = table.lower <= x <= table.upper and x <= table.max - PADDING_MARGIN * table.segments[-1, 1]
        problem = f"does not have the argument -mean/std = {x} of empty slots around centre type {a} inside its trained range"
        _require(inside, f"table.{d['pair_table'][a, b]}.segments", problem)
    return tables


def _read_segments(s: _Sections, name: str) -> Array:
    """(S, 3) start, step, count: in increasing order without gaps."""
    segments = s.f64(name, None, 3)
    _require(len(segments) > 0, name, "is empty")
    _require_at_most(name, len(segments), MOST_SEGMENTS)
    for k, (start, step, count) in enumerate(segments.tolist()):
        _require(_has_reciprocal(step), name, f"segment {k} has the step {step}, expected a positive number with a finite 1/step")
        whole = 1 <= count <= MOST_ROWS and count == int(count)
        _require(whole, name, f"segment {k} has {count} intervals, expected a whole number from 1 to {MOST_ROWS}")
        end = start + step * count
        _require(start < end < math.inf, name, f"segment {k} from {start} to {end} does not increase, or is not finite")
        if k + 1 < len(segments):
            following = float(segments[k + 1, 0])
            meets = following > start and abs(following - end) <= JOINT_TOLERANCE * max(abs(start), abs(end))
            _require(meets, name, f"segment {k} ends at {end}, but the one after it starts at {following}")
    n_rows = int(segments[:, 2].sum())
    _require(n_rows <= MOST_ROWS, name, f"has {n_rows} intervals, format 1 allows at most {MOST_ROWS}")
    return segments


def _read_table(s: _Sections, prefix: str, width: int) -> TableArrays:
    segments = _read_segments(s, prefix + "segments")
    lower, end, upper = float(segments[0, 0]), end_of(segments), s.number(prefix + "upper")
    rounding = JOINT_TOLERANCE * max(abs(lower), abs(end))
    _require(lower <= upper <= end + rounding, prefix + "upper", f"is {upper}, expected {lower} to {end}, the ends of the table")
    rank = s.integer(prefix + "rank", 1)
    _require(rank <= width, prefix + "rank", f"is {rank}, expected 1 to the width {width}")
    stride = -(-rank // CHANNEL_MULTIPLE) * CHANNEL_MULTIPLE
    coef = s.f64(prefix + "coef", int(segments[:, 2].sum()), None, stride)
    _require(coef.shape[1] - 1 in ORDERS, prefix + "coef", f"has polynomials of order {coef.shape[1] - 1}, expected 3 or 5")
    _require(not coef[:, :, rank:].any(), prefix + "coef", f"has a coefficient that is not 0 in a column beyond the rank {rank}")
    return TableArrays(segments, upper, rank, coef, s.f64(prefix + "basis", width, rank))


def _read_columns(s: _Sections, name: str, ranks: dict[int, int]) -> IntArray:
    columns = s.i32(name, None, 2)
    seen = set()
    for p, (b, k) in enumerate(columns.tolist()):
        which = f"row {p} is neighbour type {b}, channel {k}"
        _require(b in ranks, name, f"{which}, but there is no table for that type")
        _require(0 <= k < ranks[b], name, f"{which}, expected a channel of 0 to {ranks[b] - 1}")
        _require((b, k) not in seen, name, f"{which}, which occurs twice")
        seen.add((b, k))
    return columns


def _read_row_end(s: _Sections, name: str, n_columns: int) -> IntArray:
    """Each row ends no later than the one before it, or has at most its first product."""
    row_end = s.i32(name, n_columns)
    p = np.arange(n_columns)
    _require(bool(((row_end >= p) & (row_end <= n_columns)).all()), name, f"row p must end at p to {n_columns}")
    rises = (row_end[1:] > row_end[:-1]) & (row_end[1:] > p[1:] + 1)
    _require(not rises.any(), name, f"increases at row {int(np.argmax(rises)) + 1 if rises.any() else 0}")
    _require(bool((row_end > p).any()), name, "leaves no product")
    return row_end


def _read_row_end_part(s: _Sections, name: str, row_end: IntArray) -> IntArray | None:
    """A part of the staircase; None where a precision evaluates all of it."""
    if not s.has(name):
        return None
    part = _read_row_end(s, name, len(row_end))
    beyond = part > row_end
    _require(not beyond.any(), name, f"goes beyond row_end at row {int(np.argmax(beyond)) if beyond.any() else 0}")
    return part


def _read_rank_part(s: _Sections, name: str, n_types: int, ranks: dict[int, int]) -> IntArray | None:
    """Leading columns of each neighbour type's table; None where a precision evaluates all of them."""
    if not s.has(name):
        return None
    part = s.i32(name, n_types)
    for b, columns in enumerate(part.tolist()):
        least, most = min(1, ranks.get(b, 0)), ranks.get(b, 0)
        _require(least <= columns <= most, name, f"is {columns} for neighbour type {b}, expected {least} to {most}")
    return part


def _read_fitting(s: _Sections, a: int, d: dict[str, Any], tables: tuple[TableArrays, ...]) -> FittingArrays:
    prefix = f"fitting.{a}."
    form = s.integer(prefix + "form", 0)
    _require(form <= 1, prefix + "form", f"is {form}, expected 0 (direct) or 1 (folded)")
    columns = row_end = None
    ranks = {b: tables[t].rank for b, t in enumerate(d["pair_table"][a].tolist()) if t >= 0}
    parts: dict[str, IntArray | None] = {}
    if form == 1:
        columns = _read_columns(s, prefix + "columns", ranks)
        row_end = _read_row_end(s, prefix + "row_end", len(columns))
        parts = {name: _read_row_end_part(s, prefix + name, row_end) for name in ROW_END_PARTS}
        n_in = int((row_end.astype(np.int64) - np.arange(len(columns))).sum())
    else:
        parts = {name: _read_rank_part(s, prefix + name, len(d["sel"]), ranks) for name in RANK_PARTS}
        n_in = d["width"] * d["axis_neuron"]
    _require(n_in <= MOST_INPUTS, prefix + "form", f"gives {n_in} inputs, format 1 allows at most {MOST_INPUTS}")
    return FittingArrays(_read_layers(s, prefix, n_in, form == 1), columns, row_end, **parts)


def _read_layers(s: _Sections, prefix: str, n_in: int, folded: bool) -> tuple[LayerArrays, ...]:
    codes = s.i32(prefix + "layers", None, 2).tolist()
    _require(len(codes) > 0, prefix + "layers", "is empty")
    _require_at_most(prefix + "layers", len(codes), MOST_LAYERS)
    parameters = s.f64(prefix + "activation_parameter", len(codes)).tolist()
    layers = []
    for index, ((activation, skip), parameter) in enumerate(zip(codes, parameters, strict=True)):
        _require(
            0 <= activation <= LAST_ACTIVATION,
            prefix + "layers",
            f"the activation is {activation} for layer {index}, expected 0 to {LAST_ACTIVATION}",
        )
        _require(0 <= skip <= LAST_SKIP, prefix + "layers", f"the skip is {skip} for layer {index}, expected 0 to {LAST_SKIP}")
        only_silut = f"is {parameter} for layer {index}, expected 0: only silut (8) has a parameter"
        _require(activation == SILUT or parameter == 0, prefix + "activation_parameter", only_silut)
        layers.append(_read_layer(s, f"{prefix}{index}.", n_in, activation, parameter, skip))
        n_out = layers[-1].weight.shape[1]
        fits = skip == NO_SKIP or (skip == IDENTITY and n_out == n_in) or (skip == DOUBLED and n_out == 2 * n_in)
        _require(fits, prefix + "layers", f"the skip of layer {index} does not go with {n_in} inputs and {n_out} outputs")
        n_in = n_out
    first_is_plain = not folded or layers[0].skip == NO_SKIP
    _require(first_is_plain, prefix + "layers", "the first layer has a skip, which its folded input does not allow")
    last, l_last = layers[-1], len(layers) - 1
    plain = last.activation == 0 and last.skip == NO_SKIP
    _require(plain, prefix + "layers", f"the last layer {l_last} has an activation or a skip, expected 0, 0")
    _require(n_in == 1, f"{prefix}{l_last}.weight", f"the last layer has {n_in} outputs, expected one energy")
    _require(last.idt is None, f"{prefix}{l_last}.idt", "the last layer must have none")
    return tuple(layers)


def _read_layer(s: _Sections, prefix: str, n_in: int, activation: int, parameter: float, skip: int) -> LayerArrays:
    weight = s.f64(prefix + "weight", n_in, None)
    n_out = weight.shape[1]
    _require(n_out > 0, prefix + "weight", "has no outputs")
    _require_at_most(prefix + "weight", n_out, MOST_NEURONS)
    bias = s.f64(prefix + "bias", n_out)
    idt = s.f64(prefix + "idt", n_out) if s.has(prefix + "idt") else None
    return LayerArrays(weight, bias, idt, activation, parameter, skip)
