"""What is stored, as a page and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.records.listing import Listing
from harness.report.page import Cell, Column, Page, Table, notes

MOST = 20
"""As many experiments as are listed unless all are asked for."""
_COLUMNS = (
    Column("experiment"),
    Column("started (UTC)"),
    Column("models", "models"),
    Column("runs", "n_runs", "right"),
    Column("", "state"),
    Column(None, "experiment"),
    Column(None, "started_at"),
    Column(None, "origin"),
    Column(None, "machine"),
    Column(None, "path"),
)


@dataclass(frozen=True, slots=True)
class StoredList:
    """The experiments in a results folder, the newest last; of many the last unless `is_all`."""

    folder: Path
    listings: tuple[Listing, ...]
    is_all: bool

    @property
    def shown(self) -> tuple[Listing, ...]:
        """Those that a person sees."""
        return self.listings if self.is_all else self.listings[-MOST:]


def page(result: StoredList) -> Page:
    """A row an experiment."""
    return (Table(_COLUMNS, tuple(map(_row, result.shown))),) if result.listings else ()


def aside(result: StoredList) -> Page:
    """What to do next."""
    if not result.listings:
        return notes(f"No experiments in {result.folder} yet; `harness run` makes one.")
    n_older = len(result.listings) - len(result.shown)
    older = [f"{n_older} older ones: --all"] if n_older else []
    return notes([*older, "One of them in full: harness show latest, or harness show ID"])


def list_document(result: StoredList) -> dict[str, object]:
    """The JSON document of `harness show` without an experiment: all of them."""
    return {"schema": 1, "experiments": [_document(listing) for listing in result.listings]}


def _row(listing: Listing) -> tuple[Cell, ...]:
    experiment = listing.experiment
    if experiment is None:
        unread = (listing.id[:40], "", "", None, "cannot be read")
        return *unread, listing.id, None, None, None, listing.path
    state = "" if listing.is_complete else "cut short"
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


def _document(listing: Listing) -> dict[str, object]:
    experiment = listing.experiment
    return {
        "experiment": listing.id,
        "path": str(listing.path),
        "started_at": experiment.started_at if experiment else None,
        "origin": experiment.origin if experiment else None,
        "machine": experiment.machine.id if experiment else None,
        "models": [model.key for model in experiment.plan.models] if experiment else [],
        "n_runs": listing.n_runs,
        "is_complete": listing.is_complete,
        "problem": listing.problem,
    }
