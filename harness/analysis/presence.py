"""Whether one side of a comparison has a figure, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.summary import summarize
from harness.schema.experiment import Experiment, Run

State = Literal["measured", "failed", "disturbed", "absent"]
"""Of a figure; "disturbed": others took the CPU in each of its trials."""


@dataclass(frozen=True, slots=True)
class Presence:
    """The state of a figure; `why` is the rest of a sentence on a side that lacks it."""

    state: State
    why: str = ""


def presence(
    experiment: Experiment, runs: Sequence[Run], workload: str, *, is_there: bool, has_others: bool
) -> Presence:
    """
    Whether there is a figure of `workload`, given whether there are others of it.

    Args:
        experiment: Of the side.
        runs: Its own.
        workload: Empty for figures of the model as a whole.
        is_there: Whether it is.
        has_others: Whether there is any other of the same workload.
    """
    if is_there:
        return Presence("measured")
    if has_others:
        return Presence("absent", "has no such figure")
    cases = [case for group in summarize(experiment, runs) if group.n_runs for case in group.cases]
    for case in cases:
        if case.outcome.status == "failed" and workload in (case.workload, ""):
            return Presence("failed", f"failed: {case.outcome.message or case.outcome.reason}")
        if case.disturbed and workload == case.workload:
            return Presence("disturbed", f"had no clean trial in n = {case.n_runs}")
    return Presence("absent", "was not measured")
