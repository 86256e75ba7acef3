"""What was predicted before a measurement, each beside what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analysis.cases import Case
from harness.analysis.measured import Measured, measured_of
from harness.schema.experiment import Experiment, Run, StoredPrediction
from harness.schema.prediction import Component
from harness.schema.workload import parse_workload

_LABELS: dict[Component, str] = {
    "weights_bytes": "weights",
    "kv_bytes": "KV cache",
    "compute_bytes": "compute",
    "total_bytes": "total",
    "ttft_ns": "TTFT",
}
_KINDS: dict[Component, tuple[str, ...]] = {
    "kv_bytes": ("kv", "recurrent"),
    "compute_bytes": ("compute", "output"),
    "total_bytes": ("kv", "recurrent", "compute", "output"),
}
LABELS = ("weights", "KV cache", "compute", "total", "decode", "prefill", "TTFT")
"""What predictions are about, in the order shown."""

# The engine prints its buffers to 0.01 MiB: planned and measured may each be rounded the other
# way. A smaller difference is none.
_PRINTED_BYTES = 2 * 0.005 * 1024 * 1024


@dataclass(frozen=True)
class Pair:
    """One prediction and what was measured, both in the prediction's unit."""

    prediction: StoredPrediction
    measured: float
    is_rehearsed: bool = False

    @property
    def label(self) -> str:
        """Of LABELS."""
        if self.prediction.component == "tok_per_s":
            return "decode" if parse_workload(self.prediction.workload).decode_metric else "prefill"
        return _LABELS[self.prediction.component]

    @property
    def error(self) -> float:
        """(predicted - measured) / measured: above 0 it was predicted too high."""
        return (self.prediction.value - self.measured) / self.measured

    @property
    def is_covered(self) -> bool:
        """Whether the measurement lies in the interval, or where the figure is exact, is it."""
        slack = _PRINTED_BYTES if self.prediction.component.endswith("_bytes") else 0.0
        return self.prediction.low - slack <= self.measured <= self.prediction.high + slack


def pairs_of(experiment: Experiment, runs: Sequence[Run]) -> Iterator[Pair]:
    """
    Every prediction of the experiment that something was measured for.

    Memory is what the engine's buffers came to for that workload, speed the median over Runs.
    """
    if not experiment.predictions:
        return
    groups = {
        (group.model.key, experiment.plan.settings.index(group.settings)): group
        for group in measured_of(experiment, runs)
    }
    for prediction in experiment.predictions:
        group = groups.get((prediction.model, prediction.settings_index))
        measured = _measured(prediction, group) if group else None
        if group and measured:
            yield Pair(prediction, measured, group.model.is_twin)


def _measured(prediction: StoredPrediction, group: Measured) -> float | None:
    """The figure the prediction is about; None where nothing was measured."""
    if prediction.component.endswith("_bytes"):
        values = [
            value for run in group.runs if (value := _buffer_bytes(prediction, run)) is not None
        ]
        return median(values) if values else None
    case = group.case(prediction.workload)
    return _speed(prediction, case) if case else None


def _buffer_bytes(prediction: StoredPrediction, run: Run) -> int | None:
    """Bytes of the engine's buffers in one Run; None where it did not come to that workload."""
    context = next((it for it in run.contexts if it.workload == prediction.workload), None)
    if context is None or not run.weights:
        return None
    weights = sum(buffer.n_bytes for buffer in run.weights)
    if prediction.component == "weights_bytes":
        return weights
    kinds = _KINDS[prediction.component]
    buffers = sum(buffer.n_bytes for buffer in context.buffers if buffer.kind in kinds)
    return buffers + (weights if prediction.component == "total_bytes" else 0)


def _speed(prediction: StoredPrediction, case: Case) -> float | None:
    is_ttft = prediction.component == "ttft_ns"
    name = "ttft" if is_ttft else parse_workload(prediction.workload).rate_metric
    figure = case.metrics.get(name) if name else None
    return figure.value if figure else None
