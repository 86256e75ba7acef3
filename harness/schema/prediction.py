"""What is said of a model before it is measured: figures with intervals, or why there are none."""

from __future__ import annotations

from typing import Literal

from harness.schema.figure import Figure
from harness.schema.record import Record

# The share of later measurements that an interval is made to hold.
COVERAGE = 0.9

Component = Literal[
    "weights_bytes", "kv_bytes", "compute_bytes", "total_bytes", "tok_per_s", "ttft_ns"
]
Method = Literal["planner", "calibration", "local-results", "machine-class", "any-machine"]


def unit_of(component: Component) -> str:
    """Of the values that are predicted, as `units.quantity` knows it."""
    if component == "tok_per_s":
        return "tok/s"
    return "ns" if component == "ttft_ns" else "bytes"


class Prediction(Record):
    """
    One figure of one case, predicted.

    `workload` is a name of workload.py ("tg128@d4096"); memory figures are those of the context
    that workload gets. `low` and `high` bound what 90 % of later measurements should lie in;
    planner figures have them equal to `value` where they are exact. `method` says where the
    figure comes from, `note` names the machine class, the calibration's date or the like.
    """

    model: str
    workload: str
    component: Component
    value: float
    low: float
    high: float
    method: Method
    note: str = ""

    @property
    def figure(self) -> Figure:
        """The same with its unit, by its method."""
        unit = unit_of(self.component)
        return Figure(self.value, self.low, self.high, unit, "predicted", source=self.method)


class Refusal(Record):
    """Why nothing honest can be said; a range where at least that is possible (None: unknown)."""

    model: str
    workload: str
    component: Component
    reason: str
    low: float | None = None
    high: float | None = None
