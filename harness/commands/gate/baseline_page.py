"""Baselines, all or the one just kept or removed, as pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import units
from harness.analysis.gate.match import unusable
from harness.analysis.measured import measured_of
from harness.records.listing import Listing
from harness.records.store import StoredExperiment
from harness.report import listing_page
from harness.report.page import Column, Note, Page, Table, notes


def list_page(listings: Sequence[Listing]) -> Page:
    """A row for each name."""
    if not listings:
        return ()
    columns = (Column("name", "name"), *listing_page.COLUMNS)
    return (Table(columns, tuple((it.path.stem, *listing_page.cells(it)) for it in listings)),)


def list_hint(listings: Sequence[Listing]) -> Page:
    """What to do where there is none."""
    text = "" if listings else "No baselines yet; `harness baseline save NAME` keeps one."
    return notes(text)


def saved_page(name: str, stored: StoredExperiment) -> Page:
    """What is kept now, and where."""
    facts = stored.experiment
    models = " ".join(model.key for model in facts.plan.models)
    text = (
        f"Baseline {name}: experiment {facts.id} of {facts.started_at[:10]}, {models} "
        f"({', '.join(facts.plan.workloads)}), "
        f"{units.counted(len(stored.runs), 'Run')}, machine {facts.machine.id}."
    )
    return *notes(text), Note((f"Kept as {stored.path}",), is_whole=True)


def saved_hint(name: str) -> Page:
    """What it is for."""
    return notes(f"Next: `harness gate --baseline {name}` judges the newest experiment by it.")


def doubt(stored: StoredExperiment) -> str | None:
    """Why it will be of little use; None where nothing says so."""
    return unusable(measured_of(stored.experiment, stored.runs))


def removed_page(path: Path) -> Page:
    """What is gone."""
    return (Note((f"Removed {path}",), is_whole=True),)
