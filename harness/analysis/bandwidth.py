"""
Model bandwidth utilization: which share of the memory's measured speed decoding reached.

    MBU = bytes read for a token x tokens per second / bytes per second of plain reads

All three belong to the same Run, for the speed of a shared machine's memory wanders by a factor of
two within minutes. Above 1 a figure is not believable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.metrics import METRICS
from harness.schema.cache_types import CACHE_ELEMENT_BYTES
from harness.schema.experiment import Run
from harness.schema.machine import MachineFacts
from harness.schema.model import ModelFile
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import parse_workload
from harness.schema.workload_kind import Workload

# Weights that fit in the last cache are not read from memory. With four times its size at most a
# quarter of them can be there, and plain reads no longer gain from it (measured on a 32 MiB
# cache: 47 GB/s at 16 MB, 37 at 64 MB, 32 from 128 MB on).
_CACHE_MULTIPLE = 4
# Where the size is not known: the largest last cache of a consumer machine to date.
_LARGEST_CACHE_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """
    A model that the engine reads under its settings, and what it asks of a machine; that is not
    known of records before schema 4.
    """

    model: ModelFile
    settings: Settings
    work: Work | None

    def token_bytes(self, workload: Workload) -> float:
        """
        Bytes read for a token of `workload`: weights, and the cache at its mean length.

        Without a Work every layer's cache counts in full, so far behind a window this is an upper
        bound; where the record does not know the cache either, the weights alone count. Only for
        models whose `token_read_bytes` are known.
        """
        n_context, settings = workload.mean_positions, self.settings
        if self.work is not None:
            return self.work.token_bytes(n_context, settings.type_k, settings.type_v)
        assert self.model.token_read_bytes is not None
        per_position = self.model.kv_read_bytes_per_position or 0
        # Told for f16, 2 bytes each, K and V of the same size.
        k, v = (CACHE_ELEMENT_BYTES.get(name, 2.0) for name in (settings.type_k, settings.type_v))
        return self.model.token_read_bytes + per_position * (k + v) / 4 * n_context


def reason_missing(
    reading: Reading | None, workload: Workload, machine: MachineFacts, run: Run
) -> str | None:
    """Why there is no MBU of `workload` in this Run, or None where there is one."""
    if reading is None:
        return "how a server reads its model is not known"
    model = reading.model
    if model.token_read_bytes is None:
        return "the record does not tell what a token reads"
    if reading.work is None and workload.depth:
        return "the record is too old to tell what is read of a cache at depth; measure it again"
    if reading.settings.rpc:
        return "other machines compute too, and the speed of their memory is not measured"
    has_gpu = any(device.is_gpu for device in run.devices_before)
    if has_gpu and reading.settings.n_gpu_layers != 0:
        return "a GPU computes, and its memory's speed is not measured"
    if _fits_in_cache(model.token_read_bytes, machine):
        return "too much of the model fits in the cache"
    if bandwidth(run) is None:
        return "the memory's speed was not measured"
    return None


def is_worth_reading(model: ModelFile, machine: MachineFacts, workloads: Sequence[str]) -> bool:
    """
    Whether the memory's speed around a Run of such workloads would tell anything of the model.

    Reading it takes a buffer of several times the cache: of a cache of 480 MiB, as virtual machines
    show their host's, 2.4 GB and up to some seconds, before and after each Run.
    """
    n_bytes = model.token_read_bytes
    if n_bytes is None or _fits_in_cache(n_bytes, machine):
        return False
    return any(METRICS["mbu"].is_of(parse_workload(name)) for name in workloads)


def _fits_in_cache(token_read_bytes: int, machine: MachineFacts) -> bool:
    """Whether so much of what a token reads lies in the last cache that memory says little."""
    cache_bytes = machine.last_level_cache_bytes or _LARGEST_CACHE_BYTES
    return token_read_bytes <= _CACHE_MULTIPLE * cache_bytes


def bandwidth(run: Run) -> float | None:
    """Bytes per second of plain reads around a Run: the mean of before and after."""
    samples = [sample for sample in (run.bandwidth_before, run.bandwidth_after) if sample]
    if not samples:
        return None
    return sum(sample.median_bytes_per_s for sample in samples) / len(samples)
