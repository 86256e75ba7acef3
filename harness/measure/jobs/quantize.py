"""
Other quantizations of a model, by the engine's own quantizer, each file in a worker of its own.

It can first say, from the header alone, what it would make of every type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt, TypeAdapter

from harness.errors import HarnessError
from harness.measure import runner
from harness.measure.protocol import CommonEvent, Event, Job
from harness.schema.outcome import Outcome
from harness.schema.planned import PlannedFile

# Planning reads a header; a tensor of the largest models takes minutes on one core.
_PLAN_SILENCE_NS = 60 * 1_000_000_000


class PlannedFileEvent(Event):
    """What the model would become as one file type."""

    event: Literal["planned-file"] = "planned-file"
    file: PlannedFile


class PlanFilesJob(Job):
    """Say what the model would become as each of `file_types`; only its header is read."""

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[CommonEvent | PlannedFileEvent, Field(discriminator="event")]
    )

    job: Literal["plan-files"] = "plan-files"
    model_path: str
    file_types: Annotated[tuple[str, ...], Field(min_length=1)]


class QuantizedTensorEvent(Event):
    """The quantizer begins with this tensor."""

    event: Literal["quantized-tensor"] = "quantized-tensor"
    tensor: str

    @property
    def activity(self) -> str:
        """That tensor."""
        return f"while quantizing {self.tensor}"


class QuantizeJob(Job):
    """
    Write the model as `file_type` to `target_path`.

    `keys` are added to the file's metadata, texts of at most 127 bytes. `allows_requantizing` lets
    a source be quantized that is so already.
    """

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[CommonEvent | QuantizedTensorEvent, Field(discriminator="event")]
    )

    job: Literal["quantize"] = "quantize"
    model_path: str
    file_type: str
    target_path: str
    keys: dict[str, str] = Field(default_factory=dict)
    n_threads: PositiveInt = 1
    allows_requantizing: bool = False


def plan_files(path: Path, key: str, file_types: Sequence[str]) -> tuple[PlannedFile, ...]:
    """
    What the model at `path`, called `key`, would become, in the order of `file_types`.

    About half a second.

    Raises:
        HarnessError: The engine refuses the model.
    """
    job = PlanFilesJob(model_path=str(path), file_types=tuple(file_types))
    report = runner.run_unlogged(job, silence_ns=_PLAN_SILENCE_NS)
    report.raise_if_interrupted()
    if report.outcome.status == "failed":
        raise HarnessError(f"{key} cannot be quantized: {report.outcome.message}; check the file")
    return tuple(event.file for event in report.told(PlannedFileEvent))


def quantize(job: QuantizeJob, on_tensor: Callable[[str], None]) -> Outcome:
    """
    Does `job`, however it ends; the outcome says how.

    Args:
        job: What to write.
        on_tensor: Told the name of each tensor before it is quantized.

    Raises:
        KeyboardInterrupt: The user ended it.
    """

    def hear(event: Event) -> None:
        if isinstance(event, QuantizedTensorEvent):
            on_tensor(event.tensor)

    report = runner.run_unlogged(job, on_event=hear)
    report.raise_if_interrupted()
    return report.outcome
