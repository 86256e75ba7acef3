"""Stored experiments as rows: what `harness show` and `harness baseline` list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.records.listing import Listing
from harness.report.page import Cell, Column

COLUMNS = (
    Column("id"),
    Column("started (UTC)"),
    Column("models", "models"),
    Column("runs", "n_runs", "right"),
    Column("", "state"),
    *(Column(None, key) for key in ("experiment", "started_at", "origin", "machine", "path")),
)


@dataclass(frozen=True)
class ListedExperiment:
    """
    One experiment file, by its first and last line.

    Attributes:
        experiment: Its id, or the file's name where that cannot be read.
        path: The file.
        started_at: When it began; null where it cannot be read.
        origin: Who measured.
        machine: Its id.
        models: Keys of what was measured.
        n_runs: Null where the experiment was cut short.
        is_complete: Whether it was measured to its end.
        has_failed: Whether nothing of it could be measured.
        problem: Why it cannot be read; null where it can.
    """

    experiment: str
    path: Path
    started_at: str | None
    origin: str | None
    machine: str | None
    models: tuple[str, ...]
    n_runs: int | None
    is_complete: bool
    has_failed: bool
    problem: str | None


def cells(listing: Listing) -> tuple[Cell, ...]:
    """One row, in COLUMNS."""
    experiment = listing.experiment
    if experiment is None:
        unread = (listing.id[:40], "", "", None, "cannot be read")
        return *unread, listing.id, None, None, None, listing.path
    state = "failed" if listing.has_failed else "" if listing.is_complete else "cut short"
    return (
        listing.id,
        listing.started_at.strftime("%Y-%m-%d %H:%M") if listing.started_at else "",
        " ".join(model.key for model in experiment.plan.models),
        listing.n_runs,
        "imported" if experiment.origin == "llama-bench" else state,
        listing.id,
        experiment.started_at,
        experiment.origin,
        experiment.machine.id,
        listing.path,
    )


def entry(listing: Listing) -> ListedExperiment:
    """One experiment of a document."""
    experiment = listing.experiment
    return ListedExperiment(
        experiment=listing.id,
        path=listing.path,
        started_at=experiment.started_at if experiment else None,
        origin=experiment.origin if experiment else None,
        machine=experiment.machine.id if experiment else None,
        models=tuple(model.key for model in experiment.plan.models) if experiment else (),
        n_runs=listing.n_runs,
        is_complete=listing.is_complete,
        has_failed=listing.has_failed,
        problem=listing.problem,
    )
