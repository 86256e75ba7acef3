"""A model's header as the bytes of a GGUF file."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from harness.models.gguf.tensor_types import TYPE_NUMBERS, TYPES_BY_NAME

KeyValue = int | float | bool | str | list[int] | list[float] | list[bool] | list[str]
"""What a key of the metadata may hold."""

_VERSION = 3
ALIGNMENT = 32  # gguf.h: GGUF_DEFAULTALIGNMENT
QUANTIZATION_VERSION = 2  # ggml.h: GGML_QNT_VERSION
# enum gguf_type (gguf.h), and how struct packs each: counts are unsigned, entries of lists signed.
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


def bare_keys(architecture: str, name: str) -> dict[str, KeyValue]:
    """
    The first keys of a model without a tokenizer.

    Its vocabulary is called "no_vocab", which the engine takes with a key `vocab_size`.

    Args:
        architecture: As llama.cpp calls it.
        name: Of the model.
    """
    return {
        "general.architecture": architecture,
        "general.name": name,
        "general.quantization_version": QUANTIZATION_VERSION,
        "tokenizer.ggml.model": "no_vocab",
    }


def header_bytes(
    metadata: Mapping[str, KeyValue],
    shapes: Mapping[str, tuple[int, ...]],
    types: Mapping[str, str],
) -> bytes:
    """
    A model's header, padded to where data begins; each tensor's data is padded to `ALIGNMENT`.

    Args:
        metadata: Its keys by their full names, in the file's order.
        shapes: By tensor, in the file's order; fastest dimension first.
        types: The same tensors' types.
    """
    pieces = [struct.pack("<4sIQQ", b"GGUF", _VERSION, len(shapes), len(metadata))]
    pieces += [_text(key) + _value(value) for key, value in metadata.items()]
    offset = 0
    for tensor, shape in shapes.items():
        pieces.append(_tensor(tensor, shape, types[tensor], offset))
        n_bytes = TYPES_BY_NAME[types[tensor]].bytes_of(shape)
        offset += n_bytes + -n_bytes % ALIGNMENT
    data = b"".join(pieces)
    return data + bytes(-len(data) % ALIGNMENT)


def _tensor(name: str, shape: tuple[int, ...], type_name: str, offset: int) -> bytes:
    n = len(shape)
    return _text(name) + struct.pack(f"<I{n}QIQ", n, *shape, TYPE_NUMBERS[type_name], offset)


def _value(value: KeyValue) -> bytes:
    if not isinstance(value, list):
        kind, data = _scalar(value)
        return struct.pack("<I", kind) + data
    first = value[0]
    if isinstance(first, str):
        kind, data = _STRING, b"".join(map(_text, map(str, value)))
    elif isinstance(first, bool):  # a kind of int, too
        kind, data = _BOOL, struct.pack(f"<{len(value)}?", *value)
    elif isinstance(first, int):
        kind, data = _INT32, struct.pack(f"<{len(value)}i", *value)
    else:
        kind, data = _FLOAT32, struct.pack(f"<{len(value)}f", *value)
    return struct.pack("<IIQ", _ARRAY, kind, len(value)) + data


def _scalar(value: float | bool | str) -> tuple[int, bytes]:
    """The number of the value's type, and the value."""
    if isinstance(value, str):
        return _STRING, _text(value)
    if isinstance(value, bool):  # a kind of int, too
        return _BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return _UINT32, struct.pack("<I", value)
    return _FLOAT32, struct.pack("<f", value)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data
