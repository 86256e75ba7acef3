"""Another program beside the harness: both measure the same, in rounds of fresh processes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Protocol

from tabulate import tabulate

from benchmarks import sweeps
from harness.analysis.stats.ratio import Comparison
from harness.schema.configuration import Configuration
from harness.schema.experiment import Plan, Run, Stop
from harness.schema.machine import Machine
from harness.schema.workload import parse_workload
from harness.schema.workload_kind import Workload

# Setting one of them ends glibc's own tuning of both: mallopt(3).
_MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
_THRESHOLD_EXPONENTS = (14, 25)  # up to 32 MiB, the largest that glibc takes

Case = tuple[str, str]
"""A model and a workload, by their names."""


class Other(Protocol):
    """The other program."""

    @property
    def name(self) -> str:
        """What a table calls it."""

    @property
    def n_reps(self) -> int:
        """Over how many repetitions its rates and ours are means."""

    def measured(self, model: Path, tasks: Sequence[Workload]) -> Mapping[str, Sequence[float]]:
        """Tokens per second of each repetition, by the names of `tasks`; fresh processes."""


class Beside(sweeps.Watcher):
    """
    Has the other program measure the same before or after each Run, every second time first.

    The ratio's interval must hold 1 and lie within `same` (0.05: 1 / 1.05 to 1.05).
    """

    def __init__(
        self,
        other: Other,
        paths: dict[str, Path],
        workloads: Sequence[str],
        rng: Random,
        *,
        same: float,
        is_memory_varied: bool = False,
        is_by_cpu: bool = False,
    ) -> None:
        self.other, self._paths, self._rng, self.same = other, paths, rng, same
        self._tasks = [parse_workload(name) for name in workloads]
        self._is_first = {model: rng.random() < 0.5 for model in paths}
        self._is_memory_varied = is_memory_varied
        self._rates_of = sweeps.cpu_rates if is_by_cpu else sweeps.rates
        self._rates: dict[str, float] = {}
        self.theirs: dict[Case, dict[int, float]] = {}

    def run_started(self, number: int, configuration: Configuration) -> None:  # noqa: ARG002
        """Draws the arrangement of memory of both, and lets the other go first or not."""
        if self._is_memory_varied:
            threshold = round(2 ** self._rng.uniform(*_THRESHOLD_EXPONENTS))
            os.environ.update(dict.fromkeys(_MALLOC, str(threshold)))
        self._is_first[configuration.model.key] = not self._is_first[configuration.model.key]
        if self._is_first[configuration.model.key]:
            self._measure(configuration.model.key)

    def run_finished(self, run: Run, stop: Stop | None) -> None:  # noqa: ARG002
        """Keeps the other's figures of the round."""
        if not self._is_first[run.model]:
            self._measure(run.model)
        for workload, rate in self._rates.items():
            self.theirs.setdefault((run.model, workload), {})[run.round] = rate
        sweeps.tell(f"round {run.round + 1}, {run.model}")

    def ours(self, runs: Sequence[Run], case: Case) -> dict[int, float]:
        """Round to the mean rate of as many trials as the other has repetitions."""
        model, workload = case
        return {
            run.round: fmean(self._rates_of(run, workload, self.other.n_reps))
            for run in runs
            if run.model == model
        }

    def ratios(self, runs: Sequence[Run]) -> dict[Case, Comparison | None]:
        """Ours over the other's of each case."""
        return {
            case: sweeps.ratio_of(self.ours(runs, case), theirs, self.same)
            for case, theirs in self.theirs.items()
        }

    def _measure(self, model: str) -> None:
        tasks = self._rng.sample(self._tasks, len(self._tasks))
        found = self.other.measured(self._paths[model], tasks)
        self._rates = {name: fmean(rates) for name, rates in found.items()}


def documents(watcher: Beside, runs: Sequence[Run]) -> list[dict[str, object]]:
    """All raw values, a case each."""
    return [
        {
            "model": case[0],
            "workload": case[1],
            "harness": watcher.ours(runs, case),
            watcher.other.name.replace("-", "_"): watcher.theirs[case],
            "ratio": sweeps.ratio_text(ratio),
        }
        for case, ratio in watcher.ratios(runs).items()
    ]


def swept(
    plan: Plan,
    paths: Mapping[str, Path],
    machine: Machine,
    watcher: Beside,
    limits: sweeps.Limits,
) -> list[Run]:
    """The Runs of a plan with the other program beside them, until its ratios meet `limits`."""
    return sweeps.swept(
        plan, paths, machine, watcher,
        lambda runs: limits.are_met(runs, watcher.ratios(runs).values()),
    )  # fmt: skip


def rows(watcher: Beside, runs: Sequence[Run]) -> list[list[object]]:
    """A line for each case, for `table`."""
    return [
        [
            *case,
            ratio.n,
            f"{median(watcher.ours(runs, case).values()):.1f}",
            f"{median(watcher.theirs[case].values()):.1f}",
            sweeps.ratio_text(ratio),
            verdict(ratio, watcher.same),
        ]
        for case, ratio in watcher.ratios(runs).items()
        if ratio
    ]


def table(other: Other, lines: Sequence[Sequence[object]]) -> str:
    """The lines of one or more watchers under their headings."""
    headers = ["model", "workload", "rounds", "harness", other.name, "ratio (95 %)", "verdict"]
    return tabulate(lines, headers, disable_numparse=True)


def verdict(ratio: Comparison, same: float) -> str:
    """Whether the two agree: the interval holds 1, and is inside of what counts as the same."""
    holds = "holds 1" if ratio.low <= 1 <= ratio.high else "NOT 1"
    inside = "inside" if ratio.verdict == "same" else "NOT inside"
    return f"{holds}, {inside} {1 / (1 + same):.2f} to {1 + same:.2f}"
