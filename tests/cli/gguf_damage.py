"""GGUF files that no one should open, made from a good one."""

from __future__ import annotations

import random
import struct
from pathlib import Path

# magic, version, number of tensors, number of key-value pairs
_N_TENSORS_AT = 8
_N_KEYS_AT = 16
_KEYS_AT = 24


def with_n_tensors(good: bytes, n_tensors: int) -> bytes:
    """A header that claims so many tensors."""
    return _patched(good, _N_TENSORS_AT, struct.pack("<Q", n_tensors))


def with_n_keys(good: bytes, n_keys: int) -> bytes:
    """A header that claims so many key-value pairs."""
    return _patched(good, _N_KEYS_AT, struct.pack("<Q", n_keys))


def with_first_key_length(good: bytes, n_bytes: int) -> bytes:
    """A header whose first key claims to be so long."""
    return _patched(good, _KEYS_AT, struct.pack("<Q", n_bytes))


def with_architecture(good: bytes, name: bytes) -> bytes:
    """Another architecture, under names that are as long as "llama"; the tokenizer keeps its."""
    key = b"general.architecture"
    at = good.index(key) + len(key) + 4 + 8  # after the type and the length of the value
    assert good[at : at + 5] == b"llama"
    data = _patched(good, at, name)
    return data.replace(b"llama.", name + b".")


def flipped(good: bytes, seed: int, n_header_bytes: int) -> bytes:
    """Three random bits of the header turned over."""
    rng = random.Random(seed)
    data = bytearray(good)
    for _ in range(3):
        data[rng.randrange(n_header_bytes)] ^= 1 << rng.randrange(8)
    return bytes(data)


def header_bytes(good: bytes) -> int:
    """How long the header is: as far as the name of the last tensor."""
    return good.rindex(b".weight") + len(b".weight")


def write(folder: Path, name: str, data: bytes) -> Path:
    """The file `name` with `data`."""
    path = folder / name
    path.write_bytes(data)
    return path


def _patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]
