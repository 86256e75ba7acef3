"""Plans of several models from one worker: most of the time that a plan takes is its start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from harness.measure import runner
from harness.measure.conversation import Report
from harness.measure.jobs.plan import (
    SILENCE_NS,
    ContextRequest,
    MemoryPlan,
    PlanJob,
    PlannedContextEvent,
    PlannedModelEvent,
    plan_job_of,
    plan_of,
)
from harness.measure.protocol import CommonEvent, Event, Job
from harness.models.gguf.header import Header
from harness.schema.outcome import Outcome, Reason
from harness.schema.settings import Settings


class NextPlanEvent(Event):
    """The next model is planned; what follows is about it."""

    event: Literal["next-plan"] = "next-plan"

    @property
    def activity(self) -> str:
        """Laying it out."""
        return "while loading the model"


class PlanRefusedEvent(Event):
    """The engine refused this one; the worker goes on with the next."""

    event: Literal["plan-refused"] = "plan-refused"
    reason: Reason
    message: str


class PlanEachJob(Job):
    """Plan several models, one after the other."""

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[
            CommonEvent
            | NextPlanEvent
            | PlannedModelEvent
            | PlannedContextEvent
            | PlanRefusedEvent,
            Field(discriminator="event"),
        ]
    )

    job: Literal["plan-each"] = "plan-each"
    plans: tuple[PlanJob, ...]

    @property
    def servers(self) -> tuple[str, ...]:
        """Those of all plans, which are the same."""
        return self.plans[0].servers if self.plans else ()


@dataclass(frozen=True)
class PlanRequest:
    """A model, or its header stub, with its headers, and the contexts to plan."""

    path: Path
    headers: Sequence[Header]
    settings: Settings
    contexts: tuple[ContextRequest, ...]

    @property
    def job(self) -> PlanJob:
        """The same for a worker."""
        return plan_job_of(self.path, self.headers, self.settings, self.contexts)


def plan_each(
    requests: Sequence[PlanRequest], on_begun: Callable[[int], None] = lambda _: None
) -> list[MemoryPlan]:
    """
    The plan of each, as `plan_memory` has it.

    A model that ends the worker fails alone: another worker plans those behind it.

    Args:
        requests: What to plan.
        on_begun: Told before each of them which it is, counted from 0.
    """
    plans: list[MemoryPlan] = []
    while len(plans) < len(requests):
        plans += _of_one_worker(requests[len(plans) :], len(plans), on_begun)
    return plans


def _of_one_worker(
    requests: Sequence[PlanRequest], n_before: int, on_begun: Callable[[int], None]
) -> list[MemoryPlan]:
    """Those that it came to, of which the last may have ended it; all where it never began."""
    job = PlanEachJob(plans=tuple(request.job for request in requests))
    told: list[list[Event]] = []

    def take(event: Event) -> None:
        if isinstance(event, NextPlanEvent):
            on_begun(n_before + len(told))
            told.append([])
        elif told:
            told[-1].append(event)

    report = runner.run_unlogged(job, on_event=take, silence_ns=SILENCE_NS)
    report.raise_if_interrupted()
    if not told:
        return [MemoryPlan(report.outcome, report.engine)] * len(requests)
    outcomes = [_outcome(events) for events in told]
    if report.outcome.status == "failed":
        outcomes[-1] = report.outcome
    return [
        plan_of(Report(outcome, report.engine, tuple(events)), request.headers, request.job)
        for outcome, events, request in zip(outcomes, told, requests[: len(told)], strict=True)
    ]


def _outcome(events: Sequence[Event]) -> Outcome:
    for event in events:
        if isinstance(event, PlanRefusedEvent):
            return Outcome(status="failed", reason=event.reason, message=event.message)
    return Outcome(status="ok")
