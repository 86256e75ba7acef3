"""
What a machine of a fleet is asked to do, and what it answers: JSON texts, read by these types.

A worker takes nothing else from the wire, and a submitter believes no answer that is not one of
these: neither trusts the other further than that.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, NonNegativeInt, TypeAdapter, ValidationError

from harness import __version__
from harness.bounded import parsed_json
from harness.errors import HarnessError
from harness.files import FetchProgress
from harness.fleet.order import Told
from harness.measure.maker import Task
from harness.schema.configuration import configurations_of
from harness.schema.experiment import SCHEMA_VERSION, Experiment, Plan, Run
from harness.schema.fleet import FleetPart
from harness.schema.model import ModelKey
from harness.schema.record import Record, first_mistake
from harness.schema.settings import AnySettings
from harness.schema.workload import WorkloadName

MOST_CHARACTERS = 32 << 20
"""Of a job or an answer; a Run with thousands of requests has some millions."""

MOST_LOG_CHARACTERS = 200_000
"""Of the engine's log of a Run, from its end; one load of a model writes some ten thousand."""

MOST_WORDS = 1000
"""Of a plan for one machine."""

_MOST_NOTES = 100


class _Job(Record):
    harness_version: str = __version__
    record_schema: int = SCHEMA_VERSION


class Prepare(_Job):
    """
    Find the models that `argv`, words of `harness run`, name, and say how an experiment with them
    begins; with an `experiment`, whether that can go on here.
    """

    job: Literal["prepare"] = "prepare"
    argv: tuple[str, ...] = Field(max_length=MOST_WORDS)
    fleet: FleetPart
    experiment: Experiment | None = None


class Cell(Record):
    """A Run that is to be made, as maker.Task says."""

    index: NonNegativeInt
    round_index: NonNegativeInt
    model: ModelKey
    settings: AnySettings
    workloads: tuple[WorkloadName, ...]
    seed: NonNegativeInt
    is_cold: bool
    left_ns: NonNegativeInt

    @classmethod
    def of(cls, task: Task) -> Cell:
        """The same as a record."""
        return cls(
            index=task.index,
            round_index=task.round_index,
            model=task.configuration.model.key,
            settings=task.configuration.settings,
            workloads=task.workloads,
            seed=task.seed,
            is_cold=task.is_cold,
            left_ns=task.left_ns,
        )

    def task(self, plan: Plan) -> Task:
        """
        The Task in an experiment with this plan.

        Raises:
            HarnessError: The plan does not know what is to be measured.
        """
        wanted = (self.model, self.settings)
        for each in configurations_of(plan):
            if (each.model.key, each.settings) == wanted:
                return Task(
                    index=self.index,
                    round_index=self.round_index,
                    configuration=each,
                    workloads=self.workloads,
                    seed=self.seed,
                    is_cold=self.is_cold,
                    left_ns=self.left_ns,
                )
        raise HarnessError(f"a cell asks for {self.model} in a way that its plan does not know")

    def is_answered_by(self, run: Run) -> bool:
        """Whether that is the Run that was asked for."""
        return (run.index, run.round, run.model, run.settings, run.workloads, run.seed) == (
            self.index,
            self.round_index,
            self.model,
            self.settings,
            self.workloads,
            self.seed,
        )


class Turns(Record):
    """The order of workloads of Runs whose trials take turns, and what draws whose comes first."""

    workloads: tuple[WorkloadName, ...]
    seed: NonNegativeInt


class Measure(_Job):
    """
    Make the Runs of `cells`: one alone, or with `turns` several whose trials take turns.

    `argv` finds the models again where the worker is another one than prepared them.
    """

    job: Literal["measure"] = "measure"
    argv: tuple[str, ...] = Field(max_length=MOST_WORDS)
    experiment: Experiment
    cells: tuple[Cell, ...] = Field(min_length=1)
    turns: Turns | None = None


class _Answer(Record):
    """
    What every answer has: the machine's clock when the job came and when this left, by which that
    is compared with the submitter's; 0 until it is sent.
    """

    received_utc_ns: NonNegativeInt = 0
    sent_utc_ns: NonNegativeInt = 0


class Prepared(_Answer):
    """How the experiment begins, and what is to be said before."""

    answer: Literal["prepared"] = "prepared"
    experiment: Experiment
    is_in_turns: bool
    why_apart: Told | None
    notes: tuple[Told, ...] = Field(max_length=_MOST_NOTES)


class Measured(_Answer):
    """The Runs, what each has taken in all, and the end of each one's log."""

    answer: Literal["measured"] = "measured"
    runs: tuple[Run, ...]
    taken_ns: tuple[NonNegativeInt, ...]
    logs: tuple[Annotated[str, Field(max_length=MOST_LOG_CHARACTERS)], ...]


class Busy(_Answer):
    """Another measurement holds the machine; to be asked again."""

    answer: Literal["busy"] = "busy"
    message: Told


class Refused(_Answer):
    """It cannot be done, in one sentence; asked again, it would be the same."""

    answer: Literal["refused"] = "refused"
    message: Told


AnyJob = Prepare | Measure
AnyAnswer = Prepared | Measured | Busy | Refused
_JOB: TypeAdapter[AnyJob] = TypeAdapter(Annotated[AnyJob, Field(discriminator="job")])
_ANSWER: TypeAdapter[AnyAnswer] = TypeAdapter(Annotated[AnyAnswer, Field(discriminator="answer")])
_PROGRESS = TypeAdapter(FetchProgress)
_T = TypeVar("_T")


class _Versioned(Record, extra="ignore"):
    harness_version: str


def read_job(text: object) -> AnyJob:
    """
    The job in a text that came over the wire.

    Raises:
        HarnessError: It is none, or one of another harness.
    """
    if isinstance(text, str) and len(text) <= MOST_CHARACTERS:
        _require_version(text)  # before the rest: a job of another harness may have other fields
    return _read(_JOB, text, "job")


def read_answer(text: object) -> AnyAnswer:
    """
    The answer in a text that came over the wire.

    Raises:
        HarnessError: It is none.
    """
    return _read(_ANSWER, text, "answer")


def progress_topic(host: str) -> str:
    """Under what a host tells of its fetching while it prepares; Dask passes it on."""
    return f"harness-fetching-{host}"


def progress_text(progress: FetchProgress) -> str:
    """What it tells."""
    return _PROGRESS.dump_json(progress).decode()


def read_progress(text: object) -> FetchProgress:
    """
    What a host told.

    Raises:
        HarnessError: It is none.
    """
    return _read(_PROGRESS, text, "progress")


def _require_version(text: str) -> None:
    try:
        there = _Versioned.model_validate_json(text).harness_version
    except ValidationError:
        return  # whoever reads all of it says what is wrong
    if there != __version__:
        raise HarnessError(
            f"the job is of harness {there[:40]} and here is {__version__}; install the same on "
            "both machines"
        )


def _read(adapter: TypeAdapter[_T], text: object, what: str) -> _T:
    if not isinstance(text, str):
        raise HarnessError(f"what came is no {what}: it is no text")
    if len(text) > MOST_CHARACTERS:
        raise HarnessError(f"what came is no {what}: it has {len(text)} characters")
    try:
        return adapter.validate_python(parsed_json(text.encode("utf-8", "replace")))
    except ValidationError as error:
        why = first_mistake(error)
    except ValueError as error:
        why = str(error)
    raise HarnessError(f"what came is no {what}: {why}")
