"""
The header of a GGUF file, read without trusting it.

Vocabularies are skipped by their lengths, so a 20 MB header takes milliseconds. What the pinned
engine refuses (ggml/src/gguf.cpp of llama.cpp) is refused here too, before a process is started
for it: duplicate names, impossible shapes, gaps between tensors, data that ends too early.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from harness.errors import ModelInvalid
from harness.models.gguf.cursor import Cursor, Readable
from harness.models.gguf.file_kind import check_magic
from harness.models.gguf.tensor_types import TENSOR_TYPES

# Limits far above any model (a mixture with one tensor per expert: 1,400; keys: about 60;
# Gemma's vocabulary with its merges: 0.8 million strings). They bound the time and memory that a
# hostile header can cost; the engine's own are 2^30 strings and 1 GiB a string.
MAX_TENSORS = 1 << 16
MAX_KEYS = 1 << 12
MAX_KEY_BYTES = (1 << 16) - 1  # the format's own limit
MAX_STRINGS = 1 << 21
# What is kept of the metadata: chat templates reach 30 kB, per-layer lists 128 numbers.
# Anything longer is vocabulary, or an embedded tokenizer.json.
_KEPT_TEXT_BYTES = 1 << 16
_KEPT_NUMBERS = 1 << 12
_KEPT_TOTAL_BYTES = 1 << 23
_ALL_KEYS_BYTES = 1 << 20  # 60 keys of about 30 bytes are usual
# ggml.h: GGML_MAX_NAME, GGML_MAX_DIMS; gguf.h: GGUF_DEFAULT_ALIGNMENT.
_NAME_BYTES = 64
_MAX_DIMS = 4
# A tensor's sizes, the number of its type, its offset: by how many sizes there are.
_PLACES = tuple(struct.Struct(f"<{n_dims}QIQ") for n_dims in range(_MAX_DIMS + 1))
_DEFAULT_ALIGNMENT = 32
# The shortest tensor entry: empty name, no dimension, type, offset. The shortest key: one letter
# and one byte of value.
_MIN_TENSOR_ENTRY_BYTES = 8 + 4 + 4 + 8
_MIN_KEY_ENTRY_BYTES = 8 + 1 + 4 + 1

_STRING, _ARRAY = 8, 9
_NUMBERS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip


@dataclass(frozen=True)
class Skipped:
    """A value too long to keep: its length in elements (arrays) or bytes (texts)."""

    length: int


Number = int | float | bool
Value = Number | str | tuple[Number, ...] | Skipped


@dataclass(frozen=True)
class Tensor:
    """One entry of the tensor table; `shape` has the fastest dimension first, as stored."""

    name: str
    shape: tuple[int, ...]
    type_name: str
    n_bytes: int

    @property
    def n_elements(self) -> int:
        """The number of weights."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """
    Everything before the weights, and where the weights end.

    `tensors_start` is where the list of tensors begins in the file, `data_start` their data.
    """

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    tensors_start: int
    data_start: int
    data_end: int

    @property
    def alignment(self) -> int:
        """Every tensor begins at a multiple of so many bytes."""
        value = self.metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        assert isinstance(value, int)  # read_header let nothing else pass
        return value

    @property
    def tensor_starts(self) -> tuple[int, ...]:
        """Where each tensor begins, counted from `data_start`."""
        ends = accumulate(_padded(tensor.n_bytes, self.alignment) for tensor in self.tensors)
        return (0, *ends)[: len(self.tensors)]


def read_header(file: Readable, size: int, name: str) -> Header:
    """
    The header of the GGUF in `file`.

    Args:
        file: Seekable, binary; any object will do, local or remote.
        size: Total bytes of the file.
        name: What error messages call it.

    Raises:
        ModelInvalid: Not a GGUF, damaged, or cut short.
    """
    cursor = Cursor(file, size, name)
    if size < 24:
        file.seek(0)
        check_magic(file.read(24), name)
        cursor.fail(f"it has {size} bytes, less than the smallest header")
    check_magic(cursor.take(24, "the start"), name)
    cursor.position = 4
    version = _read_version(cursor)
    n_tensors = _read_count(cursor, "tensors", _MIN_TENSOR_ENTRY_BYTES, MAX_TENSORS)
    n_keys = _read_count(cursor, "keys", _MIN_KEY_ENTRY_BYTES, MAX_KEYS)
    metadata = _MetadataReader(cursor).read(n_keys)
    alignment = _alignment(cursor, metadata)
    tensors_start = cursor.position
    tensors, data_bytes = _read_tensors(cursor, n_tensors, alignment)
    data_start = _padded(cursor.position, alignment) if tensors else cursor.position
    data_end = data_start + data_bytes
    if data_end > size:
        raise ModelInvalid(
            f"{name} is cut short: it needs {data_end:,} bytes and has {size:,}; download it again"
        )
    return Header(version, metadata, tensors, tensors_start, data_start, data_end)


def _read_version(cursor: Cursor) -> int:
    version = cursor.u32("the version")
    if version & 0xFFFF == 0:
        raise ModelInvalid(
            f"{cursor.name} is big-endian; convert it again on this machine, "
            "or get the little-endian file"
        )
    if version not in (2, 3):
        cursor.fail(f"version {version} of the format is unknown, the engine reads 2 and 3")
    return version


def _read_count(cursor: Cursor, what: str, entry_bytes: int, most: int) -> int:
    count = cursor.u64(f"the number of {what}")
    if count * entry_bytes > cursor.remaining or count > most:
        cursor.fail(f"the header claims {count} {what}, more than it can hold")
    return count


class _MetadataReader:
    """Reads the keys and values, keeping short ones up to a total."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._kept_bytes = 0
        self._n_strings = 0

    def read(self, n_keys: int) -> dict[str, Value]:
        """`n_keys` keys with their values; a long value becomes Skipped."""
        cursor = self._cursor
        metadata: dict[str, Value] = {}
        n_key_bytes = 0
        for _ in range(n_keys):
            n_bytes = cursor.u64("the length of a key")
            if not 0 < n_bytes <= MAX_KEY_BYTES:
                cursor.fail(f"a key of {n_bytes} bytes")
            n_key_bytes += n_bytes
            if n_key_bytes > _ALL_KEYS_BYTES:
                cursor.fail("the keys are longer than those of any model")
            key = cursor.take(n_bytes, "a key").decode("utf-8", errors="replace")
            if key in metadata:
                cursor.fail(f"the key {shown(key)} stands there twice")
            metadata[key] = self._value(cursor.u32(f"the type of {shown(key)}"), shown(key))
        return metadata

    def _value(self, value_type: int, key: str) -> Value:
        if value_type == _ARRAY:
            return self._array(key)
        if value_type == _STRING:
            return self._text(key)
        return self._numbers(value_type, 1, key)[0]

    def _text(self, key: str) -> Value:
        n_bytes = self._cursor.u64(f"the length of {key}")
        if not self._keeps(n_bytes, _KEPT_TEXT_BYTES):
            self._cursor.skip(n_bytes, f"the text of {key}")
            return Skipped(n_bytes)
        return self._cursor.take(n_bytes, f"the text of {key}").decode("utf-8", errors="replace")

    def _array(self, key: str) -> Value:
        cursor = self._cursor
        element_type = cursor.u32(f"the element type of {key}")
        count = cursor.u64(f"the length of {key}")
        if element_type == _STRING:
            self._n_strings += count
            if count * 8 > cursor.remaining or self._n_strings > MAX_STRINGS:
                cursor.fail(f"{key} claims {count} strings, more than it can hold")
            cursor.skip_strings(count, key)
            return Skipped(count)
        width = _width(element_type)
        if width == 0:
            cursor.fail(f"{key} is an array of the unknown type {element_type}")
        if count > _KEPT_NUMBERS or not self._keeps(count * 32, _KEPT_TOTAL_BYTES):
            cursor.skip(count * width, key)
            return Skipped(count)
        return self._numbers(element_type, count, key)

    def _numbers(self, number_type: int, count: int, key: str) -> tuple[Number, ...]:
        width = _width(number_type)
        if width == 0:
            self._cursor.fail(f"{key} has the unknown type {number_type}")
        data = self._cursor.take(count * width, key)
        values: tuple[Number, ...] = struct.unpack(f"<{count}{_NUMBERS[number_type]}", data)
        return values

    def _keeps(self, n_bytes: int, most: int) -> bool:
        """Whether a value of this size is kept; counted if it is."""
        if n_bytes > most or self._kept_bytes + n_bytes > _KEPT_TOTAL_BYTES:
            return False
        self._kept_bytes += n_bytes
        return True


def _width(number_type: int) -> int:
    code = _NUMBERS.get(number_type)
    return struct.calcsize(f"<{code}") if code else 0


def _alignment(cursor: Cursor, metadata: Mapping[str, Value]) -> int:
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        cursor.fail("general.alignment is not a power of two")
    return alignment


def _read_tensors(cursor: Cursor, n_tensors: int, alignment: int) -> tuple[tuple[Tensor, ...], int]:
    """The tensor table, checked to be gapless as the engine demands, and the bytes of its data."""
    tensors: dict[str, Tensor] = {}
    offset = end = 0
    for _ in range(n_tensors):
        tensor, given = _read_tensor(cursor)
        if tensor.name in tensors:
            cursor.fail(f"the tensor {shown(tensor.name)} stands there twice")
        if given != offset:
            cursor.fail(f"the tensor {shown(tensor.name)} lies at {given} instead of {offset}")
        tensors[tensor.name] = tensor
        end = offset + tensor.n_bytes
        offset = _padded(end, alignment)
    return tuple(tensors.values()), end


def _read_tensor(cursor: Cursor) -> tuple[Tensor, int]:
    """The next tensor of the table, and the offset that the file gives it."""
    n_name_bytes = cursor.u64("the length of a tensor's name")
    if n_name_bytes >= _NAME_BYTES:
        cursor.fail(f"a tensor's name of {n_name_bytes} bytes")
    name = cursor.take(n_name_bytes, "a tensor's name").decode("utf-8", errors="replace")
    n_dims = cursor.u32("a number of dimensions")
    if n_dims > _MAX_DIMS:
        cursor.fail(f"the tensor {shown(name)} has {n_dims} dimensions")
    *dims, type_number, offset = cursor.numbers(_PLACES[n_dims], "a tensor's shape and place")
    shape = tuple(dims) or (1,)
    if max(shape) >= 1 << 63 or math.prod(shape) >= 1 << 63:
        cursor.fail(f"the tensor {shown(name)} is larger than can be counted")
    kind = TENSOR_TYPES.get(type_number)
    if kind is None:
        cursor.fail(
            f"the tensor {shown(name)} has type {type_number}, which the engine does not know"
        )
    if shape[0] % kind.block_elements:
        cursor.fail(
            f"the tensor {shown(name)} has rows of {shape[0]}, "
            f"not a multiple of {kind.name}'s {kind.block_elements}"
        )
    return Tensor(name, shape, kind.name, kind.bytes_of(shape)), offset


def _padded(n_bytes: int, alignment: int) -> int:
    return -(-n_bytes // alignment) * alignment


def shown(text: str) -> str:
    """`text` from a file nobody vouches for, short and harmless to a terminal."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")
