"""Whether a draft can guess for a model: of both nothing is read but their vocabularies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from harness.measure import runner
from harness.measure.protocol import CommonEvent, Event, Job

_SILENCE_NS = 60 * 1_000_000_000  # two vocabularies of 256,000 tokens take a second


class VocabulariesEvent(Event):
    """Both were read; `why_unlike` is half a sentence, None where a token is the same in both."""

    event: Literal["vocabularies"] = "vocabularies"
    why_unlike: str | None


class VocabulariesJob(Job):
    """Compare the vocabularies of a model and of its draft."""

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[CommonEvent | VocabulariesEvent, Field(discriminator="event")]
    )

    job: Literal["vocabularies"] = "vocabularies"
    model_path: str
    draft_path: str


def why_unlike(model: Path, draft: Path) -> str | None:
    """
    Why the draft's tokens are not the model's, half a sentence; None where they are, and where a
    file cannot be read, which measuring will say of it.
    """
    job = VocabulariesJob(model_path=str(model), draft_path=str(draft))
    report = runner.run_unlogged(job, silence_ns=_SILENCE_NS)
    report.raise_if_interrupted()
    told = next(iter(report.told(VocabulariesEvent)), None)
    return told.why_unlike if told else None
