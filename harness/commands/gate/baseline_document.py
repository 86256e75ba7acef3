"""The JSON documents of `harness baseline`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.commands.gate.baseline_page import doubt
from harness.records.listing import Listing
from harness.records.store import StoredExperiment
from harness.report import listing_page
from harness.report.listing_page import ListedExperiment


@dataclass(frozen=True)
class ListedBaseline(ListedExperiment):
    """
    An experiment file kept under a name.

    Attributes:
        name: What `harness gate --baseline` takes.
    """

    name: str


@dataclass(frozen=True)
class BaselinesDocument:
    """
    What is kept.

    Attributes:
        baselines: The newest measurement last.
    """

    baselines: tuple[ListedBaseline, ...]


@dataclass(frozen=True)
class SavedBaseline:
    """
    A baseline just kept.

    Attributes:
        path: The copy.
        experiment: Id of what was copied.
        machine: Its id.
        models: Their keys.
        doubt: Why a gate against it would be inconclusive; null where it would not.
    """

    name: str
    path: Path
    experiment: str
    started_at: str
    machine: str
    models: tuple[str, ...]
    workloads: tuple[str, ...]
    n_runs: int
    doubt: str | None


@dataclass(frozen=True)
class SavedDocument:
    """The answer of `harness baseline save`."""

    baseline: SavedBaseline


@dataclass(frozen=True)
class RemovedDocument:
    """
    The answer of `harness baseline remove`.

    Attributes:
        removed: The name.
        path: Where it lay.
    """

    removed: str
    path: Path


def list_document(listings: Sequence[Listing]) -> BaselinesDocument:
    """All of them."""
    return BaselinesDocument(
        tuple(
            ListedBaseline(**asdict(listing_page.entry(it)), name=it.path.stem) for it in listings
        )
    )


def saved_document(name: str, stored: StoredExperiment) -> SavedDocument:
    """The one just kept."""
    facts = stored.experiment
    return SavedDocument(
        SavedBaseline(
            name=name,
            path=stored.path,
            experiment=facts.id,
            started_at=facts.started_at,
            machine=facts.machine.id,
            models=tuple(model.key for model in facts.plan.models),
            workloads=facts.plan.workloads,
            n_runs=len(stored.runs),
            doubt=doubt(stored),
        )
    )
