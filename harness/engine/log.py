"""What the engine says in its log: exact buffer sizes, and why something failed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from harness.schema.experiment import Buffer
from harness.schema.outcome import Reason
from harness.schema.planned import PlannedBuffer, PlannedKind

MIB = 1024 * 1024

BufferKind = Literal["weights", "kv", "recurrent", "compute", "output"]

# Lines as of the pinned engine; tests/engine/test_log.py holds them against the real library.
#   load_tensors:   CPU_Mapped model buffer size =    92.10 MiB
#   llama_kv_cache:        CPU KV buffer size =    11.25 MiB
#   llama_memory_recurrent:  CPU RS buffer size =     1.00 MiB
#   sched_reserve:        CPU compute buffer size =    98.25 MiB
#   llama_context:        CPU  output buffer size =     0.19 MiB
_BUFFER = re.compile(
    r":\s+(?P<device>\S.*?)\s+(?P<kind>model|KV|RS|compute|output) buffer size =\s*"
    r"(?P<mib>[\d.,]+) MiB"
)
# Of a cache that was only planned, whose buffers read 0. A cache of sliding-window layers is
# announced; which device a layer's part lies on is told at debug level:
#   llama_kv_cache_iswa: creating     SWA KV cache, size = 768 cells
#   llama_kv_cache: layer   0: dev = CPU
#   llama_kv_cache: size =   90.00 MiB (  4096 cells,  30 layers,  1/1 seqs), K (f16):   45.00 MiB
_ANNOUNCED = re.compile(r"creating\s+(?P<what>.*?)\s*(?:compressed )?KV cache")
_PLACE = re.compile(r"llama_kv_cache: layer\s+\d+: dev = (?P<device>\S+)")
_CACHE = re.compile(r"llama_kv_cache: size =\s*(?P<mib>[\d.,]+) MiB")
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
            n_bytes=_bytes(match["mib"]),
        )
        for match in map(_BUFFER.search, lines)
        if match
    )


def tells_place(line: str) -> bool:
    """Whether a debug line says on which device a layer's cache lies."""
    return bool(_PLACE.search(line))


def planned_buffers(lines: Iterable[str]) -> tuple[PlannedBuffer, ...]:
    """
    The buffers of a context that was planned and not allocated, sizes to 0.01 MiB.

    Layers of one cache are alike, so each device has the share of it that it has of its layers.
    """
    found: list[PlannedBuffer] = []
    is_sliding, places, named = False, Counter[str](), Counter[str]()
    for line in lines:
        if match := _ANNOUNCED.search(line):
            is_sliding = match["what"] == "SWA"
        elif match := _PLACE.search(line):
            places[match["device"]] += 1
        elif match := _CACHE.search(line):
            n_bytes = _bytes(match["mib"])
            kind: PlannedKind = "kv-sliding" if is_sliding else "kv"
            found += _shared_out(n_bytes, kind, places or named or Counter(["CPU"]))
            is_sliding, places, named = False, Counter(), Counter()
        elif match := _BUFFER.search(line):
            told = _KINDS[match["kind"]]
            if told == "kv":
                named[match["device"]] = 1
            elif told != "weights":
                n_bytes = _bytes(match["mib"])
                found.append(PlannedBuffer(device=match["device"], kind=told, n_bytes=n_bytes))
    return tuple(found)


def _shared_out(n_bytes: int, kind: PlannedKind, places: Counter[str]) -> list[PlannedBuffer]:
    n_layers = places.total()
    return [
        PlannedBuffer(device=device, kind=kind, n_bytes=round(n_bytes * n / n_layers))
        for device, n in places.items()
    ]


def _bytes(mib: str) -> int:
    return round(float(mib.replace(",", ".")) * MIB)


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
