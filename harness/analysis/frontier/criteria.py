"""What the options of a frontier are set side by side in: a file's size and some of METRICS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.analysis.metrics import METRICS, Metric

Role = Literal["decode", "prefill", "chat"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """
    One figure of each option.

    Attributes:
        name: Its key in documents and flat figures.
        title: Above its column.
        metric: The row of METRICS it is; None for the size of the file.
        role: What the workload is for that it is measured in; None for the model as a whole.
    """

    name: str
    title: str
    metric: Metric | None = None
    role: Role | None = None

    @property
    def unit(self) -> str:
        """Of its figures."""
        return self.metric.unit if self.metric else "file bytes"

    @property
    def is_more_better(self) -> bool:
        """Whether the larger of two figures is the better one."""
        return self.metric is not None and self.metric.is_more_better

    @property
    def is_counted(self) -> bool:
        """Whether the engine itself tells it, so that it is exact where all Runs agree."""
        return self.metric is not None and self.metric.counted


def _of(name: str, metric: Metric, role: Role | None = None, title: str = "") -> Criterion:
    return Criterion(name, title or metric.label, metric, role)


_RATE = METRICS["tok_per_s"]
_ROWS = (
    Criterion("bytes", "size"),
    _of("need", METRICS["need"]),
    _of("decode", _RATE, "decode", f"decode {_RATE.label}"),
    _of("prefill", _RATE, "prefill", f"prefill {_RATE.label}"),
    _of("ttft", METRICS["ttft"], "chat"),
    _of("joules", METRICS["joules_per_token"], "decode"),
    # A line of 80 columns holds two figures with their intervals, and no longer names.
    _of("kl", METRICS["mean_kld"], title="mean KL"),
    _of("same_top", METRICS["same_top"], title="same top"),
)

CRITERIA: dict[str, Criterion] = {row.name: row for row in _ROWS}
"""By name, in the order shown."""

NEEDED = ("decode", "kl")
"""Without speed and quality nothing is judged: the smallest file would beat all others."""
