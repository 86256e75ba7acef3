"""GGUF headers put together from Python values; the weights behind them are a hole in the file."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.models.gguf.tensor_types import TENSOR_TYPES

Value = int | float | bool | str | Sequence[int] | Sequence[float] | Sequence[str]
_U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_NUMBERS = {kind.name: number for number, kind in TENSOR_TYPES.items()}

SMALL: dict[str, Value] = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.context_length": 2048,
}


class Weight(NamedTuple):
    """A tensor to be: `shape` has the fastest dimension first, as in the file."""

    name: str
    shape: tuple[int, ...]
    type_name: str = "F32"


class Head(NamedTuple):
    """The bytes before the weights, and how long the file is with them."""

    data: bytes
    n_bytes: int


def head(metadata: Mapping[str, Value], weights: Sequence[Weight]) -> Head:
    """The header that `metadata` and `weights` make, padded, and the size of the whole file."""
    parts = [struct.pack("<4sIQQ", b"GGUF", 3, len(weights), len(metadata))]
    parts += [_text(name) + _typed(value) for name, value in metadata.items()]
    offset = 0
    for weight in weights:
        number = _NUMBERS[weight.type_name]
        kind = TENSOR_TYPES[number]
        dims = struct.pack(f"<I{len(weight.shape)}Q", len(weight.shape), *weight.shape)
        parts.append(_text(weight.name) + dims + struct.pack("<IQ", number, offset))
        n_bytes = math.prod(weight.shape) // kind.block_elements * kind.block_bytes
        offset += -(-n_bytes // 32) * 32
    data = b"".join(parts)
    data += bytes(-len(data) % 32)
    return Head(data, len(data) + offset)


def write_sparse(path: Path, metadata: Mapping[str, Value], weights: Sequence[Weight]) -> Path:
    """The file of such a header; its weights take no room on the disk."""
    made = head(metadata, weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(made.data)
        file.truncate(made.n_bytes)
    return path


def write_small(path: Path, n_rows: int = 4, **more: Value) -> Path:
    """A model of some hundred bytes that passes for one; `more` keys have __ for the dots."""
    metadata = SMALL | {name.replace("__", "."): value for name, value in more.items()}
    return write_sparse(path, metadata, [Weight("token_embd.weight", (64, n_rows))])


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _typed(value: Value) -> bytes:
    kind = _kind(value)
    if kind == _ARRAY:
        assert not isinstance(value, int | float | str)
        element = _kind(value[0])
        items = b"".join(_plain(item, element) for item in value)
        return struct.pack("<IIQ", kind, element, len(value)) + items
    assert isinstance(value, int | float | str)
    return struct.pack("<I", kind) + _plain(value, kind)


def _kind(value: Value) -> int:
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, int):
        return _U32 if value >= 0 else _I32
    if isinstance(value, float):
        return _F32
    return _STRING if isinstance(value, str) else _ARRAY


def _plain(value: int | float | str, kind: int) -> bytes:
    if isinstance(value, str):
        return _text(value)
    return struct.pack({_U32: "<I", _I32: "<i", _F32: "<f", _BOOL: "<?"}[kind], value)
