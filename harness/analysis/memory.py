"""What one Run says of loading and memory, by kind: one number would be wrong for somebody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.analysis import bandwidth
from harness.analysis.formulas import Values
from harness.schema.experiment import Buffer, Run
from harness.schema.machine import Device, MemoryMark
from harness.schema.settings import ServedSettings


def group_values(run: Run) -> Values:
    """
    Metric name to value for one Run; what it does not tell is left out.

    need = the engine's buffers: weights + the largest context's (cache + compute + output).
    anonymous, file_backed, peak: the process itself, as the system counts, after the last trial.
    gpu_memory = free memory of all GPUs before loading - after it.
    """
    return _load(run) | _buffers(run) | _process(run.memory) | _gpu(run) | _bandwidth(run)


def _load(run: Run) -> Values:
    if run.load is None:
        return {}
    if isinstance(run.settings, ServedSettings):
        return {"first_answer": run.load.total_ns}
    names = {True: "load_cold", False: "load_warm", None: "load"}
    return {names[run.load.is_cold]: run.load.total_ns}


def _buffers(run: Run) -> Values:
    if not run.weights:
        return {}
    weights = _total(run.weights, ("weights",))
    values: Values = {"weights": weights}
    if run.contexts:
        values["kv"] = max(_total(it.buffers, ("kv", "recurrent")) for it in run.contexts)
        values["compute"] = max(_total(it.buffers, ("compute", "output")) for it in run.contexts)
        # One context at a time: so the largest sum, not the sum of the largest.
        values["need"] = weights + max(_total(it.buffers) for it in run.contexts)
    return values


def _total(buffers: Iterable[Buffer], kinds: Sequence[str] | None = None) -> int:
    return sum(buffer.n_bytes for buffer in buffers if kinds is None or buffer.kind in kinds)


def _process(marks: Sequence[MemoryMark]) -> Values:
    at_end = [mark for mark in marks if mark.at == "end"]
    if not at_end:
        return {}
    mark = at_end[-1]
    # On macOS the footprint is what the system holds against a process; resident is not.
    peak = mark.peak_bytes if mark.peak_footprint_bytes is None else mark.peak_footprint_bytes
    told = {
        "anonymous": mark.anonymous_bytes,
        "file_backed": mark.file_backed_bytes,
        "peak": peak,
        "footprint": mark.footprint_bytes,
    }
    return {name: n_bytes for name, n_bytes in told.items() if n_bytes is not None}


def _gpu(run: Run) -> Values:
    before = _free_gpu_bytes(run.devices_before)
    loaded = _free_gpu_bytes(run.devices_loaded)
    if not before or before.keys() != loaded.keys():
        return {}
    taken = sum(before.values()) - sum(loaded.values())
    # Less than nothing: another program gave memory back meanwhile, so the figure says nothing.
    return {"gpu_memory": taken} if taken >= 0 else {}


def _free_gpu_bytes(devices: Iterable[Device]) -> dict[str, int]:
    """By the cards here: an RPC server tells of a whole machine, whose other programs take too."""
    cards = (it for it in devices if it.is_gpu and not it.is_elsewhere)
    return {device.name: device.free_bytes for device in cards}


def _bandwidth(run: Run) -> Values:
    speed = bandwidth.bandwidth(run)
    return {} if speed is None else {"bandwidth": speed}
