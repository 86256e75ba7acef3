"""The JSON document of `harness fleet run`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.analysis.cases import CaseOutcome
from harness.analysis.measured import Measured, measured_of
from harness.commands.fleet.plan import FleetPlan
from harness.fleet.links import Joined
from harness.fleet.order import Hello
from harness.fleet.plan import FleetResult
from harness.schema.figure import Figure
from harness.schema.machine import Machine, MachineFacts
from harness.schema.settings import AnySettings

State = Literal["complete", "interrupted", "failed", "unreachable"]


@dataclass(frozen=True)
class FleetRun:
    """What came of a plan: who joined, who did not and why, and what was measured."""

    plan: FleetPlan
    joined: Mapping[str, Joined]
    unreachable: Mapping[str, str]
    result: FleetResult

    @property
    def groups(self) -> Iterator[tuple[str, Measured]]:
        """Every configuration of each host."""
        for host, each in self.result.results.items():
            for group in measured_of(each.experiment, each.result.runs):
                yield host, group

    def state(self, host: str) -> State:
        """How far a host of the plan is."""
        if host in self.unreachable:
            return "unreachable"
        if host not in self.result.results:
            return "failed" if host in self.result.failures else "interrupted"
        is_whole = not self.result.results[host].result.is_interrupted
        return "complete" if is_whole and host not in self.result.failures else "interrupted"

    def reason(self, host: str) -> str | None:
        """Why it is not complete, in a sentence without its end."""
        return self.unreachable.get(host) or self.result.failures.get(host)


@dataclass(frozen=True, slots=True)
class FleetMachine:
    """
    A machine of the plan.

    Attributes:
        host: What the plan calls it.
        state: "interrupted": the same command goes on with it; "failed": it refused the plan;
            "unreachable": no worker could be had there.
        reason: Why it is not complete; null where it is, or where somebody ended it.
        machine: What it is; null where it measured nothing.
        worker: What its worker said of itself, with what it costs when idle; null without one.
        clock_offset_ns: How far its clock is before the one here, to some tenths of a second.
        experiment: Its id; null where there is none.
        path: Where that lies here; null where it could not be kept.
        n_runs: In it.
        n_runs_failed: How many of them failed.
    """

    host: str
    state: State
    reason: str | None
    machine: Machine | MachineFacts | None
    worker: Hello | None
    clock_offset_ns: int | None
    experiment: str | None
    path: Path | None
    n_runs: int
    n_runs_failed: int


@dataclass(frozen=True, slots=True)
class FleetCase:
    """
    One workload of one configuration on one machine.

    Attributes:
        host: The machine, as the plan calls it.
        model: Its key.
        settings: How the engine was set up.
        workload: Its name, "tg128@d4096".
        outcome: A failed case keeps what was measured before the failure.
        metrics: Figures by name, from clean trials only; those of the whole configuration (loading,
            memory) stand in each of its cases.
        disturbed: The same from disturbed trials, only where no trial was clean.
        n_runs: Processes that made trials of this case.
    """

    host: str
    model: str
    settings: AnySettings
    workload: str
    outcome: CaseOutcome
    metrics: Mapping[str, Figure]
    disturbed: Mapping[str, Figure]
    n_runs: int


@dataclass(frozen=True, slots=True)
class FleetDocument:
    """
    What came of a plan for several machines.

    Attributes:
        plan: The file.
        plan_sha256: Of what it has measured, however it is laid out.
        machines: In the order of --hosts.
        cases: What was measured, machine by machine.
    """

    plan: Path
    plan_sha256: str
    machines: tuple[FleetMachine, ...]
    cases: tuple[FleetCase, ...]


def document(found: FleetRun) -> FleetDocument:
    """The answer for programs."""
    hosts = [each.host for each in found.plan.hosts]
    return FleetDocument(
        found.plan.path,
        found.plan.sha256,
        tuple(_machine(host, found) for host in hosts),
        tuple(case for host, group in found.groups for case in _cases(host, group)),
    )


def _machine(host: str, found: FleetRun) -> FleetMachine:
    joined, measured = found.joined.get(host), found.result.results.get(host)
    runs = measured.result.runs if measured else []
    return FleetMachine(
        host=host,
        state=found.state(host),
        reason=found.reason(host),
        machine=measured.experiment.machine if measured else None,
        worker=joined.hello if joined else None,
        clock_offset_ns=joined.clock_offset_ns if joined else None,
        experiment=measured.experiment.id if measured else None,
        path=measured.path if measured else None,
        n_runs=len(runs),
        n_runs_failed=sum(run.outcome.status == "failed" for run in runs),
    )


def _cases(host: str, group: Measured) -> Iterator[FleetCase]:
    for case in group.cases:
        yield FleetCase(
            host=host,
            model=group.model.key,
            settings=group.settings,
            workload=case.workload,
            outcome=case.outcome,
            metrics={**group.metrics, **case.metrics},
            disturbed=case.disturbed,
            n_runs=case.n_runs,
        )
