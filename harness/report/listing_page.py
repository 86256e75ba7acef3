"""Stored experiments as rows: what `harness show` and `harness baseline` list."""

from __future__ import annotations

from harness.records.listing import Listing
from harness.report.page import Cell, Column

COLUMNS = (
    Column("experiment"),
    Column("started (UTC)"),
    Column("models", "models"),
    Column("runs", "n_runs", "right"),
    Column("", "state"),
    *(Column(None, key) for key in ("experiment", "started_at", "origin", "machine", "path")),
)


def cells(listing: Listing) -> tuple[Cell, ...]:
    """One row, in COLUMNS."""
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


def entry(listing: Listing) -> dict[str, object]:
    """One experiment of a JSON document."""
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
