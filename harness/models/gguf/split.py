"""
A model's file cut into several, where a file system holds none so large: the headers of the parts.

The parts are those of llama.cpp's gguf-split: all metadata in the first, three keys in each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from harness.models.gguf.header import Tensor, read_header
from harness.models.gguf.part import HeaderPart

# Types of metadata values and the default alignment, as ggml's gguf.h numbers them.
_UINT16, _UINT32, _INT32 = 2, 4, 5
_DEFAULT_ALIGNMENT = 32


@dataclass(frozen=True)
class _Info:
    """A tensor, and its entry in the header but for the offset at the end."""

    tensor: Tensor
    entry: bytes


def split_part(part: HeaderPart, most_bytes: int) -> tuple[HeaderPart, ...] | None:
    """
    Headers of the files that `part`, a whole model, becomes, none larger than `most_bytes`.

    None where that cannot be: a tensor is larger, or `part` is of a split model already.
    """
    header = part.header
    if header.version == 1 or "split.count" in header.metadata:
        return None
    groups = list(_grouped(_infos(part), most_bytes - header.data_start, header.alignment))
    count, stem = len(groups), part.file_name.removesuffix(".gguf")
    found = []
    for index, group in enumerate(groups):
        name = f"{stem}-{index + 1:05}-of-{count:05}.gguf"
        found.append(_part(part, name, group, index, count))
    return tuple(found) if all(each.n_bytes <= most_bytes for each in found) else None


def _infos(part: HeaderPart) -> Iterator[_Info]:
    data, position = part.data, part.header.tensors_start
    for tensor in part.header.tensors:
        start = position
        (n_name,) = struct.unpack_from("<Q", data, position)
        position += 8 + n_name
        (n_dimensions,) = struct.unpack_from("<I", data, position)
        position += 4 + 8 * n_dimensions + 4
        yield _Info(tensor, data[start:position])
        position += 8  # the offset, which is another one in its part


def _grouped(infos: Iterator[_Info], most_bytes: int, alignment: int) -> Iterator[list[_Info]]:
    """In the file's order, as many as go together; always one at least."""
    group: list[_Info] = []
    n_bytes = 0
    for info in infos:
        n_more = info.tensor.n_bytes + -info.tensor.n_bytes % alignment
        if group and n_bytes + n_more > most_bytes:
            yield group
            group, n_bytes = [], 0
        group.append(info)
        n_bytes += n_more
    yield group


def _part(
    whole: HeaderPart, name: str, infos: Sequence[_Info], index: int, count: int
) -> HeaderPart:
    header = whole.header
    keys = [
        _key("split.no", _UINT16, "<H", index),
        _key("split.count", _UINT16, "<H", count),
        _key("split.tensors.count", _INT32, "<i", len(header.tensors)),
    ]
    n_keys, metadata = len(keys), b""
    if index == 0:
        metadata = whole.data[24 : header.tensors_start]
        n_keys += struct.unpack_from("<Q", whole.data, 16)[0]
    elif header.alignment != _DEFAULT_ALIGNMENT:
        keys.append(_key("general.alignment", _UINT32, "<I", header.alignment))
        n_keys += 1
    data = struct.pack("<4sIQQ", b"GGUF", header.version, len(infos), n_keys)
    data += metadata + b"".join(keys)
    offset = 0
    for info in infos:
        data += info.entry + struct.pack("<Q", offset)
        offset += info.tensor.n_bytes + -info.tensor.n_bytes % header.alignment
    data += bytes(-len(data) % header.alignment)
    read = read_header(BytesIO(data), len(data) + offset, name)
    return HeaderPart(name, len(data) + offset, read, data)


def _key(name: str, kind: int, layout: str, value: int) -> bytes:
    length = struct.pack("<Q", len(name))
    return length + name.encode() + struct.pack("<I", kind) + struct.pack(layout, value)
