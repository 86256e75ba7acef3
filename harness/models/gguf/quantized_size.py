"""How large a file will be that the engine's quantizer writes, to the byte, from headers alone."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from harness.models.gguf.header import Number, Tensor, Value
from harness.models.gguf.part import HeaderPart
from harness.models.gguf.tensor_types import TYPES_BY_NAME

# llama-quant.cpp pads with GGUF_DEFAULT_ALIGNMENT, whatever the source's own alignment is.
_ALIGNMENT = 32
# Magic, version, number of tensors, number of keys.
_START_BYTES = 24
# What the quantizer writes into every file: both are 32 bits wide.
_ALWAYS_WRITTEN: Mapping[str, Number] = {
    "general.quantization_version": 2,
    "general.file_type": 0,
}
# What it leaves out, since it writes one file; 16, 16 and 32 bits wide.
_LEFT_OUT_BYTES = {"split.no": 2, "split.count": 2, "split.tensors.count": 4}


def written_bytes(
    parts: Sequence[HeaderPart], types: Mapping[str, str], keys: Mapping[str, str]
) -> int:
    """
    Bytes of the one file that a model becomes.

    Args:
        parts: Of the source, first part first.
        types: What its tensors become, by their names.
        keys: Texts added to its metadata.
    """
    first = parts[0].header
    n_bytes = _START_BYTES + _metadata_bytes(parts[0])
    for name, width in _LEFT_OUT_BYTES.items():
        if name in first.metadata:
            n_bytes -= _entry_bytes(name, width)
    for key, value in (*_ALWAYS_WRITTEN.items(), *keys.items()):
        before = first.metadata.get(key)
        if before is not None:
            n_bytes -= _entry_bytes(key, _value_bytes(before))
        n_bytes += _entry_bytes(key, _value_bytes(value))
    tensors = [tensor for part in parts for tensor in part.header.tensors]
    n_bytes += sum(_info_bytes(tensor) for tensor in tensors)
    return _padded(n_bytes) + sum(
        _padded(tensor_bytes(tensor, types.get(tensor.name, tensor.type_name)))
        for tensor in tensors
    )


def weights_bytes(tensors: Iterable[Tensor], types: Mapping[str, str]) -> int:
    """Bytes of the weights alone."""
    return sum(tensor_bytes(tensor, types.get(tensor.name, tensor.type_name)) for tensor in tensors)


def tensor_bytes(tensor: Tensor, type_name: str) -> int:
    """What `tensor` takes in another type."""
    return TYPES_BY_NAME[type_name].bytes_of(tensor.shape)


def _metadata_bytes(part: HeaderPart) -> int:
    """
    What the keys and values take.

    The header says where the weights begin, not where the table before them ends: that is where
    the last tensor's entry ends, which is known byte by byte.
    """
    header = part.header
    if not header.tensors:
        return header.data_start - _START_BYTES
    last = header.tensors[-1]
    name = last.name.encode()
    entry = struct.pack("<Q", len(name)) + name
    at = part.data.rfind(entry) + len(entry)
    n_dims: int = struct.unpack_from("<I", part.data, at)[0]
    end = at + 4 + 8 * n_dims + 4 + 8
    others = (_info_bytes(tensor, as_stored=True) for tensor in header.tensors[:-1])
    return end - _START_BYTES - sum(others) - (end - at + len(entry))


def _info_bytes(tensor: Tensor, *, as_stored: bool = False) -> int:
    """One entry of the tensor table; the engine leaves out dimensions of 1 at the end."""
    shape = list(tensor.shape)
    while not as_stored and len(shape) > 1 and shape[-1] == 1:
        shape.pop()
    return 8 + len(tensor.name.encode()) + 4 + 8 * len(shape) + 4 + 8


def _entry_bytes(key: str, n_value_bytes: int) -> int:
    return 8 + len(key.encode()) + 4 + n_value_bytes


def _value_bytes(value: Value) -> int:
    # Of the keys that are replaced here, numbers are 32 bits wide.
    return 8 + len(value.encode()) if isinstance(value, str) else 4


def _padded(n_bytes: int) -> int:
    return -(-n_bytes // _ALIGNMENT) * _ALIGNMENT
