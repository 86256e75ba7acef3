"""
What a model will take of memory, by the engine's own planner, before a byte of it is loaded.

The worker lays out contexts on a file with the true header (docs/method/memory-plan.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter

from harness.analysis.device_memory import SYSTEM, added, weights_by_device
from harness.measure import runner
from harness.measure.conversation import Report
from harness.measure.protocol import CommonEvent, Event, Job
from harness.models.gguf.header import Header
from harness.models.gguf.kind import header_kind
from harness.schema.experiment import EngineInfo
from harness.schema.machine import Device
from harness.schema.model_kind import ModelKind
from harness.schema.outcome import Outcome, Reason
from harness.schema.planned import PlannedBuffer
from harness.schema.record import Record
from harness.schema.settings import Settings

SILENCE_NS = 60 * 1_000_000_000  # the largest model takes a tenth of a second


class ContextRequest(Record):
    """
    A context to be planned, whose sequences have equal parts of its positions, or with `is_shared`
    all of them in common.
    """

    n_ctx: PositiveInt
    n_sequences: PositiveInt = 1
    is_shared: bool = False
    type_k: str = "f16"
    type_v: str = "f16"


class PlannedContext(Record):
    """
    What a request came to.

    `n_ctx` is what the engine made of the length; None where it refused, which `reason` and
    `message` explain, or, of a largest context, where not even the shortest is within the limits.
    """

    request: ContextRequest
    is_largest: bool = False
    n_ctx: PositiveInt | None
    buffers: tuple[PlannedBuffer, ...] = ()
    reason: Reason | None = None
    message: str | None = None


class PlannedModelEvent(Event):
    """The model was laid out: the names of the tensors in each kind of buffer."""

    event: Literal["planned-model"] = "planned-model"
    tensors: dict[str, tuple[str, ...]]
    n_ctx_train: NonNegativeInt

    @property
    def activity(self) -> str:
        """The contexts, one after the other."""
        return "while planning a context"


class PlannedContextEvent(Event):
    """A context was planned, or refused."""

    event: Literal["planned-context"] = "planned-context"
    context: PlannedContext


class PlanJob(Job):
    """
    Plan contexts of a model; nothing of it is read but its header.

    Of each request in `largest` the largest context of its types that fits is sought, up to its own
    `n_ctx`: into `system_bytes` of system memory and what is free on the devices, or, where they
    share it (macOS), into `gpu_limit_bytes` of it. `tensor_bytes` are the sizes in the table;
    `kind` is the model's, by its header.
    """

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[
            CommonEvent | PlannedModelEvent | PlannedContextEvent, Field(discriminator="event")
        ]
    )

    job: Literal["plan"] = "plan"
    model_path: str
    kind: ModelKind = "generates"
    settings: Settings
    contexts: tuple[ContextRequest, ...] = ()
    largest: tuple[ContextRequest, ...] = ()
    system_bytes: NonNegativeInt = 0
    gpu_limit_bytes: NonNegativeInt | None = None
    tensor_bytes: dict[str, NonNegativeInt]


@dataclass(frozen=True)
class MemoryPlan:
    """
    What the engine would take; `outcome` is "failed" where it refused the model.

    `weights` are bytes by device. `reported_bytes` is what the engine's log will call weights
    with the load mode of the settings: a mapped file counts from its first to its last tensor,
    and what is rearranged for the CPU is there twice. `copied_bytes` is that excess.
    """

    outcome: Outcome
    engine: EngineInfo | None = None
    weights: Mapping[str, int] = field(default_factory=dict)
    reported_bytes: int = 0
    contexts: tuple[PlannedContext, ...] = ()
    largest: tuple[PlannedContext, ...] = ()

    @property
    def devices(self) -> tuple[Device, ...]:
        """The engine's, with what was free."""
        return self.engine.devices if self.engine else ()

    @property
    def weights_bytes(self) -> int:
        """On all devices together."""
        return sum(self.weights.values())

    @property
    def copied_bytes(self) -> int:
        """Beyond the weights themselves; the system can take most of it back."""
        return max(0, self.reported_bytes - self.weights_bytes)

    def taken(self, context: PlannedContext) -> dict[str, int]:
        """Bytes by device of weights and `context` together."""
        return added(self.weights, context.buffers, [device.name for device in self.devices])


def plan_memory(
    path: Path,
    headers: Sequence[Header],
    settings: Settings,
    contexts: Sequence[ContextRequest],
    *,
    largest: Sequence[ContextRequest] = (),
    system_bytes: int = 0,
    gpu_limit_bytes: int | None = None,
) -> MemoryPlan:
    """
    The plan of `contexts`, from one worker process; about half a second, most of it its start.

    Args:
        path: The model, or its header stub (models/twin/stub.py); of a split model the first part.
        headers: Of the same, one a part.
        settings: How the engine is set up; context and cache types are those of each request.
        contexts: What to plan.
        largest: Cache types of which the largest context that fits is sought, up to `n_ctx`.
        system_bytes: System memory to fit into.
        gpu_limit_bytes: As `device_memory.limits_of`.
    """
    job = plan_job_of(path, headers, settings, contexts).model_copy(
        update={
            "largest": tuple(largest),
            "system_bytes": system_bytes,
            "gpu_limit_bytes": gpu_limit_bytes,
        }
    )
    report = runner.run_unlogged(job, silence_ns=SILENCE_NS)
    report.raise_if_interrupted()
    return plan_of(report, headers, job)


def plan_job_of(
    path: Path, headers: Sequence[Header], settings: Settings, contexts: Sequence[ContextRequest]
) -> PlanJob:
    """What a worker is to do for a plan; the arguments are those of `plan_memory`."""
    return PlanJob(
        model_path=str(path),
        kind=header_kind(headers[0]),
        settings=settings,
        contexts=tuple(contexts),
        tensor_bytes={it.name: it.n_bytes for header in headers for it in header.tensors},
    )


def plan_of(report: Report, headers: Sequence[Header], job: PlanJob) -> MemoryPlan:
    """The plan that a worker told."""
    laid_out = next(iter(report.told(PlannedModelEvent)), None)
    if report.engine is None or laid_out is None:
        return MemoryPlan(report.outcome, report.engine)
    planned = [event.context for event in report.told(PlannedContextEvent)]
    names = [device.name for device in report.engine.devices]
    return MemoryPlan(
        outcome=report.outcome,
        engine=report.engine,
        weights=weights_by_device(laid_out.tensors, job.tensor_bytes, names),
        reported_bytes=_reported_bytes(
            laid_out.tensors,
            headers,
            job.tensor_bytes,
            is_mapped=_is_mapped(job.settings, report.engine.devices),
        ),
        contexts=tuple(each for each in planned if not each.is_largest),
        largest=tuple(each for each in planned if each.is_largest),
    )


def _is_mapped(settings: Settings, devices: Sequence[Device]) -> bool:
    """Whether the file will be mapped; "auto" maps unless a GPU in system memory cannot have it."""
    if settings.load_mode != "auto":
        return settings.load_mode in ("mmap", "mmap+mlock")
    return not any(device.kind == "igpu" for device in devices)


def _reported_bytes(
    tensors: Mapping[str, Sequence[str]],
    headers: Sequence[Header],
    sizes: Mapping[str, int],
    *,
    is_mapped: bool,
) -> int:
    """What the lines "model buffer size" will add up to."""
    total = 0
    for buffer, names in tensors.items():
        if is_mapped and _is_file_itself(buffer):
            total += sum(_range_bytes(header, frozenset(names)) for header in headers)
        else:
            total += sum(sizes.get(name, 0) for name in names)
    return total or sum(sizes.values())


def _is_file_itself(buffer: str) -> bool:
    """
    Whether a mapped file serves as this buffer: plain system memory, and Metal's.

    Unmapped, as the planner has to load, what stays beside a GPU lies in memory pinned for it
    ("CUDA_Host"); mapped, it stays in the file.
    """
    return buffer == SYSTEM or buffer.endswith("_Host") or buffer.startswith(("MTL", "Metal"))


def _range_bytes(header: Header, names: frozenset[str]) -> int:
    """From the first to the last of the tensors called `names`, in the file of `header`."""
    spans = [
        (start, start + tensor.n_bytes)
        for start, tensor in zip(header.tensor_starts, header.tensors, strict=True)
        if tensor.name in names
    ]
    return spans[-1][1] - spans[0][0] if spans else 0
