# SPDX-License-Identifier: MIT
"""Files that people give instead of a model, recognised by their content: what each is, and what to give instead.

What is looked at is the first bytes; of a table of TensorFlow the last ones; of a folder the names in it. Values of a
TensorFlow checkpoint (`.data-00000-of-00001`) are bare numbers: these alone are known by their name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import PybuildError, ReadError, UnsupportedModel

INSTEAD = (
    "give a model of DeePMD-kit: frozen (.pth, .pb), the checkpoint of PyTorch (.pt), or converted (.dp, .yaml); or a .ckpt of "
    "PWMLFF or MatPL"
)
TENSORFLOW_FREEZE = "freeze it: `dp --tf freeze -c FOLDER -o model.pb`, FOLDER where the checkpoint is; and give model.pb"
SHOW_TABLES = f"`python -m pybuild info` shows it; to build one, {INSTEAD}"
UNPACK = "unpack it first"
CONVERT = "give the checkpoint, converted: `dp convert-backend model.jax model.dp`"
INPUT_SCRIPT = "give the model that was trained with it; a build takes the script beside a model: -t input.json"

LENGTH = rb"[\x80-\xff]{0,4}[\x00-\x7f]"  # of protocol buffers
META_GRAPH = rb"\x0a%b(?:\x0a%b[^\x00-\x1f]*)?\x12%b\x0a%b\x0a%b[A-Za-z>_]" % ((LENGTH,) * 5)  # info, list of operations, name
SAVED_MODEL = re.compile(rb"\x08\x01\x12%b%b" % (LENGTH, META_GRAPH), re.DOTALL)
SCRIPT_KEYS = rb"(training|learning_rate|loss|fitting_net|descriptor|numb_steps)"
PACKED = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf\x27\x1c": "7z",
}  # fmt: skip
TABLE_END = 0xDB4775248B80FB57.to_bytes(8, "little")  # LevelDB's, in which TensorFlow keeps names and shapes
VALUES = re.compile(r"(.*)\.data-[0-9]{5}-of-[0-9]{5}")
SHOWN = 5  # names of a folder


@dataclass(frozen=True)
class Other:
    """`matches(first bytes, path)`; what it is, what to do, and whether it holds a model that cannot be read as it is."""

    matches: Callable[[bytes, Path], bool]
    what: str
    instead: str = INSTEAD
    is_model: bool = True


def refuse(start: bytes, path: Path) -> None:
    """Raise UnsupportedModel for a file that holds a model in a form that is not read, ReadError for one without a model; return
    where nobody knows what it is."""
    for known in _OTHERS:
        if known.matches(start, path):
            raise _error(known.is_model, f"is {known.what}", known.instead)


def refuse_folder(path: Path) -> None:
    """Raise the error for a folder, by the names in it."""
    names = sorted(entry.name for entry in path.iterdir())
    if "saved_model.pb" in names:
        raise _error(True, "is a folder with a SavedModel of TensorFlow (DeePMD-kit's JAX or TF2 back end)", CONVERT)
    if {"state", "model_def_script"} <= set(names):
        raise _error(True, "is a checkpoint of DeePMD-kit's JAX back end", CONVERT)
    if "type.raw" in names:
        raise _error(False, "is a folder of training data", f"give it with --training-data, beside a model; {INSTEAD}")
    models = [name for name in names if re.search(r"\.(pth|pt|pb|pbtxt|dp|pt2|pte|hlo)$", name)][:SHOWN]
    if models:
        raise _error(False, "is a folder", f"give a file in it: {', '.join(models)}")
    if any(VALUES.fullmatch(name) for name in names):
        raise _error(True, "is a folder with a training checkpoint of TensorFlow", TENSORFLOW_FREEZE)
    raise _error(False, "is a folder", INSTEAD)


def refuse_prefix(path: Path) -> None:
    """Raise UnsupportedModel for a name that several files of a TensorFlow checkpoint begin with; return for any other."""
    if os.path.isfile(path.with_name(f"{path.name}.index")):  # False, unlike Path.is_file, where a name is too long
        raise _error(True, f"is a training checkpoint of TensorFlow ({path.name}.index and others)", TENSORFLOW_FREEZE)


def _error(is_model: bool, what: str, instead: str) -> PybuildError:
    return UnsupportedModel(f"{what}: not supported; {instead}") if is_model else ReadError(f"{what}, not a model; {instead}")


def _begins(*signatures: bytes) -> Callable[[bytes, Path], bool]:
    return lambda start, _: start.startswith(signatures)


def _like(pattern: bytes) -> Callable[[bytes, Path], bool]:
    """The first bytes."""
    compiled = re.compile(pattern, re.DOTALL)
    return lambda start, _: compiled.match(start) is not None


def _is_tensorflow_index(_: bytes, path: Path) -> bool:
    size = path.stat().st_size
    if size < len(TABLE_END):  # a pipe has 0
        return False
    with path.open("rb") as file:
        file.seek(size - len(TABLE_END))
        return file.read() == TABLE_END


def _is_of_saved_model(start: bytes, path: Path) -> bool:
    """Its program, or a file in its folder of variables."""
    beside = path.parent.name == "variables" and os.path.isfile(path.parents[1] / "saved_model.pb")
    return beside or SAVED_MODEL.match(start) is not None


def _is_safetensors(start: bytes, path: Path) -> bool:
    length = int.from_bytes(start[:8], "little")
    return start[8:10] in (b'{"', b"{}") and length <= path.stat().st_size - 8


def _is_script(start: bytes, _: Path) -> bool:
    """Of JSON or YAML."""
    if start.lstrip().startswith(b"{"):
        return re.search(rb'"%b"\s*:' % SCRIPT_KEYS, start) is not None
    return b"\0" not in start and re.search(rb"(?m)^\s*%b\s*:" % SCRIPT_KEYS, start) is not None


_OTHERS = (
    Other(_begins(b"\x89DPT\r\n\x1a\n"), "a table file already", SHOW_TABLES, is_model=False),
    Other(_begins(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."), "a torch file of before version 1.6"),
    Other(_like(rb"\x80[\x02-\x05]"), "a pickle of Python objects (of which no code is run)"),
    Other(_like(META_GRAPH), "the graph of a training checkpoint of TensorFlow (.meta), without its numbers", TENSORFLOW_FREEZE),
    Other(_is_of_saved_model, "a part of a SavedModel of TensorFlow (DeePMD-kit's JAX or TF2 back end)", CONVERT),
    Other(_is_tensorflow_index, "the index of a training checkpoint of TensorFlow, without its numbers", TENSORFLOW_FREEZE),
    Other(
        lambda _, path: VALUES.fullmatch(path.name) is not None,
        "by its name the numbers of a training checkpoint of TensorFlow, without its graph",
        TENSORFLOW_FREEZE,
    ),
    Other(
        _begins(b"model_checkpoint_path:"),
        "TensorFlow's note on which checkpoint is the last one",
        TENSORFLOW_FREEZE,
        is_model=False,
    ),
    Other(_like(rb"\x08[\x03-\x20](\x12.[ -~]+[\x1a\x22\x28\x32\x3a]|\x3a)"), "an ONNX model"),
    Other(_is_safetensors, "a safetensors file: numbers by name, without cutoff, sel and activation"),
    Other(_like(rb'\{\s*"base_code"\s*:\s*\{[^}]*"pir"'), "a program of Paddle", CONVERT.replace("model.jax", "model.json")),
    *(Other(_begins(begin), f"compressed with {name}", UNPACK, is_model=False) for begin, name in PACKED.items()),
    Other(lambda start, _: start[257:262] == b"ustar", "a tar archive", UNPACK, is_model=False),
    Other(_begins(b"\x93NUMPY"), "an array of NumPy (.npy)", is_model=False),
    Other(_begins(b"version https://git-lfs"), "Git LFS's note in place of a file", "run `git lfs pull`", is_model=False),
    Other(_like(rb"(?i)\s*<(!doctype html|html)"), "a web page", "download the file itself", is_model=False),
    Other(_begins(b"\x7fELF"), "a program or shared library", is_model=False),
    Other(_like(rb"[^\s\0]+\.pt\s*\Z"), "a note on which checkpoint is the last one", "give that .pt file", is_model=False),
    Other(_like(rb"#\s*(step|batch)\s"), "a learning curve (lcurve.out)", is_model=False),
    Other(_is_script, "an input script", INPUT_SCRIPT, is_model=False),
)  # fmt: skip
