"""
The energy counter of NVIDIA's GPUs, through nvidia-ml-py (the extra `gpu`).

Whole boards, their memory included, whoever uses them. From Volta on; older ones have no counter.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.machine.energy.meter import Counter, CounterMeter, SourceMissing

# Millijoules since the driver was loaded (NVML reference, nvmlDeviceGetTotalEnergyConsumption).
_JOULES_PER_UNIT = 1e-3
# The counter moves about every 100 ms; so found by ml.energy on several generations of GPUs.
_REFRESH_NS = 100_000_000


@dataclass(frozen=True)
class Gpus:
    """The meter of those GPUs that count, and why the others do not."""

    meter: CounterMeter
    reasons_missing: Mapping[str, str]


def open_nvml() -> Gpus:
    """
    The meter of all GPUs of this machine that count their energy.

    Raises:
        SourceMissing: nvidia-ml-py or the driver is not there, or no GPU counts.
    """
    try:
        library: Any = importlib.import_module("pynvml")
    except ImportError:
        raise SourceMissing(
            "nvidia-ml-py, which reads NVIDIA's counters, is not installed: "
            "`pip install nvidia-ml-py`, or harness with its extra `gpu`"
        ) from None
    try:
        library.nvmlInit()
        n_gpus = library.nvmlDeviceGetCount()
    except library.NVMLError as error:
        raise SourceMissing(f"NVIDIA's driver does not answer: {error}") from None
    handles, counters, reasons_missing = [], [], {}
    for index in range(n_gpus):
        domain = f"gpu-{index}"
        try:
            handle = library.nvmlDeviceGetHandleByIndex(index)
            library.nvmlDeviceGetTotalEnergyConsumption(handle)
        except library.NVMLError as error:
            reasons_missing[f"nvml {domain}"] = f"it has no energy counter we can read: {error}"
            continue
        handles.append(handle)
        counters.append(
            Counter(domain, "gpu", _JOULES_PER_UNIT, _JOULES_PER_UNIT, refresh_ns=_REFRESH_NS)
        )
    if not counters:
        reason = next(iter(reasons_missing.values()), "the driver knows of no GPU")
        raise SourceMissing(reason)
    return Gpus(CounterMeter("nvml", counters, lambda: _read(library, handles)), reasons_missing)


def _read(library: Any, handles: Sequence[Any]) -> list[int | None]:
    return [_read_one(library, handle) for handle in handles]


def _read_one(library: Any, handle: Any) -> int | None:
    try:
        return int(library.nvmlDeviceGetTotalEnergyConsumption(handle))
    except library.NVMLError:
        return None  # a card that was lost tells nothing more
