# SPDX-License-Identifier: MIT
"""What a model file holds, and whether it can be compressed: `python -m pybuild show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .errors import ModelError, UnsupportedModel, printable
from .readers import describe, provenance_of, read_source

INDENT = "  "
# Entries with entries, and what each of these is called.
NESTED = {"models": "model", "descriptors": "descriptor"} | {key: key for key in ("embedding", "type_embedding", "fitting")}
WORDS = {"why_not": "because", "needs": "needs beside the file", "neighbour_rule": "neighbours kept of more than sel"}


def show(path: str, **choices: Any) -> dict[str, Any]:
    """File, facts of the model, and "compressible" with "why_not", or "needs", what a build must be given beside the file.

    choices: what read_model takes beside the file. Raises a PybuildError for a file that cannot be read at all.
    """
    try:
        source = read_source(path, **choices)
    except UnsupportedModel as error:
        return {"compressible": False, "why_not": str(error)}
    provenance = provenance_of(path, source)
    found = {
        "file": provenance.file_name, "format": provenance.format, "sha256": provenance.sha256, "precision": provenance.precision,
        **source.facts(),
    }  # fmt: skip
    try:
        model = describe(path, source)
    except (UnsupportedModel, ModelError) as error:
        return found | {"compressible": False, "why_not": str(error)}
    needs = [] if model.min_nbor_dist is not None else ["--min-nbor-dist R, --training-data DIR or -t input.json"]
    known: dict[str, Any] = {"min_nbor_dist": model.min_nbor_dist, "neighbour_rule": model.neighbour_rule}
    if model.remarks:
        known["remarks"] = list(model.remarks)
    return found | known | {"compressible": True, "needs": needs}


def show_lines(found: Mapping[str, Any]) -> list[str]:
    """The same as text."""
    return list(_lines(found, ""))


def _lines(facts: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in facts.items():
        parts = value if isinstance(value, list) else [value]
        if key in NESTED and all(isinstance(part, Mapping) for part in parts):
            for number, part in enumerate(parts):
                yield f"{indent}{NESTED[key]}{f' {number}' if len(parts) > 1 else ''}:"
                yield from _lines(part, indent + INDENT)
        elif key == "remarks":
            yield from (f"{indent}{line}" for line in value)
        else:
            yield f"{indent}{WORDS.get(key, key)}: {_text(value)}"


def _text(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(v)}" for key, v in value.items())
    if isinstance(value, list):
        return " ".join(_text(v) for v in value) if value else "nothing"
    return f"{value:.10g}" if isinstance(value, float) else printable(str(value))
