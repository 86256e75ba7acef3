"""
What was measured of a configuration: its Runs in one experiment, and everything they say.

`run`, `show`, `compare`, `gate`, `frontier` and `claim` all stand on this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from harness.analysis import disturbance, formulas, memory
from harness.analysis.bandwidth import Reading
from harness.analysis.cases import Case, case_of, estimates
from harness.analysis.formulas import Values
from harness.schema.configuration import Configuration, configurations_of
from harness.schema.experiment import EngineInfo, Experiment, Run
from harness.schema.figure import Figure, exact
from harness.schema.model import ModelFile, ServedModel
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.settings import AnySettings, Settings

Absence = Literal["failed", "disturbed", "absent"]
"""Why there is no figure; "disturbed": others took the CPU in each of its trials."""

Round = Hashable
"""An experiment and a round of it; those of different experiments are never the same."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Why there is no figure; `why` is the rest of a sentence on what lacks it."""

    state: Absence
    why: str


@dataclass(frozen=True, slots=True)
class Failure:
    """In how many Runs something failed, and how the first of them says it."""

    n_runs: int
    reason: str


@dataclass(frozen=True)
class Measured:
    """
    A configuration and the Runs of an experiment, of which it has its own.

    What follows from them is worked out when it is asked for, and kept.
    """

    configuration: Configuration
    experiment: Experiment
    experiment_runs: Sequence[Run]

    @property
    def model(self) -> ModelFile | ServedModel:
        """The configuration's."""
        return self.configuration.model

    @property
    def settings(self) -> AnySettings:
        """The configuration's."""
        return self.configuration.settings

    @property
    def engine(self) -> EngineInfo:
        """What computed: the experiment's engine, or the server."""
        return self.experiment.engine_for(self.model)

    @property
    def marks(self) -> tuple[str, ...]:
        """What stands beside its name: how it is no model that writes, measured here."""
        return (
            *(["rehearsed"] if self.model.is_twin else []),
            *([MODEL_KINDS[self.model.kind].noun] if self.model.kind != "generates" else []),
            *([f"served by {self.model.served.title}"] if self.model.served else []),
            *(["imported from llama-bench"] if self.experiment.origin == "llama-bench" else []),
        )

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Its own Runs, in order."""
        return tuple(run for run in self.experiment_runs if self.configuration.is_of(run))

    @cached_property
    def metrics(self) -> dict[str, Figure]:
        """Name to figure of what concerns all its workloads: loading, memory, the model."""
        figures = estimates([memory.group_values(run) for run in self.runs])
        if self.model.token_read_bytes is not None:
            figures["bytes_per_token"] = exact(self.model.token_read_bytes, "bytes")
        return figures

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """All workloads of the plan, run or not."""
        return tuple(
            case_of(self.experiment, self.reading, workload, self.runs)
            for workload in self.workloads
        )

    @cached_property
    def usual_reference_ns(self) -> float | None:
        """What the reference loop took in the experiment, where nothing disturbed it."""
        machine = self.experiment.machine
        return disturbance.usual_reference_ns(
            [
                trial.counters
                for run in self.experiment_runs
                for trial in run.trials
                if trial.counters and not formulas.why_disturbed(trial, run, machine)
            ]
        )

    @property
    def workloads(self) -> tuple[str, ...]:
        """What it was to be measured in, of what its model can be; and what a search went on to."""
        plan = self.experiment.plan
        found = (name for run in self.runs for name in run.workloads) if plan.search else ()
        return self.configuration.workloads(dict.fromkeys((*plan.workloads, *found)))

    @property
    def reading(self) -> Reading | None:
        """What the model asks of this machine; None where a server reads it."""
        model, settings = self.model, self.settings
        if isinstance(model, ServedModel) or not isinstance(settings, Settings):
            return None
        return Reading(model, settings, self.experiment.works.get(model.key))

    @property
    def n_runs(self) -> int:
        """How many Runs it has."""
        return len(self.runs)

    @property
    def n_failed(self) -> int:
        """How many of its Runs failed."""
        return sum(run.outcome.status == "failed" for run in self.runs)

    @property
    def gpus(self) -> tuple[str, ...]:
        """The graphics cards that weights lay on, as their drivers call them."""
        buffers = {buffer.device for run in self.runs for buffer in run.weights if buffer.n_bytes}
        return tuple(
            device.description
            for device in self.experiment.provenance.engine.devices
            if device.is_gpu and buffers & {device.name, f"{device.name}_Mapped"}
        )

    @property
    def failures(self) -> dict[str, Failure]:
        """Workload, "" for all of them, to its failures; what the user ended did not fail."""
        counts: Counter[str] = Counter()
        reasons: dict[str, str] = {}
        for run in self.runs:
            for workload, reason in _failures_of(run).items():
                counts[workload] += 1
                reasons.setdefault(workload, reason)
        return {name: Failure(count, reasons[name]) for name, count in counts.items()}

    def case(self, workload: str) -> Case | None:
        """The case of a workload of the plan."""
        return next((case for case in self.cases if case.workload == workload), None)

    def figures(self, workload: str) -> dict[str, Figure]:
        """By metric, of a workload or with "" of all of them; empty where nothing is known."""
        if not workload:
            return self.metrics
        case = self.case(workload)
        return case.metrics if case else {}

    def values(self, run: Run, workload: str) -> Values:
        """What one Run says of a workload by its clean trials, or with "" of all of them."""
        if not workload:
            return memory.group_values(run)
        return formulas.run_values(run, workload, self.experiment.machine)

    def by_round(self, workload: str) -> dict[str, dict[Round, float]]:
        """Metric to what each round says of a workload, or with "" of all of them."""
        found: dict[str, dict[Round, float]] = {}
        for run in self.runs:
            for metric, value in self.values(run, workload).items():
                found.setdefault(metric, {})[self.experiment.id, run.round] = value
        return found

    def lack(self, workload: str) -> Lack:
        """Why it has no figure of a workload, or with "" of all of them."""
        for case in self.cases if self.runs else ():
            if case.outcome.status == "failed" and workload in (case.workload, ""):
                return Lack("failed", f"failed: {case.outcome.message or case.outcome.reason}")
            if case.disturbed and workload == case.workload:
                return Lack("disturbed", f"had no clean trial in n = {case.n_runs}")
        return Lack("absent", "was not measured")


def measured_of(experiment: Experiment, runs: Sequence[Run]) -> list[Measured]:
    """
    Every configuration of the plan, in its order, measured or not.

    Args:
        experiment: Line 1 of the file.
        runs: Its Runs in order; those of a model that the plan does not know are left out.
    """
    return [Measured(each, experiment, runs) for each in configurations_of(experiment.plan)]


def _failures_of(run: Run) -> dict[str, str]:
    """Workload, "" for all of them, to why it failed."""
    if run.outcome.status == "ok" or run.outcome.reason == "interrupted":
        return {}
    if run.case_failures:
        return {each.workload: each.message for each in run.case_failures}
    return {"": run.outcome.message or run.outcome.reason or "no reason is known"}
