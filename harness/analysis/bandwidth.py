"""
Model bandwidth utilization: which share of the memory's measured speed decoding reached.

    MBU = bytes read for a token x tokens per second / bytes per second of plain reads

All three belong to the same Run, for the speed of a shared machine's memory wanders by a factor of
two within minutes. Above 1 a figure is not believable.
"""

from __future__ import annotations

from harness.schema.cache_types import CACHE_ELEMENT_BYTES
from harness.schema.experiment import ModelFile, Run
from harness.schema.machine import MachineFacts
from harness.schema.settings import Settings
from harness.schema.workload import Workload

# Weights that fit in the last cache are not read from memory. With four times its size at most a
# quarter of them can be there, and plain reads no longer gain from it (measured on a 32 MiB
# cache: 47 GB/s at 16 MB, 37 at 64 MB, 32 from 128 MB on).
_CACHE_MULTIPLE = 4
# Where the size is not known: the largest last cache of a consumer machine to date.
_LARGEST_CACHE_BYTES = 128 << 20


def obstacle(model: ModelFile, settings: Settings, machine: MachineFacts, run: Run) -> str | None:
    """Why there is no MBU for this Run, or None where there is one."""
    if model.token_read_bytes is None:
        return "the record does not tell what a token reads"
    has_gpu = any(device.is_gpu for device in run.devices_before)
    if has_gpu and settings.n_gpu_layers != 0:
        return "a GPU computes, and its memory's speed is not measured"
    cache_bytes = machine.last_level_cache_bytes or _LARGEST_CACHE_BYTES
    if model.token_read_bytes <= _CACHE_MULTIPLE * cache_bytes:
        return "too much of the model fits in the cache"
    if bandwidth(run) is None:
        return "the memory's speed was not measured"
    return None


def bandwidth(run: Run) -> float | None:
    """Bytes per second of plain reads around a Run: the mean of before and after."""
    samples = [sample for sample in (run.bandwidth_before, run.bandwidth_after) if sample]
    if not samples:
        return None
    return sum(sample.median_bytes_per_s for sample in samples) / len(samples)


def token_bytes(model: ModelFile, settings: Settings, workload: Workload) -> float:
    """
    Bytes read for a token of `workload`: weights, and the cache at its mean length.

    Layers with a sliding window count as full, so far behind a window this is an upper bound;
    where the cache's share is unknown it is a lower one. Only for models whose
    `token_read_bytes` are known.
    """
    assert model.token_read_bytes is not None
    per_position = model.kv_read_bytes_per_position
    k = CACHE_ELEMENT_BYTES.get(settings.type_k)
    v = CACHE_ELEMENT_BYTES.get(settings.type_v)
    if per_position is None or k is None or v is None:
        return float(model.token_read_bytes)
    # `kv_read_bytes_per_position` is told for f16, 2 bytes each, K and V of the same size.
    scale = (k + v) / 4
    return model.token_read_bytes + per_position * scale * workload.mean_positions
