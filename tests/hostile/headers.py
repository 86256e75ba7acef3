"""Damaged GGUF files: read or refused in one line, in little time and memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Generator
from pathlib import Path
from random import Random
from time import thread_time

from make.gguf import SMALL, Value, Weight, head

from harness.errors import ModelInvalid
from harness.models.gguf.header import read_header
from harness.models.gguf.model_file import model_file_of
from harness.models.twin.tiny import write_tiny_random
from hostile.attempt import Attempt

_MAX_BYTES = 64 << 20
_MAX_CPU_S = 2.0
"""A whole header is read in 0.02 s; a hundred times that is a loop that follows the damage."""

_EXPERTS: dict[str, Value] = {
    "llama.expert_count": 4,
    "llama.attention.head_count_kv": [2, 1],
    "llama.attention.sliding_window_pattern": [True, False],
    "general.file_type": 15,
    "tokenizer.ggml.tokens": ["a", "b"],
    "tokenizer.chat_template": "{{ messages }}",
}


def attempts(folder: Path, rng: Random) -> Generator[Attempt, None, None]:
    """Good files, some of whose bytes are turned over, written anew, repeated or cut off."""
    good = [_made(SMALL), _made(SMALL | _EXPERTS), _tiny(folder)]
    while True:
        data = bytearray(rng.choice(good))
        steps = [rng.choice(_DAMAGES) for _ in range(rng.randint(1, 3))]
        for damage in steps:
            damage(data, rng)
        names = ", ".join(damage.__name__.strip("_") for damage in steps)
        yield Attempt(f"a header damaged by {names}", _fault(bytes(data), rng))


def _fault(data: bytes, rng: Random) -> str | None:
    tracemalloc.start()
    started_s = thread_time()
    try:
        _read(data, rng.choice([len(data), 1 << 40]))
    except ModelInvalid as error:
        return "more than one line" if len(str(error).splitlines()) != 1 else None
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        took_s, (_, peak_bytes) = thread_time() - started_s, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    if took_s > _MAX_CPU_S or peak_bytes > _MAX_BYTES:
        return f"{took_s:.1f} s of CPU, {peak_bytes:,} bytes"
    return None


def _read(data: bytes, n_bytes: int) -> None:
    header = read_header(io.BytesIO(data), n_bytes, "hostile.gguf")
    model_file_of(
        [header],
        name="hostile.gguf",
        key="k",
        file_name="hostile.gguf",
        n_bytes=n_bytes,
        quantization=None,
        sha256=None,
    )


def _made(metadata: dict[str, Value]) -> bytes:
    return head(metadata, [Weight("token_embd.weight", (64, 2))]).data


def _tiny(folder: Path) -> bytes:
    path = folder / "tiny.gguf"
    write_tiny_random(path)
    data = path.read_bytes()
    return data[: data.rindex(b".weight") + 64]


# ------------------------------------------------------------------ damages


def _bits(data: bytearray, rng: Random) -> None:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _number(data: bytearray, rng: Random) -> None:
    n_bytes = rng.choice([1, 4, 8])
    at = rng.randrange(max(1, len(data) - n_bytes))
    value = rng.choice([0, 1, (1 << 31) - 1, (1 << 63) - 1, (1 << 64) - 1, rng.getrandbits(64)])
    data[at : at + n_bytes] = value.to_bytes(8, "little")[:n_bytes]


def _cut(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(1, len(data) + 1) :]
    data += bytes(1) if not data else b""


def _repeat(data: bytearray, rng: Random) -> None:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.randint(1, 64)]
    at = rng.randrange(len(data))
    data[at:at] = piece * rng.randint(1, 20)


def _noise(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data))
    data[at : at + 16] = rng.randbytes(16)


_DAMAGES = (_bits, _number, _cut, _repeat, _noise)
