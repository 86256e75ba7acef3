"""What the engine says in its log: exact buffer sizes, and why something failed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from harness.schema import Buffer, Reason

MIB = 1024 * 1024

BufferKind = Literal["weights", "kv", "recurrent", "compute", "output"]

# Lines as of the pinned engine; tests/test_engine_log.py holds them against the real library.
#   load_tensors:   CPU_Mapped model buffer size =    92.10 MiB
#   llama_kv_cache:        CPU KV buffer size =    11.25 MiB
#   llama_memory_recurrent:  CPU RS buffer size =     1.00 MiB
#   sched_reserve:        CPU compute buffer size =    98.25 MiB
#   llama_context:        CPU  output buffer size =     0.19 MiB
_BUFFER = re.compile(
    r":\s+(?P<device>\S.*?)\s+(?P<kind>model|KV|RS|compute|output) buffer size =\s*"
    r"(?P<mib>[\d.,]+) MiB"
)
_KINDS: dict[str, BufferKind] = {
    "model": "weights",
    "KV": "kv",
    "RS": "recurrent",
    "compute": "compute",
    "output": "output",
}

# First match wins; texts of llama.cpp, ggml and the GPU back ends.
_CAUSES: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r"unknown model architecture", re.I), "architecture-unknown"),
    (
        re.compile(
            r"out of memory|failed to allocate|unable to allocate|cannot allocate|"
            r"ErrorOutOfDeviceMemory|insufficient memory|std::bad_alloc",
            re.I,
        ),
        "out-of-memory",
    ),
)


def buffers(lines: Iterable[str]) -> tuple[Buffer, ...]:
    """Every buffer that the log lines name with its size, in order, sizes to 0.01 MiB."""
    return tuple(
        Buffer(
            device=match["device"],
            kind=_KINDS[match["kind"]],
            n_bytes=round(float(match["mib"].replace(",", ".")) * MIB),
        )
        for match in map(_BUFFER.search, lines)
        if match
    )


def cause(error_lines: Iterable[str], default: Reason) -> Reason:
    """The reason that the engine's error lines give away, or `default`."""
    text = "\n".join(error_lines)
    return next((reason for pattern, reason in _CAUSES if pattern.search(text)), default)


def explanation(error_lines: Iterable[str]) -> str:
    """The engine's own most telling words, without the function names in front."""
    # The first error is the cause; later ones only say that it was passed on.
    for line in error_lines:
        text = re.sub(r"^(?:[\w:~<>]+: )+", "", line.strip())
        text = re.sub(r"^error loading model: ", "", text)
        if text:
            return text
    return "the engine gave no reason"
